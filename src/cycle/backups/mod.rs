//! The server's backups as a person asks for them: listed, taken, looked through, restored from, removed.

mod plan;
mod prune;
mod restore;
pub(super) mod shelf;
mod verify;

use std::sync::Arc;

use jiff::Timestamp;

use self::shelf::Kept;
use self::verify::Looked;
use super::backup::{file_name, is_abandoned, path, rotation, time};
use super::{CycleError, Pair, Progress};
use crate::control::types::{
    BackupInfo, BackupList, BackupRule, BackupsAnswer, BackupsRequest, ErrorCode, Phase, PhaseEvent,
};
use crate::model::Side;
use crate::ssh::Link;

/// How often a backup is tried under another name because other laptops took some in the same seconds.
const NAMES: u32 = 4;

impl Pair {
    /// Answers what is asked of the backups.
    pub(super) async fn answer_backups(
        &mut self,
        request: &BackupsRequest,
        progress: &Progress<'_>,
    ) -> Result<BackupsAnswer, CycleError> {
        let connected = self.connect(progress).await;
        if let (BackupsRequest::List, Err(error)) = (request, &connected) {
            // When the database is gone or damaged is when a person asks for them.
            if error.code != ErrorCode::Offline {
                return self.list_without_session().await.map(BackupsAnswer::List);
            }
        }
        connected?;
        match request {
            BackupsRequest::List => self.list_backups().await.map(BackupsAnswer::List),
            BackupsRequest::Create => {
                phase(progress, Phase::Backup);
                self.create_backup(progress).await.map(BackupsAnswer::One)
            }
            BackupsRequest::Verify(request) => {
                phase(progress, Phase::Verify);
                let list = self.verify_backups(request.name.as_deref()).await;
                list.map(BackupsAnswer::List)
            }
            BackupsRequest::Restore(request) => {
                self.restored_from = time(file_name(&self.database_there()?), &request.name);
                let report = self.restore(request, progress).await;
                self.restored_from = None;
                report.map(|report| BackupsAnswer::Restore(Box::new(report)))
            }
            BackupsRequest::Prune(request) => self.prune_backups(request).await.map(BackupsAnswer::Pruned),
        }
    }

    /// The path of the server's database, behind all symbolic links.
    fn database_there(&mut self) -> Result<String, CycleError> {
        let (_, server) = self.both()?;
        Ok(server.hello.database.clone())
    }

    fn link(&mut self) -> Result<Arc<dyn Link>, CycleError> {
        let (_, server) = self.both()?;
        Ok(Arc::clone(&server.link))
    }

    /// What stands beside the server's database, newest first.
    async fn shelf(&mut self) -> Result<Vec<Kept>, CycleError> {
        let (link, database) = (self.link()?, self.database_there()?);
        shelf::list(&*link, self.config.remote.engine, &database).await
    }

    /// The backup of that name. A name is one from the list: never a path, whatever is in it.
    async fn backup_named(&mut self, name: &str, action: &str) -> Result<Kept, CycleError> {
        let database = self.database_there()?;
        let shelf = self.shelf().await?;
        let wanted = time(file_name(&database), name);
        let found = shelf.iter().find(|kept| Some(kept.time) == wanted);
        found.copied().ok_or_else(|| {
            let hint = match shelf.first() {
                None => "the server has no backup yet: `modsyncctl backups create` takes one".to_owned(),
                Some(newest) => format!(
                    "`modsyncctl backups` lists them; the newest is {}",
                    file_name(&path(&database, newest.time))
                ),
            };
            CycleError {
                code: ErrorCode::NotFound,
                message: format!("{action} \"{name}\": the server has no backup of that name"),
                hint: Some(hint),
            }
        })
    }

    async fn list_backups(&mut self) -> Result<BackupList, CycleError> {
        let (shelf, database) = (self.shelf().await?, self.database_there()?);
        let looked = self.looked_through(&database, &shelf).await?;
        Ok(self.described(&database, &shelf, &shelf, &looked))
    }

