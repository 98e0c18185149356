//! How failures of reaching the server are put together.

use std::future::Future;
use std::time::Duration;

use super::{TransportError, TransportErrorKind};

impl TransportError {
    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self::of(TransportErrorKind::Unreachable, message)
    }

    pub(super) fn host_key(message: impl Into<String>) -> Self {
        Self::of(TransportErrorKind::HostKey, message)
    }

    pub(super) fn authentication(message: impl Into<String>) -> Self {
        Self::of(TransportErrorKind::Authentication, message)
    }

    pub(super) fn setup(message: impl Into<String>) -> Self {
        Self::of(TransportErrorKind::Setup, message)
    }

    fn of(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// Gives a step of connecting its time limit. `step` names it, as in "connect to web1:22".
pub(super) async fn within<T>(
    limit: Duration,
    step: &str,
    work: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(TransportError::unreachable(format!(
            "cannot {step}: no answer within {} s; will be tried again",
            limit.as_secs_f32()
        ))),
    }
}

/// Text that came from outside, fit for a message: one short line without control characters, in quotes.
pub(super) fn said(text: &str) -> String {
    const LONGEST: usize = 120;
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    format!("\"{line}\"")
}
