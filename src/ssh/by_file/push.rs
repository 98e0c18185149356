//! What was written to the copy, brought to the server: a file exchanged for another one, and the old one watched.
//!
//! The crash table in docs/architecture.md goes step by step through this file.

use std::time::{SystemTime, UNIX_EPOCH};

use super::FileSql;
use super::copies::{Watch, nothing_seen};
use super::site::Sight;
use super::stamp::Stamp;
use crate::replica::SqlError;
use crate::ssh::sftp::Exchanged;

/// For how long a file that was replaced is looked at: longer than a request of a site lives. In seconds.
const WATCH: u64 = 60;
/// How many replaced files are kept at once.
const WATCHED: usize = 8;

impl FileSql {
    /// Puts the copy, as it is, in the place of the server's file. `false`: that file has moved on, and nothing was
    /// touched. The replaced file becomes the backup, where one is wanted.
    pub(super) async fn push(&mut self, backup: Option<&str>) -> Result<bool, SqlError> {
        let seen = self.copies.record.seen.clone().ok_or_else(nothing_seen)?;
        let (_, sight) = self.site.quiet(&[]).await?;
        if !sight.is_still(&seen) {
            return Ok(false);
        }
        self.site.make_den().await?;
        self.site.try_link().await?;
        let expected = seen.clone();
        let next = self.copies.apart(move |copies| copies.make_next(&expected)).await?;
        self.site.upload(&self.copies.path("next.db"), &sight.info).await?;
        self.site.lock().await?;
        let pushed = self.exchange(&seen, &next, backup).await;
        self.site.unlock().await;
        pushed
    }

    /// Under the lock: looks once more, notes what is about to happen, and exchanges the files.
    async fn exchange(&mut self, seen: &Stamp, next: &Stamp, backup: Option<&str>) -> Result<bool, SqlError> {
        let site = &mut self.site;
        let watch = self.copies.expect_exchange(|number| site.old_path(number))?;
        if !site.look(&[]).await?.is_still(seen) {
            self.copies.forget(watch.number)?;
            return Ok(false);
        }
        match site.exchange(watch.number).await? {
            Exchanged::Barred => {
                self.copies.forget(watch.number)?;
                return Ok(false);
            }
            Exchanged::Done(None) => {}
            Exchanged::Done(Some(error)) => {
                tracing::error!(%error, "the replaced file is not watched: a late write to it would go unseen");
            }
        }
        let after = site.look(&[]).await?;
        // Where the site has written to the new file already, it is read anew.
        let stamp = after
            .stamp
            .filter(|stamp| stamp.is_like(next))
            .unwrap_or_else(|| next.clone());
        self.copies.exchanged(stamp)?;
        if let Some(path) = backup {
            self.make_backup_of(&watch, path).await?;
        }
        Ok(true)
    }

    /// Gives the replaced file its name as a backup. It is watched on under that name.
    async fn make_backup_of(&mut self, watch: &Watch, path: &str) -> Result<(), SqlError> {
        let renamed = self.site.sftp.rename_if_absent(&watch.path, path).await;
        renamed.map_err(super::site::of_files)?;
        for kept in self
            .copies
            .record
            .watched
            .iter_mut()
            .filter(|kept| kept.number == watch.number)
        {
            path.clone_into(&mut kept.path);
            kept.backup = true;
        }
        self.copies.save()
    }

    /// A backup that no exchange makes, since nothing was written: a copy goes up.
    pub(super) async fn back_up(&mut self, path: Option<&str>) -> Result<(), SqlError> {
        let Some(path) = path else { return Ok(()) };
        let (_, sight) = self.site.quiet(&[]).await?;
        self.site
            .upload_to(&self.copies.path("seen.db"), path, &sight.info)
            .await
    }

    /// The watched files that were written to after they had been replaced, and how they are now.
    pub(super) fn late(&self, sight: &Sight) -> Vec<(Watch, Stamp)> {
        let watched = self.copies.record.watched.iter().zip(&sight.watched);
        let late =
            watched.filter_map(|(watch, now)| Some((watch, now.as_ref()?)).filter(|(watch, now)| watch.stamp != **now));
        late.map(|(watch, now)| (watch.clone(), now.clone())).collect()
    }

    /// Takes what came late into replaced files for the server's changes, and stops watching those whose time is over.
    pub(super) async fn save_late_writes(&mut self, mut sight: Sight) -> Result<(), SqlError> {
        for _ in 0..super::TRIES {
            let Some((watch, _)) = self.late(&sight).into_iter().next() else {
                return self.stop_watching(&sight).await;
            };
            let to = self.copies.path("late.db");
            let stamp = self.site.fetch_old(&watch.path, &to).await?;
            let number = watch.number;
            let taken = self.copies.apart(move |copies| copies.take_late_writes(number)).await?;
            tracing::warn!(
                changes = taken.changes,
                left = taken.left,
                file = watch.path,
                "a program wrote to the server's database file after it had been exchanged: its changes are taken over"
            );
            if taken.changes > 0 && !self.push(None).await? {
                sight = self.reload().await?;
                continue;
            }
            if taken.left > 0 {
                self.keep_what_was_left(&watch).await?;
            }
            self.copies.dealt_with(number, stamp)?;
            sight = self.see().await?;
        }
        Err(self
            .site
            .busy("late writes to a replaced file could not be taken over: the site keeps writing"))
    }

    /// What has no place in the new file stays on the server for a person to look at.
    async fn keep_what_was_left(&self, watch: &Watch) -> Result<(), SqlError> {
        let path = format!("{}.modsync-late-{}", self.site.database, watch.number);
        match self.site.sftp.hard_link(&watch.path, &path).await {
            Err(error) if error.kind != crate::ssh::sftp::SftpErrorKind::Exists => Err(super::site::of_files(error)),
            _ => {
                tracing::error!(
                    path,
                    "some late changes have no place in the database: the file that has them is kept"
                );
                Ok(())
            }
        }
    }

    async fn stop_watching(&mut self, sight: &Sight) -> Result<(), SqlError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|now| now.as_secs())
            .unwrap_or_default();
        let watched = self.copies.record.watched.clone();
        let excess = watched.len().saturating_sub(WATCHED);
        for (index, (watch, found)) in watched.iter().zip(&sight.watched).enumerate() {
            if found.is_some() && index >= excess && watch.since.abs_diff(now) <= WATCH {
                continue;
            }
            if !watch.backup {
                self.site.remove(&watch.path).await?;
            }
            self.copies.forget(watch.number)?;
        }
        Ok(())
    }
}
