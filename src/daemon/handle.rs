//! The way into the loop: what the control server, the signals and tests hold.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::config::{Config, LoadOptions};
use crate::control::handler::Response;
use crate::control::metrics::Counters;
use crate::control::types::{CycleSummary, DoctorReport, ErrorCode, Event, Status, SyncRequest};
use crate::cycle::{CycleError, Record};
use crate::daemon::errand::Errand;
use crate::doctor::{self, DaemonLook, Subject};

/// How many commands may be on their way to the loop.
const COMMANDS: usize = 64;

/// How many events a listener may lag behind before it misses some.
const EVENTS: usize = 256;

/// Where the answer goes; dropped by the asker who has left.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CycleError>>;

/// What the loop can be told.
pub(super) enum Command {
    /// A cycle. The answer is `None` when the request does not want to wait.
    Sync(SyncRequest, Reply<Option<CycleSummary>>),
    Errand(Errand, Reply<Response>),
    /// A pause, until `resume` if for no time.
    Pause(Option<Duration>, Reply<Status>),
    Resume(Reply<Status>),
    /// So many conflicts nobody has seen by now.
    Unseen(u64, Reply<()>),
    /// A new config, or why it cannot be used.
    Reload(Result<Box<Config>, String>),
}

/// A running daemon, for whoever wants something of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    events: broadcast::Sender<Event>,
    counters: Arc<Mutex<Counters>>,
    stop: Arc<watch::Sender<bool>>,
    log_dir: PathBuf,
    config: SharedConfig,
    /// How the config is read again.
    options: Arc<LoadOptions>,
    record: Record,
    name: Option<String>,
}

/// The config in effect, which the loop changes.
pub(super) type SharedConfig = Arc<Mutex<Config>>;

/// The loop's ends of a [`Handle`].
pub(super) struct Desk {
    pub commands: mpsc::Receiver<Command>,
    pub status: watch::Sender<Status>,
    pub events: broadcast::Sender<Event>,
    pub counters: Arc<Mutex<Counters>>,
    pub stop: watch::Receiver<bool>,
    pub config: SharedConfig,
}

/// A handle and its far end.
pub(super) fn connect(status: Status, config: &Config, options: LoadOptions) -> (Handle, Desk) {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (publisher, status) = watch::channel(status);
    let (events, _) = broadcast::channel(EVENTS);
    let (stop, stopped) = watch::channel(false);
    let counters = Arc::default();
    let desk = Desk {
        commands: inbox,
        status: publisher,
        events: events.clone(),
        counters: Arc::clone(&counters),
        stop: stopped,
        config: Arc::new(Mutex::new(config.clone())),
    };
    let handle = Handle {
        commands,
        status,
        events,
        counters,
        stop: Arc::new(stop),
        log_dir: super::log_dir(config),
        config: Arc::clone(&desk.config),
        options: Arc::new(options),
        name: config.daemon.name.clone(),
        record: Record::of(&config.daemon.state_dir),
    };
    (handle, desk)
}

impl Handle {
    /// What the daemon knows now. Waits for nothing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The status and its changes.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The folder of the log files.
    #[must_use]
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// Tests each thing that can go wrong, beside whatever the pair does.
    pub(super) async fn doctor(&self) -> DoctorReport {
        let running = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let daemon = DaemonLook::Runs(Box::new(self.status()));
        doctor::examine(Subject::load(&self.options, Some(running), daemon)).await
    }

    /// The record of past cycles.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Takes note of how many conflicts nobody has seen: the status tells it from now on.
    ///
    /// # Errors
    /// When the daemon ends.
    pub(super) async fn tell_unseen(&self, unseen: u64) -> Result<(), CycleError> {
        self.ask(|reply| Command::Unseen(unseen, reply)).await
    }

    /// The pair's name; `None` for the only pair, or the first.
    #[must_use]
    pub fn pair(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Runs a cycle and waits for its end; `None` at once if the request does not want to wait. Whoever asks for the
    /// same while it waits shares the cycle.
    ///
    /// # Errors
    /// When the request contradicts itself, the cycle fails, too much waits already, or the daemon ends.
    pub async fn sync(&self, request: SyncRequest) -> Result<Option<CycleSummary>, CycleError> {
        if request.pull_only && request.skip_pull {
            return Err(CycleError {
                code: ErrorCode::BadRequest,
                message: "cannot sync: 'pull only' and 'skip pull' leave nothing to do".to_owned(),
                hint: Some("give one of them".to_owned()),
            });
        }
        self.ask(|reply| Command::Sync(request, reply)).await
    }

    /// Has the pair do something, when it is free.
    ///
    /// # Errors
    /// When it fails, too much waits already, or the daemon ends.
    pub(super) async fn errand(&self, errand: Errand) -> Result<Response, CycleError> {
        self.ask(|reply| Command::Errand(errand, reply)).await
    }

    /// Lets no cycle run by itself for so long, or until [`Handle::resume`]. A cycle that runs is not stopped.
    ///
    /// # Errors
    /// When the daemon ends, or the end of the pause is beyond the calendar.
    pub async fn pause(&self, duration: Option<Duration>) -> Result<Status, CycleError> {
        self.ask(|reply| Command::Pause(duration, reply)).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When the daemon ends.
    pub async fn resume(&self) -> Result<Status, CycleError> {
        self.ask(Command::Resume).await
    }

    /// Goes on with a new config, or says in log and status why it cannot be used. Nothing happens if the daemon ends.
    pub async fn reload(&self, config: Result<Config, String>) {
        let command = Command::Reload(config.map(Box::new));
        let _ = self.commands.send(command).await; // an ending daemon needs no config
    }

    /// Ends the daemon cleanly within ten seconds, whatever it does.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, CycleError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| ending())?;
        answer.await.unwrap_or_else(|_| Err(ending()))
    }
}

/// What those hear who wait while the daemon ends.
pub(super) fn ending() -> CycleError {
    CycleError {
        code: ErrorCode::Ending,
        message: "cannot answer: the daemon is ending".to_owned(),
        hint: Some(
            "start it again and repeat the command; a cycle that was cut off is completed by the next".to_owned(),
        ),
    }
}
