//! Who committed what, and what they had seen: the memory of the oracle. It watches the databases alone.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::Cell;
use super::schema::Role;
use super::schema::Schema;
use super::snapshot::{Identity, Meaning, Row};

/// A value in a cell of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fact {
    pub table: usize,
    pub row: Identity,
    pub column: usize,
    pub value: Cell,
}

/// How a fact came to be.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// How often it was committed.
    pub times: usize,
    /// What whoever wrote it saw in the cell before.
    pub seen: BTreeSet<Cell>,
    /// It came with its row.
    pub inserted: bool,
    /// Who wrote it last.
    pub by: String,
}

/// Everything that programs have committed. What modsync writes is not in it.
#[derive(Debug, Default)]
pub struct Ledger {
    pub facts: BTreeMap<Fact, Origin>,
    /// Facts that somebody overwrote or deleted who had them before his eyes.
    pub overwritten: BTreeSet<Fact>,
    /// Rows that somebody deleted.
    pub deleted: BTreeSet<(usize, Identity)>,
}

impl Ledger {
    /// Takes note of a transaction by what the database meant before and after it.
    pub fn record(&mut self, schema: &Schema, before: &Meaning, after: &Meaning, by: &str) {
        for (number, table) in schema.tables.iter().enumerate() {
            let (before, after) = (&before[number], &after[number]);
            let rows: BTreeSet<&Identity> = before.keys().chain(after.keys()).collect();
            for row in rows {
                let none = Vec::new();
                let (old, new) = (before.get(row).unwrap_or(&none), after.get(row).unwrap_or(&none));
                if old == new {
                    continue;
                }
                if new.is_empty() {
                    self.deleted.insert((number, row.clone()));
                }
                let columns = table
                    .columns
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| column.role != Role::Id);
                for (column, _) in columns {
                    self.record_cell((number, row, column), old, new, by);
                }
            }
        }
    }

    fn record_cell(&mut self, (table, row, column): (usize, &Identity, usize), old: &[Row], new: &[Row], by: &str) {
        let values = |rows: &[Row]| rows.iter().map(|row| row[column].clone()).collect::<BTreeSet<Cell>>();
        let (before, after) = (values(old), values(new));
        let fact = |value: &Cell| Fact {
            table,
            row: row.clone(),
            column,
            value: value.clone(),
        };
        for value in before.difference(&after) {
            self.overwritten.insert(fact(value));
        }
        for value in after.difference(&before) {
            self.overwritten.remove(&fact(value));
            let origin = self.facts.entry(fact(value)).or_default();
            origin.times += 1;
            origin.seen.extend(before.difference(&after).cloned());
            origin.inserted = old.is_empty();
            by.clone_into(&mut origin.by);
        }
    }

    /// Whether whoever wrote `later` had `earlier` before his eyes, or had what was written over it, and so on. A value
    /// that came more than once leads no further: it may have been seen before the other came.
    pub fn descends(&self, later: &Fact, earlier: &Cell) -> bool {
        let mut known = BTreeSet::from([later.value.clone()]);
        let mut waiting = vec![later.value.clone()];
        while let Some(value) = waiting.pop() {
            if value == *earlier {
                return true;
            }
            let fact = Fact { value, ..later.clone() };
            let origin = self.facts.get(&fact).filter(|origin| origin.times == 1);
            for seen in origin.into_iter().flat_map(|origin| &origin.seen) {
                if known.insert(seen.clone()) {
                    waiting.push(seen.clone());
                }
            }
        }
        false
    }

    /// Facts that nobody has overwritten.
    pub fn standing(&self) -> impl Iterator<Item = (&Fact, &Origin)> {
        self.facts.iter().filter(|(fact, _)| !self.overwritten.contains(fact))
    }
}
