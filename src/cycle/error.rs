//! Why something could not be done with the pair.

use crate::control::types::ErrorCode;
use crate::model::Side;
use crate::replica::{SqlError, SqlErrorKind};
use crate::ssh::{SessionError, TransportError, TransportErrorKind};

/// What to do where the system refused to read or write: SQLite does not say why.
pub(super) const IO_HINT: &str = "see there whether the user's quota is used up (`quota -s`, or the host's own pages) or the disk fails (`dmesg | tail`); \
     nothing is lost, and the cycle is tried again";

/// Why something could not be done with the pair. Ends one cycle, never the daemon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CycleError {
    /// What kind of failure: `Offline` is tried again with growing pauses, `Attention` waits for a person.
    pub code: ErrorCode,
    /// What was done, to what, and why it failed.
    pub message: String,
    /// What to do, if there is something to be done.
    pub hint: Option<String>,
}

impl CycleError {
    /// It failed; the next cycle may do better.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            code: ErrorCode::Failed,
            message: message.into(),
            hint: None,
        }
    }

    /// A person is needed.
    #[must_use]
    pub fn attention(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code: ErrorCode::Attention,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// What a SQL session of one side says.
    #[must_use]
    pub fn of_sql(side: Side, error: SqlError) -> Self {
        let SqlError { kind, message } = error;
        let (code, hint) = match kind {
            SqlErrorKind::Lost if side == Side::Server => (ErrorCode::Offline, None),
            SqlErrorKind::Busy => (
                ErrorCode::Failed,
                Some("another program holds its lock; the cycle is tried again".to_owned()),
            ),
            SqlErrorKind::ReadOnly => (
                ErrorCode::Attention,
                Some(format!(
                    "give modsync's {side} user write permission on the database, its folder, and modsync's own state folder"
                )),
            ),
            SqlErrorKind::Full => (ErrorCode::Attention, Some(format!("free space on the {side} disk"))),
            SqlErrorKind::Io => (ErrorCode::Attention, Some(IO_HINT.to_owned())),
            SqlErrorKind::Corrupt => (
                ErrorCode::Attention,
                Some(format!(
                    "check the {side} database with `sqlite3 FILE 'PRAGMA integrity_check'`; nothing was written"
                )),
            ),
            SqlErrorKind::CannotOpen => (
                ErrorCode::Attention,
                Some(format!(
                    "check the path of the {side} database in the config, and who may read it"
                )),
            ),
            SqlErrorKind::Protocol => (
                ErrorCode::Failed,
                Some(format!(
                    "see what runs SQL on the {side} side, and that nothing else prints there (`ssh HOST true` must be \
                     silent); nothing of the answer was used, and the cycle is tried again"
                )),
            ),
            SqlErrorKind::Unsuitable => (ErrorCode::Attention, None),
            _ => (ErrorCode::Failed, None),
        };
        Self {
            code,
            message: format!("{side} database: {message}"),
            hint,
        }
    }
}

impl From<TransportError> for CycleError {
    fn from(error: TransportError) -> Self {
        let code = match error.kind {
            TransportErrorKind::Unreachable => ErrorCode::Offline,
            TransportErrorKind::HostKey | TransportErrorKind::Authentication | TransportErrorKind::Setup => {
                ErrorCode::Attention
            }
        };
        Self {
            code,
            message: error.message,
            hint: None,
        }
    }
}

impl From<SessionError> for CycleError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Transport(error) => error.into(),
            SessionError::Sql(error) => Self::of_sql(Side::Server, error),
            SessionError::NoDatabase { message, .. } | SessionError::Setup { message, .. } => Self {
                code: ErrorCode::Attention,
                message,
                hint: None,
            },
        }
    }
}
