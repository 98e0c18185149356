//! The resident daemon: it keeps one pair of databases in sync by itself.
mod alarm;
mod backoff;
mod core;
mod error;
mod handle;
mod lock;
mod memory;
mod plan;
mod report;
mod schedule;
mod surroundings;
mod systemd;
mod watch;
mod worker;

use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control::types::Status;
use crate::cycle::{CycleError, Syncer};

pub use error::FatalError;
pub use handle::Handle;
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

/// Starts a daemon without a socket, a log or signals: a handle to it, and its end.
///
/// # Errors
/// When the state folder cannot be used or another daemon has it, or when the config can never work.
pub async fn start<P: Pairs>(
    config: Config,
    pairs: P,
    machine: impl Surroundings,
) -> Result<(Handle, JoinHandle<Result<(), FatalError>>), FatalError> {
    let lock = lock::Lock::take(&config.daemon.state_dir)?;
    let status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        ..Status::default()
    };
    let (handle, desk) = handle::connect(status, config.daemon.state_dir.join("logs"));
    let core = core::Core::new(config, pairs, machine, desk).await?;
    let end = tokio::spawn(async move {
        let result = core.run().await;
        drop(lock);
        result
    });
    Ok((handle, end))
}
