//! Rows brought back from a backup, on both sides.
//!
//! First an ordinary cycle makes both sides the same. Then the server's SQLite holds the backup against its tables and tells
//! what differs, and that becomes amendments of a second cycle: guarded writes on both sides, with a backup before them,
//! journal, read-back and record as in any cycle.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::backup::{file_name, path};
use super::super::{Amendment, CycleError, Left, Pair, Progress, Trigger};
use super::phase;
use super::plan::{Difference, describe, describe_key, in_words};
use super::shelf::Kept;
use crate::control::types::{
    CycleSummary, ErrorCode, Outcome, Phase, RestoreLeft, RestoreReport, RestoreRequest, SyncRequest, Take,
};
use crate::model::{Key, Table};

/// How many rows a dry run tells.
const TOLD: usize = 1000;

impl Pair {
    pub(super) async fn restore(
        &mut self,
        request: &RestoreRequest,
        progress: &Progress<'_>,
    ) -> Result<RestoreReport, CycleError> {
        self.must_make_sense(request)?;
        let kept = self.backup_named(&request.name, "restore from").await?;
        phase(progress, Phase::Verify);
        self.must_be_good(&kept).await?;
        match (request.take, request.dry_run) {
            (_, true) => self.would_restore(&kept, request).await,
            (Some(_), false) => self.carry_out_restore(&kept, request, progress).await,
            (None, false) => {
                let place = self.place_of(&kept).await?;
                Err(must_choose(
                    request,
                    &self.differs_from(&place, request, Some(0)).await?,
                ))
            }
        }
    }

    fn must_make_sense(&self, request: &RestoreRequest) -> Result<(), CycleError> {
        let Some(name) = &request.table else {
            return match request.key {
                Some(_) => Err(CycleError {
                    code: ErrorCode::BadRequest,
                    ..CycleError::failed("restore a row: its table has to be named, too")
                }),
                None => Ok(()),
            };
        };
        let known = |table: &Table| table.name.eq_ignore_ascii_case(name);
        match self.layout.local.iter().any(known) {
            true => Ok(()),
            false => Err(self.no_such_table(&format!("restore table \"{name}\""))),
        }
    }

    /// Looks the backup through unless that has been done.
    async fn must_be_good(&mut self, kept: &Kept) -> Result<(), CycleError> {
        let database = self.database_there()?;
        let name = file_name(&path(&database, kept.time)).to_owned();
        let refuse = |reason: String| {
            CycleError::attention(
                format!("restore from {name}: {reason}; nothing was written"),
                "`modsyncctl backups verify --all` says which backups are good",
            )
        };
        if !kept.whole {
            return Err(refuse("it is unfinished".to_owned()));
        }
        let looked = self.looked_through(&database, &[*kept]).await?;
        let look = match looked.get(&name).filter(|look| look.damage.is_none()) {
            Some(look) => look.clone(),
            None => self.look_through_backup(kept).await?,
        };
        match look.damage {
            Some(damage) => Err(refuse(format!("it is damaged: {damage}"))),
            None => Ok(()),
        }
    }

    async fn would_restore(&mut self, kept: &Kept, request: &RestoreRequest) -> Result<RestoreReport, CycleError> {
        let place = self.place_of(kept).await?;
        let found = self.differs_from(&place, request, Some(TOLD as u64)).await?;
        let rows = found.rows.iter().take(TOLD).filter_map(|(index, from, to)| {
            let table = self.layout.server.get(*index)?;
            Some(describe(table, from.as_ref(), to.as_ref()))
        });
        Ok(RestoreReport {
            rows: rows.collect(),
            ..report(request, &found)
        })
    }

