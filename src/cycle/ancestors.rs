//! Rows of the server that the laptop's database has taken and that no base knows yet.
//!
//! A cycle that is cut off between its two writes leaves rows of the server in the laptop's database. Held against the
//! base they look like changes of the laptop's own. If the server's row moves on before the next cycle, that cycle would
//! meet a conflict where nobody disagreed, and a value that somebody replaced, or a row that somebody deleted, would
//! come back. So what the server held is remembered until the base moves: both versions of the row come from it, and the
//! merge goes out from it instead of from the base's row.

use std::collections::BTreeMap;

use super::history::JournalTable;
use super::layout::Layout;
use crate::model::{Key, Row, Table};

/// What the server held, by key; `None` where it had no such row.
pub type Rows = BTreeMap<Key, Option<Row>>;

/// The rows that merges go out from where the base is older, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ancestors {
    tables: BTreeMap<String, TableAncestors>,
}

/// Those of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct TableAncestors {
    /// The table's columns, in the order of the rows.
    columns: Vec<String>,
    rows: Rows,
}

impl Ancestors {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Those of a table; `None` when there are none, or when its columns have changed since.
    #[must_use]
    pub fn of(&self, table: &Table) -> Option<&Rows> {
        let known = self.tables.get(&table.name)?;
        let columns = table.columns.iter().map(|column| &column.name);
        columns.eq(&known.columns).then_some(&known.rows)
    }

    /// Remembers what the server held when the laptop took the planned row; it takes the place of what was known.
    pub fn remember(&mut self, planned: &JournalTable, key: Key, row: Option<Row>) {
        self.insert(&planned.table, &planned.columns, key, row);
    }

    /// The same by name.
    pub fn insert(&mut self, table: &str, columns: &[String], key: Key, row: Option<Row>) {
        let known = self.tables.entry(table.to_owned()).or_default();
        if known.columns != columns {
            known.rows.clear();
            known.columns = columns.to_owned();
        }
        known.rows.insert(key, row);
    }

    /// What is left when the base has moved for all keys but these, which are in the layout's order.
    #[must_use]
    pub fn left_by(mut self, layout: &Layout, kept_out: &[Vec<Key>]) -> Self {
        self.tables.retain(|name, known| {
            let index = layout.local.iter().position(|table| table.name == *name);
            let kept = index.and_then(|index| kept_out.get(index));
            known.rows.retain(|key, _| kept.is_some_and(|kept| kept.contains(key)));
            !known.rows.is_empty()
        });
        self
    }

    /// Each with its table and its columns.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String], &Key, Option<&Row>)> {
        self.tables.iter().flat_map(|(table, known)| {
            let rows = known.rows.iter();
            rows.map(move |(key, row)| (table.as_str(), known.columns.as_slice(), key, row.as_ref()))
        })
    }
}
