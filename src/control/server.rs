//! The daemon's end of the control socket.
//!
//! The caller owns the listener and says when to stop, so a test binds what it likes. Nothing that a client does may
//! hurt the daemon: who may ask is checked for each connection, their number is bounded, headers and bodies have a
//! size and a time limit, and a client that does not read holds nothing but its own connection.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::handler::Handler;
use super::types::{ErrorBody, ErrorCode};
use super::{reply, routes, socket, stream};

pub use super::socket::{BindError, bind};

/// Connections served at once; more wait in the kernel's queue until one ends.
const MAX_CONNECTIONS: usize = 256;
/// For the head of a request, and for the next one on a kept connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Room for the head of a request; the body's limit is [`routes::MAX_BODY`].
const MAX_HEAD: usize = 64 * 1024;
/// How long running requests may go on once the daemon ends.
const GRACE: Duration = Duration::from_secs(2);

/// Serves clients until `shutdown` is done, then ends the streams, gives running requests two seconds and returns.
pub async fn serve<H: Handler>(listener: UnixListener, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
    let (stop, stopped) = watch::channel(false);
    let router = routes::router(handler, stopped.clone());
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Some((stream, place)) = accepted else { continue };
        let (router, stopped) = (router.clone(), stopped.clone());
        connections.spawn(async move {
            serve_connection(stream, router, stopped).await;
            drop(place);
        });
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        tracing::debug!("clients of the control socket were cut off");
    }
}

/// The next connection, once there is a place for it; `None` when the system refused to hand it over.
async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> Option<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "accept a client of the control socket");
            // Out of file descriptors, most likely: asking again at once would only spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Serves one client until it leaves or the daemon ends.
async fn serve_connection(stream: UnixStream, router: axum::Router, stopped: watch::Receiver<bool>) {
    let router = match socket::peer_is_trusted(&stream) {
        Ok(true) => router,
        Ok(false) => refusing(),
        Err(error) => return tracing::warn!(%error, "ask who the client of the control socket is"),
    };
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stream::end_of(stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client of the control socket left early");
    }
}

/// Says no to whatever another user asks, whose body is not even read.
fn refusing() -> axum::Router {
    axum::Router::new().fallback(async || {
        reply::error(ErrorBody {
            code: ErrorCode::Forbidden,
            error: "use the control socket: it belongs to another user".to_owned(),
            hint: Some("run this as the user that runs modsyncd, or as root".to_owned()),
        })
    })
}
