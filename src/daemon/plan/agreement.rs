//! How the two sides stand to each other, as far as cycles have told.

use crate::control::types::{CycleSummary, Outcome};

/// How the last full cycle left the two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Agreement {
    /// None has ended since the daemon started.
    #[default]
    Unknown,
    /// Both sides held the same.
    Reached,
    /// Something was held back or stopped: why, and what to do.
    Missed(Option<String>, Option<String>),
}

impl Agreement {
    /// What a full cycle came to.
    pub fn after(cycle: &CycleSummary) -> Self {
        match cycle.outcome {
            Outcome::Synced | Outcome::Unchanged => Self::Reached,
            // Conflicts have been settled, the losing values are on record: that can wait for a person.
            Outcome::Attention if cycle.held == 0 => Self::Reached,
            _ => Self::Missed(cycle.reason.clone(), cycle.hint.clone()),
        }
    }
}