    /// The list where the database itself cannot be opened.
    async fn list_without_session(&mut self) -> Result<BackupList, CycleError> {
        let (link, engine) = (self.reach.dial(&self.config).await?, self.config.remote.engine);
        let database = shelf::resolve(&*link, engine, &self.config.remote.database).await?;
        let shelf = shelf::list(&*link, engine, &database).await?;
        let looked = self.looked_through(&database, &shelf).await?;
        Ok(self.described(&database, &shelf, &shelf, &looked))
    }

    /// Some of the backups on the shelf, with what is known of them.
    fn described(&self, database: &str, shelf: &[Kept], some: &[Kept], looked: &Looked) -> BackupList {
        let (now, rule) = (Timestamp::now(), &self.config.backup);
        let whole: Vec<Timestamp> = shelf.iter().filter(|kept| kept.whole).map(|kept| kept.time).collect();
        let rotation = rotation(&whole, rule.keep_last.max(1), rule.keep_daily);
        let why_kept = |kept: &Kept| match kept.whole {
            true => rotation.iter().find(|(time, _)| *time == kept.time)?.1,
            false => (!is_abandoned(kept.time, now)).then_some("unfinished"),
        };
        let backups = some.iter().map(|kept| {
            let name = file_name(&path(database, kept.time)).to_owned();
            let known = looked.get(&name).filter(|known| known.is_of(kept));
            let age = now.duration_since(kept.time).as_millis();
            BackupInfo {
                time: Some(kept.time),
                age_ms: u64::try_from(age).unwrap_or_default(),
                size: kept.size,
                whole: kept.whole,
                verified: known.filter(|known| known.damage.is_none()).map(|known| known.at),
                damage: known.and_then(|known| known.damage.clone()),
                rows: known.map(|known| known.rows.clone()),
                kept: why_kept(kept).map(str::to_owned),
                name,
            }
        });
        BackupList {
            as_of: Some(now),
            rule: BackupRule {
                enabled: rule.enabled,
                min_interval_ms: u64::try_from(rule.min_interval.as_millis()).unwrap_or(u64::MAX),
                keep_last: rule.keep_last,
                keep_daily: rule.keep_daily,
            },
            backups: backups.collect(),
        }
    }

    /// Takes a backup now, as a cycle does, and tells of it.
    async fn create_backup(&mut self, progress: &Progress<'_>) -> Result<BackupInfo, CycleError> {
        self.must_have_room_for_backup().await?;
        let taken = self.back_up_now(progress).await?;
        self.backup_taken(taken.clone()).await?;
        self.tidied().await;
        let (shelf, database) = (self.shelf().await?, self.database_there()?);
        let ours = shelf.iter().filter(|kept| path(&database, kept.time) == taken);
        let some: Vec<Kept> = ours.copied().collect();
        let list = self.described(&database, &shelf, &some, &Looked::new());
        list.backups
            .into_iter()
            .next()
            .ok_or_else(|| CycleError::failed(format!("take a backup: {taken} was taken, and is not there any more")))
    }

    /// Has the server's SQLite write a backup, and gives its path.
    async fn back_up_now(&mut self, progress: &Progress<'_>) -> Result<String, CycleError> {
        let mut tries = 0;
        loop {
            let path = self.next_backup().await?;
            let (_, server) = self.both()?;
            let Err(error) = server.replica.back_up(&path).await else {
                return Ok(path);
            };
            tries += 1;
            self.name_taken = false;
            self.backup_refused(&error);
            if !self.name_taken || tries == NAMES {
                return Err(CycleError::of_sql(Side::Server, error));
            }
            self.reopen(progress).await?;
        }
    }
}

fn phase(progress: &Progress<'_>, phase: Phase) {
    progress(PhaseEvent {
        phase,
        done: None,
        total: None,
    });
}
