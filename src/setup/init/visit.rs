//! What init does at the server once it is logged in: it searches, opens the database as the daemon will, and leaves nothing
//! behind, however it ends.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::{Instant, timeout, timeout_at};

use super::candidate::Candidate;
use super::files;
use crate::config::Config;
use crate::model::{Schema, from_hex, to_hex};
use crate::replica::schema_of;
use crate::ssh::{Connection, Hello, Link as _, SessionError, SessionOptions, shell};

/// How long the search may take; what was found by then is offered.
const SEARCH: Duration = Duration::from_secs(15);
/// How much the search may answer, in bytes.
const MAX_SAID: u64 = 1024 * 1024;
/// How deep below a folder of sites, and below the home folder.
const DEPTHS: [&str; 2] = ["8", "4"];
/// How long the tidying up may take.
const FAREWELL: Duration = Duration::from_secs(5);

const FIND: &str = include_str!("find.sh");
/// Removes the sidecar, which was made for one look alone, and its folder if nothing else is in it.
const TIDY: &str = r#"
case ${XDG_STATE_HOME:-} in /*) states=$XDG_STATE_HOME/modsync ;; *) states=$HOME/.local/state/modsync ;; esac
sidecar=$states/$(printf %b "$2")
rm -f -- "$sidecar" "$sidecar-journal"
rmdir -- "$states" 2>/dev/null
echo end
"#;

/// A stay at the server.
pub(super) struct Visit {
    connection: OnceCell<Connection>,
    /// The name of the sidecar of this look.
    sidecar: String,
    /// Where an engine that works on copies has them.
    copies: OnceCell<PathBuf>,
}

/// What a search found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub databases: Vec<Candidate>,
    /// Files of such names that the user may not read.
    pub denied: Vec<String>,
    /// The zone of PHP's times, where it is not UTC.
    pub zone: Option<String>,
    /// Whether the search came to its end, and the server runs commands at all.
    pub complete: bool,
}

impl Visit {
    pub(super) fn new() -> Self {
        Self {
            connection: OnceCell::new(),
            sidecar: format!("init-{}.db", to_hex(&std::process::id().to_be_bytes())),
            copies: OnceCell::new(),
        }
    }

    /// Goes on over this connection.
    pub(super) fn arrive(&self, connection: Connection) -> &Connection {
        self.connection.get_or_init(|| connection)
    }

    /// Opens the database as the daemon will, and reads its schema.
    pub(super) async fn open(&self, connection: &Connection, config: &Config) -> Result<(Hello, Schema), SessionError> {
        let mut options = SessionOptions::new(&config.remote.database, config.remote.engine, &self.sidecar);
        // Made by the engine that needs it alone, and for this look alone.
        let copies = self
            .copies
            .get_or_init(|| config.daemon.state_dir.join(format!("init-{}", std::process::id())));
        options.copies.clone_from(copies);
        let (mut session, hello) = connection.open_session(&options).await?;
        let schema = schema_of(&mut *session).await?;
        Ok((hello, schema))
    }

    /// Tidies up and hangs up.
    pub(super) async fn leave(mut self) {
        if let Some(copies) = self.copies.take() {
            // Gone already, or never made.
            let _ = std::fs::remove_dir_all(copies);
        }
        if let Some(connection) = self.connection.take() {
            let command = shell::command(TIDY, &[&self.sidecar]);
            let tidy = said(&connection, &command, Instant::now() + FAREWELL);
            // A server that runs no commands has no sidecar.
            let _ = timeout(FAREWELL, tidy).await;
            connection.close().await;
        }
    }
}

/// Looks for databases where websites keep theirs.
pub(super) async fn search(connection: &Connection) -> Found {
    let deadline = Instant::now() + SEARCH;
    let lines = said(connection, &shell::command(FIND, &DEPTHS), deadline).await;
    if lines.iter().any(|line| line.starts_with("now ")) {
        return read_found(&lines);
    }
    // It runs no commands; then it is to serve files.
    files::search(connection, deadline).await.unwrap_or_default()
}

/// The lines that a command says until its `end`, or until that moment.
async fn said(connection: &Connection, command: &str, deadline: Instant) -> Vec<String> {
    let mut lines = Vec::new();
    let Ok(process) = connection.exec(command).await else {
        return lines;
    };
    let mut stdout = BufReader::new(process.stdout.take(MAX_SAID)).lines();
    while let Ok(Ok(Some(line))) = timeout_at(deadline, stdout.next_line()).await {
        let is_end = line == "end";
        lines.push(line);
        if is_end {
            break;
        }
    }
    lines
}

fn read_found(lines: &[String]) -> Found {
    let mut found = Found::default();
    let mut now = 0_u64;
    let text = |hex: &str| String::from_utf8(from_hex(hex.as_bytes())?).ok();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["now", seconds] => now = seconds.parse().unwrap_or(0),
            ["zone", hex] => found.zone = text(hex).filter(|zone| is_zone(zone)),
            ["file", size, written, hex] => {
                let written = written.parse().unwrap_or(now);
                found.databases.extend(text(hex).map(|path| Candidate {
                    path,
                    size: size.parse().unwrap_or(0),
                    age: Duration::from_secs(now.saturating_sub(written)),
                }));
            }
            ["denied", hex] => found.denied.extend(text(hex)),
            ["end"] => found.complete = true,
            // Whatever the login shell says besides.
            _ => {}
        }
    }
    found.denied.sort();
    found.denied.dedup();
    found
}

/// Whether PHP's word is a zone that there is and that is not the default.
fn is_zone(zone: &str) -> bool {
    zone != "UTC" && jiff::tz::TimeZone::get(zone).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_search_says_is_read_and_what_a_shell_adds_is_not() {
        let path = to_hex("/srv/a b.db".as_bytes());
        let secret = to_hex(b"/srv/secret.db");
        let said = format!(
            "Welcome!\n\nnow 1000\nzone {}\nfile 4096 940 {path}\nfile x\ndenied {secret}\ndenied {secret}\nend",
            to_hex(b"Europe/Berlin")
        );
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let expected = Found {
            databases: vec![Candidate {
                path: "/srv/a b.db".to_owned(),
                size: 4096,
                age: Duration::from_secs(60),
            }],
            denied: vec!["/srv/secret.db".to_owned()],
            zone: Some("Europe/Berlin".to_owned()),
            complete: true,
        };
        assert_eq!(read_found(&lines), expected);
    }
}
