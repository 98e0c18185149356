//! The record of the cycles that ended: what they wrote and what they met.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::History;
use super::file::to_json;
use super::journal::{JournalTable, Written};
use crate::control::types::{ConflictRecord, CycleSummary, Resolution, Side};
use crate::cycle::{CycleError, report};
use crate::merge::Conflict;
use crate::model::Row;

/// A row that a cycle wrote, with the names of its columns as they were then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The table.
    pub table: String,
    /// Its columns, in the order of the rows.
    pub columns: Vec<String>,
    /// The names of those that made its key.
    pub key: Vec<String>,
    /// What was written.
    pub written: Written,
}

/// A conflict with the rows of both sides, and the names of its columns as they were then.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedConflict {
    /// Its number.
    pub id: i64,
    /// The table.
    pub table: String,
    /// Its columns, in the order of the rows.
    pub columns: Vec<String>,
    /// The conflict.
    pub conflict: Conflict,
    /// The same for people.
    pub record: ConflictRecord,
}

/// Which conflicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By number.
    These(Vec<i64>),
    /// All of a table that are not resolved.
    OfTable(String),
    /// All that are not resolved.
    All,
}

/// Writes a cycle's record.
pub(super) fn write(
    transaction: &Transaction<'_>,
    cycle: i64,
    summary: &CycleSummary,
    tables: &[JournalTable],
) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE cycle SET summary=?2,undoes=?3 WHERE cycle=?1",
        params![cycle, to_json(summary), summary.undoes],
    )?;
    let mut insert_move = transaction.prepare_cached(
        "INSERT INTO move(cycle,side,tbl,columns,before,after,key_columns,key) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    )?;
    let mut insert_conflict = transaction
        .prepare_cached("INSERT INTO conflict(cycle,tbl,columns,body,record,key) VALUES(?1,?2,?3,?4,?5,?6)")?;
    for table in tables {
        let (columns, key_columns) = (to_json(&table.columns), to_json(&table.key));
        for write in &table.writes {
            let key = write.after.as_ref().or(write.before.as_ref());
            let key = key.map(|row| report::key_text(&report::named_key(&table.columns, &table.key, row)));
            insert_move.execute(params![
                cycle,
                write.side.to_string(),
                table.table,
                columns,
                write.before.as_ref().map(to_json),
                write.after.as_ref().map(to_json),
                key_columns,
                key.unwrap_or_default(),
            ])?;
        }
        for (conflict, record) in table.conflicts.iter().zip(&table.records) {
            let key = report::key_text(&record.key);
            insert_conflict.execute(params![
                cycle,
                table.table,
                columns,
                to_json(conflict),
                to_json(record),
                key
            ])?;
        }
    }
    Ok(())
}

impl History {
    /// The newest cycle that ended.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn last(&self) -> Result<Option<CycleSummary>, CycleError> {
        let json: Option<String> = self
            .call("read the history", |connection| {
                connection
                    .query_row(
                        "SELECT summary FROM cycle WHERE cycle NOT IN (SELECT cycle FROM journal) ORDER BY cycle DESC LIMIT 1",
                        [],
                        |row| row.get(0),
                    )
                    .optional()
            })
            .await?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// How many conflicts nobody has looked at.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn unseen_conflicts(&self) -> Result<u64, CycleError> {
        self.call("read the history", |connection| {
            connection.query_row("SELECT count(*) FROM conflict WHERE NOT seen", [], |row| {
                row.get::<_, i64>(0)
            })
        })
        .await
        .map(i64::unsigned_abs)
    }

    /// The rows that a cycle wrote, in the order in which they were recorded; `None` when the record has no such cycle.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(in crate::cycle) async fn writes_of(&self, cycle: i64) -> Result<Option<Vec<Moved>>, CycleError> {
        let rows: Option<Vec<MoveRow>> = self
            .call("read the history", move |connection| {
                let known = connection.query_row("SELECT 1 FROM cycle WHERE cycle=?1", [cycle], |_| Ok(()));
                if known.optional()?.is_none() {
                    return Ok(None);
                }
                let mut statement = connection.prepare_cached(&format!("{MOVES} WHERE cycle=?1 ORDER BY rowid"))?;
                let rows = statement.query_map([cycle], MoveRow::read)?;
                rows.collect::<rusqlite::Result<_>>().map(Some)
            })
            .await?;
        let moved = rows.map(|rows| rows.into_iter().map(MoveRow::moved).collect::<Result<Vec<_>, _>>());
        moved.transpose()
    }

    /// Conflicts with their rows, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(in crate::cycle) async fn conflicts(&self, which: &Which) -> Result<Vec<RecordedConflict>, CycleError> {
        let (condition, value) = match which {
            Which::These(ids) => ("id IN (SELECT value FROM json_each(?1))", to_json(ids)),
            Which::OfTable(table) => ("tbl=?1 COLLATE NOCASE AND resolved IS NULL", table.clone()),
            Which::All => ("?1 IS NOT NULL AND resolved IS NULL", String::new()),
        };
        let rows: Vec<(i64, [String; 4])> = self
            .call("read the history", move |connection| {
                let sql = format!("SELECT id,tbl,columns,body,record FROM conflict WHERE {condition} ORDER BY id");
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map([value], |row| {
                    Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
                })?;
                rows.collect()
            })
            .await?;
        let read = |(id, [table, columns, body, record]): (i64, [String; 4])| {
            let failed = |error| CycleError::failed(format!("read conflict {id} of the record: {error}"));
            Ok(RecordedConflict {
                id,
                table,
                columns: serde_json::from_str(&columns).map_err(failed)?,
                conflict: serde_json::from_str(&body).map_err(failed)?,
                record: serde_json::from_str(&record).map_err(failed)?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Marks conflicts as resolved, and so as seen.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(in crate::cycle) async fn mark_resolved(
        &self,
        ids: Vec<i64>,
        take: Side,
        cycle: Option<i64>,
    ) -> Result<(), CycleError> {
        let resolution = Resolution {
            take,
            at: Timestamp::now(),
            cycle,
        };
        self.call("write the history", move |connection| {
            connection
                .execute(
                    "UPDATE conflict SET seen=1,resolved=?2 WHERE id IN (SELECT value FROM json_each(?1))",
                    params![to_json(&ids), to_json(&resolution)],
                )
                .map(drop)
        })
        .await
    }
}

/// What [`MoveRow`] reads.
pub(super) const MOVES: &str = "SELECT side,tbl,columns,before,after,key_columns FROM move";

/// A row of the table `move`, as it stands there.
pub(super) struct MoveRow {
    side: String,
    table: String,
    columns: String,
    before: Option<String>,
    after: Option<String>,
    key: String,
}

impl MoveRow {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            side: row.get(0)?,
            table: row.get(1)?,
            columns: row.get(2)?,
            before: row.get(3)?,
            after: row.get(4)?,
            key: row.get(5)?,
        })
    }

    pub(super) fn moved(self) -> Result<Moved, CycleError> {
        let failed = |error| CycleError::failed(format!("read the history: a row of {}: {error}", self.table));
        let row = |text: &Option<String>| text.as_deref().map(serde_json::from_str::<Row>).transpose();
        let written = Written {
            side: match self.side.as_str() {
                "local" => Side::Local,
                _ => Side::Server,
            },
            before: row(&self.before).map_err(failed)?,
            after: row(&self.after).map_err(failed)?,
        };
        Ok(Moved {
            columns: serde_json::from_str(&self.columns).map_err(failed)?,
            key: serde_json::from_str(&self.key).map_err(failed)?,
            table: self.table,
            written,
        })
    }
}
