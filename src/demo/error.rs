//! Why the demo did not end well.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::server::DemoServerError;

/// What kept the story from being told, or from being true.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The SSH server could not start.
    #[error("{0}")]
    Server(DemoServerError),
    /// A file, a folder or a program.
    #[error("{action} {}: {cause}", path.display())]
    File {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// One of the two databases, on which the demo works as their owners' programs do.
    #[error("{action}: {cause}")]
    Database {
        /// What was done, and to which side.
        action: String,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
    /// The daemon ended in the middle.
    #[error("the daemon ended by itself; it said: {said}")]
    DaemonEnded {
        /// Its standard error.
        said: String,
    },
    /// Something did not come about in time.
    #[error("waited {} s in vain until {what}; the daemon says: {daemon} (--keep leaves its log)", limit.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What the daemon said of itself last.
        daemon: String,
    },
    /// The end of the story, with a check that failed.
    #[error("these checks failed: {}", .0.join("; "))]
    Failed(Vec<String>),
    /// The person stopped it.
    #[error("stopped before the end")]
    Interrupted,
    /// The story could not be written, or no answer be read.
    #[error("tell the story: {0}")]
    Telling(io::Error),
}

impl From<io::Error> for DemoError {
    fn from(cause: io::Error) -> Self {
        Self::Telling(cause)
    }
}

impl DemoError {
    /// For `map_err` on what is done to a file, a folder or a program.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { action, path, cause }
    }

    /// For `map_err` on what is done to a database.
    pub(super) fn database(action: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> Self {
        let action = action.into();
        move |cause| Self::Database { action, cause }
    }
}
