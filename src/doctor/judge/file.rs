//! The server's database file: there, of the right kind, readable, writable, whole.

use super::super::findings::{Database, Facts, Server, Whole};
use super::super::remedy::{as_root, failure, good, there, unknown};
use super::home::described;
use crate::config::Config;
use crate::control::types::Check;
use crate::cycle::advice::word;
use crate::replica::{OpenError, SqlErrorKind};
use crate::ssh::{DatabaseState, FileFacts, Hello, SessionError};

const NAME: &str = "server_database";

/// The file, as far as it could be opened.
pub(super) fn database(config: &Config, server: &Server) -> Check {
    let path = server.path(config);
    if let Some(files) = &server.files {
        return by_files(NAME, config, &path, files.as_ref());
    }
    match &server.session {
        None => unknown(NAME, "not tested: no session came about"),
        Some(Err(error)) => not_opened(config, &path, error),
        Some(Ok((_, Err(error)))) => unusable(NAME, config, &path, error),
        Some(Ok((hello, Ok(database)))) => match &database.whole {
            Whole::No(error) => unusable(NAME, config, &path, error),
            _ => opened(config, server, &path, hello, database),
        },
    }
}

/// Why the engine got no database.
fn not_opened(config: &Config, path: &str, error: &SessionError) -> Check {
    let quoted = word(path);
    let folder = word(folder_of(path));
    match error {
        SessionError::NoDatabase { hello, message } => match hello.state {
            DatabaseState::Missing => {
                let find = format!(
                    "ls -la {folder}; find / -xdev -name {} 2>/dev/null",
                    word(file_name(path))
                );
                let detail = format!("{message}. If the two never synced, the first cycle sends the laptop's");
                failure(NAME, detail, there(config, &find))
            }
            DatabaseState::Unreadable => failure(NAME, message.clone(), give(config, hello, "rw", &quoted)),
            DatabaseState::Denied => failure(NAME, message.clone(), there(config, &format!("namei -l {quoted}"))),
            DatabaseState::NotAFile | DatabaseState::Present => {
                failure(NAME, message.clone(), there(config, &format!("ls -ld {quoted}")))
            }
        },
        SessionError::Sql(error) => failure(NAME, error.message.clone(), there(config, &format!("ls -la {folder}"))),
        SessionError::Setup { .. } | SessionError::Transport(_) => {
            unknown(NAME, "not tested: no engine could be started on it")
        }
    }
}

/// A database that is whole: whether the user that logs in can write it.
fn opened(config: &Config, server: &Server, path: &str, hello: &Hello, database: &Database) -> Check {
    let barred = |look: Option<FileFacts>| look.is_some_and(|look| !look.writable);
    let user = &hello.user;
    if barred(hello.file) {
        let detail = format!("{path} may not be written by user {user}");
        return failure(NAME, detail, give(config, hello, "rw", &word(path)));
    }
    if barred(hello.folder) {
        let detail =
            format!("the folder of {path} may not be written by user {user}: SQLite has to make its journal in it");
        return failure(NAME, detail, give(config, hello, "rwx", &word(folder_of(path))));
    }
    let link = match server.known().is_some_and(|facts| facts.link) {
        true => format!(" (behind the link {})", config.remote.database),
        false => String::new(),
    };
    good(NAME, format!("{path}{link}: {}", described(database)))
}

/// Gives the user that logs in rights that it lacks, which another user has to do.
fn give(config: &Config, hello: &Hello, rights: &str, what: &str) -> String {
    let user = word(&hello.user);
    let command = format!("setfacl -m u:{user}:{rights} {what} || chown {user} {what}");
    as_root(config, hello.uid.max(1), &command)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn by_files(name: &str, config: &Config, path: &str, files: Option<&Result<Facts, crate::cycle::CycleError>>) -> Check {
    let list = there(config, &format!("ls -la {}", word(path)));
    match files {
        None => failure(name, "the server's SFTP did not answer in time", list),
        Some(Err(error)) => failure(name, error.message.clone(), list),
        Some(Ok(facts)) if facts.database.is_none() => failure(name, format!("{path} is not there"), list),
        Some(Ok(_)) => good(
            name,
            format!("{path} is there; it is not opened where files alone are served"),
        ),
    }
}

fn unusable(name: &str, config: &Config, path: &str, error: &OpenError) -> Check {
    let quoted = word(path);
    match error {
        OpenError::Empty => failure(
            name,
            format!("{path} has no bytes"),
            there(config, &format!("ls -la {quoted}*")),
        ),
        OpenError::Damaged(verdict) if verdict.contains("not a database") => failure(
            name,
            format!("{path} is no SQLite database"),
            there(config, &format!("ls -la {quoted}*; file {quoted}")),
        ),
        OpenError::Damaged(verdict) => {
            let saved = word(&format!("{path}.recovered"));
            let salvage = format!("sqlite3 {quoted} .recover | sqlite3 {saved}; ls -la {quoted}.backup_*");
            failure(name, format!("{path} is damaged: {verdict}"), there(config, &salvage))
        }
        OpenError::Sql(error) if error.kind == SqlErrorKind::Busy => failure(
            name,
            format!("{path} is locked by another program: {}", error.message),
            there(config, &format!("fuser -v {quoted}")),
        ),
        OpenError::Base(why) => failure(name, format!("{path}: {why}"), "modsyncctl logs -n 50"),
        OpenError::Sql(error) => failure(
            name,
            error.message.clone(),
            there(
                config,
                &format!("ls -la {quoted}*; sqlite3 {quoted} 'PRAGMA quick_check'"),
            ),
        ),
    }
}
