//! What was done, kept: the journal of the cycle under way, and the record of those that ended.
//!
//! One SQLite file in the state folder, written by this daemon alone. The journal is on disk before either database
//! is touched, so a losing value is never only in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::ancestors::Ancestors;
use super::error::IO_HINT;
use super::{CycleError, aside};
use crate::control::types::{ConflictRecord, CycleSummary};
use crate::merge::Conflict;
use crate::model::{Key, Row, Side};
use crate::replica::Generation;

const SCHEMA: &str = "
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    CREATE TABLE IF NOT EXISTS cycle(cycle INTEGER PRIMARY KEY AUTOINCREMENT, summary TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS journal(cycle INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS move(cycle INTEGER NOT NULL, side TEXT NOT NULL, tbl TEXT NOT NULL, columns TEXT NOT NULL,
        before TEXT, after TEXT);
    CREATE INDEX IF NOT EXISTS move_of_cycle ON move(cycle);
    CREATE TABLE IF NOT EXISTS conflict(id INTEGER PRIMARY KEY AUTOINCREMENT, cycle INTEGER NOT NULL, tbl TEXT NOT NULL,
        columns TEXT NOT NULL, body TEXT NOT NULL, record TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS taken(cycle INTEGER PRIMARY KEY, kept_out TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS ancestor(tbl TEXT NOT NULL, columns TEXT NOT NULL, key TEXT NOT NULL, row TEXT);
    CREATE TABLE IF NOT EXISTS fact(name TEXT PRIMARY KEY, value TEXT NOT NULL);
";

/// The record. Cheap to clone; all clones share one connection.
#[derive(Clone, Debug)]
pub struct History {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
    damaged: Arc<AtomicBool>,
}

/// A row that a cycle wrote on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The side that was written to.
    pub side: Side,
    /// Before, `None` for an insert.
    pub before: Option<Row>,
    /// After, `None` for a delete.
    pub after: Option<Row>,
}

/// What one cycle is about to do in one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalTable {
    /// The table.
    pub table: String,
    /// Its columns, in the order of the rows.
    pub columns: Vec<String>,
    /// The keys whose base rows this cycle moves.
    pub keys: Vec<Key>,
    /// The rows it writes.
    pub writes: Vec<Written>,
    /// What it met.
    pub conflicts: Vec<Conflict>,
    /// The conflicts for people.
    pub records: Vec<ConflictRecord>,
}

/// Keys of rows that a cycle left as they were, by table.
pub type KeptOut = BTreeMap<String, Vec<Key>>;

/// A cycle that was cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// Its number.
    pub cycle: i64,
    /// What it was about to do.
    pub journal: Journal,
    /// When the laptop's writes are known to be committed: the rows that were left out of them.
    pub kept_out: Option<KeptOut>,
}

/// What one cycle is about to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// The base's generation before.
    pub from: Generation,
    /// The base's generation after.
    pub to: Generation,
    /// As known before anything is written.
    pub summary: CycleSummary,
    /// By table.
    pub tables: Vec<JournalTable>,
}

impl History {
    /// Opens or makes the file. One that is damaged is kept under another name and made anew: what happened is lost to
    /// the record then, and no row to the databases. The second part says so.
    ///
    /// # Errors
    /// When it cannot be opened for another reason.
    pub fn open(path: &Path) -> Result<(Self, Option<String>), CycleError> {
        let fail = |error: &rusqlite::Error| CycleError {
            hint: Some(format!(
                "this user must be able to write it, and there must be room on its disk: `ls -l {0}; df -h {0}`",
                path.display()
            )),
            ..CycleError::failed(format!("open the history {}: {error}", path.display()))
        };
        let history = |connection| Self {
            path: path.to_owned(),
            connection: Arc::new(Mutex::new(connection)),
            damaged: Arc::default(),
        };
        match connect(path) {
            Ok(connection) => Ok((history(connection), None)),
            Err(error) if is_damage(&error) => {
                let client = client_of(path);
                let kept = aside::put_aside(path)?;
                let connection = connect(path).and_then(|connection| keep_client(connection, client));
                let connection = connection.map_err(|error| fail(&error))?;
                Ok((history(connection), Some(damaged(&kept))))
            }
            Err(error) => Err(fail(&error)),
        }
    }

    /// Makes it anew if a statement met damage: says so if it was.
    ///
    /// # Errors
    /// As [`History::open`].
    pub(super) fn renew_if_damaged(&self) -> Result<Option<String>, CycleError> {
        if !self.damaged.swap(false, Ordering::Relaxed) {
            return Ok(None);
        }
        let fail = |error: rusqlite::Error| {
            CycleError::failed(format!("make the history {} anew: {error}", self.path.display()))
        };
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing may have a file open that is moved.
        *connection = Connection::open_in_memory().map_err(fail)?;
        let client = client_of(&self.path);
        let kept = aside::put_aside(&self.path)?;
        *connection = connect(&self.path)
            .and_then(|connection| keep_client(connection, client))
            .map_err(fail)?;
        Ok(Some(damaged(&kept)))
    }

