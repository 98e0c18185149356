//! Backups of the server's database, beside it, made by its own SQLite.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::AsyncReadExt as _;

use super::backups::shelf::{self, Kept};
use super::{CycleError, History, Pair, Trigger};
use crate::config::{self, EngineChoice};
use crate::control::types::SyncRequest;
use crate::replica::SqlError;
use crate::ssh::Link;

/// Stands between the database's name and the time in a backup's name.
pub(super) const INFIX: &str = ".backup_";

/// The path of a backup taken now: `products.db.backup_YYYYMMDD_HHMMSS`, in UTC so that names sort by age.
#[must_use]
pub fn path(database: &str, now: Timestamp) -> String {
    format!("{database}{INFIX}{}", now.strftime("%Y%m%d_%H%M%S"))
}

/// The time in a backup's name; `None` when the name is not one of ours.
#[must_use]
pub fn time(database: &str, name: &str) -> Option<Timestamp> {
    let stamp = name.strip_prefix(database)?.strip_prefix(INFIX)?;
    let well_formed = stamp.len() == 15 && stamp.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let time = jiff::civil::DateTime::strptime("%Y%m%d_%H%M%S", stamp)
        .ok()
        .filter(|_| well_formed)?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Why each backup (times, in any order) is kept, newest first: it is one of the newest `keep_last`, or the newest of one of the
/// last `keep_daily` days on which one was taken. `None`: it is kept no longer.
#[must_use]
pub fn rotation(times: &[Timestamp], keep_last: u32, keep_daily: u32) -> Vec<(Timestamp, Option<&'static str>)> {
    let mut newest_first = times.to_vec();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    let mut days = Vec::new();
    let why = newest_first.into_iter().enumerate().map(|(index, time)| {
        let day = time.to_zoned(TimeZone::UTC).date();
        let first_of_day = !days.contains(&day);
        if first_of_day {
            days.push(day);
        }
        let daily = first_of_day && days.len() <= keep_daily as usize;
        let why = match (index < keep_last as usize, daily) {
            (true, _) => Some("last"),
            (_, true) => Some("daily"),
            _ => None,
        };
        (time, why)
    });
    why.collect()
}

/// What goes of these backups by the config's rule: those that are kept no longer, and what was cut off long ago. One that
/// was cut off is no backup, and counts for none. The newest one always stays.
pub(super) fn expired(kept: &[Kept], rule: &config::Backup, now: Timestamp) -> Vec<Timestamp> {
    let whole: Vec<Timestamp> = kept.iter().filter(|kept| kept.whole).map(|kept| kept.time).collect();
    let old = rotation(&whole, rule.keep_last.max(1), rule.keep_daily);
    let old = old.into_iter().filter(|(_, why)| why.is_none()).map(|(time, _)| time);
    let cut_off = kept.iter().filter(|kept| !kept.whole && is_abandoned(kept.time, now));
    old.chain(cut_off.map(|kept| kept.time)).collect()
}

/// Whether a backup that is not complete will never be: another laptop may be writing a younger one.
pub(super) fn is_abandoned(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) > UNFINISHED
}

impl Pair {
    /// Whether a backup is to be taken before the server is written to: not when this cycle has one. A cycle that a person
    /// asked for always takes one.
    pub(super) async fn backup_is_due(&mut self, request: &SyncRequest, trigger: Trigger) -> Result<bool, CycleError> {
        // What a person restores must be there to be taken back, whatever the config says of backups.
        let enabled = self.config.backup.enabled || trigger == Trigger::Restore;
        if request.no_backup || !enabled || self.backed_up.is_some() {
            return Ok(false);
        }
        // One from the future was taken when the clock was wrong: nobody knows how old it is.
        let last = remembered(&self.history, LAST).await?;
        let now = Timestamp::now();
        let age = last.and_then(|last| std::time::Duration::try_from(now.duration_since(last)).ok());
        Ok(trigger.is_asked_for() || age.is_none_or(|age| age >= self.config.backup.min_interval))
    }

    /// The path of the backup to take before the server is written to; `None` when none is due.
    pub(super) async fn due_backup(
        &mut self,
        request: &SyncRequest,
        trigger: Trigger,
    ) -> Result<Option<String>, CycleError> {
        match self.backup_is_due(request, trigger).await? {
            true => self.next_backup().await.map(Some),
            false => Ok(None),
        }
    }

    /// The path of a backup that is taken now.
    pub(super) async fn next_backup(&mut self) -> Result<String, CycleError> {
        let now = Timestamp::now();
        // Names go by the second. One that was given out before may be there, unfinished, after a cycle that was cut off.
        let named = remembered(&self.history, NAMED).await?;
        let time = match named.and_then(|named| named.checked_add(jiff::Span::new().seconds(1)).ok()) {
            Some(next) if next > now => next,
            _ => now,
        };
        self.history.keep_fact(NAMED, time.to_string()).await?;
        let (_, server) = self.both()?;
        Ok(path(&server.hello.database, time))
    }

    /// Takes note of why a backup could not be taken, if it is that another laptop took one in the same second. Another
    /// try gives ours the next one's name.
    pub(super) fn backup_refused(&mut self, error: &SqlError) {
        self.name_taken = error.message.contains("output file already exists");
    }

