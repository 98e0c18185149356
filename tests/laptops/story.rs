//! What became of a row, for whoever has to find out why: what everybody wrote, and what each daemon moved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::oracle::Thing;
use super::writer::Write;
use crate::support::world::open;

/// How many stories are told in full.
const MANY: usize = 6;

/// The complaints, and the stories of the first rows that they are about.
pub fn of_all(complaints: &BTreeMap<Thing, Vec<String>>, written: &[Write], records: &[PathBuf]) -> String {
    let mut told = String::new();
    for ((table, key), what) in complaints {
        told += &format!("{table} {key}: {}\n", what.join("; "));
    }
    for (thing, _) in complaints.iter().take(MANY) {
        let mut lines = of_writes(thing, written);
        lines.extend(records.iter().flat_map(|record| of_record(thing, record)));
        lines.sort();
        told += &format!("\n{} {}\n{}\n", thing.0, thing.1, lines.join("\n"));
    }
    told
}

fn of_writes(thing: &Thing, written: &[Write]) -> Vec<String> {
    let about = written
        .iter()
        .filter(|write| write.table.name == thing.0 && write.key == thing.1);
    let line = |write: &Write| {
        let row = |row: &Option<_>| serde_json::to_string(row).unwrap();
        format!(
            "{} {}: {} -> {}",
            write.at,
            write.by,
            row(&write.before),
            row(&write.after)
        )
    };
    about.map(line).collect()
}

/// A daemon's moves and conflicts in which the first part of the key is told of.
fn of_record(thing: &Thing, record: &Path) -> Vec<String> {
    let connection = open(record);
    let sql = "SELECT json_extract(c.summary,'$.started'), c.cycle, json_extract(c.summary,'$.outcome'), m.what FROM cycle c JOIN
        (SELECT cycle, tbl, side||': '||ifnull(before,'-')||' -> '||ifnull(after,'-') AS what FROM move
         UNION ALL SELECT cycle, tbl, 'conflict: '||body FROM conflict) m USING(cycle) WHERE m.tbl=?1 AND instr(m.what,?2)";
    let key = thing.1.split('|').next().unwrap();
    let key = if thing.0 == "remark" { thing.1.as_str() } else { key };
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([thing.0, key], |row| {
        let (at, cycle, outcome, what): (Option<String>, i64, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(format!(
            "{} {} cycle {cycle} ({outcome}): {what}",
            at.unwrap_or_default(),
            record.display()
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}
