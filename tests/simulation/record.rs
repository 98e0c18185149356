//! What the laptops' histories say of conflicts: read with plain SQL, by the description in `docs/format.md`.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value as Json;

use super::cell::Cell;
use super::scenario::Place;
use super::schema::Schema;
use super::snapshot::Row;

/// A conflict as some laptop recorded it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub laptop: usize,
    pub cycle: i64,
    pub table: usize,
    pub columns: Vec<usize>,
    pub local: Option<Row>,
    pub server: Option<Row>,
    pub winner: Place,
    pub reason: String,
}

impl Recorded {
    /// The version that lost.
    pub fn loser(&self) -> Option<&Row> {
        match self.winner {
            Place::Server => self.local.as_ref(),
            Place::Laptop(_) => self.server.as_ref(),
        }
    }
}

/// Every conflict in a laptop's history.
pub fn read(history: &Path, laptop: usize, schema: &Schema) -> Vec<Recorded> {
    let Ok(connection) = Connection::open(history) else {
        return Vec::new();
    };
    let mut statement = connection
        .prepare("SELECT cycle,tbl,columns,body FROM conflict ORDER BY id")
        .unwrap();
    let records = statement.query_map([], |row| {
        let (cycle, table, names, body): (i64, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((cycle, table, names, body))
    });
    let records = records.unwrap().map(Result::unwrap).map(|(cycle, name, names, body)| {
        let table = schema.tables.iter().position(|table| table.name == name).unwrap();
        let names: Vec<String> = serde_json::from_str(&names).unwrap();
        let body: Json = serde_json::from_str(&body).unwrap();
        let places = schema.tables[table].columns.iter();
        let places: Vec<usize> = places
            .map(|column| names.iter().position(|name| *name == column.name).unwrap())
            .collect();
        let row = |side: &str| {
            let cells = body[side].as_array()?;
            Some(places.iter().map(|&place| Cell::of_json(&cells[place])).collect())
        };
        let columns = body["columns"].as_array().unwrap().iter();
        // Columns that were added later are looked at as a part of everything alone.
        let columns = columns.filter_map(|column| {
            let place = column.as_u64().unwrap() as usize;
            places.iter().position(|other| *other == place)
        });
        Recorded {
            laptop,
            cycle,
            table,
            columns: columns.collect(),
            local: row("local"),
            server: row("server"),
            winner: if body["winner"] == "server" {
                Place::Server
            } else {
                Place::Laptop(laptop)
            },
            reason: body["reason"].as_str().unwrap().to_owned(),
        }
    });
    records.collect()
}
