//! The words that stand for states and outcomes outside: one place for each mapping.

use super::types::{Outcome, State};

impl State {
    /// The word of the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Syncing => "syncing",
            Self::Offline => "offline",
            Self::Paused => "paused",
            Self::Attention => "attention",
        }
    }

    /// Every state, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Idle,
        Self::Waiting,
        Self::Syncing,
        Self::Offline,
        Self::Paused,
        Self::Attention,
    ];
}

impl Outcome {
    /// Whether the cycle did its work, and left nothing undone but what a person has to decide.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Synced | Self::Unchanged | Self::Attention)
    }

    /// The word of the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Unchanged => "unchanged",
            Self::Attention => "attention",
            Self::Stopped => "stopped",
            Self::Offline => "offline",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Planned => "planned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json_form() {
        for state in State::ALL {
            assert_eq!(serde_json::json!(state), state.as_str());
        }
        for outcome in [
            Outcome::Synced,
            Outcome::Unchanged,
            Outcome::Attention,
            Outcome::Stopped,
            Outcome::Offline,
            Outcome::Failed,
            Outcome::Interrupted,
            Outcome::Planned,
        ] {
            assert_eq!(serde_json::json!(outcome), outcome.as_str());
        }
    }
}
