//! What the service manager is told. Outside of systemd nobody listens and all of this does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// The line to the service manager.
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// Half of the time after which it takes the daemon for stuck.
    every: Option<Duration>,
    next: Instant,
    said: String,
}

impl ServiceManager {
    /// Reads from the environment what the service manager wants to be told.
    pub fn from_env(now: Instant) -> Self {
        Self {
            every: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            next: now,
            said: String::new(),
        }
    }

    /// The daemon has started, or finished reading its config again.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// The daemon reads its config again. The time is asked for by `Type=notify-reload`.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(cause) => tracing::warn!("cannot read the monotonic clock: {cause}"),
        }
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// One line on what the daemon does, told when it changes.
    pub fn status(&mut self, line: String) {
        if line != self.said {
            tell(&[NotifyState::Status(&line)]);
            self.said = line;
        }
    }

    /// The loop goes round. Only the loop calls this, so a stuck loop falls silent.
    pub fn beat(&mut self, now: Instant) {
        if let Some(every) = self.every
            && self.next <= now
        {
            tell(&[NotifyState::Watchdog]);
            self.next = now + every;
        }
    }

    /// When the next beat is due.
    pub fn next_beat(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::debug!("cannot tell the service manager: {cause}");
    }
}
