//! What the daemon tells while it happens.

use serde::{Deserialize, Serialize};

use super::types::{CycleSummary, Recent, Status};

/// A line of the event stream `GET /v1/events` (one JSON object a line).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The daemon's state changed, or something that `status` tells.
    Status(Box<Status>),
    /// A cycle entered a phase.
    Phase(PhaseEvent),
    /// A cycle ended.
    Cycle(Box<CycleSummary>),
    /// What happened lately: at the beginning of the stream, and after each cycle.
    Recent(Box<Recent>),
    /// Nothing happened for a while: the daemon lives. The server of the socket adds these.
    Heartbeat,
}

/// A cycle's progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEvent {
    /// Which phase.
    pub phase: Phase,
    /// Rows or bytes done, where it can be counted.
    pub done: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
}

/// The phases of a cycle, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reaching the server.
    Connect,
    /// A whole database goes over: the first sync of a side that is missing.
    Copy,
    /// What one side added to its schema is made on the other.
    Schema,
    /// The server compares with its base and answers.
    Pull,
    /// The merge, and the write into the local database.
    Merge,
    /// The backup on the server.
    Backup,
    /// The write into the server's database.
    Push,
    /// The base moves forward, the history is written.
    Agree,
    /// Reading back.
    Verify,
}

impl Phase {
    /// What goes on in it, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Connect => "connecting to the server",
            Self::Copy => "copying the database",
            Self::Schema => "carrying schema changes over",
            Self::Pull => "pulling from the server",
            Self::Merge => "merging",
            Self::Backup => "backing up on the server",
            Self::Push => "pushing to the server",
            Self::Agree => "recording what both sides agree on",
            Self::Verify => "reading back",
        }
    }
}
