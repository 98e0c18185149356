//! The shapes that go over the socket. They are a contract: scripts read them. Field names stay; new fields may come.
//!
//! Counts are rows, times are RFC 3339, durations are milliseconds, sizes are bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use super::backups::{
    BackupInfo, BackupList, BackupRule, BackupsAnswer, BackupsRequest, PruneReport, PruneRequest, RestoreLeft,
    RestoreReport, RestoreRequest, RestoreRow, RestoreTable, Take, VerifyBackups,
};
pub use super::doctor::{Check, DoctorReport, Level};
pub use super::error::{ErrorBody, ErrorCode};
pub use super::event::{Event, Phase, PhaseEvent};
pub use super::record::{
    AmendReport, ConflictColumn, ConflictRecord, ConflictsReport, ConflictsRequest, CycleReport, HistoryReport,
    HistoryRequest, LeftRow, RecordedCycle, Resolution, ResolveRequest, RowChange, SeenRequest, ShowRequest,
    UndoRequest, Unseen,
};
pub use super::self_test::{SelfTestReport, TestStep};
pub use crate::model::{ObjectKind, Side, Skipped};

/// What the daemon is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Just started: no look at either side yet.
    #[default]
    Starting,
    /// Nothing to do.
    Idle,
    /// A change was seen; the quiet time runs.
    Waiting,
    /// A cycle runs.
    Syncing,
    /// The server cannot be reached; `reason` says why and when the next try is.
    Offline,
    /// A person paused it.
    Paused,
    /// A person is needed; `reason` says for what.
    Attention,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What the daemon is doing.
    pub state: State,
    /// Why, for people; null when there is nothing to say.
    pub reason: Option<String>,
    /// Whether both sides hold the same, as far as is known; null when it is not known.
    pub in_sync: Option<bool>,
    /// When what is said of the server was true.
    pub as_of: Option<Timestamp>,
    /// Rows waiting to move.
    pub pending: Pending,
    /// The last cycle that ran.
    pub last_cycle: Option<CycleSummary>,
    /// When the next cycle runs by itself.
    pub next_run: Option<Timestamp>,
    /// When the next try to reach the server is, while offline.
    pub next_try: Option<Timestamp>,
    /// What the laptop holds.
    pub local: Option<SideCounts>,
    /// What the server holds.
    pub server: Option<SideCounts>,
    /// One line: what to do next.
    pub recommendation: String,
    /// Conflicts that nobody has looked at.
    pub conflicts: u64,
    /// Tables that are left out or held, with the reason.
    pub left_out: Vec<Skipped>,
    /// The program at the far end: "sqlite3 3.40.1".
    pub engine: Option<String>,
    /// The local database's path.
    pub database: String,
    /// `user@host:path` of the server's database.
    pub remote: String,
    /// Until when it is paused; null when not, or when until `resume`.
    pub paused_until: Option<Timestamp>,
    /// The daemon's version.
    pub version: String,
    /// When the daemon started.
    pub started: Option<Timestamp>,
    /// The daemon's process id.
    pub pid: u32,
}

/// Rows waiting to move; null where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// From the server to the laptop.
    pub pull: Option<u64>,
    /// From the laptop to the server.
    pub push: Option<u64>,
}

/// What one side holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideCounts {
    /// Rows of `assessment_queue` that wait for a review; null without such a table.
    pub pending_reviews: Option<u64>,
    /// The same by retailer.
    pub pending_by_retailer: BTreeMap<String, u64>,
    /// Products with an assessment; null without such a table.
    pub assessed: Option<u64>,
    /// The newest assessments: key and time, newest first.
    pub recent: Vec<RecentAssessment>,
    /// Rows in all synced tables.
    pub rows: u64,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
}

/// One assessment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentAssessment {
    /// The product's key.
    pub url: String,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// What was decided.
    pub lifecycle_stage: Option<String>,
    /// When, as the database has it.
    pub assessed_at: Option<String>,
}

/// How a cycle ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Both sides hold the same now.
    #[default]
    Synced,
    /// Nothing had changed on either side.
    Unchanged,
    /// Done, but rows are held back or conflicts wait for a person.
    Attention,
    /// A brake stopped it before anything was written.
    Stopped,
    /// The server could not be reached.
    Offline,
    /// It failed; nothing is lost, the next one converges.
    Failed,
    /// The daemon ended in the middle of it; the next one went on.
    Interrupted,
    /// A dry run: nothing was written.
    Planned,
}

/// A cycle, as `sync-now --json`, `last_cycle` and `history` tell it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CycleSummary {
    /// Its number; null for a dry run and for one that did not get as far as a number.
    pub cycle: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it ended so, for people; null when there is nothing to say.
    pub reason: Option<String>,
    /// What to do about it, with the command to paste; null when there is nothing to do.
    pub hint: Option<String>,
    /// What started it: "watch", "schedule", "poll", "sync-now", "start", "wake", "reload", "undo", "resolve",
    /// "restore", "self-test".
    pub trigger: String,
    /// The cycle that it took back; null unless the trigger is "undo".
    #[serde(default)]
    pub undoes: Option<i64>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// Rows that the laptop took from the server (inserted or updated).
    pub pulled: u64,
    /// Rows that the server took from the laptop (inserted or updated).
    pub pushed: u64,
    /// Rows deleted, on either side.
    pub deleted: u64,
    /// Cells, groups or rows that both sides had changed to different values.
    pub conflicts: u64,
    /// Rows held back, with the reason in `reason` and in `status`; a whole table that cannot be synced counts as one.
    pub held: u64,
    /// The backup taken on the server, by name; null if none was.
    pub backup: Option<String>,
    /// How long it took, from its start to the agreement of both sides.
    pub duration_ms: u64,
    /// Bytes given to the network meanwhile, encrypted and compressed.
    pub bytes_sent: u64,
    /// Bytes taken from the network meanwhile.
    pub bytes_received: u64,
    /// Requests to the server that were waited for.
    pub round_trips: u64,
    /// What moved, by table.
    pub tables: Vec<TableMoves>,
    /// What one side had added to its schema and the other has got.
    #[serde(default)]
    pub schema: Vec<SchemaMove>,
}

