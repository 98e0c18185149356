//! Whom to tell what, once: when a person is needed. A state machine without clock, files or programs.
//!
//! The loop shows [`Notices`] how things are, each round; what comes back is to be told now. What was told is in
//! [`Told`], which the daemon remembers over restarts: a thing is told once. When it is solved it is forgotten, so that
//! it is told again should it come back.

mod tell;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::Notify;
use crate::control::addressed::Advises;

pub(super) use tell::{Tidings, tell};

/// How long attention must last: what ends by itself within seconds is nobody's business.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);
/// How long a laptop that woke up looks for the server before it says that it has been away for a day: a network takes
/// its time to come up.
const AWAKE: SignedDuration = SignedDuration::from_mins(5);
/// Two failed tries that lie farther apart have a sleep between them: tries come each minute at least.
const ASLEEP: SignedDuration = SignedDuration::from_mins(5);
/// When a way to tell failed, it is tried again after that time,
const AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// so often in all.
const TRIES: u32 = 6;
/// How many different reasons are remembered as told.
const REASONS: usize = 32;

/// What there is to tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Both sides changed the same values.
    Conflict,
    /// A brake, or other trouble that only a person can end.
    Attention,
    /// The server has been out of reach for long.
    Offline,
}

impl Kind {
    /// The word for commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Attention => "attention",
            Self::Offline => "offline",
        }
    }
}

/// What is to be told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub kind: Kind,
    /// One line.
    pub title: String,
    /// What it is, and what to do.
    pub text: String,
}

impl Advises for Notice {
    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.title, &mut self.text]
    }
}

/// How things are; `None` is always "not known", which solves nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Why a person is needed; `Some(None)`: nobody is.
    pub attention: Option<Option<String>>,
    /// Conflicts that nobody has looked at.
    pub conflicts: Option<u64>,
    /// The server answered, or when the last try to reach it failed.
    pub reach: Option<Reach>,
    /// What to do, as `status` says it.
    pub advice: String,
    /// The server, for people.
    pub remote: String,
}

/// Whether the server can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Reached,
    /// When it was tried last, and why it failed.
    Unreached(Timestamp, String),
}

/// What was told and is not solved; also what the daemon has to know of the time before its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    /// So many conflicts.
    pub conflicts: u64,
    /// Reasons for attention, with `#` for numbers.
    pub attention: BTreeSet<String>,
    /// Since when the server is out of reach.
    pub offline_since: Option<Timestamp>,
    /// Whether that was told.
    pub offline: bool,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Notices {
    enabled: bool,
    offline_after: SignedDuration,
    told: Told,
    /// The reason for attention that is seen now, and since when.
    attention: Option<(String, Timestamp)>,
    /// The tries to reach the server with no sleep between them: the first and the last.
    tries: Option<(Timestamp, Timestamp)>,
    /// What is being told: how to forget it if that fails.
    telling: Option<Told>,
    failures: u32,
    again_at: Option<Timestamp>,
}

impl Notices {
    /// With what was told before the start.
    pub fn new(config: &Notify, told: Told) -> Self {
        let mut notices = Self {
            enabled: false,
            offline_after: SignedDuration::ZERO,
            told,
            attention: None,
            tries: None,
            telling: None,
            failures: 0,
            again_at: None,
        };
        notices.set_config(config);
        notices
    }

    /// The config was read again.
    pub fn set_config(&mut self, config: &Notify) {
        self.enabled = config.enabled;
        self.offline_after = signed(config.offline_after);
    }

    /// To be remembered over a restart.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Looks at how things are. What comes back is to be told now, and [`Notices::told_it`] afterwards.
    pub fn look(&mut self, now: Timestamp, facts: &Facts) -> Option<Notice> {
        self.forget_what_is_solved(now, facts);
        let early = self.again_at.is_some_and(|at| now < at);
        if !self.enabled || self.telling.is_some() || early {
            return None;
        }
        let before = self.told.clone();
        let notice = self
            .attention_lasts(now, facts)
            .or_else(|| self.conflicts_are_new(facts))
            .or_else(|| self.offline_for_long(facts))?;
        self.telling = Some(before);
        Some(notice)
    }

