//! What a database holds, row by row, and the same with ids that say nothing put out of sight.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::cell::Cell;
use super::schema::{Role, Schema, Table};

pub type Row = Vec<Cell>;

/// By table, its rows in the order of their cells.
pub type Content = Vec<Vec<Row>>;

pub fn read(connection: &Connection, schema: &Schema) -> rusqlite::Result<Content> {
    schema
        .tables
        .iter()
        .map(|table| read_table(connection, table, &format!("main.{}", table.name)))
        .collect()
}

/// The table's columns from a table or view of another name.
pub fn read_table(connection: &Connection, table: &Table, from: &str) -> rusqlite::Result<Vec<Row>> {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let mut statement = connection.prepare_cached(&format!("SELECT {} FROM {from}", columns.join(",")))?;
    let rows = statement.query_map([], |row| {
        (0..columns.len())
            .map(|index| Ok(Cell::read(row.get_ref(index)?)))
            .collect::<rusqlite::Result<Row>>()
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<Row>>>()?;
    rows.sort();
    Ok(rows)
}

/// What tells a row from others on all sides.
pub type Identity = Vec<Cell>;

pub fn identity_of(table: &Table, row: &Row) -> Identity {
    table.identity().into_iter().map(|column| row[column].clone()).collect()
}

/// By table, the rows by what they are: ids are NULL, and in the place of a reference to an id stands the tag or key of
/// the row that it means. Several rows may have one identity after all: where a base was lost, or a key changed.
pub type Meaning = Vec<BTreeMap<Identity, Vec<Row>>>;

pub fn meaning(schema: &Schema, content: &Content) -> Meaning {
    let tables = schema.tables.iter().zip(content);
    let meant = tables.map(|(table, rows)| {
        let mut by_identity: BTreeMap<Identity, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let cells = row.iter().zip(&table.columns).map(|(cell, column)| match column.role {
                Role::Id => Cell::Null,
                Role::RefId(parent) => referred(schema, content, parent, cell),
                _ => cell.clone(),
            });
            by_identity
                .entry(identity_of(table, row))
                .or_default()
                .push(cells.collect());
        }
        by_identity
    });
    meant.collect()
}

fn referred(schema: &Schema, content: &Content, parent: usize, id: &Cell) -> Cell {
    if id.is_null() {
        return Cell::Null;
    }
    let table = &schema.tables[parent];
    let column = table.find(Role::Id).unwrap();
    let row = content[parent].iter().find(|row| row[column] == *id);
    row.map_or_else(
        || Cell::text(format!("nobody: {id:?}")),
        |row| identity_of(table, row).remove(0),
    )
}

/// The names of everything that is in the schema of a database.
pub fn objects(connection: &Connection) -> BTreeSet<String> {
    let mut statement = connection.prepare("SELECT name FROM main.sqlite_master").unwrap();
    let objects = statement.query_map([], |row| row.get(0)).unwrap();
    objects.map(Result::unwrap).collect()
}

/// Whether SQLite finds the file whole and all references kept.
pub fn is_whole(connection: &Connection) -> Result<(), String> {
    let integrity: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|e| e.to_string())?;
    let mut statement = connection
        .prepare("SELECT \"table\",rowid,parent FROM pragma_foreign_key_check")
        .unwrap();
    let broken = statement.query_map([], |row| {
        Ok(format!(
            "{:?} {:?} -> {:?}",
            row.get_ref(0)?,
            row.get_ref(1)?,
            row.get_ref(2)?
        ))
    });
    let broken: Vec<String> = broken.unwrap().map(Result::unwrap).collect();
    match (integrity.as_str(), broken.is_empty()) {
        ("ok", true) => Ok(()),
        ("ok", false) => Err(format!("references into the void: {broken:?}")),
        (verdict, _) => Err(format!("integrity_check: {verdict}")),
    }
}
