//! Rows that a program wrote into a database file after another file had taken its place, carried over to the new one.
//!
//! Three whole databases are held against each other: the old file *before* the exchange, the same file with what came
//! *late*, and the *current* one. What the late writer changed against *before* is put into *current*, cell by cell.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::names::ident;
use super::sqlite::{self, OpenMode};
use super::wire::literal;
use super::{SqlError, SqlErrorKind};
use crate::model::Value;

/// What was carried over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Cells, inserted rows and deleted rows.
    pub changes: usize,
    /// Changes that could not be carried over: the current file has another row under that key or unique value, or
    /// the table has another form by now.
    pub left: usize,
}

/// Carries what `late` has and `before` has not over to `current`, in one transaction. A late cell goes over what
/// stands in `current`: it is the newer of the two. Triggers do not fire, for they have fired where it was written.
///
/// # Errors
/// When one of the files is no whole database, or SQLite fails; then nothing was written.
pub fn take_over(current: &Path, before: &Path, late: &Path) -> Result<Taken, SqlError> {
    let told = |error: rusqlite::Error| sqlite::describe(&error, "carry late writes over");
    let connection = sqlite::open(current, OpenMode::ReadWrite, Duration::from_secs(5)).map_err(told)?;
    carry(&connection, before, late).map_err(told)
}

/// Has SQLite look through a database file.
///
/// # Errors
/// [`SqlErrorKind::Corrupt`] when it is damaged or no database.
pub fn must_be_whole(path: &Path) -> Result<(), SqlError> {
    let action = format!("check {}", path.display());
    let verdict = sqlite::open(path, OpenMode::ReadOnly, Duration::from_secs(5))
        .and_then(|connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)))
        .map_err(|error| sqlite::describe(&error, &action))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(SqlError {
        kind: SqlErrorKind::Corrupt,
        message: format!("{action}: {verdict}"),
    })
}

