//! Errors as they go over the socket.

use serde::{Deserialize, Serialize};

/// What every error over the socket looks like; the HTTP status goes with `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// What was done, to what, why it failed.
    pub error: String,
    /// What to do, if there is something to be done.
    pub hint: Option<String>,
}

/// Kinds of error; each has one HTTP status and one exit code of `modsyncctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400, exit 2: the request makes no sense.
    BadRequest,
    /// 403, exit 1: the socket's owner alone may ask.
    Forbidden,
    /// 404, exit 1: no such table, row, cycle, path.
    NotFound,
    /// 405, exit 1: the path exists, with another method.
    MethodNotAllowed,
    /// 409, exit 4: a guard stopped it: a brake, a plan that no longer holds.
    Attention,
    /// 413, exit 2: the request's body is too large.
    TooLarge,
    /// 500, exit 1.
    Failed,
    /// 502, exit 5: the server cannot be reached.
    Offline,
    /// 503, exit 1: too many clients stream at once.
    Busy,
    /// 503, exit 1: the daemon is ending.
    Ending,
    /// Exit 3: no daemon listens. Said by the client alone.
    NotRunning,
    /// 504, exit 1: the answer did not come in time. Said by the client alone.
    Timeout,
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
