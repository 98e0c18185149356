//! The server's database: what runs SQL on it, its journal mode, its schema.

use super::super::findings::{Database, Facts, Findings, Server};
use super::super::remedy::{as_root, failure, good, note, there, unknown, warning};
use crate::config::{Config, EngineChoice};
use crate::control::types::Check;
use crate::cycle::advice::word;
use crate::cycle::schemas_apart;
use crate::ssh::{Hello, SessionError};

/// The first SQLite with the WAL-reset bug, and the first without: <https://sqlite.org/wal.html#walresetbug>.
const WAL_RESET: [[u32; 3]; 2] = [[3, 7, 0], [3, 51, 3]];

impl Server {
    /// What the launch script found, however far it came.
    pub(super) fn hello(&self) -> Option<&Hello> {
        match self.session.as_ref()? {
            Ok((hello, _)) => Some(hello),
            Err(SessionError::NoDatabase { hello, .. } | SessionError::Setup { hello, .. }) => Some(hello),
            Err(_) => None,
        }
    }

    /// The database, if it could be opened.
    pub(super) fn database(&self) -> Option<&Database> {
        match self.session.as_ref()? {
            Ok((_, Ok(database))) => Some(database),
            _ => None,
        }
    }

    /// What its shell or its files say.
    pub(super) fn known(&self) -> Option<&Facts> {
        let by_shell = self.facts.as_ref().and_then(Option::as_ref);
        by_shell.or_else(|| self.files.as_ref()?.as_ref()?.as_ref().ok())
    }

    /// The number of the user that logs in; root's where nobody says.
    pub(super) fn uid(&self) -> u32 {
        let by_shell = self
            .known()
            .filter(|facts| !facts.me.name.is_empty())
            .map(|facts| facts.me.uid);
        by_shell
            .or_else(|| self.hello().map(|hello| hello.uid))
            .unwrap_or_default()
    }

    /// The database's path, behind all links where they were followed.
    pub(super) fn path(&self, config: &Config) -> String {
        let by_facts = self
            .known()
            .and_then(|facts| Some(facts.database.as_ref()?.path.clone()));
        let by_hello = || self.hello().map(|hello| hello.database.clone());
        by_facts
            .or_else(by_hello)
            .unwrap_or_else(|| config.remote.database.clone())
    }
}

/// What runs SQL there.
pub(super) fn engine(config: &Config, seen: &Findings, server: &Server) -> Check {
    let name = "engine";
    if config.remote.engine == EngineChoice::Sftp {
        let detail = "files alone, as the config says: the second best, the database's file is exchanged whole";
        return note(name, detail, None);
    }
    let install = as_root(config, server.uid(), "apt-get install -y sqlite3");
    match &server.session {
        None => failure(
            name,
            format!(
                "no session came about within {:.1} s: a login shell that waits, or a server without memory",
                seen.limit.as_secs_f32()
            ),
            there(config, "ps aux --sort=-%mem | head -n 15"),
        ),
        Some(Ok((hello, database))) => match &hello.engine {
            None => unknown(name, "it did not say which it is"),
            Some(engine) => {
                let sqlite = database.as_ref().map_or([0; 3], |database| database.schema.sqlite);
                let wal = database.as_ref().is_ok_and(|database| database.journal == "wal");
                version(config, server, &engine.to_string(), sqlite, wal)
            }
        },
        Some(Err(SessionError::NoDatabase { .. })) => unknown(name, "not tested: there is no database to run it on"),
        Some(Err(SessionError::Setup { hello, message })) if hello.no_sidecar.is_some() => {
            unknown(name, format!("not tested: {message}"))
        }
        Some(Err(SessionError::Setup { message, .. })) => failure(name, message.clone(), install),
        Some(Err(error)) => failure(
            name,
            error.to_string(),
            there(config, "true; command -v sqlite3 python3 php"),
        ),
    }
}