    /// Runs on a thread that may block: each call waits for the disk.
    async fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CycleError> {
        let connection = Arc::clone(&self.connection);
        let done =
            tokio::task::spawn_blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)));
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.damaged.fetch_or(is_damage(&error), Ordering::Relaxed);
                Err(refused(action, &self.path, &error))
            }
            Err(error) => Err(CycleError::failed(format!("{action}: {error}"))),
        }
    }

    /// Writes down what a cycle is about to do and gives it its number.
    ///
    /// # Errors
    /// When the disk refuses; then the cycle must not go on.
    pub async fn begin(&self, journal: &Journal) -> Result<i64, CycleError> {
        let (body, summary) = (to_json(journal), to_json(&journal.summary));
        self.call("write the journal", move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("INSERT INTO cycle(summary) VALUES(?1)", [&summary])?;
            let cycle = transaction.last_insert_rowid();
            transaction.execute("INSERT INTO journal(cycle, body) VALUES(?1, ?2)", params![cycle, body])?;
            transaction.commit()?;
            Ok(cycle)
        })
        .await
    }

    /// Writes down that the laptop's writes of a cycle are committed, all but those of some rows.
    ///
    /// # Errors
    /// When the disk refuses; then the cycle must not go on.
    pub(super) async fn taken(&self, cycle: i64, kept_out: &KeptOut) -> Result<(), CycleError> {
        let kept_out = to_json(kept_out);
        self.call("write the journal", move |connection| {
            connection
                .execute("INSERT OR REPLACE INTO taken VALUES(?1,?2)", params![cycle, kept_out])
                .map(drop)
        })
        .await
    }

    /// Turns the journal of a cycle into its record. From now on `ancestors` are all there are.
    ///
    /// # Errors
    /// When the disk refuses; the journal then stays and the next cycle ends it.
    pub(super) async fn end(&self, cycle: i64, journal: Journal, ancestors: Ancestors) -> Result<(), CycleError> {
        self.call("write the history", move |connection| {
            let transaction = connection.transaction()?;
            let summary = CycleSummary {
                cycle: Some(cycle),
                ..journal.summary
            };
            transaction.execute(
                "UPDATE cycle SET summary=?2 WHERE cycle=?1",
                params![cycle, to_json(&summary)],
            )?;
            for table in &journal.tables {
                let columns = to_json(&table.columns);
                let mut insert = transaction.prepare_cached("INSERT INTO move VALUES(?1,?2,?3,?4,?5,?6)")?;
                for write in &table.writes {
                    let (before, after) = (write.before.as_ref().map(to_json), write.after.as_ref().map(to_json));
                    insert.execute(params![
                        cycle,
                        write.side.to_string(),
                        table.table,
                        columns,
                        before,
                        after
                    ])?;
                }
                let mut insert = transaction
                    .prepare_cached("INSERT INTO conflict(cycle,tbl,columns,body,record) VALUES(?1,?2,?3,?4,?5)")?;
                for (conflict, record) in table.conflicts.iter().zip(&table.records) {
                    insert.execute(params![cycle, table.table, columns, to_json(conflict), to_json(record)])?;
                }
            }
            transaction.execute("DELETE FROM journal WHERE cycle=?1", [cycle])?;
            transaction.execute("DELETE FROM taken", [])?;
            write_ancestors(&transaction, &ancestors)?;
            transaction.commit()
        })
        .await
    }

    /// The rows that a merge goes out from where the base is older.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) async fn ancestors(&self) -> Result<Ancestors, CycleError> {
        let rows: Vec<[Option<String>; 4]> = self
            .call("read the history", |connection| {
                let mut statement = connection.prepare_cached("SELECT tbl,columns,key,row FROM ancestor")?;
                let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
                rows.collect()
            })
            .await?;
        let mut ancestors = Ancestors::default();
        for [table, columns, key, row] in rows {
            let table = table.unwrap_or_default();
            let failed = |error| CycleError::failed(format!("read the history: an ancestor in {table}: {error}"));
            let columns: Vec<String> = serde_json::from_str(&columns.unwrap_or_default()).map_err(failed)?;
            let key: Key = serde_json::from_str(&key.unwrap_or_default()).map_err(failed)?;
            let row = row.map(|row| serde_json::from_str(&row)).transpose().map_err(failed)?;
            ancestors.insert(&table, &columns, key, row);
        }
        Ok(ancestors)
    }

    /// From now on these are all there are.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) async fn keep_ancestors(&self, ancestors: Ancestors) -> Result<(), CycleError> {
        self.call("write the history", move |connection| {
            let transaction = connection.transaction()?;
            write_ancestors(&transaction, &ancestors)?;
            transaction.commit()
        })
        .await
    }

    /// The journal of a cycle that was cut off, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn interrupted(&self) -> Result<Option<Interrupted>, CycleError> {
        let found: Option<(i64, String, Option<String>)> = self
            .call("read the journal", |connection| {
                connection
                    .query_row(
                        "SELECT cycle, body, kept_out FROM journal LEFT JOIN taken USING(cycle) ORDER BY cycle LIMIT 1",
                        [],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                    )
                    .optional()
            })
            .await?;
        let Some((cycle, body, kept_out)) = found else {
            return Ok(None);
        };
        match serde_json::from_str(&body) {
            Ok(journal) => Ok(Some(Interrupted {
                cycle,
                journal,
                // One that cannot be read is one that is not there: then the rows themselves are asked.
                kept_out: kept_out.and_then(|text| serde_json::from_str(&text).ok()),
            })),
            Err(error) => {
                tracing::warn!(cycle, %error, "the journal of an interrupted cycle cannot be read; comparing anew");
                self.drop_journal(cycle).await?;
                Ok(None)
            }
        }
    }

    /// Forgets a cycle that wrote nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn drop_journal(&self, cycle: i64) -> Result<(), CycleError> {
        self.call("write the journal", move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM journal WHERE cycle=?1", [cycle])?;
            transaction.execute("DELETE FROM cycle WHERE cycle=?1", [cycle])?;
            transaction.commit()
        })
        .await
    }

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

    /// A small fact that outlives the daemon, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn fact(&self, name: &'static str) -> Result<Option<String>, CycleError> {
        self.call("read the history", move |connection| {
            connection
                .query_row("SELECT value FROM fact WHERE name=?1", [name], |row| row.get(0))
                .optional()
        })
        .await
    }

    /// Keeps a small fact.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn keep_fact(&self, name: &'static str, value: String) -> Result<(), CycleError> {
        self.call("write the history", move |connection| {
            connection
                .execute("INSERT OR REPLACE INTO fact VALUES(?1,?2)", params![name, value])
                .map(drop)
        })
        .await
    }
}

