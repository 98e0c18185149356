//! Which path and method asks what.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response as HttpResponse;
use axum::routing::{get, post};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::handler::{Handler, Request, Response};
use super::reply::{self, bad_request};
use super::types::{BackupsRequest, ErrorBody, ErrorCode};
use super::{metrics, stream};

/// The largest request body. The largest that makes sense has some hundred bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// What exists, for whoever asked for something else.
const ROUTES: &str = "GET /v1/status, POST /v1/sync, GET /v1/check, GET /v1/diff, GET /v1/verify, GET /v1/doctor, POST /v1/self-test, GET /v1/history, \
                      GET /v1/history/CYCLE, POST /v1/undo, GET /v1/conflicts, GET /v1/conflicts/ID, \
                      POST /v1/conflicts/seen, POST /v1/conflicts/resolve, GET /v1/backups, POST /v1/backups/create, \
                      POST /v1/backups/verify, POST /v1/backups/restore, POST /v1/backups/prune, POST /v1/pause, \
                      POST /v1/resume, GET /v1/events, GET /v1/logs, GET /metrics";

/// What every route needs.
struct Shared<H> {
    handler: Arc<H>,
    /// True once the daemon ends: streams end then.
    stopped: watch::Receiver<bool>,
    /// Places for event and log streams, which stay and must leave connections for the others.
    streams: Arc<Semaphore>,
}

impl<H> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            stopped: self.stopped.clone(),
            streams: Arc::clone(&self.streams),
        }
    }
}

type Shares<H> = State<Shared<H>>;

/// The table of contents of the socket.
pub(super) fn router<H: Handler>(handler: Arc<H>, stopped: watch::Receiver<bool>, streams: usize) -> Router {
    Router::new()
        .route("/v1/status", get(async |s: Shares<H>| s.answer(Request::Status).await))
        .route("/v1/check", get(async |s: Shares<H>| s.answer(Request::Check).await))
        .route("/v1/verify", get(async |s: Shares<H>| s.answer(Request::Verify).await))
        .route(
            "/v1/self-test",
            post(async |s: Shares<H>| s.answer(Request::SelfTest).await),
        )
        .route("/v1/doctor", get(async |s: Shares<H>| s.answer(Request::Doctor).await))
        .route("/v1/resume", post(async |s: Shares<H>| s.answer(Request::Resume).await))
        .route("/metrics", get(async |s: Shares<H>| s.answer(Request::Metrics).await))
        .route(
            "/v1/sync",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, Request::Sync).await),
        )
        .route(
            "/v1/backups",
            get(async |s: Shares<H>| s.answer(Request::Backups(BackupsRequest::List)).await),
        )
        .route(
            "/v1/backups/create",
            post(async |s: Shares<H>| s.answer(Request::Backups(BackupsRequest::Create)).await),
        )
        .route(
            "/v1/backups/verify",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, |r| Request::Backups(BackupsRequest::Verify(r))).await),
        )
        .route(
            "/v1/backups/restore",
            post(async |s: Shares<H>, b: Body| {
                s.answer_body(b, |r| Request::Backups(BackupsRequest::Restore(r))).await
            }),
        )
        .route(
            "/v1/backups/prune",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, |r| Request::Backups(BackupsRequest::Prune(r))).await),
        )
        .route(
            "/v1/pause",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, Request::Pause).await),
        )
        .route(
            "/v1/diff",
            get(async |s: Shares<H>, q: RawQuery| s.answer_query(q, Request::Diff).await),
        )
        .route(
            "/v1/logs",
            get(async |s: Shares<H>, q: RawQuery| s.answer_query(q, Request::Logs).await),
        )
        .merge(record())
        .route("/v1/events", get(async |s: Shares<H>| s.events().await))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Shared {
            handler,
            stopped,
            streams: Arc::new(Semaphore::new(streams)),
        })
}

/// The record: what was, and what is taken back or chosen.
fn record<H: Handler>() -> Router<Shared<H>> {
    Router::new()
        .route(
            "/v1/history",
            get(async |s: Shares<H>, q: RawQuery| s.answer_query(q, Request::History).await),
        )
        .route(
            "/v1/history/{cycle}",
            get(
                async |s: Shares<H>, Path(cycle): Path<String>, q: RawQuery| match number(&cycle, "cycle") {
                    Ok(cycle) => s.answer_query(q, |request| Request::Show(cycle, request)).await,
                    Err(error) => reply::error(error),
                },
            ),
        )
        .route(
            "/v1/undo",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, Request::Undo).await),
        )
        .route(
            "/v1/conflicts",
            get(async |s: Shares<H>, q: RawQuery| s.answer_query(q, Request::Conflicts).await),
        )
        .route(
            "/v1/conflicts/{id}",
            get(
                async |s: Shares<H>, Path(id): Path<String>| match number(&id, "conflict") {
                    Ok(id) => s.answer(Request::Conflict(id)).await,
                    Err(error) => reply::error(error),
                },
            ),
        )
        .route(
            "/v1/conflicts/seen",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, Request::Seen).await),
        )
        .route(
            "/v1/conflicts/resolve",
            post(async |s: Shares<H>, b: Body| s.answer_body(b, Request::Resolve).await),
        )
}

/// The number of a cycle or a conflict in a path.
fn number(text: &str, what: &str) -> Result<i64, ErrorBody> {
    text.parse().map_err(|_| {
        bad_request(
            format!("find {what} {text}: that is no number"),
            "name it by its number",
        )
    })
}