/// An addition to a schema that was carried over, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaMove {
    /// The side that gets it.
    pub side: Side,
    /// "table", "column", "index" or "view".
    pub kind: ObjectKind,
    /// Its name; a column's with its table's: "products.note".
    pub name: String,
    /// The statement that makes it there.
    pub sql: String,
}

/// What a cycle moved in one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMoves {
    /// The table.
    pub table: String,
    /// Rows that the laptop took.
    pub pulled: u64,
    /// Rows that the server took.
    pub pushed: u64,
    /// Rows deleted, on either side.
    pub deleted: u64,
}

/// `POST /v1/sync`: what `sync-now` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncRequest {
    /// Pull and merge, push nothing.
    pub pull_only: bool,
    /// Push without pulling: what the server has newer is left there and said.
    pub skip_pull: bool,
    /// Say what would move and write nothing.
    pub dry_run: bool,
    /// Take no backup.
    pub no_backup: bool,
    /// Do not read back what was written.
    pub no_verify: bool,
    /// Deletions beyond `max_delete` are meant, and so is a column that was set to one value in most rows.
    pub allow_deletes: bool,
    /// Move exactly this plan, or refuse because a side moved.
    pub plan: Option<String>,
    /// Answer once the cycle is queued.
    pub no_wait: bool,
}

/// `GET /v1/check`: both sides compared live.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether nothing has to move.
    pub in_sync: bool,
    /// When it was true.
    pub as_of: Option<Timestamp>,
    /// By table, what each side has that the other lacks.
    pub tables: Vec<TableCheck>,
    /// What the laptop holds.
    pub local: SideCounts,
    /// What the server holds.
    pub server: SideCounts,
    /// Tables that are left out or held, with the reason; and what else stays on one side.
    pub left_out: Vec<Skipped>,
    /// What a cycle would carry over from one schema to the other before it compares rows.
    #[serde(default)]
    pub schema: Vec<SchemaMove>,
    /// One line: what to do next.
    pub recommendation: String,
}

/// What each side has in one table that the other lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCheck {
    /// The table.
    pub table: String,
    /// Rows new or changed on the laptop.
    pub to_push: u64,
    /// Rows new or changed on the server.
    pub to_pull: u64,
    /// Rows deleted on the laptop.
    pub deleted_local: u64,
    /// Rows deleted on the server.
    pub deleted_server: u64,
    /// Changed on both to different values.
    pub conflicts: u64,
}

/// `GET /v1/diff`: the plan that a cycle would carry out now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiffReport {
    /// Names exactly this plan, for `sync-now --plan`.
    pub plan: String,
    /// When both sides were read.
    pub as_of: Option<Timestamp>,
    /// The rows that would move.
    pub moves: Vec<Move>,
    /// The conflicts, each with the version that would win.
    pub conflicts: Vec<ConflictRecord>,
    /// Why a cycle would stop before it writes, if one would.
    pub stopped: Option<String>,
    /// What a cycle would carry over from one schema to the other first. It is no part of the plan: `--plan` leaves it.
    #[serde(default)]
    pub schema: Vec<SchemaMove>,
}

/// One row that moves, or moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The table.
    pub table: String,
    /// The key's columns and values.
    pub key: BTreeMap<String, Json>,
    /// The side that is written to.
    pub to: Side,
    /// "insert", "update" or "delete".
    pub action: String,
    /// The columns that change, with old and new values; all of them for an insert or a delete.
    pub columns: Vec<ColumnMove>,
}

/// One cell that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnMove {
    /// The column.
    pub column: String,
    /// Before, in the form of `docs/api.md`: NULL is null; reals are numbers.
    pub old: Json,
    /// After.
    pub new: Json,
}

/// `GET /v1/verify`: both sides compared by contents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Whether every row of every synced table is the same on both sides, and no table that was synced is held.
    pub equal: bool,
    /// When both sides were read.
    pub as_of: Option<Timestamp>,
    /// By table.
    pub tables: Vec<TableVerify>,
    /// Tables that were synced before and were not compared, with the reason.
    #[serde(default)]
    pub held: Vec<Skipped>,
}

/// The comparison of one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableVerify {
    /// The table.
    pub table: String,
    /// Rows on the laptop.
    pub local_rows: u64,
    /// Rows on the server.
    pub server_rows: u64,
    /// Whether all rows are the same.
    pub equal: bool,
    /// The rows that differ, as what would have to change on the laptop; at most 100 are listed.
    pub differences: Vec<Move>,
    /// How many rows differ in all.
    pub differing: u64,
}

/// `POST /v1/pause`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PauseRequest {
    /// For how long; null: until `resume`.
    pub for_ms: Option<u64>,
}
