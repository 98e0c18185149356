//! The words and numbers that stand for states, outcomes and error codes outside: one place for each mapping.

use super::types::{ErrorCode, Outcome, Phase, State};

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

impl Phase {
    /// What goes on in it, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Connect => "connecting to the server",
            Self::Copy => "copying the database",
            Self::Pull => "pulling from the server",
            Self::Merge => "merging",
            Self::Backup => "backing up on the server",
            Self::Push => "pushing to the server",
            Self::Agree => "recording what both sides agree on",
            Self::Verify => "reading back",
        }
    }
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Attention => 409,
            Self::TooLarge => 413,
            Self::Failed => 500,
            Self::Offline => 502,
            Self::Busy | Self::Ending | Self::NotRunning => 503,
            Self::Timeout => 504,
        }
    }
}
