//! The daemon of the story: a real `modsyncd run` in a process of its own, listened to over its control socket.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::error::DemoError;
use crate::control::client::{Client, Events};
use crate::control::types::{CycleSummary, Event, State, Status};

/// The limit of everything that is waited for: far more than a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a database is looked at while something is waited for: the error of the times that are told.
const TICK: Duration = Duration::from_millis(5);
/// After SIGTERM; the daemon itself takes two seconds at most.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What the daemon has told so far.
#[derive(Debug, Default)]
struct Heard {
    status: Status,
    cycles: Vec<CycleSummary>,
}

/// The running daemon. Dropping it ends it.
pub(super) struct Resident {
    child: Child,
    started: Instant,
    complaints: PathBuf,
    heard: watch::Receiver<Heard>,
}

impl Resident {
    /// Starts the daemon with that config, with nothing of this process's environment but `TMPDIR`, and waits until it
    /// answers on its socket. Its standard error goes to `complaints`.
    pub async fn start(program: &Path, config: &Path, socket: &Path, complaints: &Path) -> Result<Self, DemoError> {
        let errors = File::create(complaints).map_err(DemoError::file("create", complaints))?;
        let started = Instant::now();
        let child = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(config)
            .env_clear()
            .env("HOME", config.parent().unwrap_or(Path::new("/")))
            .env("PATH", "/usr/bin:/bin")
            .envs(std::env::var_os("TMPDIR").map(|folder| ("TMPDIR", folder)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(DemoError::file("start", program))?;
        let (tell, heard) = watch::channel(Heard::default());
        let mut resident = Self {
            child,
            started,
            complaints: complaints.to_owned(),
            heard,
        };
        let events = resident.connect(socket).await?;
        tokio::spawn(listen(events, tell));
        Ok(resident)
    }

    async fn connect(&mut self, socket: &Path) -> Result<Events, DemoError> {
        let client = Client::new(socket.to_owned(), None);
        let began = Instant::now();
        loop {
            match client.events().await {
                Ok(events) => return Ok(events),
                Err(error) if began.elapsed() > PATIENCE => {
                    return Err(late("the daemon answers on its socket", error.error));
                }
                Err(_) => self.tick().await?,
            }
        }
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many cycles it has told of.
    pub fn cycles(&self) -> usize {
        self.heard.borrow().cycles.len()
    }

    /// Those after the first so many.
    pub fn cycles_since(&self, mark: usize) -> Vec<CycleSummary> {
        self.heard.borrow().cycles.iter().skip(mark).cloned().collect()
    }

    /// Waits until its status is like that.
    pub async fn until_status(&mut self, what: &str, like: impl Fn(&Status) -> bool) -> Result<Status, DemoError> {
        self.until_heard(what, |heard| like(&heard.status).then(|| heard.status.clone()))
            .await
    }

    /// Waits until it rests after a cycle that came after the first `mark` ones, with both sides alike.
    pub async fn until_agreed(&mut self, mark: usize) -> Result<(), DemoError> {
        self.until_heard("the daemon says that both sides hold the same", |heard| {
            let rests = heard.status.state == State::Idle && heard.status.in_sync == Some(true);
            (rests && heard.cycles.len() > mark).then_some(())
        })
        .await
    }

    /// Waits until what it told has what is looked for.
    async fn until_heard<T>(&mut self, what: &str, find: impl Fn(&Heard) -> Option<T>) -> Result<T, DemoError> {
        let mut heard = self.heard.clone();
        let listening = async {
            loop {
                let found = find(&heard.borrow_and_update());
                match found {
                    Some(found) => return Some(found),
                    None => heard.changed().await.ok()?,
                }
            }
        };
        match timeout(PATIENCE, listening).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(self.ended()),
            Err(_) => Err(late(what, self.words())),
        }
    }

    /// Waits until something is true of the databases; how long that took.
    pub async fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut() -> rusqlite::Result<bool>,
    ) -> Result<Duration, DemoError> {
        let began = Instant::now();
        while !holds().map_err(DemoError::database(format!("see whether {what}")))? {
            if began.elapsed() > PATIENCE {
                return Err(late(what, self.words()));
            }
            self.tick().await?;
        }
        Ok(began.elapsed())
    }

    /// Ends it as a service manager does.
    pub fn end(mut self) -> Result<(), DemoError> {
        match self.terminate() {
            true => Ok(()),
            false => Err(self.ended()),
        }
    }

    /// A short wait; an error when the daemon is gone.
    async fn tick(&mut self) -> Result<(), DemoError> {
        sleep(TICK).await;
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(self.ended()),
        }
    }

    /// Its state and the reason.
    fn words(&self) -> String {
        let heard = self.heard.borrow();
        let state = format!("{:?}", heard.status.state).to_lowercase();
        match &heard.status.reason {
            Some(reason) => format!("{state}, {reason}"),
            None => state,
        }
    }

    fn ended(&self) -> DemoError {
        let said = std::fs::read_to_string(&self.complaints).unwrap_or_default();
        let said = match said.trim() {
            "" => self.words(),
            said => said.to_owned(),
        };
        DemoError::DaemonEnded { said }
    }

    /// Sends SIGTERM and waits for the end; SIGKILL to one that does not heed it. Whether it ended well.
    fn terminate(&mut self) -> bool {
        let began = Instant::now();
        if matches!(self.child.try_wait(), Ok(None))
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            // It cannot be another process's id: this child was not waited for yet.
            let _ = kill_process(pid, Signal::TERM);
        }
        while began.elapsed() < LAST_WORDS {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(TICK),
                Ok(Some(status)) => return status.success(),
                Err(_) => break,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Keeps what the daemon tells. Returns, and closes the channel, when the daemon ends or falls silent.
async fn listen(mut events: Events, tell: watch::Sender<Heard>) {
    while let Ok(Some(event)) = events.next().await {
        match event {
            Event::Status(status) => tell.send_modify(|heard| heard.status = *status),
            Event::Cycle(cycle) => tell.send_modify(|heard| heard.cycles.push(*cycle)),
            Event::Phase(_) | Event::Recent(_) | Event::Heartbeat => {}
        }
    }
}

fn late(what: &str, daemon: String) -> DemoError {
    DemoError::Late {
        what: what.to_owned(),
        limit: PATIENCE,
        daemon,
    }
}
