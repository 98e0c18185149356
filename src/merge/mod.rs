//! The three-way merge: pure functions from (base, local, server) to what each side shall become.
//!
//! No I/O, no clock, no SQL: the same inputs give the same plan, so a dry run and a real cycle share it.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Row, RowOp, Side, Table};

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
    /// The rows that either side changed, each key once.
    pub triples: Vec<Triple>,
    /// The next integer id that is free on both sides; `None` without an INTEGER PRIMARY KEY.
    pub next_id: Option<i64>,
}

/// What a merge decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each table of the input, in its order.
    pub tables: Vec<TablePlan>,
}

/// What a merge decided for one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePlan {
    /// Writes for the laptop, at most one a key.
    pub to_local: Vec<RowOp>,
    /// Writes for the server, at most one a key.
    pub to_server: Vec<RowOp>,
    /// For each key of the input (and each new key that a moved id made): the row as the server has it before
    /// the push, and as both sides have it once the push is through.
    pub settled: Vec<Settled>,
    /// What two sides changed at once.
    pub conflicts: Vec<Conflict>,
}

/// What one key comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The key.
    pub key: Key,
    /// The row on the server before the push, `None` if it has none.
    pub server: Option<Row>,
    /// The row on both sides after the push, `None` if neither has one.
    pub agreed: Option<Row>,
}

/// One cell, group or row that both sides changed to different values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The row's key.
    pub key: Key,
    /// The columns concerned (indexes); all columns of the row where one side deleted it.
    pub columns: Vec<usize>,
    /// The whole row in the base, if it was there.
    pub base: Option<Row>,
    /// The whole row on the laptop, `None` if deleted there.
    pub local: Option<Row>,
    /// The whole row on the server, `None` if deleted there.
    pub server: Option<Row>,
    /// Whose version won.
    pub winner: Side,
    /// Why.
    pub reason: Reason,
}

/// Why a version won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The group's time is the later one.
    NewerGroup,
    /// One side has decided (its group has a time), the other has not.
    DecidedBeatsUndecided,
    /// The group's times are equal: the server's stands.
    EqualTimesServer,
    /// The row's `last_updated` is the later one.
    NewerRow,
    /// Neither row is later: the laptop's stands.
    EqualTimesLocal,
    /// A time could not be read; it loses to one that can.
    UnreadableTime,
    /// One side deleted the row, the other changed it: the change is kept.
    ChangeBeatsDelete,
    /// One side deleted the row, the other has rows that refer to it: it is kept.
    StillReferenced,
    /// Another row has the same unique value: the server's stands.
    UniqueTaken,
}

/// Merges every table of a cycle.
///
/// Foreign keys are followed across the tables of the input: when a laptop row yields its integer id, the laptop's
/// changed rows that refer to it follow; a row is not deleted while the other side's changed rows refer to it.
#[must_use]
pub fn merge(_inputs: Vec<TableInput<'_>>, _zones: &Zones) -> Plan {
    Plan::default()
}
