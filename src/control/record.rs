//! What goes over the socket of the record: past cycles, conflicts, and what is taken back or chosen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::types::{ColumnMove, CycleSummary, Move, Side};

/// `GET /v1/history?limit=&before=&table=&key=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryRequest {
    /// How many cycles at most; `None`: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only cycles before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// Only cycles that wrote to this table, or met a conflict in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Only cycles that wrote this row of the table: its key as text. Then they tell what they did to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The answer to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryReport {
    /// The newest first.
    pub cycles: Vec<RecordedCycle>,
    /// Whether there are older ones.
    pub more: bool,
}

/// A cycle of the record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedCycle {
    /// What it told of itself.
    #[serde(flatten)]
    pub summary: CycleSummary,
    /// The cycle that took it back, if one did; the newest where there are several.
    pub undone_by: Option<i64>,
    /// What it did to the row that was asked for; empty when none was.
    pub moves: Vec<Move>,
}

/// `GET /v1/history/CYCLE?limit=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShowRequest {
    /// How many rows at most; `None`: 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The answer to it: one cycle, row by row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CycleReport {
    /// What it told of itself.
    pub summary: CycleSummary,
    /// The cycle that took it back, if one did; the newest where there are several.
    pub undone_by: Option<i64>,
    /// The rows that it wrote, each with the side that was written to.
    pub moves: Vec<Move>,
    /// How many it wrote in all.
    pub total: u64,
    /// The conflicts that it met.
    pub conflicts: Vec<ConflictRecord>,
}

/// `POST /v1/undo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UndoRequest {
    /// The cycle to take back.
    pub cycle: i64,
    /// Say what would be taken back, write nothing.
    pub dry_run: bool,
}

/// `GET /v1/conflicts?limit=&table=&key=&all=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConflictsRequest {
    /// How many at most; `None`: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only those of this table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Only those of this row of the table: its key as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Also those that were resolved.
    pub all: bool,
}

/// The answer to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictsReport {
    /// The newest first.
    pub conflicts: Vec<ConflictRecord>,
    /// Whether there are older ones.
    pub more: bool,
    /// How many nobody has seen, whether they are listed here or not.
    pub unseen: u64,
}

/// A conflict, as recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictRecord {
    /// Its number; null in a plan.
    pub id: Option<i64>,
    /// The cycle that met it; null in a plan.
    pub cycle: Option<i64>,
    /// The table.
    pub table: String,
    /// The key's columns and values.
    pub key: BTreeMap<String, Json>,
    /// Whose version won.
    pub winner: Side,
    /// Why.
    pub reason: String,
    /// The columns concerned: what the base, the laptop and the server had.
    pub columns: Vec<ConflictColumn>,
    /// When it was met; null in a plan.
    pub at: Option<Timestamp>,
    /// Whether somebody has seen it; false in a plan.
    #[serde(default)]
    pub seen: bool,
    /// What a person made of it; null while nobody has resolved it.
    #[serde(default)]
    pub resolved: Option<Resolution>,
}

/// One column of a conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictColumn {
    /// The column.
    pub column: String,
    /// As both sides last agreed; null also where there was no row.
    pub base: Json,
    /// As the laptop had it.
    pub local: Json,
    /// As the server had it.
    pub server: Json,
}

/// `POST /v1/conflicts/seen`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeenRequest {
    /// Their numbers; an unknown one does not matter.
    pub ids: Vec<i64>,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// How many nobody has seen now.
    pub unseen: u64,
}

/// `POST /v1/conflicts/resolve`. Exactly one of `ids`, `table` and `all` says which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResolveRequest {
    /// These.
    pub ids: Vec<i64>,
    /// All of this table that are not resolved.
    pub table: Option<String>,
    /// All that are not resolved.
    pub all: bool,
    /// Whose version both sides shall hold. It must be said.
    pub take: Option<Side>,
    /// Say what would be written, write nothing.
    pub dry_run: bool,
}

/// What became of a conflict that a person resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Whose version the person took.
    pub take: Side,
    /// When.
    pub at: Timestamp,
    /// The cycle that brought it to both sides; null when it stood there already.
    pub cycle: Option<i64>,
}

/// What came of an undo, or of resolving conflicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AmendReport {
    /// The rows that were written on both sides, or would be.
    pub rows: Vec<RowChange>,
    /// The rows that were left as they are, with the reason.
    pub left: Vec<LeftRow>,
    /// The conflicts that are resolved now, by number.
    pub resolved: Vec<i64>,
    /// The cycle that did it. With a dry run, when nothing was to be written and when it was stopped it has no number.
    pub cycle: CycleSummary,
}

/// A row that changes on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowChange {
    /// The table.
    pub table: String,
    /// The key's columns and values.
    pub key: BTreeMap<String, Json>,
    /// "insert", "update" or "delete".
    pub action: String,
    /// The columns that change, with old and new values; all of them for an insert or a delete.
    pub columns: Vec<ColumnMove>,
}

/// A row that was left as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftRow {
    /// The table.
    pub table: String,
    /// The key's columns and values.
    pub key: BTreeMap<String, Json>,
    /// The conflict that was to be resolved; null for an undo.
    pub conflict: Option<i64>,
    /// Why.
    pub reason: String,
}