    async fn carry_out_restore(
        &mut self,
        kept: &Kept,
        request: &RestoreRequest,
        progress: &Progress<'_>,
    ) -> Result<RestoreReport, CycleError> {
        // What only one side has is on both before anything is compared: so nothing of it is overlooked, and the backup that
        // is taken before the restore has it.
        let synced = self
            .cycle(&SyncRequest::default(), &[], Trigger::Restore, progress)
            .await?;
        must_have_synced(&synced.cycle)?;
        let place = self.place_of(kept).await?;
        let found = self.differs_from(&place, request, None).await?;
        drop(place);
        if let Some(plan) = request.plan.as_ref().filter(|plan| **plan != found.plan) {
            let now = in_words(found.counts(request.take));
            return Err(CycleError::attention(
                format!(
                    "restore by plan {plan}: a row has changed since it was shown; by now it is plan {}: {now}",
                    found.plan
                ),
                "look at it with `--dry-run`, then restore again",
            ));
        }
        let mut report = report(request, &found);
        let amendments = self.amendments(found);
        if amendments.is_empty() {
            report.cycle = Some(synced.cycle).filter(|cycle| cycle.cycle.is_some());
            return Ok(report);
        }
        let done = self.amend(&amendments, Trigger::Restore, progress).await?;
        let left: BTreeSet<(&str, &Key)> = done.left.iter().map(|left| (&*left.table, &left.key)).collect();
        let not_made = |amendment: &&Amendment| left.contains(&(&*amendment.table, &amendment.key));
        for amendment in amendments.iter().filter(not_made) {
            match (&amendment.from, &amendment.to) {
                (None, _) => report.inserts -= 1,
                (_, None) => report.deletes -= 1,
                _ => report.updates -= 1,
            }
        }
        report.left = done.left.iter().map(|left| self.describe_left(left)).collect();
        report.cycle = Some(done.cycle);
        Ok(report)
    }

    fn amendments(&self, found: Difference) -> Vec<Amendment> {
        let rows = found.rows.into_iter().filter_map(|(index, from, to)| {
            let table = self.layout.local.get(index)?;
            Some(Amendment {
                table: table.name.clone(),
                key: table.key_of(from.as_ref().or(to.as_ref())?),
                from,
                to,
            })
        });
        rows.collect()
    }

    fn describe_left(&self, left: &Left) -> RestoreLeft {
        let table = self.layout.local.iter().find(|table| table.name == left.table);
        RestoreLeft {
            table: left.table.clone(),
            key: table.map(|table| describe_key(table, &left.key)).unwrap_or_default(),
            reason: left.reason.clone(),
        }
    }
}

fn report(request: &RestoreRequest, found: &Difference) -> RestoreReport {
    let [inserts, updates, deletes] = found.counts(request.take);
    RestoreReport {
        name: request.name.clone(),
        take: request.take,
        plan: found.plan.clone(),
        as_of: Some(Timestamp::now()),
        tables: found.tables.clone(),
        left_out: found.left_out.clone(),
        inserts,
        updates,
        deletes,
        ..RestoreReport::default()
    }
}

fn must_choose(request: &RestoreRequest, found: &Difference) -> CycleError {
    let [backup, local] = [Take::Backup, Take::Local].map(|take| in_words(found.counts(Some(take))));
    CycleError {
        code: ErrorCode::BadRequest,
        message: format!(
            "restore from {}: say what the databases shall hold; with --take backup {backup}, with --take local {local}; nothing \
             was written",
            request.name
        ),
        hint: Some(
            "--take backup: what the backup holds, rows that came since go; --take local: what is there now, and from the backup \
             what is missing now; --dry-run shows the rows"
                .to_owned(),
        ),
    }
}

/// Both sides have to be the same before one of them is compared with a backup.
fn must_have_synced(cycle: &CycleSummary) -> Result<(), CycleError> {
    match cycle.outcome {
        Outcome::Synced | Outcome::Unchanged | Outcome::Attention => Ok(()),
        _ => Err(CycleError {
            code: ErrorCode::Attention,
            message: format!(
                "restore: the cycle before it did not make both sides the same: {}",
                cycle.reason.as_deref().unwrap_or("see `modsyncctl status`")
            ),
            hint: cycle.hint.clone(),
        }),
    }
}
