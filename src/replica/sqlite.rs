//! A SQLite connection in this process, set up as every session is, wherever it runs.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sha3::{Digest as _, Sha3_256};

use super::{SqlError, SqlErrorKind};

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Reads and writes.
    ReadWrite,
    /// Reads alone.
    ReadOnly,
}

/// The first step of every session, the same on both sides.
///
/// Foreign keys and recursive triggers are off because a change that travels already carries their effects; checks stay
/// on. The schema is not trusted: a database from elsewhere must not call functions that reach beyond it.
/// The view `modsync_look` is what a poll reads; the launch script makes its own for the sqlite3 shell, which cannot
/// have `modsync_moved()`.
pub const SETUP: &str = "PRAGMA foreign_keys=OFF; PRAGMA recursive_triggers=OFF; PRAGMA ignore_check_constraints=OFF; \
     PRAGMA trusted_schema=OFF; CREATE TEMP VIEW IF NOT EXISTS modsync_look(data_version,moved) AS \
     SELECT (SELECT data_version FROM pragma_data_version), modsync_moved();";

/// Opens a database that is there, with our functions, settings and the view `modsync_look`. Never creates it, though
/// an `ATTACH` through the connection may create its file.
///
/// # Errors
/// What SQLite says, `SQLITE_CANTOPEN` when there is no such file.
pub fn open(path: &Path, mode: OpenMode, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    // Taken before the file is opened: a replacement in between shows as moved, never the other way round.
    let identity = identity(path);
    // The limit stands in the URI: as a flag it would hold for attached files too.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path, mode), flags)?;
    connection.busy_timeout(busy_timeout)?;
    register(&connection, path.to_owned(), identity)?;
    connection.execute_batch(SETUP)?;
    Ok(connection)
}

/// A `file:` URI for any path: every byte that could mean something is percent-encoded.
fn uri(path: &Path, mode: OpenMode) -> String {
    plain_uri(path)
        + match mode {
            OpenMode::ReadWrite => "?mode=rw",
            OpenMode::ReadOnly => "?mode=ro",
        }
}

/// The URI of a file that nobody changes: SQLite takes no lock on it and makes nothing beside it, not even in WAL mode.
pub(super) fn unchanging(path: &Path) -> String {
    plain_uri(path) + "?mode=ro&immutable=1"
}

fn plain_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn register(connection: &Connection, path: PathBuf, opened: Option<(u64, u64)>) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("ieee754_to_blob", 1, pure, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Real(real) => Some(real.to_be_bytes().to_vec()),
            ValueRef::Integer(_) => Some(context.get::<f64>(0)?.to_be_bytes().to_vec()),
            _ => None,
        })
    })?;
    connection.create_scalar_function("ieee754_from_blob", 1, pure, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Blob(blob) => <[u8; 8]>::try_from(blob).ok().map(f64::from_be_bytes),
            _ => None,
        })
    })?;
    connection.create_scalar_function("sha3", 2, pure, |context| sha3(context))?;
    let direct = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("modsync_moved", 0, direct, move |_| {
        Ok(opened.is_none() || identity(&path) != opened)
    })
}

/// `sha3(x, 256)` as the sqlite3 shell has it, for what all engines agree on: text by its bytes, blobs, integers by
/// their digits, NULL. A real would depend on how an engine writes it.
fn sha3(context: &Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
    let refuse = |words: &str| Err(rusqlite::Error::UserFunctionError(words.into()));
    if !matches!(context.get_raw(1), ValueRef::Integer(256)) {
        return refuse("sha3 is only there with 256 bits");
    }
    match context.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(integer) => Ok(Some(Sha3_256::digest(integer.to_string()).to_vec())),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(Some(Sha3_256::digest(bytes).to_vec())),
        ValueRef::Real(_) => refuse("sha3 takes no reals"),
    }
}

/// Why a step failed: SQLite's reason, or the sink's.
#[derive(Debug, thiserror::Error)]
pub enum StepError<E> {
    /// What SQLite says.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The taker of the rows refused one.
    #[error("the answer was refused")]
    Sink(E),
}

/// Runs one step of a script: the rows of a `SELECT` go to `sink` as lines of the wire form, without their ends.
///
/// # Errors
/// The first error, of SQLite or of the sink; nothing after it has run. An open transaction stays open: closing the
/// connection rolls it back.
pub fn run_step<E>(
    connection: &Connection,
    step: &str,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), StepError<E>> {
    if !is_select(step) {
        return Ok(connection.execute_batch(step)?);
    }
    let mut statement = connection.prepare(step)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut line = Vec::new();
    while let Some(row) = rows.next()? {
        line.clear();
        for column in 0..columns {
            if column > 0 {
                line.push(b'\t');
            }
            match row.get_ref(column)? {
                ValueRef::Text(text) => line.extend_from_slice(text),
                other => {
                    let name = format!("column {} of an answer", column + 1);
                    return Err(rusqlite::Error::InvalidColumnType(column, name, other.data_type()).into());
                }
            }
        }
        sink(&line).map_err(StepError::Sink)?;
    }
    Ok(())
}

/// Whether a step answers rows.
pub(crate) fn is_select(step: &str) -> bool {
    step.starts_with("SELECT")
}

/// An error of SQLite in this process as a [`SqlError`] that names what was done.
pub(crate) fn describe(error: &rusqlite::Error, action: &str) -> SqlError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqlErrorKind::Busy,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => SqlErrorKind::ReadOnly,
        Some(ErrorCode::DiskFull) => SqlErrorKind::Full,
        Some(ErrorCode::SystemIoFailure) => SqlErrorKind::Io,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SqlErrorKind::Corrupt,
        Some(ErrorCode::CannotOpen) => SqlErrorKind::CannotOpen,
        Some(ErrorCode::ConstraintViolation) => SqlErrorKind::Constraint,
        _ => SqlErrorKind::Other,
    };
    SqlError {
        kind,
        message: format!("{action}: {}", reason(error)),
    }
}

/// SQLite's words without the statement, which can be long and hold data.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_the_path_and_nothing_else() {
        let path = Path::new("/a b/c?mode=memory#%\u{e9}.db");
        assert_eq!(
            uri(path, OpenMode::ReadOnly),
            "file:%2fa%20b%2fc%3fmode%3dmemory%23%25%c3%a9.db?mode=ro"
        );
        // Two plain slashes would begin with the name of a host.
        assert_eq!(uri(Path::new("//a/b"), OpenMode::ReadWrite), "file:%2f%2fa%2fb?mode=rw");
    }
}
