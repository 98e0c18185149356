//! The resident daemon: it keeps one pair of databases in sync by itself.
//!
//! # Who does what
//!
//! - [`run`] is the process: it takes the state folder's lock, begins the log, binds the socket, catches signals.
//! - `harden` closes the process to the outside.
//! - `core` is the loop. It owns the state, waits for whatever comes first, and never for the databases.
//! - `plan` decides: a state machine that is told what happened and says what to do now. It has no clock of its own.
//! - `worker` is the task that owns the pair ([`Syncer`]) and does one job at a time: a look, a cycle, a count, an
//!   `errand`, which is whatever else somebody asks of the pair.
//! - `watch`, `alarm` and `surroundings` notice file events, the schedule, and sleep or another network.
//! - [`Handle`] is the way in for the control socket and for tests.
//!
//! # When a cycle runs
//!
//! At the start; when a look at the local database found a change and the quiet time is over (or `max_delay` is); when
//! a look at the server found one; when the schedule strikes; after sleep or a change of network; after a new config or
//! a pause; and when somebody asks. While the server is out of reach it is tried with growing pauses. What needs a
//! person is tried again only when something changed, seldom.
//!
//! # Why no edit is lost
//!
//! A file event is only a reason to look; the look, which compares SQLite's own change counter, is the truth, and it is
//! taken each second whether or not events come. A look answers for everything up to itself, and the cycle that follows
//! reads the databases after it. So:
//!
//! 1. An edit before a cycle reads is in that cycle, seen or not.
//! 2. When a cycle starts, the causes known so far are taken off the plan. What is seen later is a new cause and stays
//!    there; the first thing after each cycle is a look, which finds an edit that landed meanwhile. The daemon's own
//!    writes are told apart by the pair, so they start nothing.
//! 3. When a cycle fails or is cut off, the causes it took go back on the plan.
//! 4. The causes live in memory alone. A start begins with a cycle, so a crash loses none.
//!
//! # What ends what
//!
//! [`FatalError`] ends the daemon, [`CycleError`] one cycle. A cycle that is dropped at an await, on SIGTERM or after
//! sleep, is as safe as one that was killed: the next one goes on from the journal.

mod alarm;
mod backoff;
mod control;
mod core;
mod databases;
mod errand;
mod error;
mod handle;
mod harden;
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
use crate::cycle::{CycleError, Record, Syncer};

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
    let record = Record::of(&config.daemon.state_dir);
    let (handle, desk) = handle::connect(status, log_dir(&config), record, config.daemon.name.clone());
    let core = core::Core::new(config, pairs, machine, desk).await?;
    Ok((handle, tokio::spawn(core.run())))
}

/// Where the log files are.
fn log_dir(config: &Config) -> PathBuf {
    config.daemon.state_dir.join("logs")
}