fn carry(connection: &Connection, before: &Path, late: &Path) -> rusqlite::Result<Taken> {
    for (name, path) in [("modsync_before", before), ("modsync_late", late)] {
        let path = literal(&Value::text(path.to_string_lossy().into_owned()));
        connection.execute_batch(&format!("ATTACH {path} AS {name};"))?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    let mut taken = Taken::default();
    connection.execute_batch("BEGIN IMMEDIATE;")?;
    for table in tables(connection)? {
        table.carry(connection, &mut taken)?;
    }
    connection.execute_batch("COMMIT;")?;
    Ok(taken)
}

/// A table that all three files have.
struct Shared {
    name: String,
    columns: Vec<String>,
    /// The key's columns; the rowid where none is declared.
    key: Vec<String>,
    /// Whether the key is SQLite's own number.
    numbered: bool,
    /// Whether the three files define it alike.
    alike: bool,
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Shared>> {
    let mut statement = connection.prepare(
        "SELECT l.name,l.sql IS b.sql AND l.sql IS m.sql FROM modsync_late.sqlite_master l \
         LEFT JOIN modsync_before.sqlite_master b ON b.type='table' AND b.name=l.name \
         LEFT JOIN main.sqlite_master m ON m.type='table' AND m.name=l.name \
         WHERE l.type='table' AND l.name NOT LIKE 'sqlite~_%' ESCAPE '~' AND l.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY 1",
    )?;
    let found: Vec<(String, bool)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    found
        .into_iter()
        .map(|(name, alike)| Shared::read(connection, name, alike))
        .collect()
}

impl Shared {
    fn read(connection: &Connection, name: String, alike: bool) -> rusqlite::Result<Self> {
        let mut statement = connection
            .prepare("SELECT name,pk,type FROM pragma_table_xinfo(?1,'modsync_late') WHERE hidden=0 ORDER BY pk,cid")?;
        let found: Vec<(String, i64, String)> = statement
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let declared: Vec<&(String, i64, String)> = found.iter().filter(|(_, place, _)| *place > 0).collect();
        let rowid = matches!(declared.as_slice(), [(_, _, kind)] if kind.eq_ignore_ascii_case("INTEGER"));
        let mut key: Vec<String> = declared.iter().map(|(name, ..)| name.clone()).collect();
        let numbered = rowid || key.is_empty();
        if key.is_empty() {
            key.push("rowid".to_owned());
        }
        Ok(Self {
            columns: found.into_iter().map(|(name, ..)| name).collect(),
            name,
            key,
            numbered,
            alike,
        })
    }

    fn carry(&self, connection: &Connection, taken: &mut Taken) -> rusqlite::Result<()> {
        let new = self.count(connection, &self.rows_beyond("modsync_late", "modsync_before"))?;
        if !self.alike {
            // What a table of another form has late, a person has to look at.
            taken.left += usize::from(new > 0);
            return Ok(());
        }
        for column in self.columns.iter().filter(|column| !self.key.contains(*column)) {
            let wanted = self.count(connection, &self.late_cells(column))?;
            let done = connection.execute(&self.update(column), [])?;
            taken.changes += done;
            taken.left += wanted.saturating_sub(done);
        }
        let wanted = self.count(
            connection,
            &format!(
                "{} AND {}",
                self.rows_beyond("modsync_late", "modsync_before"),
                self.unlike_current()
            ),
        )?;
        let done = connection.execute(&self.insert(), [])?;
        taken.changes += connection.execute(&self.delete(), [])? + done;
        taken.left += wanted.saturating_sub(done);
        Ok(())
    }

    fn count(&self, connection: &Connection, from: &str) -> rusqlite::Result<usize> {
        connection
            .query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get::<_, i64>(0))
            .map(|count| usize::try_from(count).unwrap_or_default())
    }

    fn at(&self, file: &str) -> String {
        format!("{file}.{}", ident(&self.name))
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let pairs = self.key.iter().map(|column| {
            let name = ident(column);
            format!("{one}.{name}={other}.{name}")
        });
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    /// `x` is a row of `file` whose key `other` has not.
    fn rows_beyond(&self, file: &str, other: &str) -> String {
        format!(
            "{} AS x WHERE NOT EXISTS(SELECT 1 FROM {} AS y WHERE {})",
            self.at(file),
            self.at(other),
            self.same_key("y", "x")
        )
    }

    /// The current file has no row that is wholly like `x`.
    fn unlike_current(&self) -> String {
        let equal = self.columns.iter().map(|column| {
            let name = ident(column);
            format!("z.{name} IS x.{name}")
        });
        let equal = equal.collect::<Vec<_>>().join(" AND ");
        format!("NOT EXISTS(SELECT 1 FROM {} AS z WHERE {equal})", self.at("main"))
    }

    /// Cells of one column that were written late, and that the current file has otherwise or not at all.
    fn late_cells(&self, column: &str) -> String {
        let name = ident(column);
        format!(
            "{} AS x JOIN {} AS y ON {} LEFT JOIN {} AS z ON {} WHERE x.{name} IS NOT y.{name} AND z.{name} IS NOT x.{name}",
            self.at("modsync_late"),
            self.at("modsync_before"),
            self.same_key("y", "x"),
            self.at("main"),
            self.same_key("z", "x"),
        )
    }

    fn update(&self, column: &str) -> String {
        let name = ident(column);
        let (late, before, key) = (
            self.at("modsync_late"),
            self.at("modsync_before"),
            self.same_key("x", "t"),
        );
        format!(
            "UPDATE OR IGNORE {} AS t SET {name}=(SELECT x.{name} FROM {late} AS x WHERE {key}) WHERE EXISTS(SELECT 1 FROM {late} AS x \
             JOIN {before} AS y ON {} WHERE {key} AND x.{name} IS NOT y.{name} AND t.{name} IS NOT x.{name})",
            self.at("main"),
            self.same_key("y", "x"),
        )
    }

    /// New rows. A number that the current file has given to another row is left for SQLite to choose.
    fn insert(&self) -> String {
        let values = self.columns.iter().map(|column| {
            let name = ident(column);
            if self.numbered && self.key.contains(column) {
                let taken = format!("SELECT 1 FROM {} AS z WHERE z.{name}=x.{name}", self.at("main"));
                return format!("CASE WHEN EXISTS({taken}) THEN NULL ELSE x.{name} END");
            }
            format!("x.{name}")
        });
        format!(
            "INSERT OR IGNORE INTO {}({}) SELECT {} FROM {} AND {}",
            self.at("main"),
            self.columns
                .iter()
                .map(|name| ident(name))
                .collect::<Vec<_>>()
                .join(","),
            values.collect::<Vec<_>>().join(","),
            self.rows_beyond("modsync_late", "modsync_before"),
            self.unlike_current(),
        )
    }

    /// Rows that were deleted late and that nobody has changed since.
    fn delete(&self) -> String {
        let equal = self.columns.iter().map(|column| {
            let name = ident(column);
            format!("x.{name} IS t.{name}")
        });
        format!(
            "DELETE FROM {} AS t WHERE EXISTS(SELECT 1 FROM {} AND {} AND {})",
            self.at("main"),
            self.rows_beyond("modsync_before", "modsync_late"),
            self.same_key("x", "t"),
            equal.collect::<Vec<_>>().join(" AND "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, a, b); CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
        CREATE TABLE loose(x, y); CREATE TRIGGER noisy AFTER UPDATE ON item BEGIN INSERT INTO log(what) VALUES('fired'); END;
        INSERT INTO item VALUES('1',1,1),('2',2,2),('3',3,3),('4',4,4); INSERT INTO log(what) VALUES('first');
        INSERT INTO loose VALUES(1,1),(2,2);";

    /// What `late` and `current` make of the same beginning.
    fn taken(late: &str, current: &str) -> (Taken, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, more) in [("before", ""), ("late", late), ("current", current)] {
            let connection = Connection::open(path(name)).unwrap();
            connection.execute_batch(SCHEMA).unwrap();
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
                .unwrap();
            connection.execute_batch(more).unwrap();
        }
        let taken = take_over(&path("current"), &path("before"), &path("late")).unwrap();
        let connection = Connection::open(path("current")).unwrap();
        let mut statement = connection
            .prepare("SELECT k||' '||a||' '||b FROM item UNION ALL SELECT 'log '||id||' '||what FROM log UNION ALL SELECT 'loose '||x||' '||y FROM loose")
            .unwrap();
        let rows = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        (taken, rows)
    }

    #[test]
    fn cells_rows_and_deletions_are_carried_over_and_triggers_stay_quiet() {
        let (taken, rows) = taken(
            "UPDATE item SET a='late' WHERE k='1'; DELETE FROM item WHERE k='2'; DELETE FROM item WHERE k='3';
             INSERT INTO item VALUES('5',5,5); INSERT INTO log(what) VALUES('late'); UPDATE loose SET y='late' WHERE x=2;",
            "UPDATE item SET b='mine' WHERE k IN ('1','3'); INSERT INTO log(what) VALUES('mine');",
        );
        assert_eq!(taken, Taken { changes: 5, left: 0 });
        let expected = [
            "1 late mine",
            "3 3 mine",
            "4 4 4",
            "5 5 5",
            "log 1 first",
            "log 2 mine",
            "log 3 late",
            "loose 1 1",
            "loose 2 late",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn what_has_no_place_is_counted_and_what_is_there_already_is_not_doubled() {
        let late = "INSERT INTO item VALUES('5','late',5),('6',6,6); INSERT INTO log(what) VALUES('same');";
        let (first, _) = taken(late, late);
        assert_eq!(first, Taken::default());
        let (second, rows) = taken(
            late,
            "INSERT INTO item VALUES('5','mine',5); DELETE FROM item WHERE k='4';",
        );
        assert_eq!(second, Taken { changes: 2, left: 1 });
        assert!(rows.contains(&"5 mine 5".to_owned()), "{rows:?}");
        let (third, _) = taken("ALTER TABLE item ADD c; INSERT INTO item VALUES('5','late',5,5);", "");
        assert_eq!(third, Taken { changes: 0, left: 1 });
    }
}