    /// It was told, or the way to tell it failed: then it is tried again, a few times.
    pub fn told_it(&mut self, now: Timestamp, success: bool) {
        let Some(before) = self.telling.take() else { return };
        self.failures = if success { 0 } else { self.failures + 1 };
        self.again_at = None;
        if (1..TRIES).contains(&self.failures) {
            self.told.conflicts = self.told.conflicts.min(before.conflicts);
            self.told.attention.retain(|reason| before.attention.contains(reason));
            self.told.offline &= before.offline;
            self.again_at = now.checked_add(AGAIN).ok();
        } else {
            self.failures = 0;
        }
    }

    fn forget_what_is_solved(&mut self, now: Timestamp, facts: &Facts) {
        match &facts.attention {
            Some(Some(reason)) => {
                let reason = without_numbers(reason);
                if self.attention.as_ref().is_none_or(|(seen, _)| *seen != reason) {
                    self.attention = Some((reason, now));
                }
            }
            Some(None) => {
                self.attention = None;
                self.told.attention.clear();
            }
            None => {}
        }
        if let Some(conflicts) = facts.conflicts {
            self.told.conflicts = self.told.conflicts.min(conflicts);
        }
        match &facts.reach {
            Some(Reach::Reached) => {
                self.tries = None;
                self.told.offline_since = None;
                self.told.offline = false;
            }
            Some(Reach::Unreached(at, _)) => {
                self.told.offline_since.get_or_insert(*at);
                let first = match self.tries {
                    Some((first, last)) if at.duration_since(last) <= ASLEEP => first,
                    _ => *at,
                };
                self.tries = Some((first, *at));
            }
            None => {}
        }
    }

    fn attention_lasts(&mut self, now: Timestamp, facts: &Facts) -> Option<Notice> {
        let reason = facts.attention.as_ref()?.as_ref()?;
        let (seen, since) = self.attention.as_ref()?;
        if now.duration_since(*since) < SETTLED || self.told.attention.contains(seen) {
            return None;
        }
        if self.told.attention.len() >= REASONS {
            self.told.attention.pop_first();
        }
        self.told.attention.insert(seen.clone());
        Some(Notice {
            kind: Kind::Attention,
            title: "modsync needs you".to_owned(),
            text: sentences(reason, &facts.advice),
        })
    }

    fn conflicts_are_new(&mut self, facts: &Facts) -> Option<Notice> {
        let conflicts = facts.conflicts.filter(|conflicts| *conflicts > self.told.conflicts)?;
        let new = conflicts - self.told.conflicts;
        self.told.conflicts = conflicts;
        let title = match new {
            1 => "modsync: a conflict to look at".to_owned(),
            new => format!("modsync: {new} conflicts to look at"),
        };
        Some(Notice {
            kind: Kind::Conflict,
            title,
            text:
                "Both sides changed the same values at once; the values that lost are kept. Run `modsyncctl conflicts`."
                    .to_owned(),
        })
    }

    fn offline_for_long(&mut self, facts: &Facts) -> Option<Notice> {
        let (first, last) = self.tries?;
        let since = self.told.offline_since?;
        let Some(Reach::Unreached(_, reason)) = &facts.reach else {
            return None;
        };
        let awake = last.duration_since(first) >= AWAKE.min(self.offline_after);
        let long = last.duration_since(since) >= self.offline_after;
        if self.told.offline || !long || !awake {
            return None;
        }
        self.told.offline = true;
        let what = format!(
            "{} has not been reached since {}: {reason}",
            facts.remote,
            since.strftime("%F %H:%M UTC")
        );
        Some(Notice {
            kind: Kind::Offline,
            title: "modsync: the server is out of reach".to_owned(),
            text: sentences(&what, &facts.advice),
        })
    }
}

/// Two parts as two lines.
fn sentences(what: &str, advice: &str) -> String {
    match advice {
        "" => what.to_owned(),
        advice => format!("{what}\nWhat to do: {advice}"),
    }
}

/// A reason without its counts, which go up while nobody looks: it is the same thing all the same.
fn without_numbers(reason: &str) -> String {
    let mut shape = String::with_capacity(reason.len());
    for c in reason.chars() {
        match c.is_ascii_digit() {
            false => shape.push(c),
            true if shape.ends_with('#') => {}
            true => shape.push('#'),
        }
    }
    shape
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
