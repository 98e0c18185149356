//! What a person may have to be told of, as the loop sees it.

use super::Core;
use crate::control::addressed::Advises as _;
use crate::control::types::{ErrorCode, State};
use crate::cycle::{CycleError, Syncer};
use crate::daemon::Pairs;
use crate::daemon::notices::{Facts, Reach, tell};
use crate::daemon::surroundings::Surroundings;

impl<S: Syncer, P: Pairs<Syncer = S>, M: Surroundings> Core<S, P, M> {
    /// Tells a person what is to be told, if anything is, and remembers it.
    pub(super) fn notify(&mut self) {
        let facts = self.facts();
        if let Some(mut notice) = self.notices.look(self.machine.now(), &facts) {
            notice.address_to(self.config.daemon.name.as_deref());
            tell(notice, self.config.notify.command.clone(), self.tidings.clone());
        }
        self.remember_told();
    }

    /// Hears how telling went.
    pub(super) fn notified(&mut self, success: bool) {
        self.count(|counters| match success {
            true => counters.notified += 1,
            false => counters.notify_failed += 1,
        });
        self.notices.told_it(self.machine.now(), success);
        self.remember_told();
    }

    fn remember_told(&mut self) {
        if *self.notices.told() != self.memory.told {
            self.memory.told = self.notices.told().clone();
            self.memory_file.save(&self.memory);
        }
    }

    /// Remembers when the server was tried and not reached.
    pub(super) fn heed_reach<T>(&mut self, result: &Result<T, CycleError>) {
        match result {
            Err(error) if error.code == ErrorCode::Offline => self.unreached = Some(self.machine.now()),
            _ => {}
        }
    }

    /// What is known. While a cycle runs, at the start and in a pause nothing is: what was wrong may still be.
    fn facts(&self) -> Facts {
        let status = &self.status;
        let reason = || status.reason.clone().unwrap_or_default();
        let (attention, reach) = match status.state {
            State::Attention => (Some(Some(reason())), Some(Reach::Reached)),
            State::Idle | State::Waiting => (Some(None), Some(Reach::Reached)),
            State::Offline => (None, self.unreached.map(|at| Reach::Unreached(at, reason()))),
            State::Starting | State::Syncing | State::Paused => (None, None),
        };
        Facts {
            attention,
            conflicts: self.standing_is_known.then_some(status.conflicts),
            reach,
            advice: status.recommendation.clone(),
            remote: status.remote.clone(),
        }
    }
}
