//! The rows of one table while they merge.

use std::collections::{BTreeSet, HashMap};

use super::{Conflict, Reason, TableInput, TableRules, Triple};
use crate::model::{Key, Row, Side, Table, Value};

/// One table while it merges.
pub(super) struct Work<'a> {
    pub table: &'a Table,
    pub rules: &'a TableRules,
    /// Whether there is no base at all for this table.
    pub first: bool,
    /// The entries of the input by key, then those that moved ids made.
    pub entries: Vec<Entry>,
    pub conflicts: Vec<Conflict>,
    /// How many entries, from the first, are in the order of their keys.
    sorted: usize,
    /// Where the others are.
    added: HashMap<Key, usize>,
    next_id: Option<i64>,
    used_below: Option<i64>,
}

/// One key while it merges.
pub(super) struct Entry {
    pub key: Key,
    pub base: Option<Row>,
    /// The laptop's row as it merges: with the id and the references that it gets once ids have given way.
    pub local: Option<Row>,
    pub server: Option<Row>,
    pub outcome: Outcome,
    /// What the laptop really holds under this key, where that is not `local`.
    held: Option<Option<Row>>,
}

/// What becomes of a key. Points to the row where it is, so that it need not be copied.
pub(super) enum Outcome {
    Absent,
    Local,
    Server,
    /// Cells of both sides.
    Mixed(Row),
}

impl<'a> Work<'a> {
    pub fn new(input: TableInput<'a>) -> Self {
        let mut entries: Vec<Entry> = input.triples.into_iter().map(Entry::from).collect();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Self {
            table: input.table,
            rules: input.rules,
            first: input.first,
            sorted: entries.len(),
            entries,
            conflicts: Vec::new(),
            added: HashMap::new(),
            next_id: input.next_id,
            used_below: input.used_below,
        }
    }

    /// The entry of a key.
    pub fn find(&self, key: &Key) -> Option<usize> {
        let sorted = self.entries.get(..self.sorted).unwrap_or_default();
        match sorted.binary_search_by(|entry| entry.key.cmp(key)) {
            Ok(index) => Some(index),
            Err(_) => self.added.get(key).copied(),
        }
    }

    /// Hands out an integer id that neither side has used. `None` when the table has none left.
    pub fn fresh_id(&mut self) -> Option<i64> {
        let id = self.next_id?;
        self.next_id = id.checked_add(1);
        Some(id)
    }

    /// Whether the id of a row that is new on the laptop was that of a row of the server's which is gone: AUTOINCREMENT
    /// promises that no id is handed out twice, and another laptop may still hold the old row under it. Where rows meet by
    /// another key this does not matter, and a row that somebody puts back keeps its id.
    pub fn is_used_up(&self, row: &Row) -> bool {
        let id = self.table.rowid.and_then(|id| row.get(id)?.as_integer());
        // SQLite hands out no id below 1 there: such a one was chosen.
        id.zip(self.used_below)
            .is_some_and(|(id, below)| (1..below).contains(&id))
    }

    /// Gives laptop rows other values, under the keys that these make. `rows` are named by the entries where they
    /// were.
    pub fn place(&mut self, rows: HashMap<usize, Row>) {
        let mut rows: Vec<(usize, Row)> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|(index, _)| *index);
        for (index, _) in &rows {
            self.entries[*index].set_local(None);
        }
        for (_, row) in rows {
            let key = self.table.key_of(&row);
            let index = self.find(&key).unwrap_or_else(|| self.add(key));
            let columns = (0..row.len()).collect();
            let entry = &mut self.entries[index];
            if entry.local.is_none() {
                entry.set_local(Some(row));
            } else {
                // A row that referred into the void and now meets one that has its place: only one can stay.
                let mut conflict = entry.conflict(columns, Side::Server, Reason::UniqueTaken);
                conflict.local = Some(row);
                self.conflicts.push(conflict);
            }
        }
    }

    /// The laptop's row yields to another row of the server: it takes the server's values in some columns, and goes
    /// where the server has no such row. Recorded.
    pub fn take_servers(&mut self, index: usize, columns: &[usize]) {
        let entry = &mut self.entries[index];
        let Some(mut row) = entry.agreed().cloned() else { return };
        let (columns, outcome) = match &entry.server {
            None => ((0..row.len()).collect(), Outcome::Absent),
            Some(server) => {
                let differ = |column: &usize| row.get(*column) != server.get(*column);
                let columns: BTreeSet<usize> = columns.iter().copied().filter(differ).collect();
                for &column in &columns {
                    row[column].clone_from(&server[column]);
                }
                (columns.into_iter().collect(), Outcome::Mixed(row))
            }
        };
        entry.outcome = outcome;
        self.conflicts
            .push(entry.conflict(columns, Side::Server, Reason::UniqueTaken));
    }

    fn add(&mut self, key: Key) -> usize {
        let index = self.entries.len();
        self.added.insert(key.clone(), index);
        self.entries.push(Entry::from(Triple {
            key,
            base: None,
            local: None,
            server: None,
        }));
        index
    }
}

impl Entry {
    /// The row that both sides shall hold.
    pub fn agreed(&self) -> Option<&Row> {
        match &self.outcome {
            Outcome::Absent => None,
            Outcome::Local => self.local.as_ref(),
            Outcome::Server => self.server.as_ref(),
            Outcome::Mixed(row) => Some(row),
        }
    }

    /// What the laptop holds under this key.
    pub fn held(&self) -> Option<&Row> {
        self.held.as_ref().unwrap_or(&self.local).as_ref()
    }

    /// The row of a side.
    pub fn row(&self, side: Side) -> Option<&Row> {
        match side {
            Side::Local => self.local.as_ref(),
            Side::Server => self.server.as_ref(),
        }
    }

    /// Whether a side has this row and inserted or changed it since the base.
    pub fn changed_on(&self, side: Side) -> bool {
        self.row(side).is_some_and(|row| Some(row) != self.base.as_ref())
    }

    /// The record of a conflict over some columns of this row.
    pub fn conflict(&self, columns: Vec<usize>, winner: Side, reason: Reason) -> Conflict {
        Conflict {
            key: self.key.clone(),
            columns,
            base: self.base.clone(),
            local: self.local.clone(),
            server: self.server.clone(),
            winner,
            reason,
        }
    }

    fn set_local(&mut self, row: Option<Row>) {
        let before = std::mem::replace(&mut self.local, row);
        self.held.get_or_insert(before);
    }
}

impl From<Triple> for Entry {
    fn from(triple: Triple) -> Self {
        Self {
            key: triple.key,
            base: triple.base,
            local: triple.local,
            server: triple.server,
            outcome: Outcome::Absent,
            held: None,
        }
    }
}

/// The values of some columns of a row.
pub(super) fn pick(row: &Row, columns: &[usize]) -> Vec<Value> {
    columns.iter().filter_map(|&column| row.get(column)).cloned().collect()
}
