//! What a merge is given.

use jiff::tz::TimeZone;

use crate::model::{Key, Row, Table};

/// How the rows of one table merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRules {
    /// Columns that move together.
    pub groups: Vec<Group>,
    /// The column that says when the row was last updated; it decides between other columns.
    pub last_updated: Option<usize>,
}

/// Columns that move together; the newest wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Indexes into the table's columns; `newest_by` is always among them.
    pub columns: Vec<usize>,
    /// The index of the column that holds the time of the decision.
    pub newest_by: usize,
}

/// The zones in which each side writes naive times.
#[derive(Clone, Debug)]
pub struct Zones {
    /// The laptop's.
    pub local: TimeZone,
    /// The server's.
    pub server: TimeZone,
}

/// One row that at least one side changed, as the base, the laptop and the server have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple {
    /// Its key.
    pub key: Key,
    /// As both sides last agreed.
    pub base: Option<Row>,
    /// As the laptop has it.
    pub local: Option<Row>,
    /// As the server has it.
    pub server: Option<Row>,
}

/// The changed rows of one table.
#[derive(Clone, Debug)]
pub struct TableInput<'a> {
    /// Its schema.
    pub table: &'a Table,
    /// Its rules.
    pub rules: &'a TableRules,
    /// The rows that either side changed, each key once. Without a base: every row of either side that is not the
    /// same on both.
    pub triples: Vec<Triple>,
    /// Whether this table has no base at all: the first sync, or a base that was lost. Then a row that both sides
    /// hold under one integer id may be one row that was edited, and not two that were inserted.
    pub first: bool,
    /// The next integer id that is free on both sides; `None` without an INTEGER PRIMARY KEY.
    pub next_id: Option<i64>,
    /// Ids below this one are used up on the server, whether or not their rows are still there; `None` unless the table
    /// is AUTOINCREMENT and has a base.
    pub used_below: Option<i64>,
}
