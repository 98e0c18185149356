//! When to do what: the daemon's decisions as a state machine without clock, network or files.
//!
//! The loop tells the [`Plan`] what happened and asks [`Plan::decide`] what to do now. Every time goes in as an
//! argument, so a test is a table of events and expected actions.

mod agreement;
mod causes;
mod status;
mod trouble;

use std::time::Duration;

use tokio::time::Instant;

use crate::control::types::{CycleSummary, ErrorCode};
use crate::cycle::{CycleError, Trigger};

use agreement::Agreement;
use causes::{Causes, Unsynced};
pub(super) use trouble::{Source, Trouble};

/// How often the local database is looked at without a hint. File events may be missing (macOS reports no writes to a
/// WAL), so this is what a change is found by at the latest.
const LOOK_LOCAL: Duration = Duration::from_secs(1);

/// Least time between two local looks, however many file events come.
const LOOK_LOCAL_LEAST: Duration = Duration::from_millis(100);

/// Least time between two counts of the local rows outside of cycles.
const COUNT_LOCAL_LEAST: Duration = Duration::from_secs(5);

/// What of `[sync]` the decisions depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Whether local writes start a cycle.
    pub watch: bool,
    /// Quiet time after the last local write.
    pub debounce: Duration,
    /// Longest time from the first local write to a cycle.
    pub max_delay: Duration,
    /// How often the server is asked whether it changed.
    pub poll: Duration,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Answer the request that waits longest.
    Serve,
    /// Run a cycle.
    Run(Trigger),
    /// Look whether the local database changed.
    LookLocal,
    /// Ask the server whether it changed.
    LookServer,
    /// Count the local rows.
    CountLocal,
    /// Nothing until then.
    Sleep(Instant),
}

/// Which changes a cycle takes care of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All there are.
    Full,
    /// Those of the sides that are true; the others are still there afterwards.
    Partial { local: bool, server: bool },
    /// None: it writes nothing.
    Dry,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Plan {
    settings: Settings,
    causes: Causes,
    /// What the running cycle takes care of.
    scope: Option<Scope>,
    /// The causes that it took off the plan; `None` when none runs or when it is no full one.
    taken: Option<Causes>,
    /// The running cycle has found rows to move.
    moving: bool,
    trouble: Option<Trouble>,
    agreement: Agreement,
    paused: bool,
    /// Whether the last word from the server still stands: it answered, and nothing cut the line since.
    server_known: bool,
    looked_local: Option<Instant>,
    look_local_at: Instant,
    look_server_at: Instant,
    /// When the local rows are to be counted again; `None` while the count is right.
    count_local_at: Option<Instant>,
    counted_local: Option<Instant>,
}

