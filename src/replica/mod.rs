//! What a database of the pair can do: tell its changes since the base, take guarded writes, count, prove.
//!
//! All SQL is made here, and the same text runs on the laptop and on the server. The two sides differ only in the
//! [`Sql`] that carries it: a connection in this process, or an engine at the far end of an SSH channel.

mod alter;
mod answer;
mod backup;
mod base;
mod changes;
mod counts;
pub mod engine;
pub mod late;
mod local_sql;
mod mark;
mod names;
mod opening;
mod proof;
mod push;
mod readback;
mod schema;
mod sql;
pub mod sqlite;
mod statements;
pub mod wire;

pub use backup::{Apart, Checked, Shape, Wanted};
pub use base::BaseTable;
pub use local_sql::LocalSql;
pub use mark::{Mark, make_mark_file};
pub use names::ident;
pub use opening::{OpenError, Opening, schema_of};
pub use proof::TableDigest;
pub use push::{Advance, Push, Pushed};
pub use readback::holds;
pub use sql::{Answer, Field, Script, Sql, SqlError, SqlErrorKind};

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use answer::Fields;
use changes::ChangesReader;
use statements::{TableSql, statements};
use wire::{encode_sql, literal};

use crate::model::{Delta, Key, Row, Schema, Side, Table};

/// The form of the base's file; a base of another form is made anew.
const FORMAT: i64 = 1;

/// The one step of a look: `data_version`, and whether the file moved.
pub const LOOK: &str = "SELECT 'i'||data_version,'i'||moved FROM modsync_look;";

/// How many keys one query names.
const KEYS_A_QUERY: usize = 1000;

/// What a base is a base of. Both sides' bases belong together when lineage and generation are equal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Generation {
    /// A random name, given when a base is begun.
    pub lineage: String,
    /// Counts the cycles that moved the base.
    pub number: i64,
}

impl Generation {
    /// The one after it.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            lineage: self.lineage.clone(),
            number: self.number + 1,
        }
    }
}

/// What a replica said of itself together with its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// SQLite's counter of schema changes.
    pub schema_version: i64,
    /// SQLite's counter of other connections' commits, as this connection sees it.
    pub data_version: i64,
    /// The base's generation; `None` when no base has been begun.
    pub generation: Option<Generation>,
    /// Device and inode of the live file when the base last moved.
    pub file: Option<String>,
    /// The path names another file than the one that is open: the session must be opened anew.
    pub moved: bool,
}

/// Changes since the base, and the head, of one read transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// What the replica said of itself.
    pub head: Head,
    /// What changed.
    pub delta: Delta,
}

/// What a look saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Another connection committed since the last look, or since the last cycle if that was later.
    pub changed: bool,
    /// The path names another file than the one that is open: the session must be opened anew.
    pub moved: bool,
}

/// One side's database behind its SQL session.
pub struct Replica {
    sql: Box<dyn Sql>,
    side: Side,
    /// Device and inode of the live file, as the session saw them when it opened.
    file: String,
    tables: Vec<Table>,
    /// SQLite's counter of schema changes, when the schema was read.
    schema_version: i64,
    /// The other connections' commits that a look has told of or a cycle has dealt with.
    seen: Option<i64>,
    /// Whether this connection holds the write lock from one request to the next.
    locked: bool,
}

