//! Ends a cycle that was cut off: brings the laptop's base up to the server's, and writes down what did happen.

use std::collections::HashMap;

use super::history::{Journal, JournalTable, Written};
use super::{CycleError, Pair};
use crate::control::types::{CycleSummary, Outcome, TableMoves};
use crate::merge::Settled;
use crate::model::{Key, Row, Side, Table};

/// Rows of one table by key.
type Rows = HashMap<Key, Row>;

/// Where a cycle was cut off, as the bases tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutOff {
    /// Neither base has moved. What both sides had already taken, the next comparison finds equal.
    BeforePushing,
    /// The server's base has moved and the laptop's has not: the server's says, row by row, what was agreed.
    BeforeAgreeing,
    /// Both bases have moved; only the record is missing.
    AfterAgreeing,
}

impl Pair {
    /// Ends the interrupted cycle, and records what of it happened.
    pub(super) async fn end_interrupted(
        &mut self,
        cycle: i64,
        mut journal: Journal,
        cut: CutOff,
    ) -> Result<(), CycleError> {
        tracing::info!(cycle, ?cut, "going on from a cycle that was cut off");
        let keys = self.keys_of(&journal);
        if cut == CutOff::BeforeAgreeing {
            self.take_over_base(&journal, &keys).await?;
        }
        let (local, _) = self.both()?;
        let fail = |error| CycleError::of_sql(Side::Local, error);
        let live = local.live_rows(&keys).await.map_err(fail)?;
        let base = match cut {
            CutOff::BeforePushing => None,
            _ => Some(local.base_rows(&keys).await.map_err(fail)?),
        };
        let live = by_key(&self.layout.local, live);
        let base = base.map(|rows| by_key(&self.layout.local, rows));
        let happened = Happened::new(&self.layout.local, &live, base.as_deref(), &journal);
        happened.keep_in(&mut journal);
        journal.summary.outcome = Outcome::Interrupted;
        journal.summary.reason = Some("it was cut off; the next cycle went on from there".to_owned());
        self.history.end(cycle, journal).await
    }

    /// Copies the server's base rows of the journal's keys into the laptop's base.
    async fn take_over_base(&mut self, journal: &Journal, keys: &[Vec<Key>]) -> Result<(), CycleError> {
        let (local, server) = self.both()?;
        let rows = server
            .replica
            .base_rows(keys)
            .await
            .map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let settled: Vec<Vec<Settled>> = by_key(local.tables(), rows)
            .into_iter()
            .zip(keys)
            .map(|(mut rows, keys)| {
                let settle = |key: &Key| Settled {
                    key: key.clone(),
                    server: None,
                    agreed: rows.remove(key),
                };
                keys.iter().map(settle).collect()
            })
            .collect();
        local
            .settle(&settled, &journal.from, &journal.to)
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))
    }

    /// The journal's keys in the layout's order of tables.
    fn keys_of(&self, journal: &Journal) -> Vec<Vec<Key>> {
        let keys = |name: &str| {
            let mut tables = journal.tables.iter();
            tables.find(|table| table.table == name).map(|table| table.keys.clone())
        };
        let tables = self.layout.local.iter();
        tables.map(|table| keys(&table.name).unwrap_or_default()).collect()
    }
}

fn by_key(tables: &[Table], rows: Vec<Vec<Row>>) -> Vec<Rows> {
    let by_key = |(table, rows): (&Table, Vec<Row>)| rows.into_iter().map(|row| (table.key_of(&row), row)).collect();
    tables.iter().zip(rows).map(by_key).collect()
}

/// What of a cycle's plan was carried out, read from what it left behind. By table, in the layout's order.
struct Happened<'a> {
    tables: &'a [Table],
    /// The laptop's rows of the journal's keys as they are now.
    live: &'a [Rows],
    /// The base's rows of these keys, when the push went through.
    base: Option<&'a [Rows]>,
    /// Whether the laptop's transaction was committed.
    committed: bool,
}

impl<'a> Happened<'a> {
    /// The laptop's writes are one transaction, and they go before the push: one of them that is there tells of all.
    fn new(tables: &'a [Table], live: &'a [Rows], base: Option<&'a [Rows]>, journal: &Journal) -> Self {
        let mut happened = Self {
            tables,
            live,
            base,
            committed: base.is_some(),
        };
        happened.committed |= journal.tables.iter().any(|planned| {
            let place = happened.place(planned);
            let mut writes = planned.writes.iter().filter(|write| write.side == Side::Local);
            place.is_some_and(|(table, live, _)| writes.any(|write| is_as_after(table, live, write)))
        });
        happened
    }

