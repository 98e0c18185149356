//! What the worker reports, and where it goes.

use tokio::time::Instant;

use super::requests::{Ask, answer, answer_all};
use super::{Began, Core, Running};
use crate::control::handler::Response;
use crate::control::types::{CycleSummary, ErrorCode, Outcome};
use crate::cycle::{CycleError, Syncer, Trigger};
use crate::daemon::Pairs;
use crate::daemon::backoff::random;
use crate::daemon::surroundings::Surroundings;
use crate::daemon::worker::{Aftermath, Done, Report};

impl<S: Syncer, P: Pairs<Syncer = S>, M: Surroundings> Core<S, P, M> {
    pub(super) fn take_report(&mut self, report: Report) {
        match report {
            Report::Phase(phase) => self.tell_phase(phase),
            Report::Done(done, engine) => {
                self.status.engine = engine;
                if let Some(running) = self.running.take() {
                    self.take_done(running, *done);
                }
            }
        }
    }

    fn take_done(&mut self, running: Running, done: Done) {
        let now = Instant::now();
        match done {
            Done::Synced(result, aftermath) => {
                self.heed_reach(&result);
                self.heed(now, *aftermath);
                self.cycle_ended(now, running, &result);
            }
            Done::Answered(result, aftermath) => {
                self.heed_reach(&result);
                self.heed(now, *aftermath);
                self.errand_ended(now, running, result);
            }
            Done::LookedLocal(result) => self.plan.local_looked(now, result),
            Done::LookedServer(result) => {
                self.server_spoke(result.is_ok());
                self.heed_reach(&result);
                self.plan.server_looked(now, result, random());
            }
            Done::CountedLocal(result) => {
                self.plan.local_counted(now);
                match result {
                    Ok(counts) => self.status.local = Some(counts),
                    Err(error) => tracing::debug!("cannot count the local rows: {error}"),
                }
            }
            Done::Disconnected | Done::Replaced => {}
            Done::CutOff => self.cut_off(now, running),
        }
    }

    fn server_spoke(&mut self, spoke: bool) {
        if spoke {
            self.status.as_of = Some(self.machine.now());
        }
    }

    /// Takes over what is known after a job.
    fn heed(&mut self, now: Instant, after: Aftermath) {
        if let Some(standing) = after.standing {
            self.status.left_out = standing.left_out;
            self.status.conflicts = standing.conflicts;
            self.standing_is_known = true;
        }
        if after.local.is_some() {
            self.plan.local_counted(now);
        }
        self.moved = after.moved;
        self.status.local = after.local.or(self.status.local.take());
        self.status.server = after.server.or(self.status.server.take());
    }

    fn errand_ended(&mut self, now: Instant, running: Running, result: Result<Response, CycleError>) {
        self.server_spoke(result.is_ok());
        match &result {
            Ok(Response::Check(report)) => {
                self.status.local = Some(report.local.clone());
                self.status.server = Some(report.server.clone());
                self.status.left_out.clone_from(&report.left_out);
            }
            Ok(response) => {
                if let Some(cycle) = response.cycle() {
                    self.keep(cycle);
                }
            }
            Err(_) => {}
        }
        let Running::Asked(Ask::Errand(errand, reply), _) = running else {
            return;
        };
        let outcome = result.as_ref().map(Response::cycle);
        self.plan.errand_ended(now, errand.writes(), outcome, random());
        self.publish();
        answer(reply, result);
    }

    /// A cycle that was cut off runs again: the plan has its causes back, and those who asked for it still wait.
    fn cut_off(&mut self, now: Instant, running: Running) {
        match running {
            Running::Own => {}
            Running::Cycle(..) => self.plan.ended(now, None, random()),
            Running::Asked(ask, _) => {
                if matches!(ask, Ask::Sync { .. }) {
                    self.plan.ended(now, None, random());
                }
                self.queue.put_back(ask);
            }
        }
    }

    fn cycle_ended(&mut self, now: Instant, running: Running, result: &Result<CycleSummary, CycleError>) {
        self.server_spoke(result.is_ok());
        self.plan.ended(now, Some(result.as_ref()), random());
        let (trigger, began, full) = match &running {
            Running::Asked(ask, began) => (Trigger::SyncNow, *began, ask.is_full_cycle()),
            Running::Cycle(trigger, began) => (*trigger, *began, true),
            Running::Own => return,
        };
        match result {
            Ok(summary) => self.keep(summary),
            Err(error) if full => self.keep(&failed(error, trigger, began, now)),
            Err(_) => {} // between the request and who made it
        }
        // Those who asked find in the status what their cycle led to.
        self.publish();
        if let Running::Asked(Ask::Sync { replies, .. }, _) = running {
            answer_all(replies, result);
        }
    }

    /// Tells of a cycle that ended and remembers it. One that did not reach the server is told, but `last_cycle` goes on
    /// to say when the two sides last met; so it does after a dry run.
    fn keep(&mut self, cycle: &CycleSummary) {
        log_cycle(cycle);
        let news = self.memory.recent.add(cycle, std::mem::take(&mut self.moved));
        let met = !matches!(cycle.outcome, Outcome::Planned | Outcome::Offline);
        if met {
            self.status.last_cycle = Some(cycle.clone());
            self.memory.last_cycle = Some(cycle.clone());
            if cycle.backup.is_some() {
                self.memory.last_backup = cycle.started;
            }
        }
        if met || news {
            self.memory_file.save(&self.memory);
        }
        self.tell_cycle(cycle);
    }
}

/// A cycle that ended with an error, as a summary.
fn failed(error: &CycleError, trigger: Trigger, began: Began, now: Instant) -> CycleSummary {
    CycleSummary {
        outcome: match error.code {
            ErrorCode::Offline => Outcome::Offline,
            ErrorCode::Attention => Outcome::Stopped,
            _ => Outcome::Failed,
        },
        reason: Some(error.message.clone()),
        hint: error.hint.clone(),
        trigger: trigger.as_str().to_owned(),
        started: Some(began.wall),
        duration_ms: u64::try_from((now - began.at).as_millis()).unwrap_or(u64::MAX),
        ..CycleSummary::default()
    }
}

fn log_cycle(cycle: &CycleSummary) {
    let reason = cycle.reason.as_deref().unwrap_or_default();
    let told = (cycle.outcome.as_str(), cycle.trigger.as_str());
    match cycle.outcome {
        Outcome::Unchanged | Outcome::Offline => tracing::debug!(outcome = told.0, trigger = told.1, reason, "cycle"),
        Outcome::Synced | Outcome::Planned => tracing::info!(
            outcome = told.0,
            trigger = told.1,
            pulled = cycle.pulled,
            pushed = cycle.pushed,
            deleted = cycle.deleted,
            conflicts = cycle.conflicts,
            ms = cycle.duration_ms,
            "cycle"
        ),
        _ => tracing::warn!(outcome = told.0, trigger = told.1, held = cycle.held, reason, "cycle"),
    }
}
