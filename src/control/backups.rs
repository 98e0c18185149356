//! The server's backups, as the socket tells of them: part of [`types`](super::types).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::types::{ColumnMove, CycleSummary, Skipped};

/// What can be asked of the server's backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupsRequest {
    /// `GET /v1/backups`. Answer: [`BackupsAnswer::List`].
    List,
    /// `POST /v1/backups/create`. Answer: [`BackupsAnswer::One`].
    Create,
    /// `POST /v1/backups/verify`. Answer: [`BackupsAnswer::List`].
    Verify(VerifyBackups),
    /// `POST /v1/backups/restore`. Answer: [`BackupsAnswer::Restore`].
    Restore(RestoreRequest),
    /// `POST /v1/backups/prune`. Answer: [`BackupsAnswer::Pruned`].
    Prune(PruneRequest),
}

impl BackupsRequest {
    /// Whether rows may be written.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Restore(request) if request.take.is_some() && !request.dry_run)
    }
}

/// What comes back, each in the shape of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BackupsAnswer {
    /// All backups, or those that were asked for.
    List(BackupList),
    /// One of them.
    One(BackupInfo),
    /// What a restore did, or would do.
    Restore(Box<RestoreReport>),
    /// What went, or would go.
    Pruned(PruneReport),
}

impl BackupsAnswer {
    /// The cycle that wrote, if one did.
    #[must_use]
    pub fn cycle(&self) -> Option<&CycleSummary> {
        match self {
            Self::Restore(report) => report.cycle.as_ref(),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn cycle_mut(&mut self) -> Option<&mut CycleSummary> {
        match self {
            Self::Restore(report) => report.cycle.as_mut(),
            _ => None,
        }
    }
}

/// `GET /v1/backups`, and what `verify` looked through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackupList {
    /// When the server was asked.
    pub as_of: Option<Timestamp>,
    /// What the config says of taking and keeping them.
    pub rule: BackupRule,
    /// Newest first.
    pub backups: Vec<BackupInfo>,
}

/// What the config says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRule {
    /// Whether cycles take backups.
    pub enabled: bool,
    /// The least time between two that cycles take by themselves.
    pub min_interval_ms: u64,
    /// How many of the newest are kept.
    pub keep_last: u32,
    /// For how many days the newest of a day is kept beside them.
    pub keep_daily: u32,
}

/// One backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackupInfo {
    /// Its file's name beside the database.
    pub name: String,
    /// The time in its name.
    pub time: Option<Timestamp>,
    /// How long ago that is.
    pub age_ms: u64,
    /// Bytes.
    pub size: u64,
    /// Whether it is complete; one that is being taken, or was cut off, is not.
    pub whole: bool,
    /// When it was last looked through and found to be good; null when not yet, or when the file has changed since.
    pub verified: Option<Timestamp>,
    /// What is wrong with it, as the last look through found; null when nothing is, or when nobody has looked.
    pub damage: Option<String>,
    /// Rows by synced table, as the last look through found them; null when nobody has looked.
    pub rows: Option<BTreeMap<String, u64>>,
    /// Why it is kept when old ones go: "last" (one of the newest), "daily" (the newest of its day), "unfinished" (may still
    /// be under way); null: it goes the next time.
    pub kept: Option<String>,
}

/// `POST /v1/backups/verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyBackups {
    /// This one; null: all.
    pub name: Option<String>,
}

/// What a restore takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// What the backup holds: rows that came since go, rows that changed change back.
    Backup,
    /// What is there now, and from the backup what is missing now.
    Local,
}

/// `POST /v1/backups/restore`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestoreRequest {
    /// The backup.
    pub name: String,
    /// This table alone; null: all synced tables.
    pub table: Option<String>,
    /// This row of the table alone: its key as text. Makes no sense without `table`.
    pub key: Option<String>,
    /// What the databases shall hold. Nothing is written without it.
    pub take: Option<Take>,
    /// Say what would be done and write nothing.
    pub dry_run: bool,
    /// Do exactly what a dry run said under this plan id, or refuse because a row moved since.
    pub plan: Option<String>,
}

/// What a restore did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The backup.
    pub name: String,
    /// What was to be taken; null in a dry run that did not say it.
    pub take: Option<Take>,
    /// Names exactly this difference between the backup and the server, for `plan` of the request.
    pub plan: String,
    /// When the server's database was compared with the backup.
    pub as_of: Option<Timestamp>,
    /// By table; those without a difference too.
    pub tables: Vec<RestoreTable>,
    /// Tables that cannot be restored, and why; and what of a table cannot be.
    pub left_out: Vec<Skipped>,
    /// Rows to insert, or inserted.
    pub inserts: u64,
    /// Rows to change, or changed.
    pub updates: u64,
    /// Rows to delete, or deleted.
    pub deletes: u64,
    /// In a dry run: the rows, at most 1000 of them.
    pub rows: Vec<RestoreRow>,
    /// The cycle that carried it out; null in a dry run, and when there was nothing to do.
    pub cycle: Option<CycleSummary>,
    /// Rows that were left as they are, and why.
    pub left: Vec<RestoreLeft>,
}

/// The difference between the backup and the server's database in one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreTable {
    /// The table.
    pub table: String,
    /// Rows in the server's database.
    pub now: u64,
    /// Rows in the backup.
    pub backup: u64,
    /// Rows of the backup that are not there now.
    pub missing: u64,
    /// Rows that are otherwise in the backup.
    pub changed: u64,
    /// Rows that the backup does not have.
    pub added: u64,
    /// Columns that the backup lacks: they keep today's values.
    pub kept_columns: Vec<String>,
}

/// One row that a restore writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreRow {
    /// The table.
    pub table: String,
    /// The key's columns and values.
    pub key: BTreeMap<String, Json>,
    /// "insert", "update" or "delete", on both sides.
    pub action: String,
    /// The columns that change, with old and new values; all of them for an insert or a delete.
    pub columns: Vec<ColumnMove>,
}

/// A row that was left as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreLeft {
    /// The table.
    pub table: String,
    /// The key's columns and values.
    pub key: BTreeMap<String, Json>,
    /// Why.
    pub reason: String,
}

/// `POST /v1/backups/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PruneRequest {
    /// Keep that many of the newest instead of what the config says.
    pub keep_last: Option<u32>,
    /// Only those that are older go.
    pub older_than_ms: Option<u64>,
    /// Say what would go and remove nothing.
    pub dry_run: bool,
}

/// What went, or would go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PruneReport {
    /// Whether this was only said.
    pub dry_run: bool,
    /// Those that went, or would go, newest first.
    pub removed: Vec<BackupInfo>,
    /// How many bytes they have together.
    pub freed: u64,
    /// How many stay.
    pub kept: u64,
}
