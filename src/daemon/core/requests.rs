//! What was asked for and needs the pair: the queue, and how it is served.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Core, Running, read_schedule, settings};
use crate::config::Config;
use crate::control::handler::Response;
use crate::control::types::{CycleSummary, ErrorCode, Status, SyncRequest};
use crate::cycle::{CycleError, Syncer, Trigger};
use crate::daemon::errand::Errand;
use crate::daemon::handle::{Command, Reply};
use crate::daemon::memory::Pause;
use crate::daemon::plan::Scope;
use crate::daemon::surroundings::Surroundings;
use crate::daemon::watch::Watch;
use crate::daemon::worker::Job;
use crate::daemon::{FatalError, Pairs};

/// How many requests may wait for the pair.
const QUEUE: usize = 32;

/// A request that needs the pair.
pub(super) enum Ask {
    Sync {
        request: SyncRequest,
        /// Those who wait for the summary.
        replies: Vec<Reply<Option<CycleSummary>>>,
        /// Somebody asked for it without waiting, so it runs even if all others left.
        unattended: bool,
    },
    Errand(Errand, Reply<Response>),
}

impl Ask {
    /// Whether it may write to the databases.
    pub fn writes(&self) -> bool {
        match self {
            Self::Sync { request, .. } => !request.dry_run,
            Self::Errand(errand, _) => errand.writes(),
        }
    }

    /// Whether it is a cycle that leaves nothing for the next one.
    pub fn is_full_cycle(&self) -> bool {
        matches!(self, Self::Sync { request, .. } if scope(request) == Scope::Full)
    }

    /// Whether all who asked have left.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Sync {
                replies, unattended, ..
            } => !unattended && replies.iter().all(Reply::is_closed),
            Self::Errand(_, reply) => reply.is_closed(),
        }
    }

    /// Tells all who asked that it will not be done.
    pub fn refuse(self, error: &CycleError) {
        match self {
            Self::Sync { replies, .. } => answer_all(replies, &Err(error.clone())),
            Self::Errand(_, reply) => answer(reply, Err(error.clone())),
        }
    }
}

/// Answers; an asker who has left is no error.
pub(super) fn answer<T>(reply: Reply<T>, result: Result<T, CycleError>) {
    let _ = reply.send(result);
}

/// The same for all who shared a cycle.
pub(super) fn answer_all(replies: Vec<Reply<Option<CycleSummary>>>, result: &Result<CycleSummary, CycleError>) {
    for reply in replies {
        answer(reply, result.clone().map(Some));
    }
}

fn scope(request: &SyncRequest) -> Scope {
    let planned = request.plan.is_some();
    match request {
        SyncRequest { dry_run: true, .. } => Scope::Dry,
        SyncRequest {
            pull_only: false,
            skip_pull: false,
            ..
        } if !planned => Scope::Full,
        _ => Scope::Partial {
            local: request.skip_pull && !planned,
            server: request.pull_only && !planned,
        },
    }
}

/// The requests that wait, oldest first.
#[derive(Default)]
pub(super) struct Queue(VecDeque<Ask>);

impl Queue {
    /// Whether anything waits.
    pub fn waits(&self) -> bool {
        !self.0.is_empty()
    }

    /// Puts back what was cut off.
    pub fn put_back(&mut self, ask: Ask) {
        self.0.push_front(ask);
    }

    /// The oldest that somebody still wants.
    fn next(&mut self) -> Option<Ask> {
        while let Some(ask) = self.0.pop_front() {
            if !ask.is_abandoned() {
                return Some(ask);
            }
        }
        None
    }

    fn add(&mut self, ask: Ask) {
        if self.0.len() < QUEUE {
            self.0.push_back(ask);
        } else {
            ask.refuse(&CycleError {
                code: ErrorCode::Busy,
                message: format!("cannot take the request: {QUEUE} others wait already"),
                hint: Some("ask again when the running cycle has ended".to_owned()),
            });
        }
    }

    /// Joins a cycle that waits already if it is the same; a cycle that runs cannot be joined, it may have read the
    /// databases before the change that this request is about.
    fn add_sync(&mut self, mut request: SyncRequest, reply: Reply<Option<CycleSummary>>) {
        let no_wait = std::mem::take(&mut request.no_wait);
        let same = |ask: &Ask| matches!(ask, Ask::Sync { request: waiting, .. } if *waiting == request);
        let index = self.0.iter().position(same);
        if let Some(Ask::Sync {
            replies, unattended, ..
        }) = index.and_then(|index| self.0.get_mut(index))
        {
            if no_wait {
                *unattended = true;
                answer(reply, Ok(None));
            } else {
                replies.push(reply);
            }
        } else if no_wait && self.0.len() < QUEUE {
            self.0.push_back(Ask::Sync {
                request,
                replies: Vec::new(),
                unattended: true,
            });
            answer(reply, Ok(None));
        } else {
            self.add(Ask::Sync {
                request,
                replies: vec![reply],
                unattended: false,
            });
        }
    }

