//! What ends the daemon. Everything else ends one cycle, as a [`CycleError`].

use std::io;
use std::path::PathBuf;

use super::schedule::ScheduleError;
use crate::control::server::BindError;
use crate::cycle::CycleError;

/// Why the daemon cannot start, or cannot go on. Nothing but a person or a new start helps.
#[derive(Debug, thiserror::Error)]
pub enum FatalError {
    /// One state folder has one daemon.
    #[error("cannot start: {} keeps the state of {state_dir:?} already; stop it, or give this one a state_dir of its own", other(*pid))]
    AlreadyRunning {
        /// The other daemon, if its lock file says so.
        pid: Option<u32>,
        /// The folder.
        state_dir: PathBuf,
    },
    /// The state folder, or a file in it, cannot be used.
    #[error("cannot use the state folder: {path:?}: {cause}; set [daemon] state_dir to a folder that this user owns")]
    StateDir {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The log cannot be kept.
    #[error("cannot log to {path:?}: {cause}")]
    Log {
        /// The folder of its files.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The control socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The system refuses to pass signals on.
    #[error("cannot catch signals: {0}")]
    Signals(#[source] io::Error),
    /// The schedule cannot be used.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The config can never work.
    #[error("cannot start with this config: {0}")]
    Pair(#[source] CycleError),
    /// The library that waits for the schedule failed.
    #[error("the scheduler failed: {0}; start the daemon again")]
    Scheduler(#[from] tokio_cron_scheduler::JobSchedulerError),
    /// The task that owns the databases ended by a bug; its last words are in the log.
    #[error("the sync worker broke down; start the daemon again, and report the lines before this in the log")]
    Worker,
}

fn other(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another daemon".to_owned(), |pid| format!("process {pid}"))
}
