//! What keeps cycles from running, and when they are tried again.

use std::time::Duration;

use tokio::time::Instant;

use crate::control::types::ErrorCode;
use crate::cycle::CycleError;
use crate::daemon::backoff::Backoff;

/// An unreachable server and passing failures: soon, then ever more seldom.
const PASSING: Backoff = Backoff {
    first: Duration::from_secs(1),
    cap: Duration::from_secs(60),
};

/// Trouble that a person has to end, tried again because something changed: seldom enough that a server that counts
/// refused logins does not ban the laptop (fail2ban's default is five within ten minutes).
const PROMPTED: Backoff = Backoff {
    first: Duration::from_secs(15),
    cap: Duration::from_secs(5 * 60),
};

/// The same with no change in sight: nothing else would notice that the server was put right.
const UNPROMPTED: Duration = Duration::from_secs(15 * 60);

/// Where trouble was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Source {
    /// The look at the local database failed. It ends when a look succeeds.
    Local,
    /// A cycle, or the look at the server, failed. It ends when one succeeds.
    Cycle,
}

/// Why no cycle can run, and when the next is tried.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Trouble {
    /// What failed.
    pub error: CycleError,
    /// Where it was met.
    pub source: Source,
    failures: u32,
    next: Instant,
    /// When it is tried again if something changes meanwhile.
    next_if_prompted: Instant,
}

impl Trouble {
    /// The local database cannot be looked at.
    pub fn local(error: CycleError, now: Instant) -> Self {
        Self {
            error,
            source: Source::Local,
            failures: 0,
            next: now,
            next_if_prompted: now,
        }
    }

    /// A failure of a cycle, and the trouble that there was before.
    pub fn after(before: Option<Self>, now: Instant, error: CycleError, random: f64) -> Self {
        let failures = before
            .filter(|before| before.source == Source::Cycle && needs_person(&before.error) == needs_person(&error))
            .map_or(1, |before| before.failures.saturating_add(1));
        let (next, next_if_prompted) = if needs_person(&error) {
            (now + UNPROMPTED, now + PROMPTED.pause(failures, random))
        } else {
            let next = now + PASSING.pause(failures, random);
            (next, next)
        };
        Self {
            error,
            source: Source::Cycle,
            failures,
            next,
            next_if_prompted,
        }
    }

    /// When a cycle is tried again; `None` while there is no point in it.
    pub fn retry_at(&self) -> Option<Instant> {
        (self.source == Source::Cycle).then_some(self.next)
    }

    /// Something changed that a new try may profit from.
    pub fn prompt(&mut self) {
        self.next = self.next.min(self.next_if_prompted);
    }

    /// Do not wait any longer.
    pub fn retry_now(&mut self, now: Instant) {
        self.next = now;
    }

    /// Whether the server cannot be reached, and nothing worse.
    pub fn is_offline(&self) -> bool {
        self.source == Source::Cycle && Self::says_offline(&self.error)
    }

    /// Whether an error says that the server cannot be reached.
    pub fn says_offline(error: &CycleError) -> bool {
        error.code == ErrorCode::Offline
    }
}

fn needs_person(error: &CycleError) -> bool {
    error.code == ErrorCode::Attention
}
