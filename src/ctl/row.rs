//! How a row that moves reads: its key, and old and new values of the columns that change.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::style::{Style, Tone};
use super::text;
use crate::control::types::{ConflictRecord, Move, Side};

/// Values are cut to so many characters; `--json` has them whole.
const VALUE: usize = 60;

/// A row that moves: a line for the row and one for each column.
pub(super) fn render(moved: &Move, style: &Style) -> Vec<String> {
    let (sign, tone) = match moved.action.as_str() {
        "insert" => ("+", Tone::Good),
        "delete" => ("-", Tone::Bad),
        _ => ("~", Tone::Busy),
    };
    let head = format!("{sign} {} {}", text::safe(&moved.table), key(&moved.key));
    let mut lines = vec![format!("  {}", style.paint(tone, &head))];
    let width = widest(moved.columns.iter().map(|column| column.column.as_str()));
    lines.extend(moved.columns.iter().map(|column| {
        let name = text::safe(&column.column);
        let change = match moved.action.as_str() {
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
    let head = format!("! {} {}", text::safe(&record.table), key(&record.key));
    let winner = match record.winner {
        Side::Local => "the laptop's version wins",
        Side::Server => "the server's version wins",
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
    lines
}

/// "url=https://…" or "a=1 b=2".
pub(super) fn key(key: &BTreeMap<String, Json>) -> String {
    let cells = key
        .iter()
        .map(|(column, cell)| format!("{}={}", text::safe(column), text::short(&plain(cell), 200)));
    cells.collect::<Vec<_>>().join(" ")
}

/// A cell's value: text in quotes, so that '1' is not 1 and 'NULL' not NULL.
pub(super) fn value(cell: &Json) -> String {
    match cell {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => format!("'{}'", text::short(text, VALUE)),
        other => text::short(&plain(other), VALUE),
    }
}

/// A key's value, without quotes. What JSON cannot say comes as an object with one field (docs/api.md).
pub(super) fn plain(cell: &Json) -> String {
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
