//! The seam between the SQL session and whatever carries it: an SSH connection, or a process on this machine in tests.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};

/// Starts programs at the far end.
pub trait Transport: Send + Sync {
    /// Runs a command line, as the login shell there reads it.
    ///
    /// # Errors
    /// When the connection is gone or the server refuses the channel.
    fn exec(&self, command: &str) -> impl Future<Output = Result<Process, TransportError>> + Send;

    /// What went over the line so far.
    fn traffic(&self) -> Arc<Traffic>;
}

/// A program at the far end. Dropping it closes the channel, which ends the program.
pub struct Process {
    /// Its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output; ends when the program does.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
}

/// Counters of one connection, for `sync-now --json`, `/metrics` and the tests of the round trips.
#[derive(Debug, Default)]
pub struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
    round_trips: AtomicU64,
}

impl Traffic {
    /// Bytes given to the network, encryption and compression done.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes taken from the network.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Requests that were waited for.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Counts bytes sent.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes received.
    pub fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts one request that was waited for.
    pub fn add_round_trip(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why the far end could not be reached or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// What kind of failure.
    pub kind: TransportErrorKind,
    /// What was done, to what, why it failed and what to do.
    pub message: String,
}

/// Kinds of failure that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// Network down, host asleep, connection cut, time limit: will be tried again.
    Unreachable,
    /// The host key is unknown, changed or revoked: a person must look.
    HostKey,
    /// No offered key or password was taken: a person must look.
    Authentication,
    /// The settings cannot work (a key file that is missing, a jump host that refuses): a person must look.
    Setup,
}
