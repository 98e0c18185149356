//! The record for whoever reads it: connections of its own, so that no answer waits for a cycle or for the server.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::file::to_json;
use super::record::{MOVES, MoveRow};
use crate::control::types::{
    ConflictRecord, ConflictsReport, ConflictsRequest, CycleReport, CycleSummary, ErrorCode, HistoryReport,
    HistoryRequest, Move, RecordedCycle, ShowRequest,
};
use crate::cycle::{CycleError, report};

/// How many cycles are listed unless another number is asked for.
const CYCLES: u32 = 20;
/// The same of the rows of a cycle.
const ROWS: u32 = 1000;
/// The same of conflicts.
const CONFLICTS: u32 = 100;

/// The cycles that ended.
const ENDED: &str = "cycle NOT IN (SELECT cycle FROM journal)";

/// Reads the record. Each call opens the file and closes it again.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// The record in a state folder; nothing is opened yet.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self {
            path: state_dir.join(super::FILE),
        }
    }

    /// Past cycles, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read, or a key is asked for without its table.
    pub async fn list(&self, request: HistoryRequest) -> Result<HistoryReport, CycleError> {
        must_name_table(request.key.as_ref(), request.table.as_ref())?;
        self.read(move |connection| list(connection, &request)).await
    }

    /// One cycle, row by row.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such cycle.
    pub async fn show(&self, cycle: i64, request: ShowRequest) -> Result<CycleReport, CycleError> {
        self.read(move |connection| show(connection, cycle, request.limit.unwrap_or(ROWS)))
            .await
    }

    /// Conflicts, the newest first.
    ///
    /// # Errors
    /// As [`Record::list`].
    pub async fn conflicts(&self, request: ConflictsRequest) -> Result<ConflictsReport, CycleError> {
        must_name_table(request.key.as_ref(), request.table.as_ref())?;
        self.read(move |connection| conflicts(connection, &request)).await
    }

    /// One conflict.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such conflict.
    pub async fn conflict(&self, id: i64) -> Result<ConflictRecord, CycleError> {
        self.read(move |connection| {
            let sql = format!("{RECORDS} WHERE id=?1");
            let found = connection
                .query_row(&sql, [id], ConflictRow::read)
                .optional()
                .map_err(unreadable)?;
            found.ok_or_else(|| no_conflict(id))?.record()
        })
        .await
    }

    /// Marks conflicts as seen, and says how many nobody has seen now.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn mark_seen(&self, ids: Vec<i64>) -> Result<u64, CycleError> {
        self.with(OpenFlags::SQLITE_OPEN_READ_WRITE, move |connection| {
            let ids = to_json(&ids);
            let sql = "UPDATE conflict SET seen=1 WHERE id IN (SELECT value FROM json_each(?1))";
            connection.execute(sql, [ids]).map_err(unreadable)?;
            unseen(connection)
        })
        .await
    }

    /// How many conflicts nobody has seen.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn unseen(&self) -> Result<u64, CycleError> {
        self.read(|connection| unseen(connection)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, CycleError> + Send + 'static,
    ) -> Result<T, CycleError> {
        self.with(OpenFlags::SQLITE_OPEN_READ_ONLY, work).await
    }

    async fn with<T: Send + 'static>(
        &self,
        flags: OpenFlags,
        work: impl FnOnce(&mut Connection) -> Result<T, CycleError> + Send + 'static,
    ) -> Result<T, CycleError> {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || {
            let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&path, flags).map_err(unreadable)?;
            connection.busy_timeout(crate::cycle::pair::BUSY).map_err(unreadable)?;
            work(&mut connection)
        });
        done.await
            .unwrap_or_else(|error| Err(CycleError::failed(format!("read the history: {error}"))))
    }
}

