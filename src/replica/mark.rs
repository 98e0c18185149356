//! The mark: a note, in a file of modsync's own, that a transaction on the laptop has been committed.
//!
//! Nothing may be written into the user's database but their rows, so the commit itself cannot say whose it was. The mark is
//! written in the same step right behind it: some microseconds in which a daemon may die and leave a commit without a mark.
//! Never is there a mark without its commit. One transaction over both files could do without that gap, and would need
//! SQLite's super-journal, which makes the user's database depend on a file of ours after a crash; or, in WAL mode, would
//! write the mark first.

use std::path::Path;

use rusqlite::Connection;

use super::answer::{Fields, nothing};
use super::wire::{encode_sql, literal};
use super::{Generation, Replica, Script, SqlError, sqlite};
use crate::model::Value;

/// Which commit it was, and what is to be known of it.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// The cycle that it belongs to.
    pub cycle: i64,
    /// The base's generation after that cycle.
    pub to: &'a Generation,
    /// What is to be known of the commit: a text that only the cycle reads.
    pub note: &'a str,
}

/// Makes the mark's file, if there is none or an empty one, and looks it through: it holds one row.
///
/// # Errors
/// [`Corrupt`](super::SqlErrorKind::Corrupt) when it is damaged or no database, or what else SQLite says.
pub fn make_mark_file(path: &Path) -> Result<(), SqlError> {
    let make = || {
        let connection = Connection::open(path)?;
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)));
        }
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS \
             mark(id INTEGER PRIMARY KEY CHECK(id=1), cycle INTEGER, lineage TEXT, number INTEGER, note TEXT);",
        )
    };
    make().map_err(|error| sqlite::describe(&error, &format!("cannot open {}", path.display())))
}

impl Replica {
    /// Opens the mark's file besides the other two.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn open_mark(&mut self, path: &str) -> Result<(), SqlError> {
        let mut script = Script::new();
        script.step(format!("ATTACH {} AS mark;", literal(&Value::text(path))));
        self.sql.run(&script, &mut nothing("open the mark")).await
    }

    /// The note of a cycle's mark, if the last mark is that cycle's: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn marked(&mut self, cycle: i64, to: &Generation) -> Result<Option<String>, SqlError> {
        let mut script = Script::new();
        script.step(format!(
            "SELECT {} FROM mark.mark WHERE cycle={cycle} AND lineage={} AND number={};",
            encode_sql("note"),
            literal(&Value::text(to.lineage.as_str())),
            to.number
        ));
        let mut note = None;
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("read the mark", row);
                note = Some(fields.text()?);
                fields.end()
            })
            .await?;
        Ok(note)
    }
}

impl Mark<'_> {
    /// The statement that writes it.
    pub(super) fn write(&self) -> String {
        format!(
            "INSERT OR REPLACE INTO mark.mark VALUES(1,{},{},{},{});",
            self.cycle,
            literal(&Value::text(self.to.lineage.as_str())),
            self.to.number,
            literal(&Value::text(self.note)),
        )
    }
}