fn write_ancestors(transaction: &Transaction<'_>, ancestors: &Ancestors) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM ancestor", [])?;
    let mut insert = transaction.prepare_cached("INSERT INTO ancestor VALUES(?1,?2,?3,?4)")?;
    for (table, columns, key, row) in ancestors.iter() {
        insert.execute(params![table, to_json(&columns), to_json(key), row.map(to_json)])?;
    }
    Ok(())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // Nothing is made in another program's file.
    let strange: bool = connection.query_row(
        "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type='table') \
         AND NOT EXISTS(SELECT 1 FROM pragma_table_info('journal') WHERE name='body')",
        [],
        |row| row.get(0),
    )?;
    if strange {
        return Err(no_history("it holds tables that are not modsync's".to_owned()));
    }
    connection.execute_batch(SCHEMA)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match verdict.as_str() {
        "ok" => Ok(connection),
        _ => Err(no_history(verdict)),
    }
}

fn no_history(verdict: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(verdict))
}

/// Whether the file is no history: damaged, no database at all, or another program's.
fn is_damage(error: &rusqlite::Error) -> bool {
    let damage = [Some(ErrorCode::DatabaseCorrupt), Some(ErrorCode::NotADatabase)];
    damage.contains(&error.sqlite_error_code())
}

/// The name of this laptop's sidecar, where it can still be read: with it the next cycle finds its base again.
fn client_of(path: &Path) -> Option<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let client: String = connection
        .query_row("SELECT value FROM fact WHERE name='client'", [], |row| row.get(0))
        .ok()?;
    (client.len() == 32 && client.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(client)
}

fn keep_client(connection: Connection, client: Option<String>) -> rusqlite::Result<Connection> {
    if let Some(client) = client {
        connection.execute("INSERT OR REPLACE INTO fact VALUES('client',?1)", [client])?;
    }
    Ok(connection)
}

fn damaged(kept: &str) -> String {
    tracing::warn!(kept, "the history is damaged: it was moved aside, and is made anew");
    format!("the history was damaged and is kept as {kept}; the record begins anew")
}

fn refused(action: &str, path: &Path, error: &rusqlite::Error) -> CycleError {
    let message = format!("{action} {}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CycleError::attention(
            message,
            "free some space on the disk of the state folder, then `modsyncctl sync-now`",
        ),
        Some(ErrorCode::SystemIoFailure) => CycleError::attention(message, IO_HINT),
        _ => CycleError::failed(message),
    }
}

/// Our own types have no map with keys that are not strings and no failing serializer, so this cannot fail; an empty
/// text would be refused by NOT NULL's reader, never taken for data.
fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
