//! The numbers behind `GET /metrics`.

use std::collections::BTreeMap;

use super::types::{CycleSummary, Outcome};

/// What the daemon has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Cycles by how they ended, in the words of [`Outcome`]'s JSON form.
    pub cycles: BTreeMap<&'static str, u64>,
    /// Rows that the laptop took.
    pub pulled: u64,
    /// Rows that the server took.
    pub pushed: u64,
    /// Rows deleted, on either side.
    pub deleted: u64,
    /// Conflicts met.
    pub conflicts: u64,
    /// Bytes given to the network by cycles.
    pub bytes_sent: u64,
    /// Bytes taken from the network by cycles.
    pub bytes_received: u64,
    /// Requests to the server that cycles waited for.
    pub round_trips: u64,
    /// Milliseconds spent in cycles.
    pub duration_ms: u64,
}

impl Counters {
    /// Adds a cycle that ended. Dry runs count as cycles and move nothing.
    pub fn record(&mut self, cycle: &CycleSummary) {
        *self.cycles.entry(cycle.outcome.as_str()).or_default() += 1;
        if cycle.outcome == Outcome::Planned {
            return;
        }
        self.pulled += cycle.pulled;
        self.pushed += cycle.pushed;
        self.deleted += cycle.deleted;
        self.conflicts += cycle.conflicts;
        self.bytes_sent += cycle.bytes_sent;
        self.bytes_received += cycle.bytes_received;
        self.round_trips += cycle.round_trips;
        self.duration_ms += cycle.duration_ms;
    }
}
