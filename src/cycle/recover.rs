//! Ends a cycle that was cut off: brings the laptop's base up to the server's, and writes down what did happen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ancestors::Ancestors;
use super::history::{Interrupted, Journal, JournalTable, Written};
use super::mark::KeptOut;
use super::{CycleError, Pair};
use crate::control::types::{CycleSummary, Outcome, TableMoves};
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
    pub(super) async fn end_interrupted(&mut self, interrupted: Interrupted, cut: CutOff) -> Result<(), CycleError> {
        let Interrupted { cycle, mut journal } = interrupted;
        tracing::info!(cycle, ?cut, "going on from a cycle that was cut off");
        let kept_out = self.kept_out_here(cycle, &journal.to).await?;
        let keys = self.keys_of(&journal);
        // Without all its tables the laptop's base cannot be brought up; then a new one is begun after this.
        if cut == CutOff::BeforeAgreeing && self.has_all_tables_of(&journal) {
            self.take_over_base(&journal, &keys).await?;
        }
        let (local, server) = self.both()?;
        let fail = |side| move |error| CycleError::of_sql(side, error);
        let here = local.live_rows(&keys).await.map_err(fail(Side::Local))?;
        // The line may have gone after the server's commit and before its base moved: then its rows tell.
        let there = match cut {
            CutOff::BeforePushing => server.replica.live_rows(&keys).await.map_err(fail(Side::Server))?,
            _ => local.base_rows(&keys).await.map_err(fail(Side::Local))?,
        };
        let (here, there) = (by_key(&self.layout.local, here), by_key(&self.layout.local, there));
        let pushed = cut != CutOff::BeforePushing;
        let happened = Happened::new(&self.layout.local, &here, &there, pushed, kept_out.as_ref(), &journal);
        let ancestors = match pushed {
            true => Ancestors::default(),
            false => happened.ancestors(&journal, self.history.ancestors().await?),
        };
        happened.keep_in(&mut journal);
        journal.summary.outcome = Outcome::Interrupted;
        journal.summary.reason = Some("it was cut off; the next cycle went on from there".to_owned());
        let recorded = journal.summary.schema.clone();
        self.history.end(cycle, journal, ancestors).await?;
        self.carried_is_recorded(&recorded).await
    }

    /// Copies the server's base rows of the journal's keys into the laptop's base.
    async fn take_over_base(&mut self, journal: &Journal, keys: &[Vec<Key>]) -> Result<(), CycleError> {
        let (local, server) = self.both()?;
        let rows = server
            .replica
            .base_rows(keys)
            .await
            .map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let rows = by_key(local.tables(), rows);
        let settled: Vec<Vec<_>> = rows
            .iter()
            .zip(keys)
            .map(|(rows, keys)| keys.iter().map(|key| (key, rows.get(key))).collect())
            .collect();
        local
            .settle(&settled, &journal.from, &journal.to)
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))
    }

    /// Whether every table of the journal is synced at the moment: none is held, or waits for the other side's schema.
    fn has_all_tables_of(&self, journal: &Journal) -> bool {
        let synced = |planned: &JournalTable| self.layout.local.iter().any(|table| table.name == planned.table);
        journal.tables.iter().all(synced)
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
    here: &'a [Rows],
    /// What tells of the push: the base's rows where it is known to have gone through, else the server's as they are now.
    there: &'a [Rows],
    /// Whether the push is known to have gone through.
    pushed: bool,
    /// What the laptop's transaction left out, where its mark is there.
    kept_out: Option<&'a KeptOut>,
    /// Whether the laptop's transaction was committed, for all that can be seen.
    committed: bool,
    /// Whether a row that it was to write stands there. That one is gone, or another one, tells less: a program may have
    /// deleted or changed it.
    evident: bool,
}

impl<'a> Happened<'a> {
    /// The laptop's writes are one transaction, and they go before the push: one of them that is there tells of all.
    fn new(
        tables: &'a [Table],
        here: &'a [Rows],
        there: &'a [Rows],
        pushed: bool,
        kept_out: Option<&'a KeptOut>,
        journal: &Journal,
    ) -> Self {
        let mut happened = Self {
            tables,
            here,
            there,
            pushed,
            kept_out,
            committed: pushed,
            evident: pushed,
        };
        let is_there = |counts: fn(&Written) -> bool| {
            journal.tables.iter().any(|planned| {
                let place = happened.place(planned);
                let mut writes = (planned.writes.iter()).filter(|write| write.side == Side::Local && counts(write));
                place.is_some_and(|(table, here, _)| writes.any(|write| is_as_after(table, here, write)))
            })
        };
        let (committed, evident) = (is_there(|_| true), is_there(|write| write.after.is_some()));
        happened.committed |= committed;
        happened.evident |= evident;
        happened
    }

    /// The table of the layout that a table of the journal is, with its rows. One whose columns have changed since is
    /// none: its rows cannot be compared, and what was planned stands in the record.
    fn place(&self, planned: &JournalTable) -> Option<(&'a Table, &'a Rows, &'a Rows)> {
        let same = |table: &Table| {
            let columns = table.columns.iter().map(|column| &column.name);
            table.name == planned.table && columns.eq(&planned.columns)
        };
        let index = self.tables.iter().position(same)?;
        Some((self.tables.get(index)?, self.here.get(index)?, self.there.get(index)?))
    }