    /// The table of the layout that a table of the journal is, with its rows. One whose columns have changed since is
    /// none: its rows cannot be compared, and what was planned stands in the record.
    fn place(&self, planned: &JournalTable) -> Option<(&'a Table, &'a Rows, Option<&'a Rows>)> {
        let same = |table: &Table| {
            let columns = table.columns.iter().map(|column| &column.name);
            table.name == planned.table && columns.eq(&planned.columns)
        };
        let index = self.tables.iter().position(same)?;
        let base = self.base.and_then(|base| base.get(index));
        Some((self.tables.get(index)?, self.live.get(index)?, base))
    }

    /// Takes out of the journal what did not happen.
    fn keep_in(&self, journal: &mut Journal) {
        for planned in &mut journal.tables {
            let Some((table, live, base)) = self.place(planned) else {
                continue;
            };
            planned.writes.retain(|write| match write.side {
                Side::Local => self.was_taken_here(table, live, base, write),
                // A write whose guard failed is not in the base, which moved by what was written.
                Side::Server => base.is_some_and(|base| is_as_after(table, base, write)),
            });
            if base.is_none() {
                self.keep_settled_conflicts(planned, live);
            }
        }
        recount(&mut journal.summary, &journal.tables);
    }

    /// A row that is neither as it was nor as it should be has been changed again since. One that is as it was, a
    /// constraint had barred.
    fn was_taken_here(&self, table: &Table, live: &Rows, base: Option<&Rows>, write: &Written) -> bool {
        let agreed = base.is_some_and(|base| is_as_after(table, base, write));
        agreed || self.committed && !is_as_before(table, live, write)
    }

    /// Without a push, a conflict was settled only where the laptop took the server's version; any other is met again.
    fn keep_settled_conflicts(&self, planned: &mut JournalTable, live: &Rows) {
        let settled: Vec<bool> = planned
            .conflicts
            .iter()
            .map(|conflict| {
                let taken = live.get(&conflict.key) != conflict.local.as_ref();
                self.committed && conflict.winner == Side::Server && taken
            })
            .collect();
        let mut keep = settled.iter();
        planned.conflicts.retain(|_| keep.next().copied().unwrap_or(false));
        let mut keep = settled.iter();
        planned.records.retain(|_| keep.next().copied().unwrap_or(false));
    }
}

/// Whether the rows are as a write meant to leave them.
fn is_as_after(table: &Table, rows: &Rows, write: &Written) -> bool {
    match (&write.after, &write.before) {
        (Some(after), _) => rows.get(&table.key_of(after)) == Some(after),
        // Another row may have come under its key.
        (None, Some(before)) => rows.get(&table.key_of(before)) != Some(before),
        (None, None) => false,
    }
}

/// Whether the rows are as a write expected to find them.
fn is_as_before(table: &Table, rows: &Rows, write: &Written) -> bool {
    match (&write.before, &write.after) {
        (Some(before), _) => rows.get(&table.key_of(before)) == Some(before),
        (None, Some(after)) => !rows.contains_key(&table.key_of(after)),
        (None, None) => true,
    }
}

/// The summary was written for the plan.
fn recount(summary: &mut CycleSummary, tables: &[JournalTable]) {
    let counted = tables.iter().map(|table| {
        let puts = |side: Side| {
            let mut puts = 0;
            for write in &table.writes {
                puts += u64::from(write.side == side && write.after.is_some());
            }
            puts
        };
        let (pulled, pushed) = (puts(Side::Local), puts(Side::Server));
        TableMoves {
            table: table.table.clone(),
            pulled,
            pushed,
            deleted: table.writes.len() as u64 - pulled - pushed,
        }
    });
    summary.tables = counted
        .filter(|moves| moves.pulled + moves.pushed + moves.deleted > 0)
        .collect();
    let sum = |read: fn(&TableMoves) -> u64| summary.tables.iter().map(read).sum();
    (summary.pulled, summary.pushed, summary.deleted) = (
        sum(|moves| moves.pulled),
        sum(|moves| moves.pushed),
        sum(|moves| moves.deleted),
    );
    summary.conflicts = tables.iter().map(|table| table.conflicts.len() as u64).sum();
}

#[cfg(test)]
mod tests;
