//! What the plan knows, as `status` tells it.

use tokio::time::Instant;

use super::{Agreement, LOOK_LOCAL_LEAST, Plan, Trouble};
use crate::control::types::{Pending, State};

impl Plan {
    /// The state, with the reason and the hint if there are any. `running`: a cycle runs.
    pub fn state(&self, running: bool) -> (State, Option<String>, Option<String>) {
        let offline = self.trouble.as_ref().is_some_and(Trouble::is_offline);
        if running && !offline {
            return (State::Syncing, None, None);
        }
        let reason = self.trouble.as_ref().map(|trouble| trouble.error.message.clone());
        let hint = self.trouble.as_ref().and_then(|trouble| trouble.error.hint.clone());
        let state = if self.paused {
            State::Paused
        } else if offline {
            State::Offline
        } else if self.trouble.is_some() {
            State::Attention
        } else if let Agreement::Missed(reason, hint) = &self.agreement {
            return (State::Attention, reason.clone(), hint.clone());
        } else if self.agreement == Agreement::Unknown {
            State::Starting
        } else if self.natural().is_some() {
            State::Waiting
        } else {
            State::Idle
        };
        (state, reason, hint)
    }

    /// Whether both sides hold the same: yes only if the last full cycle left them so and both were looked at since.
    pub fn in_sync(&self) -> Option<bool> {
        let known = self.taken.unwrap_or_default().join(self.causes);
        let changed = known.local.is_some() || known.server.is_some();
        match &self.agreement {
            _ if changed || self.moving => Some(false),
            Agreement::Missed(..) => Some(false),
            Agreement::Reached if self.server_known && self.trouble.is_none() => Some(true),
            _ => None,
        }
    }

    /// Rows waiting to move: none on a side that is known to be unchanged, else unknown.
    pub fn pending(&self) -> Pending {
        let agreed = self.agreement == Agreement::Reached && self.taken.is_none() && !self.moving;
        let none_if = |unchanged: bool| (agreed && unchanged).then_some(0);
        Pending {
            pull: none_if(self.server_known && self.causes.server.is_none()),
            push: none_if(self.looked_local.is_some() && self.causes.local.is_none()),
        }
    }

    /// When the server is tried again, while there is trouble.
    pub fn next_try(&self) -> Option<Instant> {
        self.trouble.as_ref().and_then(Trouble::retry_at)
    }

    /// Whether a file event would bring the next look forward. If not, nobody need listen: a busy database sends
    /// thousands.
    pub fn heeds_hints(&self) -> bool {
        let least = self.looked_local.map(|looked| looked + LOOK_LOCAL_LEAST);
        least.is_none_or(|least| self.look_local_at > least)
    }
}
