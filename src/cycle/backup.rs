//! Backups of the server's database, beside it, made by its own SQLite.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::AsyncReadExt as _;

use super::{CycleError, History, Pair, Trigger};
use crate::config::{self, EngineChoice};
use crate::control::types::SyncRequest;
use crate::replica::SqlError;
use crate::ssh::Link;
use crate::ssh::sftp::SftpError;

/// Stands between the database's name and the time in a backup's name.
const INFIX: &str = ".backup_";

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

/// Which backups (times, in any order) are kept no longer: all but the newest `keep_last`, and the newest of each of
/// the last `keep_daily` days on which one was taken.
#[must_use]
pub fn expired(times: &[Timestamp], keep_last: u32, keep_daily: u32) -> Vec<Timestamp> {
    let mut newest_first = times.to_vec();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    let day = |time: &Timestamp| time.to_zoned(TimeZone::UTC).date();
    let mut days = Vec::new();
    let mut expired = Vec::new();
    for (index, time) in newest_first.iter().enumerate() {
        let first_of_day = !days.contains(&day(time));
        if first_of_day {
            days.push(day(time));
        }
        let daily = first_of_day && days.len() <= keep_daily as usize;
        if index >= keep_last as usize && !daily {
            expired.push(*time);
        }
    }
    expired
}

impl Pair {
    /// Whether a backup is to be taken before the server is written to: not when this cycle has one. A cycle that a person
    /// asked for always takes one.
    pub(super) async fn backup_is_due(&mut self, request: &SyncRequest, trigger: Trigger) -> Result<bool, CycleError> {
        if request.no_backup || !self.config.backup.enabled || self.backed_up.is_some() {
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
        if !self.backup_is_due(request, trigger).await? {
            return Ok(None);
        }
        let now = Timestamp::now();
        // Names go by the second. One that was given out before may be there, unfinished, after a cycle that was cut off.
        let named = remembered(&self.history, NAMED).await?;
        let time = match named.and_then(|named| named.checked_add(jiff::Span::new().seconds(1)).ok()) {
            Some(next) if next > now => next,
            _ => now,
        };
        self.history.keep_fact(NAMED, time.to_string()).await?;
        let (_, server) = self.both()?;
        Ok(Some(path(&server.hello.database, time)))
    }

    /// Takes note of why a backup could not be taken, if it is that another laptop took one in the same second. Another
    /// try gives ours the next one's name.
    pub(super) fn backup_refused(&mut self, error: &SqlError) {
        self.name_taken = error.message.contains("output file already exists");
    }

    /// Takes note of a backup, and tidies up behind the cycle's back: the new file gets the database's owner and
    /// permissions, old ones go.
    pub(super) async fn backup_taken(&mut self, backup: String) -> Result<(), CycleError> {
        let (_, server) = self.both()?;
        let (link, database) = (Arc::clone(&server.link), server.hello.database.clone());
        let name = file_name(&backup).to_owned();
        self.history.keep_fact(LAST, Timestamp::now().to_string()).await?;
        self.history.keep_fact(FILE, backup.clone()).await?;
        let (keep, engine) = (self.config.backup.clone(), self.config.remote.engine);
        tokio::spawn(async move {
            let tidied = match engine {
                EngineChoice::Sftp => tidy_by_files(&*link, &database, &keep).await,
                _ => tidy(&*link, &database, &backup, &keep).await,
            };
            if let Err(error) = tidied {
                tracing::warn!(%error, backup, "the backup is there, but its owner or the old backups could not be set right");
            }
        });
        self.backed_up = Some(name);
        Ok(())
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

async fn remembered(history: &History, fact: &'static str) -> Result<Option<Timestamp>, CycleError> {
    let text = history.fact(fact).await?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

async fn tidy(link: &dyn Link, database: &str, backup: &str, keep: &config::Backup) -> Result<(), CycleError> {
    let (db, new) = (quoted(database)?, quoted(backup)?);
    // One that was cut off is empty or has its journal beside it. It is no backup, and counts for none.
    let listing = command(
        link,
        &format!(
            "chmod --reference={db} -- {new}; chown --reference={db} -- {new}; for f in {db}{INFIX}*; do \
             if [ -s \"$f\" ] && [ ! -e \"$f-journal\" ]; then printf 'whole %s\\n' \"$f\"; else printf 'part %s\\n' \"$f\"; fi; done"
        ),
    )
    .await?;
    let times = |kind: &str| -> Vec<Timestamp> {
        let names = listing.lines().filter_map(|line| line.strip_prefix(kind));
        names.filter_map(|name| time(database, name)).collect()
    };
    let mut old = expired(&times("whole "), keep.keep_last.max(1), keep.keep_daily);
    let newest = time(database, backup).unwrap_or_else(Timestamp::now);
    old.extend(
        times("part ")
            .iter()
            .filter(|time| newest.duration_since(**time) > UNFINISHED),
    );
    if old.is_empty() {
        return Ok(());
    }
    let with_journal = |time: &Timestamp| {
        let path = path(database, *time);
        [quoted(&path), quoted(&format!("{path}-journal"))]
    };
    let names = old.iter().flat_map(with_journal).collect::<Result<Vec<_>, _>>()?;
    command(link, &format!("rm -f -- {}", names.join(" "))).await.map(drop)
}

/// The same where no command can be run. The backup is the replaced file itself, with its owner and permissions.
async fn tidy_by_files(link: &dyn Link, database: &str, keep: &config::Backup) -> Result<(), CycleError> {
    let failed = |error: SftpError| CycleError::failed(error.message);
    let sftp = link.sftp().await?;
    let (folder, name) = database.rsplit_once('/').unwrap_or((".", database));
    let names = sftp.read_dir(folder).await.map_err(failed)?;
    let times: Vec<Timestamp> = names.iter().filter_map(|entry| time(name, &entry.name)).collect();
    for old in expired(&times, keep.keep_last.max(1), keep.keep_daily) {
        sftp.remove(&path(database, old)).await.map_err(failed)?;
    }
    Ok(())
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
        assert_eq!(expired(&times, 1, 2), [times[1], times[3], times[4]]);
        assert_eq!(expired(&times, 2, 3), [times[3]]);
        assert_eq!(expired(&times, 0, 0), times);
        assert_eq!(expired(&[], 1, 1), []);
    }
}
