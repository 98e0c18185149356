//! Whether a conflict on record was one, and whether the right side won: by the rules of `docs/merge.md`.

use std::collections::BTreeSet;

use super::cell::{Cell, Time, read_time};
use super::ledger::{Fact, Ledger};
use super::record::Recorded;
use super::scenario::Place;
use super::schema::{Role, Table};
use super::snapshot::{self, Row};
use super::world::World;

/// # Errors
/// What is wrong with it.
pub fn examine(world: &World, ledger: &Ledger, rekeyed: &BTreeSet<usize>, record: &Recorded) -> Result<(), String> {
    let table = &world.scenario.schema.tables[record.table];
    let words = |what: &str| {
        let columns: Vec<&str> = record
            .columns
            .iter()
            .map(|&column| table.columns[column].name.as_str())
            .collect();
        format!(
            "{what}: laptop {}, cycle {}, {} {columns:?} {record:?}",
            record.laptop, record.cycle, table.name
        )
    };
    let expected = match (record.reason.as_str(), &record.local, &record.server) {
        ("unique_taken", Some(_), _) => Some(true),
        // Of two sides that both kept it, neither has deleted it.
        ("change_beats_delete" | "still_referenced", Some(_), None) => Some(false),
        ("change_beats_delete" | "still_referenced", None, Some(_)) => Some(true),
        ("unique_taken" | "change_beats_delete" | "still_referenced", ..) => None,
        (_, Some(local), Some(server)) => Some(server_wins(world, table, record, local, server)),
        _ => None,
    };
    match expected {
        None => return Err(words("NO SUCH CONFLICT")),
        Some(server) if server != (record.winner == Place::Server) => return Err(words("THE WRONG SIDE WON")),
        Some(_) => {}
    }
    // A row that got another id is a new row to modsync, and may meet itself.
    match rekeyed.contains(&record.table) || is_real(world, ledger, record) {
        true => Ok(()),
        false => Err(words("NO CONFLICT, AND ON RECORD")),
    }
}

fn server_wins(world: &World, table: &Table, record: &Recorded, local: &Row, server: &Row) -> bool {
    let in_group = |column: &usize| matches!(table.columns[*column].role, Role::Group | Role::GroupTime);
    let (decider, otherwise) = match record.columns.iter().any(in_group) {
        true => (table.find(Role::GroupTime), true),
        false => (table.find(Role::Updated), false),
    };
    let Some(decider) = decider else { return otherwise };
    let (ours, theirs) = (&local[decider], &server[decider]);
    if ours == theirs {
        return otherwise;
    }
    let [local, server] = world.scenario.zones.map(|hours| hours * 3600);
    match (read_time(ours, local), read_time(theirs, server)) {
        (Time::Absent, Time::Absent) | (Time::Unreadable, Time::Unreadable) => otherwise,
        (Time::Absent, _) | (Time::Unreadable, Time::At(_)) => true,
        (_, Time::Absent) | (Time::At(_), Time::Unreadable) => false,
        (Time::At(ours), Time::At(theirs)) if ours == theirs => otherwise,
        (Time::At(ours), Time::At(theirs)) => theirs > ours,
    }
}

/// Whether nobody had seen both versions. Where that cannot be told for sure, a conflict is believed.
fn is_real(world: &World, ledger: &Ledger, record: &Recorded) -> bool {
    let (Some(local), Some(server)) = (&record.local, &record.server) else {
        return true;
    };
    let reason = record.reason.as_str();
    if matches!(reason, "unique_taken" | "still_referenced" | "change_beats_delete") {
        return true;
    }
    // Without a base both sides count as changed.
    if world.lost_base() || !world.scenario.agreed {
        return true;
    }
    let table = &world.scenario.schema.tables[record.table];
    let row = snapshot::identity_of(table, local);
    if row != snapshot::identity_of(table, server) || ledger.deleted.contains(&(record.table, row.clone())) {
        return true;
    }
    let fact = |column: usize, value: &Cell| Fact {
        table: record.table,
        row: row.clone(),
        column,
        value: value.clone(),
    };
    let once = |fact: &Fact| ledger.facts.get(fact).is_some_and(|origin| origin.times == 1);
    let mut columns = record.columns.iter().copied();
    let grouped = columns
        .clone()
        .any(|column| matches!(table.columns[column].role, Role::Group | Role::GroupTime));
    // Whether the first version's writer knew the second one.
    let knew =
        |first: &Row, second: &Row, column: usize| ledger.descends(&fact(column, &first[column]), &second[column]);
    let telling = |column: usize| once(&fact(column, &local[column])) && once(&fact(column, &server[column]));
    if grouped {
        let all = |first: &Row, second: &Row| {
            record
                .columns
                .iter()
                .all(|&column| telling(column) && knew(first, second, column))
        };
        return !all(local, server) && !all(server, local);
    }
    columns.all(|column| {
        let reference = matches!(table.columns[column].role, Role::RefId(_) | Role::Id);
        reference
            || !telling(column)
            || local[column] != server[column] && !knew(local, server, column) && !knew(server, local, column)
    })
}
