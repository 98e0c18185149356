//! Answers that go on: events and log lines.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::handler::{Handler, Request, Response};
use super::types::{ErrorBody, ErrorCode, Event};

/// A stream is never silent for longer: a client that hears nothing for a while knows that the daemon is gone.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Events as JSON lines: the current status and what happened lately first, then whatever happens, until the daemon ends.
///
/// # Errors
/// What the handler answers when it cannot tell its status.
pub(super) async fn events<H: Handler>(
    handler: Arc<H>,
    stopped: watch::Receiver<bool>,
) -> Result<impl Stream<Item = String> + Send, ErrorBody> {
    // Before the status, so that nothing falls between the two.
    let receiver = handler.events();
    let first = [
        current_status(&*handler).await?,
        Event::Recent(Box::new(handler.recent())),
    ];
    let later = stream::unfold((handler, receiver), |(handler, mut receiver)| async move {
        let event = next_event(&*handler, &mut receiver).await?;
        Some((event, (handler, receiver)))
    });
    let lines = stream::iter(first)
        .chain(later)
        .filter_map(|event| async move { serde_json::to_string(&event).ok() });
    Ok(until_stopped(lines, stopped))
}

/// The next thing to tell; `None` when there will be none.
async fn next_event<H: Handler>(handler: &H, receiver: &mut Receiver<Event>) -> Option<Event> {
    match timeout(HEARTBEAT, receiver.recv()).await {
        Err(_) => Some(Event::Heartbeat),
        Ok(Ok(event)) => Some(event),
        Ok(Err(RecvError::Lagged(_))) => current_status(handler).await.ok(),
        Ok(Err(RecvError::Closed)) => None,
    }
}

async fn current_status<H: Handler>(handler: &H) -> Result<Event, ErrorBody> {
    match handler.handle(Request::Status).await? {
        Response::Status(status) => Ok(Event::Status(status)),
        _ => Err(ErrorBody {
            code: ErrorCode::Failed,
            error: "begin the event stream: the daemon answered something else than its status".to_owned(),
            hint: None,
        }),
    }
}

/// The lines, until the daemon ends.
pub(super) fn until_stopped(
    lines: impl Stream<Item = String> + Send,
    stopped: watch::Receiver<bool>,
) -> impl Stream<Item = String> + Send {
    lines.take_until(end_of(stopped))
}

/// Done once the daemon ends.
pub(super) async fn end_of(mut stopped: watch::Receiver<bool>) {
    // An error means that the server is gone: the same.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Lines as a body, each with its newline. `place` is given back when the client leaves.
pub(super) fn body(lines: impl Stream<Item = String> + Send + 'static, place: OwnedSemaphorePermit) -> Body {
    Body::from_stream(lines.map(move |mut line| {
        let _held = &place;
        line.push('\n');
        Ok::<_, Infallible>(Bytes::from(line))
    }))
}