    /// Sends everybody home.
    pub fn refuse_all(&mut self, error: &CycleError) {
        for ask in self.0.drain(..) {
            ask.refuse(error);
        }
    }
}

impl<S: Syncer, P: Pairs<Syncer = S>, M: Surroundings> Core<S, P, M> {
    /// Gives the worker the request that waits longest.
    pub(super) fn serve(&mut self, now: Instant) -> Result<(), FatalError> {
        let Some(ask) = self.queue.next() else {
            return Ok(());
        };
        let job = match &ask {
            Ask::Sync { request, .. } => {
                self.plan.started(scope(request));
                Job::Sync {
                    request: request.clone(),
                    trigger: Trigger::SyncNow,
                    count: self.counts_are_missing(),
                }
            }
            Ask::Errand(errand, _) => Job::Errand(errand.clone()),
        };
        let began = self.began(now);
        self.give(Running::Asked(ask, began), job)
    }

    pub(super) async fn take_command(&mut self, command: Command) -> Result<(), FatalError> {
        match command {
            Command::Sync(request, reply) => self.queue.add_sync(request, reply),
            Command::Errand(errand, reply) => self.queue.add(Ask::Errand(errand, reply)),
            Command::Pause(duration, reply) => {
                let result = self.pause(duration);
                answer(reply, result);
            }
            Command::Resume(reply) => {
                self.set_pause(Instant::now(), None);
                let status = self.status_now();
                answer(reply, Ok(status));
            }
            Command::Unseen(unseen, reply) => {
                self.status.conflicts = unseen;
                self.publish();
                answer(reply, Ok(()));
            }
            Command::Reload(Ok(config)) => self.reload(*config).await?,
            Command::Reload(Err(cause)) => self.refuse_config(&cause),
        }
        Ok(())
    }

    fn pause(&mut self, duration: Option<Duration>) -> Result<Status, CycleError> {
        let end = |duration: Duration| {
            let duration = SignedDuration::try_from(duration).ok()?;
            self.machine.now().checked_add(duration).ok()
        };
        let until = duration.map(|duration| {
            end(duration).ok_or_else(|| CycleError {
                code: ErrorCode::BadRequest,
                message: format!("cannot pause for {duration:?}: that ends beyond the calendar"),
                hint: Some("leave the time out to pause until `modsyncctl resume`".to_owned()),
            })
        });
        let until = until.transpose()?;
        self.set_pause(Instant::now(), Some(Pause { until }));
        Ok(self.status_now())
    }

    /// Begins or ends a pause, also for the next start.
    pub(super) fn set_pause(&mut self, now: Instant, pause: Option<Pause>) {
        self.memory.pause = pause;
        self.memory_file.save(&self.memory);
        self.plan.set_paused(now, pause.is_some());
    }

    fn status_now(&mut self) -> Status {
        self.publish();
        self.status.clone()
    }

    /// Goes on with a new config, wholly or not at all. What is bound at the start (state folder, socket) stays.
    async fn reload(&mut self, config: Config) -> Result<(), FatalError> {
        self.manager.reloading();
        let fixed = |config: &Config| (config.daemon.state_dir.clone(), config.daemon.socket.clone());
        if fixed(&config) != fixed(&self.config) {
            self.refuse_config("[daemon] state_dir and socket cannot change while the daemon runs; restart it");
            return Ok(());
        }
        let schedule = match read_schedule(&config) {
            Ok(schedule) => schedule,
            Err(error) => {
                self.refuse_config(&error.to_string());
                return Ok(());
            }
        };
        let pair = match self.pairs.open(&config).await {
            Ok(pair) => pair,
            Err(error) => {
                self.refuse_config(&error.to_string());
                return Ok(());
            }
        };
        self.alarm.set(schedule).await?;
        self.watch = Watch::start(config.local.database.clone(), self.hint.clone());
        self.plan.set_settings(settings(&config));
        self.plan.disconnected();
        self.plan.want(Instant::now(), Trigger::Reload);
        self.next_pair = Some(pair);
        *self.desk.config.lock().unwrap_or_else(PoisonError::into_inner) = config.clone();
        self.config = config;
        self.refused_config = None;
        self.manager.ready();
        tracing::info!("the config was read again");
        Ok(())
    }

    fn refuse_config(&mut self, cause: &str) {
        tracing::error!("the new config is not used, the old one stays: {cause}");
        self.refused_config = Some(format!("the new config is not used, the old one stays: {cause}"));
        self.manager.ready();
    }
}
