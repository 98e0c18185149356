//! Plans and conflicts as the socket tells them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::exchange::Exchange;
use super::history::{JournalTable, Moved, Written};
use super::layout::Layout;
use crate::control::types::{ColumnMove, ConflictColumn, ConflictRecord, Move, MovedRows, RowChange, TableMoves};
use crate::merge::{Conflict, Reason};
use crate::model::{Key, Row, RowOp, Side, Table, Value};

/// A value as JSON for people and scripts: see `docs/api.md`.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Real(real) if real.get().is_finite() => json!(real.get()),
        other => serde_json::to_value(other).unwrap_or(Json::Null),
    }
}

/// A row's key by the names of its columns.
#[must_use]
pub fn named_key(columns: &[String], key: &[String], row: &Row) -> BTreeMap<String, Json> {
    let cells = columns.iter().zip(row).filter(|(name, _)| key.contains(name));
    cells.map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// A key as a person writes it: its values, joined by commas where there are several, in the order of their columns'
/// names.
#[must_use]
pub fn key_text(values: &BTreeMap<String, Json>) -> String {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    values.values().map(text).collect::<Vec<_>>().join(",")
}

/// The names of a table's columns, and of those of its key.
#[must_use]
pub fn names(table: &Table) -> (Vec<String>, Vec<String>) {
    let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let key = table
        .key
        .iter()
        .filter_map(|&index| columns.get(index).cloned())
        .collect();
    (columns, key)
}

/// A recorded write as a row that moved.
#[must_use]
pub fn describe_moved(moved: &Moved) -> Move {
    let (before, after) = (moved.written.before.as_ref(), moved.written.after.as_ref());
    let change = describe_change(&moved.table, [&moved.columns, &moved.key], before, after);
    with_side(change, moved.written.side)
}

fn with_side(change: RowChange, to: Side) -> Move {
    Move {
        table: change.table,
        key: change.key,
        to,
        action: change.action,
        columns: change.columns,
    }
}

/// A key's columns and values.
pub(super) fn key_json(table: &Table, key: &Key) -> BTreeMap<String, Json> {
    table
        .key
        .iter()
        .zip(key)
        .map(|(&column, value)| (table.columns[column].name.clone(), to_json(value)))
        .collect()
}

/// A write as a row that moves.
#[must_use]
pub fn describe_move(table: &Table, to: Side, before: Option<&Row>, after: Option<&Row>) -> Move {
    let (columns, key) = names(table);
    with_side(describe_change(&table.name, [&columns, &key], before, after), to)
}

/// A row that changes, by the names of its columns and of those of its key.
#[must_use]
pub fn describe_change(
    table: &str,
    [names, key]: [&[String]; 2],
    before: Option<&Row>,
    after: Option<&Row>,
) -> RowChange {
    let action = match (before, after) {
        (None, _) => "insert",
        (_, None) => "delete",
        _ => "update",
    };
    let cell = |row: Option<&Row>, index: usize| row.and_then(|row| row.get(index)).map_or(Json::Null, to_json);
    let columns = names.iter().enumerate().filter(|(index, _)| match (before, after) {
        (Some(before), Some(after)) => before.get(*index) != after.get(*index),
        _ => true,
    });
    RowChange {
        table: table.to_owned(),
        key: after
            .or(before)
            .map(|row| named_key(names, key, row))
            .unwrap_or_default(),
        action: action.to_owned(),
        columns: columns
            .map(|(index, column)| ColumnMove {
                column: column.clone(),
                old: cell(before, index),
                new: cell(after, index),
            })
            .collect(),
    }
}

/// Every write of an exchange.
#[must_use]
pub fn describe_moves(layout: &Layout, exchange: &Exchange) -> Vec<Move> {
    let describe = |(table, side, op): (_, _, &RowOp)| describe_move(table, side, op.before(), op.after());
    writes(layout, exchange).map(describe).collect()
}

/// The first writes of an exchange, and how many more there are.
pub fn tell_moves(layout: &Layout, exchange: &Exchange, moved: &mut MovedRows) {
    for (table, side, op) in writes(layout, exchange) {
        moved.add(|| describe_move(table, side, op.before(), op.after()));
    }
}

fn writes<'a>(layout: &'a Layout, exchange: &'a Exchange) -> impl Iterator<Item = (&'a Table, Side, &'a RowOp)> {
    let tables = layout.local.iter().zip(&exchange.tables);
    tables.flat_map(|(table, exchange)| {
        let of = move |side| exchange.ops(side).iter().map(move |op| (table, side, op));
        Side::BOTH.into_iter().flat_map(of)
    })
}

