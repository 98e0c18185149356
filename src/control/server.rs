//! The daemon's end of the control socket.
//!
//! The caller owns the listener and says when to stop, so a test binds what it likes. Nothing that a client does may
//! hurt the daemon: who may ask is checked for each connection, their number is bounded by what the system lets the
//! process open, headers and bodies have a size and a time limit, and a client that does not read is given up.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::handler::Handler;
use super::stall::Stall;
use super::types::{ErrorBody, ErrorCode};
use super::{reply, routes, socket, stream};

pub use super::socket::{BindError, bind};

/// Connections served at once, at most; more wait in the kernel's queue until one ends.
const MAX_CONNECTIONS: usize = 256;
/// Connections of other users that are told no at once; further ones are closed without a word.
const MAX_STRANGERS: usize = 8;
/// For the head of a request, and for the next one on a kept connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Room for the head of a request; the body's limit is [`routes::MAX_BODY`].
const MAX_HEAD: usize = 64 * 1024;
/// How long a client may take none of what it asked for. Long enough for a pager that somebody reads in.
const STALL: Duration = Duration::from_secs(60);
/// How long running requests may go on once the daemon ends.
const GRACE: Duration = Duration::from_secs(2);

/// Serves clients until `shutdown` is done, then ends the streams, gives running requests two seconds and returns.
pub async fn serve<H: Handler>(listener: UnixListener, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
    let (stop, stopped) = watch::channel(false);
    let places = places();
    let router = routes::router(handler, stopped.clone(), places / 4);
    let mut door = Door {
        listener,
        places: Arc::new(Semaphore::new(places)),
        strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
        stuck: false,
    };
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = door.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Some(guest) = accepted else { continue };
        let router = if guest.trusted { router.clone() } else { refusing() };
        connections.spawn(serve_connection(guest, router, stopped.clone()));
    }
    drop(door);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        tracing::debug!("clients of the control socket were cut off");
    }
}

/// How many connections are served at once: a quarter of the files that this process may have open, since a cycle needs
/// some, too (macOS lets a service have 256).
fn places() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    (files / 4).clamp(4, MAX_CONNECTIONS)
}

/// Where clients come in.
struct Door {
    listener: UnixListener,
    places: Arc<Semaphore>,
    /// Places for other users, who take none of ours.
    strangers: Arc<Semaphore>,
    /// Whether the system refused the last time.
    stuck: bool,
}

/// A client that came in.
struct Guest {
    stream: UnixStream,
    trusted: bool,
    _place: OwnedSemaphorePermit,
}

impl Door {
    /// The next client, once there is a place; `None` when there is none to serve.
    async fn accept(&mut self) -> Option<Guest> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let stream = match self.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !std::mem::replace(&mut self.stuck, true) {
                    tracing::warn!(%error, "cannot accept clients of the control socket; trying on");
                }
                // Out of file descriptors, most likely: asking again at once would only spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return None;
            }
        };
        self.stuck = false;
        let trusted = match socket::peer_is_trusted(&stream) {
            Ok(trusted) => trusted,
            Err(error) => {
                tracing::warn!(%error, "cannot ask who the client of the control socket is");
                return None;
            }
        };
        let place = match trusted {
            true => place,
            false => Arc::clone(&self.strangers).try_acquire_owned().ok()?,
        };
        Some(Guest {
            stream,
            trusted,
            _place: place,
        })
    }
}

/// Serves one client until it leaves or the daemon ends.
async fn serve_connection(guest: Guest, router: axum::Router, stopped: watch::Receiver<bool>) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(guest.trusted)
        .max_buf_size(MAX_HEAD);
    let stream = TokioIo::new(Stall::new(guest.stream, STALL));
    let connection = http.serve_connection(stream, TowerToHyperService::new(router));
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