fn list(connection: &mut Connection, request: &HistoryRequest) -> Result<HistoryReport, CycleError> {
    let limit = request.limit.unwrap_or(CYCLES);
    let touches = "SELECT cycle FROM move WHERE tbl=?3 COLLATE NOCASE AND (?4 IS NULL OR key=?4) \
                   UNION SELECT cycle FROM conflict WHERE tbl=?3 COLLATE NOCASE AND (?4 IS NULL OR key=?4)";
    let sql = format!(
        "SELECT cycle,summary,(SELECT max(u.cycle) FROM cycle u WHERE u.undoes=c.cycle) FROM cycle c WHERE {ENDED} \
         AND (?2 IS NULL OR cycle<?2) AND (?3 IS NULL OR cycle IN ({touches})) ORDER BY cycle DESC LIMIT ?1"
    );
    let transaction = connection.transaction().map_err(unreadable)?; // all of one moment
    let mut statement = transaction.prepare(&sql).map_err(unreadable)?;
    let parameters = params![i64::from(limit) + 1, request.before, request.table, request.key];
    let rows = statement.query_map(parameters, |row| {
        Ok(RecordedCycle {
            summary: summary(row.get(0)?, &row.get::<_, String>(1)?),
            undone_by: row.get(2)?,
            moves: Vec::new(),
        })
    });
    let rows = rows.and_then(Iterator::collect);
    let mut cycles: Vec<RecordedCycle> = rows.map_err(unreadable)?;
    let more = cycles.len() > limit as usize;
    cycles.truncate(limit as usize);
    if let (Some(table), Some(key)) = (&request.table, &request.key) {
        let sql = format!("{MOVES} WHERE cycle=?1 AND tbl=?2 COLLATE NOCASE AND key=?3 ORDER BY rowid");
        for cycle in &mut cycles {
            cycle.moves = moves(&transaction, &sql, params![cycle.summary.cycle, table, key])?;
        }
    }
    Ok(HistoryReport { cycles, more })
}

fn show(connection: &mut Connection, cycle: i64, limit: u32) -> Result<CycleReport, CycleError> {
    let transaction = connection.transaction().map_err(unreadable)?;
    let sql = format!(
        "SELECT summary,(SELECT max(u.cycle) FROM cycle u WHERE u.undoes=?1),(SELECT count(*) FROM move WHERE cycle=?1) \
         FROM cycle WHERE cycle=?1 AND {ENDED}"
    );
    let found = transaction.query_row(&sql, [cycle], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?))
    });
    let Some((text, undone_by, total)) = found.optional().map_err(unreadable)? else {
        return Err(no_cycle(&transaction, cycle));
    };
    let sql = format!("{MOVES} WHERE cycle=?1 ORDER BY rowid LIMIT ?2");
    let moves = moves(&transaction, &sql, params![cycle, limit])?;
    let mut statement = transaction
        .prepare(&format!("{RECORDS} WHERE cycle=?1 ORDER BY id"))
        .map_err(unreadable)?;
    let rows = statement
        .query_map([cycle], ConflictRow::read)
        .and_then(Iterator::collect);
    let rows: Vec<ConflictRow> = rows.map_err(unreadable)?;
    Ok(CycleReport {
        summary: summary(cycle, &text),
        undone_by,
        moves,
        total: total.unsigned_abs(),
        conflicts: rows.into_iter().map(ConflictRow::record).collect::<Result<_, _>>()?,
    })
}

fn conflicts(connection: &mut Connection, request: &ConflictsRequest) -> Result<ConflictsReport, CycleError> {
    let limit = request.limit.unwrap_or(CONFLICTS);
    let transaction = connection.transaction().map_err(unreadable)?;
    let sql = format!(
        "{RECORDS} WHERE (?2 IS NULL OR tbl=?2 COLLATE NOCASE) AND (?3 IS NULL OR key=?3) AND (?4 OR resolved IS NULL) \
         ORDER BY id DESC LIMIT ?1"
    );
    let mut statement = transaction.prepare(&sql).map_err(unreadable)?;
    let parameters = params![i64::from(limit) + 1, request.table, request.key, request.all];
    let rows = statement
        .query_map(parameters, ConflictRow::read)
        .and_then(Iterator::collect);
    let mut rows: Vec<ConflictRow> = rows.map_err(unreadable)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok(ConflictsReport {
        conflicts: rows.into_iter().map(ConflictRow::record).collect::<Result<_, _>>()?,
        more,
        unseen: unseen(&transaction)?,
    })
}

