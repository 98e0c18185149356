//! The loop: a thin shell around the [`Plan`], which alone decides.
//!
//! Each round it looks at clock and network, gives the idle worker what the plan says, publishes the status, and waits
//! for whatever comes first: the worker's report, a command, a file event, a strike of the schedule, the next instant
//! of the plan. It never waits for the pair itself.

mod answers;
mod notify;
mod publish;
mod requests;

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::handle::{Desk, ending};
use super::memory::{Memory, MemoryFile};
use super::notices::{Notices, Tidings};
use super::plan::{Action, Plan, Scope, Settings};
use super::schedule::Schedule;
use super::surroundings::{Jump, Sentry, Surroundings};
use super::systemd::ServiceManager;
use super::watch::Watch;
use super::worker::{Job, Worker};
use super::{FatalError, Pairs};
use crate::config::Config;
use crate::control::types::{MovedRows, Status, SyncRequest};
use crate::cycle::{Syncer, Trigger};
use requests::{Ask, Queue};

/// The longest round: clock and network are looked at this often.
const ROUND: Duration = Duration::from_secs(1);

/// How long a cycle that runs may go on when the daemon ends.
const GRACE: Duration = Duration::from_secs(4);

/// How long one that is cut off may take to come to its next wait.
const CUT_OFF_LIMIT: Duration = Duration::from_secs(2);

/// What the worker does.
enum Running {
    /// Something that nobody waits for and that is no cycle.
    Own,
    /// A cycle that the plan started.
    Cycle(Trigger, Began),
    /// What was asked for.
    Asked(Ask, Began),
}

/// When it began, by both clocks.
#[derive(Clone, Copy)]
struct Began {
    wall: Timestamp,
    at: Instant,
}

/// The loop's state. [`Core::run`] is the loop.
pub(super) struct Core<S, P, M> {
    config: Config,
    pairs: P,
    machine: M,
    sentry: Sentry,
    plan: Plan,
    worker: Worker<S>,
    running: Option<Running>,
    /// The pair of a new config, until the worker is free to take it.
    next_pair: Option<S>,
    queue: Queue,
    desk: Desk,
    status: Status,
    /// Why the last new config was refused.
    refused_config: Option<String>,
    memory: Memory,
    memory_file: MemoryFile,
    /// The rows that the cycle moved which just ended.
    moved: MovedRows,
    watch: Watch,
    hints: mpsc::Receiver<()>,
    hint: mpsc::Sender<()>,
    alarm: Alarm,
    strikes: mpsc::Receiver<()>,
    manager: ServiceManager,
    notices: Notices,
    /// Given to whoever tells a person; here is heard how it went.
    tidings: Tidings,
    heard: mpsc::Receiver<bool>,
    /// When the server was last tried and not reached.
    unreached: Option<Timestamp>,
    /// Whether the pair has said how many conflicts wait.
    standing_is_known: bool,
}