    /// Takes note of a backup, and tidies up behind the cycle's back: the new file gets the database's owner and
    /// permissions, old ones go.
    pub(super) async fn backup_taken(&mut self, backup: String) -> Result<(), CycleError> {
        let name = file_name(&backup).to_owned();
        self.history.keep_fact(LAST, Timestamp::now().to_string()).await?;
        self.history.keep_fact(FILE, backup.clone()).await?;
        let (rule, engine, spared) = (
            self.config.backup.clone(),
            self.config.remote.engine,
            self.restored_from,
        );
        let (_, server) = self.both()?;
        let (link, database) = (Arc::clone(&server.link), server.hello.database.clone());
        server.tidying = Some(tokio::spawn(async move {
            let tidied = tidy(&*link, &database, &backup, &rule, engine, spared);
            let tidied = tokio::time::timeout(TIDYING, tidied).await;
            if let Err(error) = tidied.unwrap_or_else(|_| Err(CycleError::failed(format!("no end within {TIDYING:?}"))))
            {
                tracing::warn!(%error, backup, "the backup is there, but its owner or the old backups could not be set right");
            }
        }));
        self.backed_up = Some(name);
        Ok(())
    }

    /// Waits for what goes on behind the last backup: it goes over the same line, whose traffic would count for whoever comes
    /// next.
    pub(super) async fn tidied(&mut self) {
        if let Some(tidying) = self.server.as_mut().and_then(|server| server.tidying.take()) {
            // It has said what went wrong.
            let _ = tidying.await;
        }
    }
}

/// The fact that remembers when the last backup was taken.
const LAST: &str = "last_backup";

/// The fact that remembers its path.
pub(super) const FILE: &str = "last_backup_file";

/// The fact that remembers the time in the last name that was given to a backup, whatever became of it.
const NAMED: &str = "last_backup_name";

/// How long an unfinished backup is left alone: another laptop may be writing it.
const UNFINISHED: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// How long the tidying behind a backup may take.
const TIDYING: std::time::Duration = std::time::Duration::from_secs(60);

async fn remembered(history: &History, fact: &'static str) -> Result<Option<Timestamp>, CycleError> {
    let text = history.fact(fact).await?;
    Ok(text.and_then(|text| text.parse().ok()))
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

async fn tidy(
    link: &dyn Link,
    database: &str,
    backup: &str,
    rule: &config::Backup,
    engine: EngineChoice,
    spared: Option<Timestamp>,
) -> Result<(), CycleError> {
    // Where files are exchanged the backup is the replaced file itself, with its owner and permissions.
    if engine != EngineChoice::Sftp {
        let (db, new) = (quoted(database)?, quoted(backup)?);
        let like = format!("chmod --reference={db} -- {new}; chown --reference={db} -- {new}");
        command(link, &like).await?;
    }
    let kept = shelf::list(link, engine, database).await?;
    let now = time(database, backup).unwrap_or_else(Timestamp::now);
    let mut old = expired(&kept, rule, now);
    old.retain(|time| Some(*time) != spared);
    match old.is_empty() {
        true => Ok(()),
        false => shelf::remove(link, engine, database, &old).await,
    }
}

/// Runs a POSIX shell command on the server and reads what it prints, at most 1 MiB.
pub(super) async fn command(link: &dyn Link, script: &str) -> Result<String, CycleError> {
    let process = link.exec(&format!("sh -c {}", quoted(script)?)).await?;
    let mut output = String::new();
    let read = process.stdout.take(1 << 20).read_to_string(&mut output).await;
    read.map_err(|error| CycleError::failed(format!("run a command on the server: {error}")))?;
    link.traffic().add_round_trip();
    Ok(output)
}

/// A word for a POSIX shell.
pub(super) fn quoted(word: &str) -> Result<String, CycleError> {
    shlex::try_quote(word)
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| CycleError::failed(format!("quote {word:?} for the server's shell: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_times_are_each_others_inverse() {
        let now = at("2026-11-23T10:35:07Z");
        let path = path("/srv/products.db", now);
        assert_eq!(path, "/srv/products.db.backup_20261123_103507");
        assert_eq!(time("/srv/products.db", &path), Some(now));
        for foreign in [
            "products.db.backup_",
            "products.db.backup_2026112_1035070",
            "products.db-wal",
            "x.backup_20261123_103507",
        ] {
            assert_eq!(time("products.db", foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_newest_stay_and_one_of_each_recent_day() {
        let times = [
            "2026-11-23T12:00:00Z",
            "2026-11-23T11:00:00Z",
            "2026-11-22T12:00:00Z",
            "2026-11-22T11:00:00Z",
            "2026-11-20T09:00:00Z",
        ]
        .map(at);
        let whys = |last, daily| -> Vec<_> { rotation(&times, last, daily).into_iter().map(|(_, why)| why).collect() };
        assert_eq!(whys(1, 2), [Some("last"), None, Some("daily"), None, None]);
        assert_eq!(
            whys(2, 3),
            [Some("last"), Some("last"), Some("daily"), None, Some("daily")]
        );
        assert_eq!(whys(0, 0), [None; 5]);
        assert_eq!(rotation(&[], 1, 1), []);
    }

    #[test]
    fn what_was_cut_off_counts_for_no_backup_and_goes_after_a_day() {
        let kept = |time: &str, whole| Kept {
            time: at(time),
            size: 1,
            changed: 0,
            whole,
        };
        let all = [
            kept("2026-11-23T12:00:00Z", false),
            kept("2026-11-23T11:00:00Z", true),
            kept("2026-11-22T12:00:00Z", true),
            kept("2026-11-22T11:00:00Z", false),
        ];
        let rule = |keep_last| config::Backup {
            enabled: true,
            min_interval: std::time::Duration::ZERO,
            keep_last,
            keep_daily: 0,
        };
        let now = at("2026-11-23T12:00:01Z");
        assert_eq!(expired(&all, &rule(1), now), [all[2].time, all[3].time]);
        assert_eq!(
            expired(&all, &rule(0), now),
            [all[2].time, all[3].time],
            "the newest stays"
        );
        assert_eq!(expired(&all, &rule(2), now), [all[3].time]);
    }
}
