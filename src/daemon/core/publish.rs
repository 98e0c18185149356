//! What others see: the status, and the events as they happen.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Core, Running};
use crate::control::addressed::Advises as _;
use crate::control::metrics::Counters;
use crate::control::types::{CycleSummary, Event, Phase, PhaseEvent, State};
use crate::cycle::Syncer;
use crate::daemon::surroundings::Surroundings;
use crate::daemon::{Pairs, report};

impl<S: Syncer, P: Pairs<Syncer = S>, M: Surroundings> Core<S, P, M> {
    /// Brings the published status up to date, and tells of it if more changed than the time of the last look.
    pub(super) fn publish(&mut self) {
        self.complete_status();
        let new = &self.status;
        let mut told = false;
        self.desk.status.send_if_modified(|published| {
            let changed = published != new;
            published.as_of = new.as_of;
            told = published != new;
            if told {
                published.clone_from(new);
            }
            changed
        });
        if told {
            let _ = self.desk.events.send(Event::Status(Box::new(self.status.clone()))); // nobody listens
            let line = self.status.reason.as_ref().unwrap_or(&self.status.recommendation);
            self.manager.status(format!("{}: {line}", self.status.state.as_str()));
        }
    }

    fn complete_status(&mut self) {
        let cycle = match &self.running {
            Some(Running::Cycle(..)) => true,
            Some(Running::Asked(ask, _)) => ask.writes(),
            _ => false,
        };
        let (state, reason, hint) = self.plan.state(cycle);
        if state != self.status.state || reason != self.status.reason && reason.is_some() {
            log_state(state, reason.as_deref());
        }
        self.status.state = state;
        self.count(|counters| counters.enter(state, Instant::now()));
        self.status.reason = reason.or_else(|| self.refused_config.clone());
        self.status.in_sync = self.plan.in_sync();
        self.status.pending = self.plan.pending();
        self.status.next_try = self.plan.next_try().and_then(|at| self.wall(at));
        self.status.next_run = self.next_run();
        self.status.paused_until = self.memory.pause.and_then(|pause| pause.until);
        self.status.database = self.config.local.database.display().to_string();
        self.status.remote = report::remote(&self.config);
        self.status.recommendation = report::recommendation(&self.status, hint.as_deref());
        self.status.address_to(self.config.daemon.name.as_deref());
    }

    fn next_run(&self) -> Option<Timestamp> {
        if self.memory.pause.is_some() {
            return None;
        }
        let due = self.plan.due().and_then(|(at, _)| self.wall(at));
        due.into_iter().chain(self.alarm.next()).min()
    }

    /// An instant as the wall clock will show it, to the second: it is for people.
    fn wall(&self, at: Instant) -> Option<Timestamp> {
        let now = Instant::now();
        let ahead = SignedDuration::try_from(at.saturating_duration_since(now)).ok()?;
        let wall = self.machine.now().checked_add(ahead).ok()?;
        wall.round(jiff::Unit::Second).ok()
    }

    pub(super) fn tell_phase(&mut self, phase: PhaseEvent) {
        if phase.phase != Phase::Connect {
            self.plan.reached();
        }
        if matches!(phase.phase, Phase::Merge | Phase::Backup | Phase::Push | Phase::Agree) {
            self.plan.moving();
        }
        let _ = self.desk.events.send(Event::Phase(phase)); // nobody listens
    }

    pub(super) fn count(&self, what: impl FnOnce(&mut Counters)) {
        what(&mut self.desk.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn tell_cycle(&mut self, cycle: &CycleSummary) {
        self.count(|counters| counters.record(cycle));
        let mut told = cycle.clone();
        told.address_to(self.config.daemon.name.as_deref());
        let recent = &self.memory.recent;
        self.desk
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(recent);
        // Nobody may listen.
        let _ = self.desk.events.send(Event::Cycle(Box::new(told)));
        let _ = self.desk.events.send(Event::Recent(Box::new(recent.clone())));
    }
}

fn log_state(state: State, reason: Option<&str>) {
    match (state, reason) {
        (State::Attention, reason) => tracing::error!("attention: {}", reason.unwrap_or("a person is needed")),
        (State::Offline, reason) => tracing::warn!("offline: {}", reason.unwrap_or("the server cannot be reached")),
        (state, _) => tracing::debug!("{}", state.as_str()),
    }
}
