//! The record's file: its tables, how it is opened, and what is damage.

use std::io::{self, Write};
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::Serialize;

use crate::cycle::CycleError;
use crate::cycle::error::IO_HINT;

/// Room that is given up goes back to the disk; that has to be said before the first table is made.
const SCHEMA: &str = "
    PRAGMA auto_vacuum=INCREMENTAL;
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    CREATE TABLE IF NOT EXISTS cycle(cycle INTEGER PRIMARY KEY AUTOINCREMENT, summary TEXT NOT NULL, undoes INTEGER);
    CREATE TABLE IF NOT EXISTS journal(cycle INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS move(cycle INTEGER NOT NULL, side TEXT NOT NULL, tbl TEXT NOT NULL, columns TEXT NOT NULL,
        before TEXT, after TEXT, key_columns TEXT NOT NULL DEFAULT '[]', key TEXT NOT NULL DEFAULT '');
    CREATE INDEX IF NOT EXISTS move_of_cycle ON move(cycle);
    CREATE TABLE IF NOT EXISTS conflict(id INTEGER PRIMARY KEY AUTOINCREMENT, cycle INTEGER NOT NULL, tbl TEXT NOT NULL,
        columns TEXT NOT NULL, body TEXT NOT NULL, record TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0, key TEXT NOT NULL DEFAULT '',
        resolved TEXT);
    CREATE TABLE IF NOT EXISTS ancestor(tbl TEXT NOT NULL, columns TEXT NOT NULL, key TEXT NOT NULL, row TEXT);
    CREATE TABLE IF NOT EXISTS fact(name TEXT PRIMARY KEY, value TEXT NOT NULL);
";

/// What was made before they were thought of has these columns added.
const ADDED: [(&str, &str, &str); 5] = [
    ("cycle", "undoes", "INTEGER"),
    ("move", "key_columns", "TEXT NOT NULL DEFAULT '[]'"),
    ("move", "key", "TEXT NOT NULL DEFAULT ''"),
    ("conflict", "key", "TEXT NOT NULL DEFAULT ''"),
    ("conflict", "resolved", "TEXT"),
];

const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS move_of_row ON move(tbl COLLATE NOCASE, key);
    CREATE INDEX IF NOT EXISTS undone ON cycle(undoes) WHERE undoes IS NOT NULL;
";

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // Nothing is made in another program's file.
    let strange: bool = connection.query_row(
        "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type='table') \
         AND NOT EXISTS(SELECT 1 FROM pragma_table_info('journal') WHERE name='body')",
        [],
        |row| row.get(0),
    )?;
    if strange {
        return Err(no_history("it holds tables that are not modsync's".to_owned()));
    }
    // Nor anything in a damaged one, which is kept as it was.
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(no_history(verdict));
    }
    connection.execute_batch(SCHEMA)?;
    for (table, column, declared) in ADDED {
        let there = connection.prepare(&format!("SELECT {column} FROM {table}")).is_ok();
        if !there {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {declared}"))?;
        }
    }
    connection.execute_batch(INDEXES)?;
    Ok(connection)
}

fn no_history(verdict: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(verdict))
}

/// Whether the file is no history: damaged, no database at all, or another program's.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let damage = [Some(ErrorCode::DatabaseCorrupt), Some(ErrorCode::NotADatabase)];
    damage.contains(&error.sqlite_error_code())
}

/// The name of this laptop's sidecar, where it can still be read: with it the next cycle finds its base again.
pub(super) fn client_of(path: &Path) -> Option<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let client: String = connection
        .query_row("SELECT value FROM fact WHERE name='client'", [], |row| row.get(0))
        .ok()?;
    (client.len() == 32 && client.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(client)
}

pub(super) fn keep_client(connection: Connection, client: Option<String>) -> rusqlite::Result<Connection> {
    if let Some(client) = client {
        connection.execute("INSERT OR REPLACE INTO fact VALUES('client',?1)", [client])?;
    }
    Ok(connection)
}

pub(super) fn damaged(kept: &str) -> String {
    tracing::warn!(kept, "the history is damaged: it was moved aside, and is made anew");
    format!("the history was damaged and is kept as {kept}; the record begins anew")
}

pub(super) fn refused(action: &str, path: &Path, error: &rusqlite::Error) -> CycleError {
    let message = format!("{action} {}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CycleError::attention(
            message,
            "free some space on the disk of the state folder, then `modsyncctl sync-now`",
        ),
        Some(ErrorCode::SystemIoFailure) => CycleError::attention(message, IO_HINT),
        _ => CycleError::failed(message),
    }
}

/// Our own types have no map with keys that are not strings and no failing serializer, so this cannot fail; an empty
/// text would be refused by NOT NULL's reader, never taken for data.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// How long a value is as JSON, in bytes.
pub(super) fn json_length<T: Serialize>(value: &T) -> rusqlite::Result<i64> {
    struct Count(usize);
    impl Write for &mut Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    write_json(&mut count, value)?;
    // What is longer SQLite refuses.
    Ok(i64::try_from(count.0).unwrap_or(i64::MAX))
}

/// Writes a value as JSON, piece by piece.
pub(super) fn write_json<T: Serialize>(mut to: impl Write, value: &T) -> rusqlite::Result<()> {
    let written = serde_json::to_writer(&mut to, value).map_err(io::Error::from);
    written.and_then(|()| to.flush()).map_err(of_io)
}

/// SQLite's own error, where it is one that came through a reader or a writer.
pub(super) fn of_io(error: io::Error) -> rusqlite::Error {
    let other = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    error.downcast().unwrap_or_else(other)
}