    /// Takes out of the journal what did not happen.
    fn keep_in(&self, journal: &mut Journal) {
        for planned in &mut journal.tables {
            let Some((table, here, there)) = self.place(planned) else {
                continue;
            };
            planned.writes.retain(|write| match write.side {
                Side::Local => self.was_taken_here(table, here, there, write),
                Side::Server => self.was_taken_there(table, there, write),
            });
            if !self.pushed {
                self.keep_settled_conflicts(planned, table, here, there);
            }
        }
        recount(&mut journal.summary, &journal.tables);
    }

    /// Where it was not written down: a row that is neither as it was nor as it should be has been changed again since.
    /// One that is as it was, a constraint had barred.
    fn was_taken_here(&self, table: &Table, here: &Rows, there: &Rows, write: &Written) -> bool {
        if let Some(kept_out) = self.kept_out {
            let kept_out = kept_out.get(&table.name).map(Vec::as_slice).unwrap_or_default();
            let mut rows = write.before.iter().chain(&write.after);
            return !rows.any(|row| kept_out.contains(&table.key_of(row)));
        }
        let agreed = self.pushed && is_as_after(table, there, write);
        agreed || self.committed && !is_as_before(table, here, write)
    }

    /// A write whose guard failed is not in the base, which moved by what was written. The server's own rows say less: one
    /// that is neither there nor as it was may have been changed before the push or after it.
    fn was_taken_there(&self, table: &Table, there: &Rows, write: &Written) -> bool {
        let gone = |row: &Row| !there.contains_key(&table.key_of(row));
        match (&write.before, &write.after) {
            (Some(before), None) if !self.pushed => gone(before),
            _ => is_as_after(table, there, write),
        }
    }

    /// What the server held, where the laptop took the merged row and the push did not go through: what the next merge
    /// goes out from.
    ///
    /// Where it was not written down what the laptop took, a row that is neither as it was nor as it should be counts only
    /// if another one that was to be written stands there. Otherwise a program may have changed it while nothing had been
    /// taken; held against the server's row as if it came from it, that change would pass for a newer one, and what
    /// the server holds would be gone.
    fn ancestors(&self, journal: &Journal, mut known: Ancestors) -> Ancestors {
        for planned in &journal.tables {
            let Some((table, here, there)) = self.place(planned) else {
                continue;
            };
            let held: BTreeMap<&Key, &Option<Row>> = planned.at_server.iter().map(|(key, row)| (key, row)).collect();
            let local = planned.writes.iter().filter(|write| write.side == Side::Local);
            let taken = local.filter(|write| match self.kept_out {
                Some(_) => self.was_taken_here(table, here, there, write),
                None => is_as_after(table, here, write) || self.evident && !is_as_before(table, here, write),
            });
            let taken = Ends::of(table, taken);
            for key in taken.keys {
                let row = match held.get(&key) {
                    Some(row) => (*row).clone(),
                    // It held what the laptop took.
                    None => taken.after.get(&key).map(|row| (*row).clone()),
                };
                known.remember(planned, key, row);
            }
        }
        known
    }

    /// Where nobody knows of a push, a conflict was settled if a side took the merged row, or if the version that lost is
    /// no longer where it was. Any other is met again. The server may have taken the laptop's version and its base not
    /// have moved: then both hold the same, nothing is met again, and this record is all that is left of what the server
    /// had. What was not carried out is out of the journal's writes by now.
    fn keep_settled_conflicts(&self, planned: &mut JournalTable, table: &Table, here: &Rows, there: &Rows) {
        let taken = Ends::of(table, planned.writes.iter()).keys;
        let settled: Vec<bool> = planned
            .conflicts
            .iter()
            .map(|conflict| {
                let gone = match conflict.winner {
                    Side::Server => self.committed && here.get(&conflict.key) != conflict.local.as_ref(),
                    Side::Local => there.get(&conflict.key) != conflict.server.as_ref(),
                };
                gone || taken.contains(&conflict.key)
            })
            .collect();
        let mut keep = settled.iter();
        planned.conflicts.retain(|_| keep.next().copied().unwrap_or(false));
        let mut keep = settled.iter();
        planned.records.retain(|_| keep.next().copied().unwrap_or(false));
    }
}

/// The keys that writes concern, and the rows under them afterwards.
#[derive(Default)]
struct Ends<'a> {
    keys: BTreeSet<Key>,
    after: BTreeMap<Key, &'a Row>,
}

impl<'a> Ends<'a> {
    fn of(table: &Table, writes: impl Iterator<Item = &'a Written>) -> Self {
        let mut ends = Self::default();
        for write in writes {
            if let Some(row) = &write.before {
                ends.keys.insert(table.key_of(row));
            }
            if let Some(row) = &write.after {
                ends.keys.insert(table.key_of(row));
                ends.after.insert(table.key_of(row), row);
            }
        }
        ends
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
