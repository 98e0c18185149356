//! How a row that moves reads: its key, and old and new values of the columns that change.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::style::{Style, Tone};
use super::text;
use crate::control::types::{ColumnMove, ConflictRecord, LeftRow, Move, RowChange, Side};

/// Values are cut to so many characters; `--json` has them whole.
const VALUE: usize = 60;

/// A row that moves: a line for the row and one for each column.
pub(super) fn render(moved: &Move, style: &Style) -> Vec<String> {
    lines(&moved.table, &moved.key, &moved.action, &moved.columns, style)
}

/// A row that changes on both sides, in the same way.
pub(super) fn change(change: &RowChange, style: &Style) -> Vec<String> {
    lines(&change.table, &change.key, &change.action, &change.columns, style)
}

/// A row that was left as it is, and why.
pub(super) fn left(left: &LeftRow) -> String {
    let conflict = left.conflict.map(|id| format!("#{id} ")).unwrap_or_default();
    let row = format!("{} {}", text::safe(&left.table), key(&left.key));
    format!("  {conflict}{row}: {}", text::safe(&left.reason))
}

/// Where a row went.
pub(super) fn to_whom(side: Side) -> &'static str {
    match side {
        Side::Local => "to the laptop",
        Side::Server => "to the server",
    }
}

fn lines(
    table: &str,
    row: &BTreeMap<String, Json>,
    action: &str,
    columns: &[ColumnMove],
    style: &Style,
) -> Vec<String> {
    let (sign, tone) = match action {
        "insert" => ("+", Tone::Good),
        "delete" => ("-", Tone::Bad),
        _ => ("~", Tone::Busy),
    };
    let head = format!("{sign} {} {}", text::safe(table), key(row));
    let mut lines = vec![format!("  {}", style.paint(tone, &head))];
    let width = widest(columns.iter().map(|column| column.column.as_str()));
    lines.extend(columns.iter().map(|column| {
        let name = text::safe(&column.column);
        let change = match action {
            "insert" => value(&column.new),
            "delete" => value(&column.old),
            _ => format!("{} → {}", value(&column.old), value(&column.new)),
        };
        format!("      {name:width$}  {change}")
    }));
    lines
}

/// A conflict: what the base and both sides have, and which one wins and why.
pub(super) fn conflict(record: &ConflictRecord, style: &Style) -> Vec<String> {
    let number = record.id.map(|id| format!("#{id} ")).unwrap_or_default();
    let head = format!("! {number}{} {}", text::safe(&record.table), key(&record.key));
    let winner = match (record.id, record.winner) {
        (None, Side::Local) => "the laptop's version wins",
        (None, Side::Server) => "the server's version wins",
        (Some(_), Side::Local) => "the laptop's version won",
        (Some(_), Side::Server) => "the server's version won",
    };
    let mut lines = vec![format!(
        "  {}: {winner}, {}",
        style.paint(Tone::Bad, &head),
        text::safe(&record.reason)
    )];
    let width = widest(record.columns.iter().map(|column| column.column.as_str()));
    lines.extend(record.columns.iter().map(|column| {
        let name = text::safe(&column.column);
        let [base, local, server] = [&column.base, &column.local, &column.server].map(value);
        format!("      {name:width$}  local {local}, server {server}, before {base}")
    }));
    lines.extend(history(record, style).map(|history| format!("      {}", style.paint(Tone::Dim, &history))));
    lines
}

/// "cycle 42, 12 s ago, 10:35:00; resolved 3 s ago, 10:35:09: the laptop's was taken (cycle 43)"; `None` in a plan.
fn history(record: &ConflictRecord, style: &Style) -> Option<String> {
    let mut line = format!("cycle {}", record.cycle?);
    if let Some(at) = record.at {
        line += &format!(", {}", text::when(at, style));
    }
    if let Some(resolved) = record.resolved {
        let brought = resolved.cycle.map_or_else(
            || ", which stood there already".to_owned(),
            |cycle| format!(" (cycle {cycle})"),
        );
        line += &format!(
            "; resolved {}: the {} was taken{brought}",
            text::when(resolved.at, style),
            resolved.take.whose()
        );
    }
    Some(line)
}

/// "url=https://…" or "a=1 b=2".
pub(super) fn key(key: &BTreeMap<String, Json>) -> String {
    let cells = key
        .iter()
        .map(|(column, cell)| format!("{}={}", text::safe(column), text::short(&plain(cell), 200)));
    cells.collect::<Vec<_>>().join(" ")
}

/// A cell's value: text in quotes, so that '1' is not 1 and 'NULL' not NULL.
fn value(cell: &Json) -> String {
    match cell {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => format!("'{}'", text::short(text, VALUE)),
        other => text::short(&plain(other), VALUE),
    }
}

/// A key's value, without quotes. What JSON cannot say comes as an object with one field (docs/api.md).
fn plain(cell: &Json) -> String {
    match cell {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => text.clone(),
        Json::Object(special) => match special.iter().next() {
            Some((kind, Json::String(digits))) if kind == "blob" => format!("<blob of {} bytes>", digits.len() / 2),
            Some((kind, Json::String(digits))) if kind == "text" => {
                format!("<text of {} bytes, not UTF-8>", digits.len() / 2)
            }
            Some((kind, Json::String(digits))) if kind == "real" => {
                let bits = u64::from_str_radix(digits, 16).map(f64::from_bits);
                bits.map_or_else(|_| cell.to_string(), |real| format!("{real:?}"))
            }
            _ => cell.to_string(),
        },
        other => other.to_string(),
    }
}

fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| text::safe(name).chars().count()).max().unwrap_or(0)
}