impl Replica {
    /// Reads the schema: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn schema(&mut self) -> Result<Schema, SqlError> {
        let mut reader = schema::Reader::default();
        self.sql.run(&schema::script(), &mut |row| reader.take(row)).await?;
        self.schema_version = reader.version();
        Ok(reader.finish())
    }

    /// SQLite's counter of schema changes, when the schema was read.
    #[must_use]
    pub fn schema_version(&self) -> i64 {
        self.schema_version
    }

    /// Whether the schema changed since it was read.
    #[must_use]
    pub fn schema_changed(&self, head: &Head) -> bool {
        head.schema_version != self.schema_version
    }

    /// Takes note that a cycle has dealt with all changes up to this head.
    pub fn acknowledge(&mut self, head: &Head) {
        self.seen = Some(head.data_version);
    }

    /// Settles which tables are counted, as long as nothing is compared.
    pub fn count_these(&mut self, tables: Vec<Table>) {
        self.tables = tables;
    }

    fn statements(&self) -> Vec<TableSql<'_>> {
        statements(&self.tables)
    }

    /// The tables that are synced, as this side has them.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Which side this is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Device and inode of the live file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Asks whether anything changed since the last look or cycle: one round trip of some hundred bytes. Each change is
    /// told once, so that a look tells a database that is being written from one that has come to rest.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn look(&mut self) -> Result<Look, SqlError> {
        let mut script = Script::new();
        script.step(LOOK);
        let mut look = None;
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("look", row);
                let seen = (fields.integer()?, fields.integer()? != 0);
                fields.end()?;
                answer::once(&mut look, seen, &fields)
            })
            .await?;
        let (data_version, moved) = look.ok_or_else(|| answer::missing("look"))?;
        let changed = self.seen.replace(data_version) != Some(data_version);
        Ok(Look { changed, moved })
    }

    /// Compares the live tables with the base in one read transaction and answers with what differs: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn changes(&mut self) -> Result<Changes, SqlError> {
        let statements = self.statements();
        let [begin, end] = self.transaction_words();
        let mut script = Script::new();
        // Into temporary tables first: no lock is held while the answer crosses the network.
        script.step(format!(
            "{begin}DELETE FROM temp.modsync_head;INSERT INTO temp.modsync_head \
             SELECT (SELECT schema_version FROM pragma_schema_version),(SELECT data_version FROM pragma_data_version),\
             lineage,number,file,(SELECT moved FROM modsync_look) FROM (SELECT 1) LEFT JOIN base.meta ON format={FORMAT};{}{end}",
            statements.iter().map(TableSql::collect).collect::<String>()
        ));
        let head = ["schema_version", "data_version", "lineage", "number", "file", "moved"]
            .map(encode_sql)
            .join(",");
        script.step(format!("SELECT 'thead',{head} FROM temp.modsync_head;"));
        for step in statements.iter().flat_map(TableSql::report) {
            script.step(step);
        }
        let mut reader = ChangesReader::new(&self.tables);
        self.sql.run(&script, &mut |row| reader.take(row)).await?;
        reader.finish()
    }

    /// The base's rows of these keys, by table: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn base_rows(&mut self, keys: &[Vec<Key>]) -> Result<Vec<Vec<Row>>, SqlError> {
        self.rows(keys, |sql, keys| sql.base_rows(keys)).await
    }

    /// The live rows of these keys, by table: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn live_rows(&mut self, keys: &[Vec<Key>]) -> Result<Vec<Vec<Row>>, SqlError> {
        self.rows(keys, |sql, keys| sql.live_rows(keys)).await
    }

    async fn rows(
        &mut self,
        wanted: &[Vec<Key>],
        query: impl Fn(&TableSql<'_>, &str) -> String,
    ) -> Result<Vec<Vec<Row>>, SqlError> {
        let mut script = Script::new();
        for (sql, keys) in self.statements().iter().zip(wanted) {
            for chunk in keys.chunks(KEYS_A_QUERY) {
                script.step(query(sql, &values(chunk)));
            }
        }
        let widths: Vec<usize> = self.tables.iter().map(|table| table.columns.len()).collect();
        let mut rows: Vec<Vec<Row>> = vec![Vec::new(); widths.len()];
        if script.is_empty() {
            return Ok(rows);
        }
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("read rows", row);
                fields.expect("row")?;
                let table = fields.index(rows.len())?;
                if wanted.get(table).is_none_or(Vec::is_empty) {
                    return Err(fields.wrong());
                }
                rows[table].push(fields.row(widths[table])?);
                Ok(())
            })
            .await?;
        Ok(rows)
    }

    /// Whether the session can be used again: not after an error, nor after a run or a lock that was cut off.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.sql.is_open() && !self.locked
    }
}

/// The number of the generation that a base's file has, without a session; `None` when the file holds none.
#[must_use]
pub fn generation_of(base: &Path) -> Option<i64> {
    let connection = Connection::open_with_flags(base, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    connection
        .query_row("SELECT number FROM meta WHERE format=?1", [FORMAT], |row| row.get(0))
        .ok()
}

/// `VALUES (…),(…)` of keys; a query without rows when there are none.
fn values(keys: &[Key]) -> String {
    if keys.is_empty() {
        return "SELECT NULL WHERE 0".to_owned();
    }
    let tuple = |key: &Key| format!("({})", key.iter().map(literal).collect::<Vec<_>>().join(","));
    format!("VALUES{}", keys.iter().map(tuple).collect::<Vec<_>>().join(","))
}