impl Plan {
    /// A plan that begins with a cycle.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            causes: Causes {
                wanted: Some((now, Trigger::Start)),
                ..Causes::default()
            },
            scope: None,
            taken: None,
            moving: false,
            trouble: None,
            agreement: Agreement::Unknown,
            paused: false,
            server_known: false,
            looked_local: None,
            look_local_at: now,
            look_server_at: now,
            count_local_at: None,
            counted_local: None,
        }
    }

    /// What to do now, when nothing runs. `waiting`: whether a request waits.
    pub fn decide(&self, now: Instant, waiting: bool) -> Action {
        if waiting {
            return Action::Serve;
        }
        if let Some((at, trigger)) = self.due()
            && at <= now
        {
            return if trigger == Trigger::Watch && self.trouble.is_none() && !self.is_surely_quiet(now) {
                Action::LookLocal
            } else {
                Action::Run(trigger)
            };
        }
        if self.look_local_at <= now {
            return Action::LookLocal;
        }
        if self.poll_at().is_some_and(|at| at <= now) {
            return Action::LookServer;
        }
        if self.count_local_at.is_some_and(|at| at <= now) {
            return Action::CountLocal;
        }
        Action::Sleep(self.next_instant())
    }

    /// When the next cycle is due by itself, and what starts it; the schedule is not counted until it strikes.
    pub fn due(&self) -> Option<(Instant, Trigger)> {
        if self.paused {
            return None;
        }
        let natural = self.natural();
        match &self.trouble {
            None => natural,
            Some(trouble) => {
                let trigger = natural.map_or(Trigger::Poll, |(_, trigger)| trigger);
                trouble.retry_at().map(|at| (at, trigger))
            }
        }
    }

    /// The same, as if there were no trouble.
    fn natural(&self) -> Option<(Instant, Trigger)> {
        if self.causes.wanted.is_some() {
            return self.causes.wanted;
        }
        if let Some(since) = self.causes.server {
            return Some((since, Trigger::Poll));
        }
        let local = self.causes.local.filter(|_| self.settings.watch)?;
        let quiet = local.last + self.settings.debounce;
        Some((quiet.min(local.first + self.settings.max_delay), Trigger::Watch))
    }

    /// Whether a cycle for local changes may start: a look after the quiet time found nothing new, or it waited long
    /// enough. Without it a write that came without a file event would cut the quiet time short.
    fn is_surely_quiet(&self, now: Instant) -> bool {
        self.causes.local.is_none_or(|local| {
            now >= local.first + self.settings.max_delay
                || self
                    .looked_local
                    .is_some_and(|looked| looked >= local.last + self.settings.debounce)
        })
    }

    /// When the server is asked next whether it changed. Not while there is trouble: the next cycle asks, and asking
    /// again and again with a key that is refused gets a laptop banned. A pause lets the asking go on, so that `status`
    /// knows whether a sync is needed; as no cycle runs then, it also finds out that the server is back.
    fn poll_at(&self) -> Option<Instant> {
        match &self.trouble {
            None => Some(self.look_server_at),
            Some(trouble) if self.paused => trouble.retry_at().map(|at| at.max(self.look_server_at)),
            Some(_) => None,
        }
    }

    fn next_instant(&self) -> Instant {
        let due = self.due().map(|(at, _)| at);
        [due, self.poll_at(), self.count_local_at]
            .into_iter()
            .flatten()
            .fold(self.look_local_at, Instant::min)
    }
}

/// What happened.
impl Plan {
    /// The config was read again.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// A cycle is wanted at once. While there is trouble: [`Trigger::Schedule`] waits for the shorter pause, the others
    /// (the network came back, the config is new) end the waiting.
    pub fn want(&mut self, now: Instant, trigger: Trigger) {
        self.causes.wanted.get_or_insert((now, trigger));
        if let Some(trouble) = &mut self.trouble {
            if trigger == Trigger::Schedule {
                trouble.prompt();
            } else {
                trouble.retry_now(now);
            }
        }
    }

    /// A file event came: look soon. Events come for the daemon's own writes too, so they say nothing more.
    pub fn hint(&mut self, now: Instant) {
        let least = self.looked_local.map_or(now, |looked| looked + LOOK_LOCAL_LEAST);
        self.look_local_at = self.look_local_at.min(least.max(now));
    }

    /// The local database was looked at.
    pub fn local_looked(&mut self, now: Instant, result: Result<bool, CycleError>) {
        // The first look has nothing to tell a change from, and until a cycle has ended one is wanted anyway.
        let first = self.looked_local.is_none() && self.agreement == Agreement::Unknown;
        self.looked_local = Some(now);
        self.look_local_at = now + LOOK_LOCAL;
        match result {
            Ok(changed) => {
                if self
                    .trouble
                    .as_ref()
                    .is_some_and(|trouble| trouble.source == Source::Local)
                {
                    self.trouble = None;
                    self.want(now, Trigger::Watch);
                }
                if changed && !first {
                    self.local_changed(now);
                }
            }
            Err(error) => self.trouble = Some(Trouble::local(error, now)),
        }
    }

    fn local_changed(&mut self, now: Instant) {
        let first = self.causes.local.map_or(now, |local| local.first);
        self.causes.local = Some(Unsynced { first, last: now });
        let least = self.counted_local.map_or(now, |counted| counted + COUNT_LOCAL_LEAST);
        self.count_local_at.get_or_insert(least.max(now));
        if let Some(trouble) = &mut self.trouble {
            trouble.prompt();
        }
    }

    /// The local rows were counted.
    pub fn local_counted(&mut self, now: Instant) {
        self.counted_local = Some(now);
        self.count_local_at = None;
    }

