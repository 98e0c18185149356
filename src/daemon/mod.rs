//! The resident daemon: it keeps one pair of databases in sync by itself.
mod alarm;
mod backoff;
mod control;
mod core;
mod databases;
mod error;
mod handle;
mod lock;
mod log;
mod memory;
mod plan;
mod report;
mod run;
mod schedule;
mod surroundings;
mod systemd;
mod tail;
mod watch;
mod worker;

use std::path::PathBuf;

use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control::types::Status;
use crate::cycle::{CycleError, Syncer};

pub use databases::Databases;
pub use error::FatalError;
pub use handle::Handle;
pub use run::run;
pub use schedule::{Schedule, ScheduleError};
pub use surroundings::{Machine, Surroundings};

/// Makes the pair of databases that a config names: at the start, and when the config was read again.
pub trait Pairs: Send + Sync + 'static {
    /// The pair.
    type Syncer: Syncer;

    /// Makes it ready, without network: the first call that needs the server connects.
    ///
    /// # Errors
    /// When the config can never work. A database or server that is not there now is no error here; it is one of the
    /// first look or cycle, which is tried again.
    fn open(&self, config: &Config) -> impl Future<Output = Result<Self::Syncer, CycleError>> + Send;
}

/// Starts a daemon without a socket, a log or signals: a handle to it, and its end. It also ends when no handle is left.
///
/// # Errors
/// When the state folder cannot be used or another daemon has it, or when the config can never work.
pub async fn start<P: Pairs>(
    config: Config,
    pairs: P,
    machine: impl Surroundings,
) -> Result<(Handle, JoinHandle<Result<(), FatalError>>), FatalError> {
    let lock = lock::Lock::take(&config.daemon.state_dir)?;
    let (handle, end) = launch(config, pairs, machine).await?;
    let end = tokio::spawn(async move {
        let result = end.await.unwrap_or(Err(FatalError::Worker));
        drop(lock);
        result
    });
    Ok((handle, end))
}

/// The same, with the state folder's lock held by the caller.
async fn launch<P: Pairs>(
    config: Config,
    pairs: P,
    machine: impl Surroundings,
) -> Result<(Handle, JoinHandle<Result<(), FatalError>>), FatalError> {
    let status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        ..Status::default()
    };
    let (handle, desk) = handle::connect(status, log_dir(&config));
    let core = core::Core::new(config, pairs, machine, desk).await?;
    Ok((handle, tokio::spawn(core.run())))
}

/// Where the log files are.
fn log_dir(config: &Config) -> PathBuf {
    config.daemon.state_dir.join("logs")
}
