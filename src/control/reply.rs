//! Answers in HTTP.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::types::{ErrorBody, ErrorCode};

/// A JSON document and a newline, which is kind to people with curl.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(mut text) => {
            text.push('\n');
            (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, format!("write an answer: {cause}\n")).into_response(),
    }
}

/// An error with the HTTP status of its code.
#[allow(clippy::needless_pass_by_value)] // every caller has just made it
pub(super) fn error(body: ErrorBody) -> Response {
    let status = StatusCode::from_u16(body.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &body)
}

/// A 400.
pub(super) fn bad_request(error: String, hint: &str) -> ErrorBody {
    ErrorBody {
        code: ErrorCode::BadRequest,
        error,
        hint: Some(hint.to_owned()),
    }
}

/// Text, or a stream of it.
pub(super) fn text(content_type: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body.into()).into_response()
}
