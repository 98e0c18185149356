//! Tests of the merge as its callers see it. Rows are written as cells between bars, `-` for NULL.

mod databases;
mod ids;
mod properties;
mod references;
mod rules;
mod unique;

use jiff::tz::TimeZone;

use super::{Group, Plan, TableInput, TableRules, Triple, Zones, merge};
use crate::model::{Affinity, Column, ForeignKey, Row, RowOp, Side, Table, Value};

/// A table of the columns named: `*` marks the key, `#` the INTEGER PRIMARY KEY, `!` a unique column, and
/// `name>parent.column` a foreign key.
fn table(name: &str, columns: &str) -> Table {
    let mut table = Table {
        name: name.to_owned(),
        columns: Vec::new(),
        key: Vec::new(),
        rowid: None,
        autoincrement: false,
        strict: false,
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        triggers: Vec::new(),
    };
    for (index, column) in columns.split_whitespace().enumerate() {
        let (column, parent) = column
            .split_once('>')
            .map_or((column, None), |(name, parent)| (name, Some(parent)));
        let name = column.trim_end_matches(['*', '#', '!']);
        if column.contains('*') {
            table.key.push(index);
        }
        if column.contains('#') {
            table.rowid = Some(index);
            table.unique.push(vec![index]);
        }
        if column.contains('!') {
            table.unique.push(vec![index]);
        }
        if let Some((parent, target)) = parent.and_then(|parent| parent.split_once('.')) {
            table.foreign_keys.push(ForeignKey {
                columns: vec![index],
                parent: parent.to_owned(),
                parent_columns: vec![target.to_owned()],
            });
        }
        table.columns.push(Column {
            name: name.to_owned(),
            declared: String::new(),
            affinity: Affinity::Blob,
            not_null: false,
            collation: crate::model::Collation::Binary,
        });
    }
    table.unique.push(table.key.clone());
    table
}

/// A row: cells between bars, `-` for NULL, integers where they read as such.
fn row(cells: &str) -> Row {
    cells.split('|').map(|cell| value(cell.trim())).collect()
}

fn value(cell: &str) -> Value {
    match cell {
        "-" => Value::Null,
        _ => cell.parse().map_or_else(|_| Value::text(cell), Value::Integer),
    }
}

/// No row where the text is empty.
fn maybe(cells: &str) -> Option<Row> {
    (!cells.is_empty()).then(|| row(cells))
}

/// The changed rows of a table, each as base, local, server.
fn triples(table: &Table, rows: &[[&str; 3]]) -> Vec<Triple> {
    let triple = |[base, local, server]: &[&str; 3]| {
        let (base, local, server) = (maybe(base), maybe(local), maybe(server));
        let some = base.as_ref().or(local.as_ref()).or(server.as_ref()).unwrap();
        Triple {
            key: table.key_of(some),
            base,
            local,
            server,
        }
    };
    rows.iter().map(triple).collect()
}

fn input<'a>(table: &'a Table, rules: &'a TableRules, rows: &[[&str; 3]]) -> TableInput<'a> {
    let triples = triples(table, rows);
    let held = triples.iter().flat_map(|t| [&t.base, &t.local, &t.server]).flatten();
    let largest = held.filter_map(|row| row[table.rowid?].as_integer()).max();
    TableInput {
        table,
        rules,
        next_id: table.rowid.map(|_| largest.unwrap_or(0) + 1),
        used_below: None,
        first: false,
        triples,
    }
}

/// Time zones an hour apart: the laptop writes UTC, the server the time of Berlin.
fn zones() -> Zones {
    Zones {
        local: TimeZone::UTC,
        server: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

/// The rows of a table once the writes for a side are applied. Fails where a guard would.
fn apply(table: &Table, rows: impl Iterator<Item = Row>, ops: &[RowOp]) -> Vec<Row> {
    let mut rows: std::collections::BTreeMap<_, _> = rows.map(|row| (table.key_of(&row), row)).collect();
    for op in ops {
        if let Some(before) = op.before() {
            assert_eq!(
                rows.remove(&table.key_of(before)).as_ref(),
                Some(before),
                "the guard of {op:?}"
            );
        }
        if let Some(after) = op.after() {
            assert!(
                rows.insert(table.key_of(after), after.clone()).is_none(),
                "the key of {op:?} is taken"
            );
        }
    }
    rows.into_values().collect()
}

/// Merges, applies the plan to both sides, and returns what both hold then. Fails unless both hold the same, that
/// is what the plan says, and no two rows share a unique value.
fn converge(inputs: Vec<TableInput<'_>>) -> (Vec<Vec<Row>>, Plan) {
    let before: Vec<_> = inputs
        .iter()
        .map(|input| (input.table, input.triples.clone()))
        .collect();
    let plan = merge(inputs, &zones());
    let mut outcome = Vec::new();
    for ((table, triples), plan) in before.into_iter().zip(&plan.tables) {
        let local = apply(table, triples.iter().filter_map(|t| t.local.clone()), &plan.to_local);
        let server = apply(table, triples.iter().filter_map(|t| t.server.clone()), &plan.to_server);
        let agreed: Vec<Row> = plan
            .settled
            .iter()
            .filter_map(|settled| settled.agreed.clone())
            .collect();
        assert_eq!(local, server, "{}: both sides", table.name);
        assert_eq!(local, agreed, "{}: what is agreed", table.name);
        assert!(
            plan.settled.is_sorted_by(|a, b| a.key < b.key),
            "{}: the order of the keys",
            table.name
        );
        for set in &table.unique {
            let values = agreed.iter().filter_map(|row| crate::model::pick_not_null(row, set));
            let distinct: std::collections::HashSet<_> = values.clone().collect();
            assert_eq!(
                distinct.len(),
                values.count(),
                "{}: unique {set:?} of {agreed:?}",
                table.name
            );
        }
        outcome.push(agreed);
    }
    (outcome, plan)
}