/// A conflict for people.
#[must_use]
pub fn describe_conflict(table: &Table, conflict: &Conflict) -> ConflictRecord {
    let cell =
        |row: &Option<Row>, index: usize| row.as_ref().and_then(|row| row.get(index)).map_or(Json::Null, to_json);
    ConflictRecord {
        id: None,
        cycle: None,
        table: table.name.clone(),
        key: key_json(table, &conflict.key),
        winner: conflict.winner,
        reason: words(conflict.reason).to_owned(),
        columns: conflict
            .columns
            .iter()
            .map(|&index| ConflictColumn {
                column: table.columns[index].name.clone(),
                base: cell(&conflict.base, index),
                local: cell(&conflict.local, index),
                server: cell(&conflict.server, index),
            })
            .collect(),
        at: None,
        seen: false,
        resolved: None,
    }
}

/// What an exchange will do, for the journal.
#[must_use]
pub fn journal_tables(layout: &Layout, exchange: &Exchange) -> Vec<JournalTable> {
    let tables = layout.local.iter().zip(&exchange.tables);
    let journal = tables
        .filter(|(_, exchange)| !exchange.settled.is_empty())
        .map(|(table, exchange)| JournalTable {
            table: table.name.clone(),
            columns: names(table).0,
            key: names(table).1,
            keys: exchange.settled.iter().map(|settled| settled.key.clone()).collect(),
            at_server: (exchange.settled.iter())
                .filter(|settled| settled.server != settled.agreed)
                .map(|settled| (settled.key.clone(), settled.server.clone()))
                .collect(),
            writes: Side::BOTH
                .into_iter()
                .flat_map(|side| exchange.ops(side).iter().map(move |op| written(side, op)))
                .collect(),
            conflicts: exchange.conflicts.clone(),
            records: exchange
                .conflicts
                .iter()
                .map(|conflict| describe_conflict(table, conflict))
                .collect(),
        });
    journal.collect()
}

fn written(side: Side, op: &RowOp) -> Written {
    Written {
        side,
        before: op.before().cloned(),
        after: op.after().cloned(),
    }
}

/// What moved, by table; tables in which nothing did are left out.
#[must_use]
pub fn count_moves(layout: &Layout, exchange: &Exchange) -> Vec<TableMoves> {
    let tables = layout.local.iter().zip(&exchange.tables);
    let counted = tables.map(|(table, exchange)| {
        let puts = |ops: &[RowOp]| ops.iter().filter(|op| op.after().is_some()).count() as u64;
        let (pulled, pushed) = (puts(&exchange.to_local), puts(&exchange.to_server));
        let all = (exchange.to_local.len() + exchange.to_server.len()) as u64;
        TableMoves {
            table: table.name.clone(),
            pulled,
            pushed,
            deleted: all - pulled - pushed,
        }
    });
    counted
        .filter(|moves| moves.pulled + moves.pushed + moves.deleted > 0)
        .collect()
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::NewerGroup => "its decision is the newer one",
        Reason::DecidedBeatsUndecided => "it has decided, the other side has not",
        Reason::EqualTimesServer => "both decisions have the same time: the server's stands",
        Reason::NewerRow => "its row was updated later",
        Reason::EqualTimesLocal => "neither row is newer: the laptop's stands",
        Reason::UnreadableTime => "the other side's time cannot be read",
        Reason::ChangeBeatsDelete => "a change beats a deletion",
        Reason::StillReferenced => "other rows still refer to it",
        Reason::UniqueTaken => "another row has the same unique value: the server's stands",
    }
}
