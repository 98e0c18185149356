//! What can go wrong with a file on the server.

use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::protocol::StatusCode;

use crate::ssh::fault::said;

/// Why something could not be done with a file on the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SftpError {
    /// What kind of failure.
    pub kind: SftpErrorKind,
    /// What was done, to what, and why it failed.
    pub message: String,
}

/// Kinds of failure that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SftpErrorKind {
    /// No such file or folder.
    NotFound,
    /// The user may not do that.
    Denied,
    /// There is a file of that name already.
    Exists,
    /// The server cannot do that at all.
    Unsupported,
    /// The connection ended, or no answer came.
    Lost,
    /// The file has another length than was expected, or changes it while it is read.
    Resized,
    /// Reading or writing on this side failed.
    Local,
    /// The server failed and gives no reason that SFTP has a number for: a full disk, a file in the way.
    Failed,
}

pub(super) fn failed(verb: &str, path: &str, error: &ProtocolError) -> SftpError {
    let (kind, cause) = match error {
        ProtocolError::Status(status) => (kind_of(status.status_code), said(&status.error_message)),
        ProtocolError::Timeout | ProtocolError::IO(_) | ProtocolError::UnexpectedBehavior(_) => {
            (SftpErrorKind::Lost, error.to_string())
        }
        other => (SftpErrorKind::Failed, other.to_string()),
    };
    SftpError {
        kind,
        message: format!("cannot {verb} {path} on the server: {cause}"),
    }
}

pub(super) fn local(verb: &str, path: &str, error: &std::io::Error) -> SftpError {
    SftpError {
        kind: SftpErrorKind::Local,
        message: format!("cannot {verb} the server's {path}: {error}"),
    }
}

fn kind_of(code: StatusCode) -> SftpErrorKind {
    match code {
        StatusCode::NoSuchFile => SftpErrorKind::NotFound,
        StatusCode::PermissionDenied => SftpErrorKind::Denied,
        StatusCode::OpUnsupported => SftpErrorKind::Unsupported,
        StatusCode::NoConnection | StatusCode::ConnectionLost => SftpErrorKind::Lost,
        StatusCode::Ok | StatusCode::Eof | StatusCode::Failure | StatusCode::BadMessage => SftpErrorKind::Failed,
    }
}
