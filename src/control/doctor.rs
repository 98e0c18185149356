//! What `doctor` tells: one check a thing that can go wrong, each with its remedy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/doctor`, and what `modsyncd doctor --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// Whether nothing is left for a person to do: no check is false or null.
    pub ok: bool,
    /// When it was looked.
    pub as_of: Option<Timestamp>,
    /// How long it took.
    pub duration_ms: u64,
    /// The checks, in the order in which they build on each other. Their names stay.
    pub checks: Vec<Check>,
}

/// One thing that was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Which: "config", "login", "web_access"; docs/troubleshooting.md has them all.
    pub name: String,
    /// Whether nothing is to be done; null: it could not be tested because an earlier one failed.
    pub ok: Option<bool>,
    /// How much it matters.
    pub level: Level,
    /// What was seen, for people.
    pub detail: String,
    /// What to do, as commands to paste, one a line; null when there is nothing to do.
    pub fix: Option<String>,
}

/// How much a check matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    #[default]
    Ok,
    /// Worth knowing; nothing has to be done. `ok` is true.
    Note,
    /// Not tested, because an earlier check failed. `ok` is null.
    Unknown,
    /// Syncing works, and something else is at risk. `ok` is false.
    Warning,
    /// Syncing does not work, or the site does not. `ok` is false.
    Failure,
}

/// The check of whether the server answers at all. It alone heals by itself.
pub const SERVER: &str = "server";

/// What a whole report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is to be done.
    Well,
    /// A person is needed.
    Attention,
    /// The server cannot be reached, and nothing else is wrong: it is tried again.
    Offline,
}

impl DoctorReport {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let wrong: Vec<_> = self.checks.iter().filter(|check| check.ok == Some(false)).collect();
        if wrong.is_empty() {
            let untested = self.checks.iter().any(|check| check.ok.is_none());
            return if untested { Verdict::Attention } else { Verdict::Well };
        }
        match wrong.iter().all(|check| check.name == SERVER) {
            true => Verdict::Offline,
            false => Verdict::Attention,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: &[(&str, Option<bool>)]) -> DoctorReport {
        let check = |(name, ok): &(&str, Option<bool>)| Check {
            name: (*name).to_owned(),
            ok: *ok,
            level: Level::Ok,
            detail: String::new(),
            fix: None,
        };
        DoctorReport {
            checks: checks.iter().map(check).collect(),
            ..DoctorReport::default()
        }
    }

    #[test]
    fn only_a_server_that_is_away_heals_by_itself() {
        let cases = [
            (vec![("config", Some(true))], Verdict::Well),
            (vec![(SERVER, Some(false)), ("login", None)], Verdict::Offline),
            (vec![("config", Some(false)), (SERVER, Some(false))], Verdict::Attention),
            (vec![("key", Some(false)), ("login", None)], Verdict::Attention),
            (vec![("schema", None)], Verdict::Attention),
        ];
        for (checks, verdict) in cases {
            assert_eq!(report(&checks).verdict(), verdict, "{checks:?}");
        }
    }
}
