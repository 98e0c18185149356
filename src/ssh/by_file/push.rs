//! What was written to the copy, brought to the server: a file exchanged for another one, and the old one watched.
//!
//! The crash table in docs/architecture.md goes step by step through this file.

use std::time::{SystemTime, UNIX_EPOCH};

use super::FileSql;
use super::copies::nothing_seen;
use super::record::Watch;
use super::site::Sight;
use super::stamp::Stamp;
use crate::replica::SqlError;
use crate::ssh::sftp::Exchanged;

/// For how long a file that was replaced is looked at: longer than a request of a site lives. In seconds.
const WATCH: u64 = 60;
/// How many replaced files are kept at once.
const WATCHED: usize = 8;

impl FileSql {
    /// Puts the copy, as it is, in the place of the server's file, and tells how things are then. `None`: that file has
    /// moved on, and nothing was touched. The replaced file becomes the backup, where one is wanted.
    pub(super) async fn push(&mut self, sight: &Sight, backup: Option<&str>) -> Result<Option<Sight>, SqlError> {
        let seen = self.copies.record.seen.clone().ok_or_else(nothing_seen)?;
        self.site.prepare().await?;
        let expected = seen.clone();
        let next = self.copies.apart(move |copies| copies.make_next(&expected)).await?;
        self.site.upload(&self.copies.path("next.db"), &sight.info).await?;
        let site = &self.site;
        let watch = self.copies.expect_exchange(|number| site.old_path(number))?;
        self.site.lock().await?;
        let pushed = self.exchange(&watch, &next, backup).await;
        self.site.unlock().await;
        if matches!(pushed, Ok(None)) {
            self.copies.forget(watch.number)?;
        }
        self.copies.without_lock()?;
        pushed
    }

    /// Under the lock: looks once more, and exchanges the files.
    async fn exchange(&mut self, watch: &Watch, next: &Stamp, backup: Option<&str>) -> Result<Option<Sight>, SqlError> {
        if !self.site.look(&[]).await?.is_still(&watch.stamp) {
            return Ok(None);
        }
        match self.site.exchange(watch.number).await? {
            Exchanged::Barred => return Ok(None),
            Exchanged::Done(None) => {}
            Exchanged::Done(Some(error)) => {
                tracing::error!(%error, "the replaced file is not watched: a late write to it would go unseen");
            }
        }
        let after = self.see().await?;
        // Where the site has written to the new file already, it is read anew.
        let stamp = after.stamp.clone().filter(|stamp| stamp.is_like(next));
        let stamp = stamp.unwrap_or_else(|| next.clone());
        self.copies.apart(move |copies| copies.exchanged(stamp)).await?;
        if let Some(path) = backup {
            self.make_backup_of(watch, path).await?;
        }
        Ok(Some(after))
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
    pub(super) async fn back_up(&self, sight: &Sight, path: Option<&str>) -> Result<(), SqlError> {
        let Some(path) = path else { return Ok(()) };
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
    pub(super) async fn save_late_writes(&mut self, mut sight: Sight) -> Result<Sight, SqlError> {
        for _ in 0..super::TRIES {
            let Some((watch, _)) = self.late(&sight).into_iter().next() else {
                self.stop_watching(&sight).await?;
                return Ok(sight);
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
            if taken.changes > 0 && self.push(&sight, None).await?.is_none() {
                sight = self.reload().await?;
                continue;
            }
            if taken.left > 0 {
                self.keep_what_was_left(&watch).await?;
            }
            self.copies.dealt_with(number, &stamp)?;
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