    /// The server was asked whether it changed. `random`: see [`Backoff`](super::backoff::Backoff).
    pub fn server_looked(&mut self, now: Instant, result: Result<bool, CycleError>, random: f64) {
        match result {
            Ok(changed) => {
                self.answered(now);
                if changed {
                    self.causes.server.get_or_insert(now);
                }
            }
            Err(error) => {
                self.causes.wanted.get_or_insert((now, Trigger::Poll));
                self.fail(now, error, random);
            }
        }
    }

    fn server_answered(&mut self, now: Instant) {
        self.server_known = true;
        self.look_server_at = now + self.settings.poll;
    }

    /// A cycle starts. A full one takes care of every cause known so far; a change that is seen later stays a cause of
    /// its own.
    pub fn started(&mut self, scope: Scope) {
        self.scope = Some(scope);
        self.taken = (scope == Scope::Full).then(|| std::mem::take(&mut self.causes));
    }

    /// The server was reached.
    pub fn reached(&mut self) {
        if self.trouble.as_ref().is_some_and(Trouble::is_offline) {
            self.trouble = None;
        }
    }

    /// The cycle that runs has found rows to move: it begins to write.
    pub fn moving(&mut self) {
        self.moving = true;
    }

    /// The cycle that was started ended, or was cut off (`None`).
    pub fn ended(&mut self, now: Instant, result: Option<Result<&CycleSummary, &CycleError>>, random: f64) {
        let (taken, scope) = (self.taken.take(), self.scope.take());
        self.moving = false;
        self.look_local_at = now;
        match (result, taken) {
            (Some(Ok(summary)), Some(_)) => {
                self.trouble = None;
                self.server_answered(now);
                self.agreement = Agreement::after(summary);
            }
            (Some(Ok(_)), None) => self.ended_partly(now, scope),
            (Some(Err(error)), Some(causes)) => {
                self.causes = causes.join(self.causes);
                self.causes.wanted.get_or_insert((now, Trigger::Poll));
                self.fail(now, error.clone(), random);
            }
            (Some(Err(error)), None) => self.failed_request(now, error, random),
            (None, causes) => {
                self.causes = causes.unwrap_or_default().join(self.causes);
                self.disconnected();
            }
        }
    }

    /// A cycle that was asked to leave one side alone may have hidden its changes from the next look, so that side
    /// counts as changed.
    fn ended_partly(&mut self, now: Instant, scope: Option<Scope>) {
        self.answered(now);
        if let Some(Scope::Partial { local, server }) = scope {
            if !local {
                self.local_changed(now);
            }
            if !server {
                self.causes.server.get_or_insert(now);
            }
        }
    }

    /// An errand ended: with the cycle that it ran, if it ran one. After one that failed half-way a cycle puts things
    /// right.
    pub fn errand_ended(
        &mut self,
        now: Instant,
        wrote: bool,
        result: Result<Option<&CycleSummary>, &CycleError>,
        random: f64,
    ) {
        self.moving = false;
        match result {
            Ok(cycle) => {
                self.answered(now);
                if let Some(summary) = cycle {
                    self.look_local_at = now;
                    self.agreement = Agreement::after(summary);
                }
            }
            Err(error) => {
                self.failed_request(now, error, random);
                if wrote && error.code == ErrorCode::Failed {
                    self.want(now, Trigger::Poll);
                }
            }
        }
    }

    /// A request that is no full cycle, or a look, got its answer from the server.
    pub fn answered(&mut self, now: Instant) {
        self.reached();
        self.server_answered(now);
    }

    /// A request that is no full cycle failed. Only an unreachable server matters to the daemon itself; the rest is
    /// between the request and who made it.
    pub fn failed_request(&mut self, now: Instant, error: &CycleError, random: f64) {
        if Trouble::says_offline(error) {
            self.causes.wanted.get_or_insert((now, Trigger::Poll));
            self.fail(now, error.clone(), random);
        }
    }

    fn fail(&mut self, now: Instant, error: CycleError, random: f64) {
        self.disconnected();
        self.trouble = Some(Trouble::after(self.trouble.take(), now, error, random));
    }

    /// The connection was closed: what was known of the server may no longer be true.
    pub fn disconnected(&mut self) {
        self.server_known = false;
    }

    /// A person paused or resumed. After a pause a cycle runs at once.
    pub fn set_paused(&mut self, now: Instant, paused: bool) {
        if self.paused && !paused {
            self.want(now, Trigger::Poll);
        }
        self.paused = paused;
    }
}

#[cfg(test)]
mod tests;
