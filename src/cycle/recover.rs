//! Ends a cycle that was cut off: brings the laptop's base up to the server's, and writes down what did happen.

use std::collections::HashMap;

use super::history::{Journal, JournalTable};
use super::{CycleError, Pair};
use crate::control::types::Outcome;
use crate::merge::Settled;
use crate::model::{Key, Row, Side};

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
        match cut {
            CutOff::AfterAgreeing => {}
            CutOff::BeforeAgreeing => self.take_over_base(&journal).await?,
            CutOff::BeforePushing => {
                let local = self.current_local(&journal).await?;
                for (table, rows) in journal.tables.iter_mut().zip(&local) {
                    self.keep_what_happened(table, rows);
                }
            }
        }
        journal.summary.outcome = Outcome::Interrupted;
        journal.summary.reason = Some("it was cut off; the next cycle went on from there".to_owned());
        let recorded = journal.summary.schema.clone();
        self.history.end(cycle, journal).await?;
        self.carried_is_recorded(&recorded).await
    }

    /// Copies the server's base rows of the journal's keys into the laptop's base.
    async fn take_over_base(&mut self, journal: &Journal) -> Result<(), CycleError> {
        let keys = self.keys_of(journal);
        let (local, server) = self.both()?;
        let rows = server
            .replica
            .base_rows(&keys)
            .await
            .map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let tables = local.tables().iter().zip(rows).zip(&keys);
        let settled: Vec<Vec<Settled>> = tables
            .map(|((table, rows), keys)| {
                let mut rows: Rows = rows.into_iter().map(|row| (table.key_of(&row), row)).collect();
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
            journal
                .tables
                .iter()
                .find(|table| table.table == name)
                .map(|table| table.keys.clone())
        };
        self.layout
            .local
            .iter()
            .map(|table| keys(&table.name).unwrap_or_default())
            .collect()
    }

    /// The laptop's rows of the journal's keys as they are now, by the journal's tables.
    async fn current_local(&mut self, journal: &Journal) -> Result<Vec<Rows>, CycleError> {
        let keys = self.keys_of(journal);
        let (local, _) = self.both()?;
        let rows = local
            .live_rows(&keys)
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        let mut by_table: HashMap<&str, Rows> = HashMap::new();
        for (table, rows) in local.tables().iter().zip(rows) {
            by_table.insert(
                &table.name,
                rows.into_iter().map(|row| (table.key_of(&row), row)).collect(),
            );
        }
        Ok(journal
            .tables
            .iter()
            .map(|table| by_table.remove(table.table.as_str()).unwrap_or_default())
            .collect())
    }

    /// Of a cycle whose push did not go through, only what the laptop's database took has happened. A conflict that
    /// was not carried out there will be met again.
    fn keep_what_happened(&self, journal: &mut JournalTable, local: &Rows) {
        let Some(table) = self.layout.local.iter().find(|table| table.name == journal.table) else {
            return;
        };
        journal.writes.retain(|write| {
            let row = write.after.as_ref().or(write.before.as_ref());
            let now = row.and_then(|row| local.get(&table.key_of(row)));
            write.side == Side::Local && now == write.after.as_ref()
        });
        let happened: Vec<bool> = journal
            .conflicts
            .iter()
            .map(|conflict| conflict.winner == Side::Server && local.get(&conflict.key) != conflict.local.as_ref())
            .collect();
        let mut keep = happened.iter();
        journal.conflicts.retain(|_| keep.next().copied().unwrap_or(false));
        let mut keep = happened.iter();
        journal.records.retain(|_| keep.next().copied().unwrap_or(false));
    }
}
