//! What was done, kept: the journal of the cycle under way, and the record of those that ended.
//!
//! One SQLite file in the state folder, written by this daemon alone. The journal is on disk before either database
//! is touched, so a losing value is never only in memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use self::file::{client_of, connect, damaged, is_damage, keep_client, refused};
pub use self::journal::{Interrupted, Journal, JournalTable, Written};
pub(super) use self::prune::Keep;
pub use self::reader::Record;
pub(super) use self::reader::not_in_record;
pub(super) use self::record::{Moved, RecordedConflict, Which};
use super::{CycleError, aside};

mod facts;
mod file;
mod journal;
mod prune;
mod reader;
mod record;

/// Its file, in the state folder.
pub(super) const FILE: &str = "history.db";

/// The record. Cheap to clone; all clones share one connection.
#[derive(Clone, Debug)]
pub struct History {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
    damaged: Arc<AtomicBool>,
}

impl History {
    /// Opens or makes the file. One that is damaged is kept under another name and made anew: what happened is lost to
    /// the record then, and no row to the databases. The second part says so.
    ///
    /// # Errors
    /// When it cannot be opened for another reason.
    pub fn open(path: &Path) -> Result<(Self, Option<String>), CycleError> {
        let fail = |error: &rusqlite::Error| CycleError {
            hint: Some(format!(
                "this user must be able to write it, and there must be room on its disk: `ls -l {0}; df -h {0}`",
                path.display()
            )),
            ..CycleError::failed(format!("open the history {}: {error}", path.display()))
        };
        let history = |connection| Self {
            path: path.to_owned(),
            connection: Arc::new(Mutex::new(connection)),
            damaged: Arc::default(),
        };
        match connect(path) {
            Ok(connection) => Ok((history(connection), None)),
            Err(error) if is_damage(&error) => {
                let client = client_of(path);
                let kept = aside::put_aside(path)?;
                let connection = connect(path).and_then(|connection| keep_client(connection, client));
                let connection = connection.map_err(|error| fail(&error))?;
                Ok((history(connection), Some(damaged(&kept))))
            }
            Err(error) => Err(fail(&error)),
        }
    }

    /// Makes it anew if a statement met damage: says so if it was.
    ///
    /// # Errors
    /// As [`History::open`].
    pub(super) fn renew_if_damaged(&self) -> Result<Option<String>, CycleError> {
        if !self.damaged.swap(false, Ordering::Relaxed) {
            return Ok(None);
        }
        let fail = |error: rusqlite::Error| {
            CycleError::failed(format!("make the history {} anew: {error}", self.path.display()))
        };
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing may have a file open that is moved.
        *connection = Connection::open_in_memory().map_err(fail)?;
        let client = client_of(&self.path);
        let kept = aside::put_aside(&self.path)?;
        *connection = connect(&self.path)
            .and_then(|connection| keep_client(connection, client))
            .map_err(fail)?;
        Ok(Some(damaged(&kept)))
    }

    /// Runs on a thread that may block: each call waits for the disk.
    async fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CycleError> {
        let connection = Arc::clone(&self.connection);
        let done =
            tokio::task::spawn_blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)));
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.damaged.fetch_or(is_damage(&error), Ordering::Relaxed);
                Err(refused(action, &self.path, &error))
            }
            Err(error) => Err(CycleError::failed(format!("{action}: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests;
