//! What a merge decides.

use serde::{Deserialize, Serialize};

use crate::model::{Key, Row, RowOp, Side};

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
    /// Keys that rows of the laptop leave on which nobody had agreed: they move to another id, or yield to another row. Their
    /// deletes there carry over no deletion.
    pub vacated: Vec<Key>,
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
