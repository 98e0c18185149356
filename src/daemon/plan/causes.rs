//! What starts a cycle.

use tokio::time::Instant;

use crate::cycle::Trigger;

/// Local changes that no cycle has taken up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsynced {
    pub first: Instant,
    pub last: Instant,
}

/// What starts a cycle, taken off the plan while one runs and put back if it fails.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Causes {
    /// Something else than a change, and since when.
    pub wanted: Option<(Instant, Trigger)>,
    pub local: Option<Unsynced>,
    /// Since when the server is known to have changed.
    pub server: Option<Instant>,
}

impl Causes {
    /// Both, the older of each.
    pub fn join(self, newer: Self) -> Self {
        let local = match (self.local, newer.local) {
            (Some(old), Some(new)) => Some(Unsynced {
                first: old.first,
                last: new.last,
            }),
            (old, new) => old.or(new),
        };
        Self {
            wanted: self.wanted.or(newer.wanted),
            local,
            server: self.server.or(newer.server),
        }
    }
}
