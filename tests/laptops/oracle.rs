//! What must be true in the end, said of what people wrote and of what stands in the databases. It knows nothing of cycles,
//! bases or merges; of the record it knows what docs/format.md says of the table `conflict`.
//!
//! For every value that anybody committed one of these is true:
//!
//! - it stands in the databases;
//! - somebody replaced or deleted it who had it before his eyes, in the same transaction;
//! - a conflict tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

use super::party::Row;
use super::tables::Table;
use super::writer::Write;
use crate::support::world::open;

/// One thing: a table and the key of a row.
pub type Thing = (&'static str, String);

/// The values of one unit.
type Unit = Vec<Json>;

/// What became of the values.
#[derive(Debug, Default)]
pub struct Account {
    pub stand: usize,
    pub replaced: usize,
    pub recorded: usize,
    /// What should not be, and about which row.
    pub complaints: BTreeMap<Thing, Vec<String>>,
}

/// All that is known of one thing.
#[derive(Default)]
struct Story<'a> {
    writes: Vec<&'a Write>,
    /// The row as it stands, if it does.
    row: Option<&'a Row>,
    /// The rows that conflicts tell of.
    told: Vec<Row>,
    /// Whether a conflict tells that one side had deleted it.
    deletion_told: bool,
}

/// Holds what stands in the databases against what was written.
pub fn judge(
    beginning: &[(&'static Table, Row)],
    written: &[Write],
    end: &[(&'static Table, Row)],
    records: &[std::path::PathBuf],
) -> Account {
    let first: Vec<Write> = beginning
        .iter()
        .map(|(table, row)| from_the_beginning(table, row))
        .collect();
    let mut stories: BTreeMap<Thing, Story<'_>> = BTreeMap::new();
    let mut account = Account::default();
    for write in first.iter().chain(written) {
        let story = stories.entry((write.table.name, write.key.clone())).or_default();
        story.writes.push(write);
    }
    for (table, row) in end {
        let story = stories.entry((table.name, table.key(row))).or_default();
        if story.row.replace(row).is_some() {
            account.complain(table, &table.key(row), "stands there twice".to_owned());
        }
    }
    for told in records.iter().flat_map(|record| conflicts(record)) {
        if let Some(story) = stories.get_mut(&told.thing) {
            story.told.push(told.row);
            story.deletion_told |= told.alone;
        }
    }
    let parents = parents(end);
    for ((table, key), story) in &stories {
        let table = Table::named(table);
        account.of_thing(table, key, story, parents.contains(&(table.name, key.clone())));
    }
    account.of_references(end);
    account
}

fn from_the_beginning(table: &'static Table, row: &Row) -> Write {
    Write {
        by: "the beginning",
        at: jiff::Timestamp::UNIX_EPOCH,
        table,
        key: table.key(row),
        before: None,
        after: Some(row.clone()),
    }
}

impl Account {
    fn complain(&mut self, table: &Table, key: &str, what: String) {
        self.complaints
            .entry((table.name, key.to_owned()))
            .or_default()
            .push(what);
    }

    fn of_thing(&mut self, table: &'static Table, key: &str, story: &Story<'_>, referred: bool) {
        if story.writes.is_empty() {
            self.complain(table, key, format!("nobody wrote it: {:?}", story.row));
            return;
        }
        for columns in table.units {
            for write in &story.writes {
                self.of_value(table, key, columns, write, story);
            }
            self.of_end(table, key, columns, story);
        }
        // A deletion that did not stand, since other rows referred to the row then, is on record.
        if !referred && !story.deletion_told {
            self.of_deletes(table, key, story);
        }
    }

    /// Whether a value that was written is accounted for.
    fn of_value(&mut self, table: &Table, key: &str, columns: &[&str], write: &Write, story: &Story<'_>) {
        let Some(value) = write.after.as_ref().map(|row| unit(row, columns)) else {
            return;
        };
        let as_before = write.before.as_ref().is_some_and(|row| unit(row, columns) == value);
        if as_before || value.iter().all(Json::is_null) {
            return;
        }
        let is = |row: &Row| unit(row, columns) == value;
        if story.row.is_some_and(is) {
            self.stand += 1;
        } else if story.writes.iter().any(|other| replaces(other, columns, &value)) {
            self.replaced += 1;
        } else if story.told.iter().any(is) {
            self.recorded += 1;
        } else {
            let now = story.row.map(|row| unit(row, columns));
            let what = format!("{columns:?} = {value:?}, by {}, is lost; there is {now:?}", write.by);
            self.complain(table, key, what);
        }
    }

    /// Whether the value that stands was written by somebody, for this very row, and was not done away with.
    fn of_end(&mut self, table: &Table, key: &str, columns: &[&str], story: &Story<'_>) {
        let Some(value) = story.row.map(|row| unit(row, columns)) else {
            return;
        };
        let writes = |write: &&&Write| write.after.as_ref().is_some_and(|row| unit(row, columns) == value);
        let wrote: Vec<_> = story.writes.iter().filter(writes).collect();
        if wrote.is_empty() {
            self.complain(table, key, format!("nobody wrote {columns:?} = {value:?}"));
        }
        for text in value.iter().filter_map(Json::as_str) {
            if text.split_once(" @").is_some_and(|(_, meant)| meant != key) {
                self.complain(table, key, format!("{columns:?} = {text:?} was meant for another row"));
            }
        }
        // A row that somebody deleted may come back with what was in it: that is what becomes of a delete that meets a change.
        // And whoever writes the same again, or writes other columns of a row, writes this value again.
        let deleted = story.writes.iter().any(|write| write.after.is_none());
        let brought = wrote
            .iter()
            .filter(|write| !write.before.as_ref().is_some_and(|row| unit(row, columns) == value));
        let replaced = story.writes.iter().find(|write| replaces(write, columns, &value));
        if let Some(later) = replaced.filter(|_| !deleted && brought.count() == 1) {
            let what = format!("{columns:?} = {value:?} came back; {} had replaced it", later.by);
            self.complain(table, key, what);
        }
    }

    /// Whether a row that was deleted and stands there has anything in it that the one who deleted it had not seen.
    fn of_deletes(&mut self, table: &Table, key: &str, story: &Story<'_>) {
        let Some(row) = story.row else { return };
        for write in story.writes.iter().filter(|write| write.after.is_none()) {
            let Some(seen) = &write.before else { continue };
            if table
                .units
                .iter()
                .all(|columns| unit(row, columns) == unit(seen, columns))
            {
                self.complain(
                    table,
                    key,
                    format!("deleted by {}, and stands there as it was", write.by),
                );
            }
        }
    }

    /// Whether each remark is on the entry that it was made on.
    fn of_references(&mut self, end: &[(&'static Table, Row)]) {
        let entries: BTreeMap<Option<i64>, String> = end
            .iter()
            .filter(|(table, _)| table.name == "assessment_queue")
            .map(|(table, row)| (row["id"].as_i64(), table.key(row)))
            .collect();
        for (_, remark) in end.iter().filter(|(table, _)| table.name == "remark") {
            let meant = remark["word"].as_str().unwrap().rsplit_once(" of ").unwrap().1;
            let entry = entries.get(&remark["entry"].as_i64());
            if entry.map(String::as_str) != Some(meant) {
                let what = format!("it is on the entry {entry:?}");
                self.complain(Table::named("remark"), remark["word"].as_str().unwrap(), what);
            }
        }
    }
}

/// Whether a write does away with a value that the writer saw.
fn replaces(write: &Write, columns: &[&str], value: &Unit) -> bool {
    let is = |row: &Option<Row>| row.as_ref().is_some_and(|row| unit(row, columns) == *value);
    is(&write.before) && !is(&write.after)
}

fn unit(row: &Row, columns: &[&str]) -> Unit {
    columns.iter().map(|column| row[*column].clone()).collect()
}

/// What other rows refer to.
fn parents(end: &[(&'static Table, Row)]) -> BTreeSet<Thing> {
    let parent = |(table, row): &(&'static Table, Row)| match table.name {
        "product_update_queue" => Some(("products", row["product_url"].as_str()?.to_owned())),
        "remark" => Some((
            "assessment_queue",
            row["word"].as_str()?.rsplit_once(" of ")?.1.to_owned(),
        )),
        _ => None,
    };
    end.iter().filter_map(parent).collect()
}

/// A row of one side that a conflict tells of.
struct Told {
    thing: Thing,
    row: Row,
    /// Whether the other side had none.
    alone: bool,
}

/// The rows of both sides that the conflicts in a laptop's record tell of.
fn conflicts(record: &Path) -> Vec<Told> {
    let connection = open(record);
    let mut statement = connection.prepare("SELECT tbl, columns, body FROM conflict").unwrap();
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let found: Vec<(String, String, String)> = found.unwrap().map(Result::unwrap).collect();
    let rows = found.into_iter().flat_map(|(table, columns, body)| {
        let table = Table::named(&table);
        let columns: Vec<String> = serde_json::from_str(&columns).unwrap();
        let body: Json = serde_json::from_str(&body).unwrap();
        let alone = body["local"].is_null() || body["server"].is_null();
        let sides = ["local", "server"].map(|side| body[side].as_array().cloned());
        sides.into_iter().flatten().map(move |values| {
            let row: Row = columns.iter().cloned().zip(values).collect();
            let thing = (table.name, table.key(&row));
            Told { thing, row, alone }
        })
    });
    rows.collect()
}
