//! One request over one connection.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::control::socket;
use crate::control::types::{ErrorBody, ErrorCode};

/// To be taken into the daemon's queue of connections, which needs no scheduling of the daemon.
const CONNECT: Duration = Duration::from_secs(2);

/// A request, ready to be sent.
pub(super) struct Call {
    method: Method,
    path: String,
    body: Bytes,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{} {path}", self.method)
    }
}

impl Call {
    /// Without a body.
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            body: Bytes::new(),
        }
    }

    /// A GET.
    pub(super) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// A GET with a query.
    pub(super) fn query(path: &str, query: &impl Serialize) -> Result<Self, ErrorBody> {
        let query = serde_urlencoded::to_string(query).map_err(|cause| failed("write the query", &cause))?;
        Ok(Self::get(&format!("{path}?{query}")))
    }

    /// A POST with a JSON body.
    pub(super) fn post(path: &str, body: &impl Serialize) -> Result<Self, ErrorBody> {
        let body = serde_json::to_vec(body).map_err(|cause| failed("write the request", &cause))?;
        Ok(Self {
            body: body.into(),
            ..Self::new(Method::POST, path)
        })
    }

    /// Sends it and reads the whole answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, socket: &Path) -> Result<T, ErrorBody> {
        let body = read(self.stream(socket).await?).await?;
        serde_json::from_slice(&body).map_err(|cause| failed("understand the daemon's answer", &cause))
    }

    /// Sends it and gives the answer's body to be read as it comes; an answer that is an error is read at once.
    pub(super) async fn stream(&self, socket: &Path) -> Result<Incoming, ErrorBody> {
        let response = self.send(connect(socket).await?).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = read(response.into_body()).await?;
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| ErrorBody {
            code: ErrorCode::Failed,
            error: format!("{self}: the daemon answered {status}"),
            hint: Some("is it another program that listens on this socket?".to_owned()),
        }))
    }

    async fn send(&self, stream: UnixStream) -> Result<Response<Incoming>, ErrorBody> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| failed("speak with the daemon", &cause))?;
        // It ends with the answer's body, or when the process does; its errors come out of the body too.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header("host", "modsync")
            .header("content-type", "application/json")
            .body(Full::new(self.body.clone()))
            .map_err(|cause| failed("write the request", &cause))?;
        sender.send_request(request).await.map_err(|_| ended())
    }
}

async fn read(body: Incoming) -> Result<Bytes, ErrorBody> {
    body.collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| ended())
}

/// A connection to the daemon, whose user is ours, or root, or anybody if we are root.
async fn connect(path: &Path) -> Result<UnixStream, ErrorBody> {
    let stream = timeout(CONNECT, connect_patiently(path))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|cause| unreachable(path, &cause))?;
    let trusted = socket::peer_is_trusted(&stream).map_err(|cause| unreachable(path, &cause))?;
    if trusted || rustix::process::geteuid().is_root() {
        return Ok(stream);
    }
    Err(ErrorBody {
        code: ErrorCode::Forbidden,
        error: format!("connect to {}: a program of another user listens there", path.display()),
        hint: Some("name your daemon's socket with --socket or MODSYNC_SOCKET".to_owned()),
    })
}

/// Tries again while the daemon's queue of connections is full.
async fn connect_patiently(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(Duration::from_millis(20)).await,
            done => return done,
        }
    }
}

/// Why no connection came about, and what to do.
fn unreachable(path: &Path, cause: &io::Error) -> ErrorBody {
    let path = path.display();
    let (code, error, hint) = match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (
            ErrorCode::NotRunning,
            format!("modsyncd is not running: nothing listens on {path}"),
            "start it with `modsyncd install` (as a service) or `modsyncd run` (here and now)",
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorCode::Forbidden,
            format!("connect to {path}: permission denied"),
            "run this as the user that runs modsyncd",
        ),
        io::ErrorKind::TimedOut => (
            ErrorCode::Timeout,
            format!("connect to {path}: the daemon takes no connection"),
            "it hangs or has too many clients; restart it",
        ),
        _ => (
            ErrorCode::Failed,
            format!("connect to {path}: {cause}"),
            "name the daemon's socket with --socket or MODSYNC_SOCKET",
        ),
    };
    ErrorBody {
        code,
        error,
        hint: Some(hint.to_owned()),
    }
}

/// The connection broke: the daemon is no more.
pub fn ended() -> ErrorBody {
    ErrorBody {
        code: ErrorCode::NotRunning,
        error: "wait for the daemon's answer: the daemon ended meanwhile".to_owned(),
        hint: Some(
            "nothing is lost, its next cycle goes on; start it again with `modsyncd install` or `modsyncd run`"
                .to_owned(),
        ),
    }
}

fn failed(action: &str, cause: &dyn fmt::Display) -> ErrorBody {
    ErrorBody {
        code: ErrorCode::Failed,
        error: format!("{action}: {cause}"),
        hint: Some("do modsyncctl and modsyncd have the same --version?".to_owned()),
    }
}
