//! The journal of the cycle under way.

use std::io::{BufReader, BufWriter};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::file::{json_length, of_io, to_json, write_json};
use super::{History, facts, record};
use crate::control::types::{ConflictRecord, CycleSummary};
use crate::cycle::CycleError;
use crate::cycle::ancestors::Ancestors;
use crate::merge::Conflict;
use crate::model::{Key, Row, Side};
use crate::replica::Generation;

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
    /// The names of those that make its key.
    #[serde(default)]
    pub key: Vec<String>,
    /// The keys whose base rows this cycle moves.
    pub keys: Vec<Key>,
    /// What the server held of these, where it is another row than the one that both sides are to hold: also where this
    /// cycle does not bring the server that row.
    #[serde(default)]
    pub at_server: Vec<(Key, Option<Row>)>,
    /// The rows it writes.
    pub writes: Vec<Written>,
    /// What it met.
    pub conflicts: Vec<Conflict>,
    /// The conflicts for people.
    pub records: Vec<ConflictRecord>,
}

/// A cycle that was cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// Its number.
    pub cycle: i64,
    /// What it was about to do.
    pub journal: Journal,
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

/// How much of a journal is written or read at a time, in bytes.
const PIECE: usize = 64 * 1024;

impl History {
    /// Writes down what a cycle is about to do and gives it its number.
    ///
    /// # Errors
    /// When the disk refuses; then the cycle must not go on.
    pub async fn begin(&self, journal: Journal) -> Result<i64, CycleError> {
        self.call("write the journal", move |connection| {
            let length = json_length(&journal)?;
            let transaction = connection.transaction()?;
            transaction.execute("INSERT INTO cycle(summary) VALUES(?1)", [to_json(&journal.summary)])?;
            let cycle = transaction.last_insert_rowid();
            // As a text it would be in memory several times, and it tells of every row.
            let room = params![cycle, length];
            transaction.execute("INSERT INTO journal(cycle, body) VALUES(?1, zeroblob(?2))", room)?;
            let body = transaction.blob_open("main", "journal", "body", cycle, false)?;
            write_json(BufWriter::with_capacity(PIECE, body), &journal)?;
            transaction.commit()?;
            Ok(cycle)
        })
        .await
    }

    /// Turns the journal of a cycle into its record. From now on `ancestors` are all there are.
    ///
    /// # Errors
    /// When the disk refuses; the journal then stays and the next cycle ends it.
    pub(in crate::cycle) async fn end(
        &self,
        cycle: i64,
        journal: Journal,
        ancestors: Ancestors,
    ) -> Result<(), CycleError> {
        self.call("write the history", move |connection| {
            let transaction = connection.transaction()?;
            let summary = CycleSummary {
                cycle: Some(cycle),
                ..journal.summary
            };
            record::write(&transaction, cycle, &summary, &journal.tables)?;
            transaction.execute("DELETE FROM journal WHERE cycle=?1", [cycle])?;
            facts::write_ancestors(&transaction, &ancestors)?;
            transaction.commit()
        })
        .await
    }

    /// The journal of a cycle that was cut off, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn interrupted(&self) -> Result<Option<Interrupted>, CycleError> {
        let found = self.call("read the journal", read).await?;
        let Some((cycle, journal)) = found else {
            return Ok(None);
        };
        match journal {
            Ok(journal) => Ok(Some(Interrupted { cycle, journal })),
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
}

/// The first journal: its cycle, and what it says if it can be read.
fn read(connection: &mut Connection) -> rusqlite::Result<Option<(i64, serde_json::Result<Journal>)>> {
    let first = connection.query_row("SELECT cycle FROM journal ORDER BY cycle LIMIT 1", [], |row| row.get(0));
    let Some(cycle) = first.optional()? else {
        return Ok(None);
    };
    let body = connection.blob_open("main", "journal", "body", cycle, true)?;
    match serde_json::from_reader(BufReader::with_capacity(PIECE, body)) {
        Err(error) if serde_json::Error::is_io(&error) => Err(of_io(error.into())),
        journal => Ok(Some((cycle, journal))),
    }
}