impl<H: Handler> Shared<H> {
    /// Asks the handler.
    async fn answer(&self, request: Request) -> HttpResponse {
        match self.handler.handle(request).await {
            Ok(response) => self.encode(response),
            Err(error) => reply::error(error),
        }
    }

    /// Asks the handler what the body, JSON or nothing, says.
    async fn answer_body<T: DeserializeOwned + Default>(&self, body: Body, wrap: fn(T) -> Request) -> HttpResponse {
        match read_body(body).await.and_then(|bytes| parse_body(&bytes)) {
            Ok(parsed) => self.answer(wrap(parsed)).await,
            Err(error) => reply::error(error),
        }
    }

    /// Asks the handler what the query says.
    async fn answer_query<T: DeserializeOwned>(
        &self,
        RawQuery(query): RawQuery,
        wrap: impl FnOnce(T) -> Request,
    ) -> HttpResponse {
        match serde_urlencoded::from_str(&query.unwrap_or_default()) {
            Ok(parsed) => self.answer(wrap(parsed)).await,
            Err(cause) => reply::error(bad_request(
                format!("read the query of the request: {cause}"),
                "see docs/api.md for what may stand after the '?'",
            )),
        }
    }

    /// The event stream.
    async fn events(&self) -> HttpResponse {
        let Ok(place) = Arc::clone(&self.streams).try_acquire_owned() else {
            return too_many_streams();
        };
        match stream::events(Arc::clone(&self.handler), self.stopped.clone()).await {
            Ok(lines) => reply::text("application/x-ndjson", stream::body(lines, place)),
            Err(error) => reply::error(error),
        }
    }

    /// An answer in HTTP.
    fn encode(&self, response: Response) -> HttpResponse {
        match response {
            Response::Status(status) => reply::json(StatusCode::OK, &status),
            Response::Cycle(cycle) => reply::json(StatusCode::OK, &cycle),
            Response::Queued => reply::json(StatusCode::ACCEPTED, &Queued { queued: true }),
            Response::Check(report) => reply::json(StatusCode::OK, &report),
            Response::Diff(report) => reply::json(StatusCode::OK, &report),
            Response::SelfTest(report) => reply::json(StatusCode::OK, &report),
            Response::Doctor(report) => reply::json(StatusCode::OK, &report),
            Response::Verify(report) => reply::json(StatusCode::OK, &report),
            Response::Backups(answer) => reply::json(StatusCode::OK, &answer),
            Response::History(report) => reply::json(StatusCode::OK, &report),
            Response::Show(report) => reply::json(StatusCode::OK, &report),
            Response::Amended(report) => reply::json(StatusCode::OK, &report),
            Response::Conflicts(report) => reply::json(StatusCode::OK, &report),
            Response::Conflict(record) => reply::json(StatusCode::OK, &record),
            Response::Unseen(unseen) => reply::json(StatusCode::OK, &unseen),
            Response::Metrics(status, counters) => {
                reply::text(metrics::CONTENT_TYPE, metrics::render(&status, &counters))
            }
            Response::Logs(lines) => match Arc::clone(&self.streams).try_acquire_owned() {
                Ok(place) => {
                    let lines = stream::until_stopped(lines, self.stopped.clone());
                    reply::text("text/plain; charset=utf-8", stream::body(lines, place))
                }
                Err(_) => too_many_streams(),
            },
        }
    }
}

/// The answer to a sync that nobody waits for.
#[derive(Serialize)]
struct Queued {
    queued: bool,
}

/// The body, within its limits of size and time.
async fn read_body(body: Body) -> Result<Bytes, ErrorBody> {
    match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(cause)) if cause.is::<LengthLimitError>() => Err(ErrorBody {
            code: ErrorCode::TooLarge,
            error: format!("read the body of the request: it has more than {MAX_BODY} bytes"),
            hint: None,
        }),
        Ok(Err(cause)) => Err(bad_request(
            format!("read the body of the request: {cause}"),
            "send it whole",
        )),
        Err(_) => Err(bad_request(
            "read the body of the request: it did not come in time".to_owned(),
            "send it within two seconds",
        )),
    }
}

/// What a body says; an empty one says nothing special.
fn parse_body<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, ErrorBody> {
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|cause| {
        bad_request(
            format!("read the body of the request: {cause}"),
            "send a JSON object with the fields of docs/api.md, or nothing",
        )
    })
}

fn too_many_streams() -> HttpResponse {
    reply::error(ErrorBody {
        code: ErrorCode::Busy,
        error: "open a stream: as many as there may be are open already".to_owned(),
        hint: Some("end a `modsyncctl status --watch` or `logs -f` that is not needed".to_owned()),
    })
}

async fn unknown_path(uri: Uri) -> HttpResponse {
    reply::error(ErrorBody {
        code: ErrorCode::NotFound,
        error: format!("find {}: there is no such path", uri.path()),
        hint: Some(format!("there are {ROUTES}")),
    })
}

async fn wrong_method(method: Method, uri: Uri) -> HttpResponse {
    reply::error(ErrorBody {
        code: ErrorCode::MethodNotAllowed,
        error: format!("{method} {}: the path does not take this method", uri.path()),
        hint: Some(format!("there are {ROUTES}")),
    })
}
