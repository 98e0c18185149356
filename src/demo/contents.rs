//! All rows of one side.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

/// The rows of every ordinary table of one side: table, then primary key, then the whole row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contents(BTreeMap<String, BTreeMap<String, Vec<Value>>>);

impl Contents {
    /// Reads them all, as of one moment.
    pub fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let moment = conn.unchecked_transaction()?;
        let tables: Vec<String> = moment
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut contents = Self::default();
        for table in tables {
            let rows = rows(&moment, &table)?;
            contents.0.insert(table, rows);
        }
        moment.commit()?;
        Ok(contents)
    }

    /// The tables' names.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many rows a table has.
    pub fn rows(&self, table: &str) -> usize {
        self.0.get(table).map_or(0, BTreeMap::len)
    }

    /// How many rows there are in all.
    pub fn total(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Table and key of each row of which `is_wanting` says so, given the row here and there.
    pub fn wanting(&self, other: &Self, is_wanting: impl Fn(&Vec<Value>, Option<&Vec<Value>>) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (table, rows) in &self.0 {
            let others = other.0.get(table);
            for (key, row) in rows {
                if is_wanting(row, others.and_then(|others| others.get(key))) {
                    found.push(format!("{table} {key}"));
                }
            }
        }
        found
    }
}

/// The rows of a table by primary key.
fn rows(conn: &Connection, table: &str) -> rusqlite::Result<BTreeMap<String, Vec<Value>>> {
    let key: Vec<String> = conn
        .prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let key = match key.is_empty() {
        true => "rowid".to_owned(),
        false => key
            .iter()
            .map(|name| quoted(name))
            .collect::<Vec<_>>()
            .join(" || ' ' || "),
    };
    conn.prepare(&format!("SELECT CAST({key} AS TEXT), * FROM {}", quoted(table)))?
        .query_map([], |row| {
            let mut row = values(row)?.into_iter();
            let key = row.next();
            let key = match key {
                Some(Value::Text(key)) => key,
                other => format!("{other:?}"),
            };
            Ok((key, row.collect()))
        })?
        .collect()
}

/// All values of a row.
pub(super) fn values(row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|index| row.get(index)).collect()
}
