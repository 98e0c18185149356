//! Makes on one side what the other side's schema was given, before rows are compared.
//!
//! Each transaction makes what it can of one side's additions, and the schemas are read anew after it. So it does not matter
//! where this is cut off: what has been made is equal on both sides by then, and the rest is still an addition.

use super::super::{CycleError, Pair, Progress, Trigger};
use super::plan::Change;
use crate::control::types::{Phase, PhaseEvent, SchemaMove, SyncRequest};
use crate::model::{ObjectKind, Side};
use crate::replica::{SqlError, SqlErrorKind};

/// The fact that remembers what has been carried over and is in no cycle's record yet.
const CARRIED: &str = "carried_schema";

/// How many transactions one cycle spends on schemas; the next one goes on.
const TRIES: u32 = 50;

impl Pair {
    /// Additions that a cycle with this request makes. One that is to write nothing, or to keep to a plan of rows, makes
    /// none.
    fn to_carry(&self, request: &SyncRequest) -> Vec<Change> {
        if request.dry_run || request.plan.is_some() {
            return Vec::new();
        }
        let allowed = |change: &&Change| match change.to {
            Side::Local => !request.skip_pull,
            Side::Server => !request.pull_only,
        };
        self.drift.changes.iter().filter(allowed).cloned().collect()
    }

    /// Whether an addition of one side waits for this cycle.
    pub(in crate::cycle) fn has_to_carry(&self, request: &SyncRequest) -> bool {
        !self.to_carry(request).is_empty()
    }

    /// Additions that any cycle may make, as `check` and `diff` tell them.
    pub(in crate::cycle) fn waiting_for_schema(&self) -> Vec<SchemaMove> {
        self.drift.changes.iter().map(Change::told).collect()
    }

    /// Additions that were made and stand in no record yet.
    pub(in crate::cycle) fn carried(&self) -> Vec<SchemaMove> {
        self.carried.iter().map(Change::told).collect()
    }

    /// What an earlier run has carried over without coming to record it.
    pub(in crate::cycle) async fn remember_carried(&mut self) -> Result<(), CycleError> {
        let text = self.history.fact(CARRIED).await?.unwrap_or_default();
        self.carried = serde_json::from_str(&text).unwrap_or_default();
        Ok(())
    }

    /// The record of a cycle has these now.
    pub(in crate::cycle) async fn carried_is_recorded(&mut self, recorded: &[SchemaMove]) -> Result<(), CycleError> {
        if recorded.is_empty() {
            return Ok(());
        }
        self.carried.retain(|change| !recorded.contains(&change.told()));
        self.keep_carried().await
    }

    async fn keep_carried(&mut self) -> Result<(), CycleError> {
        let text = serde_json::to_string(&self.carried).unwrap_or_default();
        self.history.keep_fact(CARRIED, text).await
    }

    /// Lets a cycle try again what could not be made so far: what rows stood against each time, what an engine refused
    /// when a person or the clock asks for it.
    pub(in crate::cycle) async fn try_schema_again(&mut self, trigger: Trigger) -> Result<(), CycleError> {
        self.one_by_one = false;
        let now = !matches!(trigger, Trigger::Watch | Trigger::Poll);
        if now && !self.refused.is_empty() {
            self.refused.clear();
            return self.lay_out_again().await;
        }
        let stuck = std::mem::take(&mut self.drift.stuck);
        let waited = |name: &str| stuck.iter().any(|(change, _)| change.name == name);
        self.layout.left_out.retain(|known| !waited(&known.name));
        self.drift.changes.extend(stuck.into_iter().map(|(change, _)| change));
        Ok(())
    }

    /// Makes what waits, tables and columns first.
    ///
    /// # Errors
    /// When a side fails, but not when it refuses a statement: then what it makes is held.
    pub(in crate::cycle) async fn carry_over(
        &mut self,
        request: &SyncRequest,
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<(), CycleError> {
        for _ in 0..TRIES {
            let waiting = self.to_carry(request);
            let holds_rows = |change: &&Change| matches!(change.kind, ObjectKind::Table | ObjectKind::Column);
            let shapes: Vec<Change> = waiting.iter().filter(holds_rows).cloned().collect();
            let mut next = if shapes.is_empty() { waiting } else { shapes };
            let Some(side) = next.first().map(|change| change.to) else {
                return Ok(());
            };
            next.retain(|change| change.to == side);
            if self.one_by_one {
                next.truncate(1);
            }
            if self.put_stuck_aside(&next).await? {
                continue;
            }
            self.make(side, &next, (request, trigger), progress).await?;
        }
        Ok(())
    }

    /// A unique index cannot be made while rows stand against it. Whether any was put aside.
    async fn put_stuck_aside(&mut self, changes: &[Change]) -> Result<bool, CycleError> {
        let mut any = false;
        for change in changes.iter().filter(|change| !change.unique.is_empty()) {
            let (local, server) = self.both()?;
            let replica = if change.to == Side::Local {
                local
            } else {
                &mut server.replica
            };
            let repeated = replica.repeated(&change.table, &change.unique).await;
            let sets = repeated.map_err(|error| CycleError::of_sql(change.to, error))?;
            if sets > 0 {
                any = true;
                self.drift.stick(change, sets);
                self.layout.left_out.extend(self.drift.stuck_notes().last());
            }
        }
        Ok(any)
    }

    async fn make(
        &mut self,
        side: Side,
        changes: &[Change],
        (request, trigger): (&SyncRequest, Trigger),
        progress: &Progress<'_>,
    ) -> Result<(), CycleError> {
        progress(PhaseEvent {
            phase: Phase::Schema,
            done: None,
            total: None,
        });
        if side == Side::Server {
            self.back_up_before_altering(request, trigger).await?;
        }
        // Written down first: what was made and then cut off would stand in no record.
        self.carried.extend(changes.iter().cloned());
        self.keep_carried().await?;
        for Change {
            kind, table, name, sql, ..
        } in changes
        {
            tracing::info!(%side, %kind, table, name, sql, "carrying an addition to the schema over");
        }
        let statements: Vec<&str> = changes.iter().map(|change| change.sql.as_str()).collect();
        let (local, server) = self.both()?;
        let replica = if side == Side::Local {
            local
        } else {
            &mut server.replica
        };
        match replica.alter(&statements).await {
            Ok(()) => self.lay_out_again().await,
            Err(error) => self.after_refusal(side, changes, error, progress).await,
        }
    }

    async fn back_up_before_altering(&mut self, request: &SyncRequest, trigger: Trigger) -> Result<(), CycleError> {
        let Some(path) = self.due_backup(request, trigger).await? else {
            return Ok(());
        };
        let (_, server) = self.both()?;
        let backed_up = server.replica.back_up(&path).await;
        backed_up.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        self.backup_taken(path).await.map(drop)
    }

    /// A statement that a side refuses is held, and the rest goes on.
    async fn after_refusal(
        &mut self,
        side: Side,
        changes: &[Change],
        error: SqlError,
        progress: &Progress<'_>,
    ) -> Result<(), CycleError> {
        match (error.kind, changes) {
            // Another program was faster: the schemas are read anew.
            (SqlErrorKind::MovedOn, _) => {}
            (SqlErrorKind::Other | SqlErrorKind::Constraint, [change]) => {
                tracing::warn!(%side, name = change.name, %error, "an addition to the schema is refused");
                self.refused.push((change.clone(), error.message));
            }
            (SqlErrorKind::Other | SqlErrorKind::Constraint, _) => self.one_by_one = true,
            _ => return Err(CycleError::of_sql(side, error)),
        }
        self.reopen(progress).await
    }
}
