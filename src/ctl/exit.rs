//! The exit codes, and what each answer exits with.

use std::process::ExitCode;

use crate::control::types::{ErrorCode, Outcome, State, Status};

/// How `modsyncctl` ends. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done, and as far as is known in sync.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// No daemon listens.
    NotRunning = 3,
    /// A guard stopped it, or conflicts wait.
    Attention = 4,
    /// The server cannot be reached; the daemon tries again.
    Offline = 5,
    /// A sync is needed; only for those who ask with `--exit-code`.
    SyncNeeded = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<ErrorCode> for Exit {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::BadRequest | ErrorCode::TooLarge => Self::Usage,
            ErrorCode::Attention => Self::Attention,
            ErrorCode::Offline => Self::Offline,
            ErrorCode::NotRunning => Self::NotRunning,
            ErrorCode::Forbidden
            | ErrorCode::NotFound
            | ErrorCode::MethodNotAllowed
            | ErrorCode::Failed
            | ErrorCode::Busy
            | ErrorCode::Ending
            | ErrorCode::Timeout => Self::Failed,
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Synced | Outcome::Unchanged | Outcome::Planned => Self::Done,
            Outcome::Attention | Outcome::Stopped => Self::Attention,
            Outcome::Offline => Self::Offline,
            Outcome::Failed | Outcome::Interrupted => Self::Failed,
        }
    }
}

impl Exit {
    /// For a status. `strict`: whether a needed sync counts (`--exit-code`); so does not knowing whether one is.
    pub(super) fn of_status(status: &Status, strict: bool) -> Self {
        if status.state == State::Attention || status.conflicts > 0 {
            Self::Attention
        } else if status.state == State::Offline {
            Self::Offline
        } else {
            Self::of_sync_needed(status.in_sync != Some(true), strict)
        }
    }

    /// For an answer that says whether a sync is needed.
    pub(super) fn of_sync_needed(needed: bool, strict: bool) -> Self {
        if needed && strict { Self::SyncNeeded } else { Self::Done }
    }
}