impl<S: Syncer, P: Pairs<Syncer = S>, M: Surroundings> Core<S, P, M> {
    /// Puts everything in place; nothing happens before [`Core::run`].
    pub async fn new(config: Config, pairs: P, machine: M, desk: Desk) -> Result<Self, FatalError> {
        let now = Instant::now();
        let schedule = read_schedule(&config)?;
        let syncer = pairs.open(&config).await.map_err(FatalError::Pair)?;
        let memory_file = MemoryFile::new(&config.daemon.state_dir);
        let memory = memory_file.load();
        let (hint, hints) = mpsc::channel(1);
        let (strike, strikes) = mpsc::channel(1);
        let (tidings, heard) = mpsc::channel(1);
        let mut alarm = Alarm::new(strike);
        alarm.set(schedule).await?;
        {
            let mut known = desk.counters.lock().unwrap_or_else(PoisonError::into_inner);
            known.last_success = memory.recent.last_success();
            known.last_backup = memory.last_backup;
        }
        desk.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&memory.recent);
        let mut plan = Plan::new(settings(&config), now);
        plan.set_paused(now, memory.pause.is_some());
        let status = Status {
            last_cycle: memory.last_cycle.clone(),
            started: Some(machine.now()),
            ..desk.status.borrow().clone()
        };
        Ok(Self {
            sentry: Sentry::new(now, &machine),
            watch: Watch::start(config.local.database.clone(), hint.clone()),
            worker: Worker::start(syncer),
            manager: ServiceManager::from_env(now),
            notices: Notices::new(&config.notify, memory.told.clone()),
            tidings,
            heard,
            unreached: None,
            standing_is_known: false,
            running: None,
            next_pair: None,
            queue: Queue::default(),
            refused_config: None,
            config,
            pairs,
            machine,
            plan,
            desk,
            status,
            memory,
            memory_file,
            moved: MovedRows::default(),
            hints,
            hint,
            alarm,
            strikes,
        })
    }

    /// Goes round until the daemon is told to stop.
    ///
    /// # Errors
    /// When the worker or the scheduler broke down: nothing but a new start helps.
    pub async fn run(mut self) -> Result<(), FatalError> {
        self.manager.ready();
        let mut stop = self.desk.stop.clone();
        loop {
            let now = Instant::now();
            self.manager.beat(now);
            self.heed_jumps(now).await?;
            self.end_pause_in_time(now);
            let until = self.act(now)?;
            self.publish();
            self.notify();
            tokio::select! {
                biased;
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
                report = self.worker.report() => self.take_report(report.ok_or(FatalError::Worker)?),
                Some(command) = self.desk.commands.recv() => self.take_command(command).await?,
                Some(()) = self.strikes.recv() => self.strike().await?,
                Some(success) = self.heard.recv() => self.notified(success),
                Some(()) = self.hints.recv(), if self.plan.heeds_hints() => self.plan.hint(Instant::now()),
                () = tokio::time::sleep_until(until) => {}
            }
        }
        self.wind_down().await;
        Ok(())
    }

    /// Gives the worker what there is to do, if it is free. Returns when to come again at the latest.
    fn act(&mut self, now: Instant) -> Result<Instant, FatalError> {
        let round = self
            .manager
            .next_beat()
            .map_or(now + ROUND, |beat| beat.min(now + ROUND));
        if self.running.is_some() {
            return Ok(round);
        }
        if let Some(pair) = self.next_pair.take() {
            self.give(Running::Own, Job::Replace(pair))?;
            return Ok(round);
        }
        match self.plan.decide(now, self.queue.waits()) {
            Action::Serve => self.serve(now)?,
            Action::Run(trigger) => self.run_cycle(now, trigger)?,
            Action::LookLocal => self.give(Running::Own, Job::LookLocal)?,
            Action::LookServer => self.give(Running::Own, Job::LookServer)?,
            Action::CountLocal => self.give(Running::Own, Job::CountLocal)?,
            Action::Sleep(until) => return Ok(until.min(round)),
        }
        Ok(round)
    }

    fn give(&mut self, running: Running, job: Job<S>) -> Result<(), FatalError> {
        self.running = Some(running);
        if self.worker.give(job) {
            Ok(())
        } else {
            Err(FatalError::Worker)
        }
    }

    fn run_cycle(&mut self, now: Instant, trigger: Trigger) -> Result<(), FatalError> {
        tracing::debug!("a cycle starts: {}", trigger.as_str());
        self.plan.started(Scope::Full);
        let began = self.began(now);
        let count = self.counts_are_missing();
        self.give(
            Running::Cycle(trigger, began),
            Job::Sync {
                request: SyncRequest::default(),
                trigger,
                count,
            },
        )
    }

    fn began(&self, now: Instant) -> Began {
        Began {
            wall: self.machine.now(),
            at: now,
        }
    }

    fn counts_are_missing(&self) -> bool {
        self.status.local.is_none() || self.status.server.is_none()
    }

    /// After sleep or a change of network a connection may be dead without knowing: whatever runs is cut off, and a
    /// cycle runs at once.
    async fn heed_jumps(&mut self, now: Instant) -> Result<(), FatalError> {
        let Some(jump) = self.sentry.look(now, &self.machine) else {
            return Ok(());
        };
        tracing::info!("noticed: {jump:?}");
        if jump != Jump::OtherNetwork {
            self.alarm.rearm().await?;
        }
        if jump != Jump::ClockSetBack {
            self.plan.want(now, Trigger::Wake);
            self.plan.disconnected();
            self.cut_off_or_disconnect()?;
        }
        Ok(())
    }

    fn cut_off_or_disconnect(&mut self) -> Result<(), FatalError> {
        if self.running.is_none() {
            self.give(Running::Own, Job::Disconnect)?;
        } else {
            self.worker.cut_off();
        }
        Ok(())
    }

    fn end_pause_in_time(&mut self, now: Instant) {
        let until = self.memory.pause.and_then(|pause| pause.until);
        if until.is_some_and(|until| until <= self.machine.now()) {
            tracing::info!("the pause is over");
            self.set_pause(now, None);
        }
    }

    async fn strike(&mut self) -> Result<(), FatalError> {
        self.alarm.struck().await?;
        if self.memory.pause.is_none() {
            self.plan.want(Instant::now(), Trigger::Schedule);
        }
        Ok(())
    }
}

/// The end.
impl<S: Syncer, P: Pairs<Syncer = S>, M: Surroundings> Core<S, P, M> {
    /// Lets a cycle that runs end if it does so soon, cuts off everything else, and sends the askers home.
    async fn wind_down(mut self) {
        self.manager.stopping();
        self.desk.commands.close();
        self.queue.refuse_all(&ending());
        let cycle_runs = matches!(self.running, Some(Running::Cycle(..) | Running::Asked(..)));
        if !(cycle_runs && self.ends_within(GRACE).await) && self.running.is_some() {
            self.worker.cut_off();
            if !self.ends_within(CUT_OFF_LIMIT).await {
                tracing::warn!("the cycle that runs did not stop; the next start completes it");
            }
        }
        self.worker.abort();
        if let Some(Running::Asked(ask, _)) = self.running.take() {
            ask.refuse(&ending());
        }
        self.publish();
        tracing::info!("ended");
    }

    async fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.running.is_some() {
            match tokio::time::timeout_at(deadline, self.worker.report()).await {
                Ok(Some(report)) => self.take_report(report),
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        watch: config.sync.watch,
        debounce: config.sync.debounce,
        max_delay: config.sync.max_delay,
        poll: config.sync.poll,
    }
}

fn read_schedule(config: &Config) -> Result<Option<Schedule>, FatalError> {
    let expression = config.sync.schedule.as_deref();
    Ok(expression.map(Schedule::parse).transpose()?)
}
