//! A daemon that plays from a script, on a real socket in a temporary folder.
#![allow(dead_code)] // each test file uses its part

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use modsync::control::handler::{Handler, Request, Response};
use modsync::control::server;
use modsync::control::types::{ErrorBody, Event, Recent, Status};
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::sync::oneshot;

/// What the script answers to a request; `None`: it hangs.
pub type Answer = dyn Fn(&Request) -> Option<Result<Response, ErrorBody>> + Send + Sync;

/// Plays the daemon.
pub struct Script {
    answer: Box<Answer>,
    events: broadcast::Sender<Event>,
    heard: Arc<Mutex<Vec<Request>>>,
    abandoned: Arc<AtomicBool>,
}

/// Sets a flag when it is dropped before its time.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Handler for Script {
    async fn handle(&self, request: Request) -> Result<Response, ErrorBody> {
        if request != Request::Status {
            self.heard.lock().unwrap().push(request.clone());
        }
        match (self.answer)(&request) {
            Some(answer) => answer,
            None => {
                let _abandon = Abandon(Arc::clone(&self.abandoned));
                std::future::pending().await
            }
        }
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn recent(&self) -> Recent {
        Recent::default()
    }
}

/// A running scripted daemon; ends when dropped.
pub struct Daemon {
    pub folder: TempDir,
    pub socket: PathBuf,
    pub events: broadcast::Sender<Event>,
    heard: Arc<Mutex<Vec<Request>>>,
    abandoned: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Daemon {
    /// Starts one that answers so.
    pub fn start(answer: impl Fn(&Request) -> Option<Result<Response, ErrorBody>> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/modsyncd.sock");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (events, _) = broadcast::channel(16);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let abandoned = Arc::new(AtomicBool::new(false));
        let script = Script {
            answer: Box::new(answer),
            events: events.clone(),
            heard: Arc::clone(&heard),
            abandoned: Arc::clone(&abandoned),
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, bound) = std::sync::mpsc::channel();
        let path = socket.clone();
        runtime.spawn(async move {
            let listener = server::bind(&path).await.unwrap();
            ready.send(()).unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            server::serve(listener, Arc::new(script), stopped).await;
        });
        bound.recv().unwrap();
        Self {
            folder,
            socket,
            events,
            heard,
            abandoned,
            stop: Some(stop),
            runtime: Some(runtime),
        }
    }

    /// Starts one that answers every request with what `status`, `report` and the like of this module say.
    pub fn usual(status: Status) -> Self {
        Self::start(move |request| match request {
            Request::Status | Request::Resume | Request::Pause(_) => {
                Some(Ok(Response::Status(Box::new(status.clone()))))
            }
            Request::Metrics => Some(Ok(Response::Metrics(Box::new(status.clone()), Box::default()))),
            _ => None,
        })
    }

    /// What it was asked, apart from the status.
    pub fn heard(&self) -> Vec<Request> {
        self.heard.lock().unwrap().clone()
    }

    /// Whether a hanging request was dropped.
    pub fn abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Ends in an orderly way.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Ends as if killed: every connection breaks at once.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a condition holds, at most ten seconds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