/// The engine by name; a SQLite with the WAL-reset bug is named.
fn version(config: &Config, server: &Server, engine: &str, sqlite: [u32; 3], wal: bool) -> Check {
    let name = "engine";
    let [first, fixed] = WAL_RESET;
    if sqlite < first || sqlite >= fixed {
        return good(name, engine);
    }
    let [major, minor, patch] = sqlite;
    let bug = format!(
        "{engine}; its SQLite {major}.{minor}.{patch} has the WAL-reset bug (3.7.0 to 3.51.2, unless the distribution mended it): \
         two programs that write and checkpoint a database in WAL mode at the same moment can, very seldom, damage it"
    );
    match wal {
        false => good(name, format!("{bug}. This one is not in WAL mode, which is safe")),
        true => {
            let leave_wal = format!("sqlite3 {} 'PRAGMA journal_mode=DELETE'", word(&server.path(config)));
            note(
                name,
                format!("{bug}. This one is in WAL mode: update SQLite there, or leave WAL mode"),
                Some(there(config, &leave_wal)),
            )
        }
    }
}

/// How the server's database keeps its transactions.
pub(super) fn journal_mode(config: &Config, server: &Server) -> Check {
    let name = "journal_mode";
    let quoted = word(&server.path(config));
    let leave_wal = there(config, &format!("sqlite3 {quoted} 'PRAGMA journal_mode=DELETE'"));
    if let Some(Some(Ok(facts))) = &server.files {
        let beside = facts.beside.iter().find(|file| !file.path.ends_with("-journal"));
        return match beside {
            Some(file) => failure(
                name,
                format!(
                    "{} is there: the database is in WAL mode, which cannot be synced by files alone",
                    file.path
                ),
                leave_wal,
            ),
            None => good(name, "no -wal beside it"),
        };
    }
    let Some(database) = server.database() else {
        return unknown(name, "not tested: the server's database could not be opened");
    };
    match database.journal.as_str() {
        "wal" => good(name, "WAL: PHP reads and writes while a cycle runs"),
        mode @ ("delete" | "truncate" | "persist") => {
            good(name, format!("{mode}: a reader waits while another program commits"))
        }
        mode => failure(
            name,
            format!("{mode}: a program that is killed while it writes damages the database"),
            leave_wal,
        ),
    }
}

/// Whether both sides have the same tables.
pub(super) fn schema(config: &Config, seen: &Findings, server: &Server) -> Check {
    let name = "schema";
    let (Some(theirs), Some(Ok(ours))) = (server.database(), &seen.local) else {
        return unknown(name, "not tested: one of the databases could not be opened");
    };
    let agreed = seen.home.as_ref().and_then(|home| home.agreed.as_deref());
    let apart = schemas_apart([&ours.schema, &theirs.schema], agreed, &config.tables);
    let list = |skipped: &[crate::model::Skipped]| {
        let each = skipped.iter().map(|it| format!("{}: {}", it.name, it.reason));
        each.collect::<Vec<_>>().join("; ")
    };
    let synced = crate::ctl::text::count(apart.synced as u64, "table");
    if !apart.held.is_empty() {
        let detail = format!("{synced} synced; held: {}", list(&apart.held));
        return warning(name, detail, "modsyncctl check\nmodsyncctl diff");
    }
    if apart.synced == 0 && apart.carried.is_empty() {
        let detail = format!("no table can be synced: {}", list(&apart.left));
        return failure(
            name,
            detail,
            format!(
                "modsyncd check-config\n{}",
                there(config, &format!("sqlite3 {} .tables", word(&server.path(config))))
            ),
        );
    }
    let carried = match apart.carried.is_empty() {
        true => String::new(),
        false => format!("; the next cycle adds {}", apart.carried.join(", ")),
    };
    match apart.left.is_empty() {
        true => good(name, format!("{synced} synced, alike on both sides{carried}")),
        false => note(
            name,
            format!("{synced} synced{carried}; left out: {}", list(&apart.left)),
            None,
        ),
    }
}