fn unseen(connection: &Connection) -> Result<u64, CycleError> {
    let count = connection.query_row("SELECT count(*) FROM conflict WHERE NOT seen", [], |row| {
        row.get::<_, i64>(0)
    });
    count.map(i64::unsigned_abs).map_err(unreadable)
}

fn moves(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<Move>, CycleError> {
    let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
    let rows = statement
        .query_map(parameters, MoveRow::read)
        .and_then(Iterator::collect);
    let rows: Vec<MoveRow> = rows.map_err(unreadable)?;
    let describe = |row: MoveRow| row.moved().map(|moved| report::describe_moved(&moved));
    rows.into_iter().map(describe).collect()
}

/// What [`ConflictRow`] reads.
const RECORDS: &str = "SELECT id,cycle,record,seen,resolved,(SELECT json_extract(summary,'$.started') FROM cycle c \
                       WHERE c.cycle=conflict.cycle) FROM conflict";

/// A row of the table `conflict`, as it stands there.
struct ConflictRow {
    id: i64,
    cycle: i64,
    record: String,
    seen: bool,
    resolved: Option<String>,
    at: Option<String>,
}

impl ConflictRow {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            cycle: row.get(1)?,
            record: row.get(2)?,
            seen: row.get(3)?,
            resolved: row.get(4)?,
            at: row.get(5)?,
        })
    }

    fn record(self) -> Result<ConflictRecord, CycleError> {
        let failed = |error| CycleError::failed(format!("read conflict {} of the record: {error}", self.id));
        let record: ConflictRecord = serde_json::from_str(&self.record).map_err(failed)?;
        Ok(ConflictRecord {
            id: Some(self.id),
            cycle: Some(self.cycle),
            at: self.at.and_then(|at| at.parse().ok()),
            seen: self.seen,
            resolved: self.resolved.and_then(|text| serde_json::from_str(&text).ok()),
            ..record
        })
    }
}

/// One that cannot be read must not keep all others from being told.
fn summary(cycle: i64, text: &str) -> CycleSummary {
    let read = serde_json::from_str(text).unwrap_or_else(|error| CycleSummary {
        reason: Some(format!("its summary cannot be read: {error}")),
        ..CycleSummary::default()
    });
    CycleSummary {
        cycle: Some(cycle),
        ..read
    }
}

fn must_name_table(key: Option<&String>, table: Option<&String>) -> Result<(), CycleError> {
    match (key, table) {
        (Some(_), None) => Err(CycleError {
            code: ErrorCode::BadRequest,
            message: "find a row by its key: its table is not named".to_owned(),
            hint: Some("name the table too".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// The record has no such cycle.
fn no_cycle(connection: &Connection, cycle: i64) -> CycleError {
    let ends = connection.query_row("SELECT min(cycle),max(cycle) FROM cycle", [], |row| {
        Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
    });
    let known = match ends {
        Ok((Some(first), Some(last))) => format!("it has cycles {first} to {last}"),
        _ => "it has none yet".to_owned(),
    };
    not_in_record(&format!("cycle {cycle}"), &known, "modsyncctl history")
}

fn no_conflict(id: i64) -> CycleError {
    not_in_record(
        &format!("conflict {id}"),
        "it may be older than [history] keeps",
        "modsyncctl conflicts --all",
    )
}

/// What is asked for is not in the record.
pub(in crate::cycle) fn not_in_record(what: &str, known: &str, list: &str) -> CycleError {
    CycleError {
        code: ErrorCode::NotFound,
        message: format!("find {what} in the record: {known}"),
        hint: Some(format!("`{list}` lists what there is")),
    }
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn unreadable(error: rusqlite::Error) -> CycleError {
    CycleError::failed(format!("read the record of cycles: {error}"))
}
