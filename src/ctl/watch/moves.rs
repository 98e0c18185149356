//! What moved last, a line for each row.

use ratatui::text::Line;
use serde_json::Value as Json;

use super::paint::Paint;
use super::view::heading;
use crate::control::types::{Move, MovedRows, Side};
use crate::ctl::style::{Style, Tone};
use crate::ctl::{row, text};

/// A heading, the rows, and how many more there are.
pub(super) fn lines(moved: Option<&MovedRows>, style: &Style, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let Some(moved) = moved else {
        return Vec::new();
    };
    let number = moved.cycle.map(|cycle| format!(" by cycle {cycle}"));
    let when = moved.started.map(|time| format!(", {}", text::when(time, style)));
    let title = format!("moved last{}{}", number.unwrap_or_default(), when.unwrap_or_default());
    let mut lines = vec![heading(paint, &title)];
    lines.extend(moved.moves.iter().map(|moved| line(moved, paint, width)));
    if moved.more > 0 {
        lines.push(paint.line(Tone::Dim, &format!("… and {}", text::count(moved.more, "more row"))));
    }
    lines
}

/// "→ server ~ products …/dress-285  status 'pending' → 'reviewed'".
fn line(moved: &Move, paint: Paint, width: usize) -> Line<'static> {
    let (sign, tone) = match moved.action.as_str() {
        "insert" => ("+", Tone::Good),
        "delete" => ("-", Tone::Bad),
        _ => ("~", Tone::Busy),
    };
    let to = match moved.to {
        Side::Local => "→ laptop",
        Side::Server => "→ server",
    };
    let keys: Vec<String> = moved.key.values().map(row::plain).collect();
    let key = text::tail(&keys.join(" "), (width / 2).saturating_sub(18).clamp(12, 60));
    let mut line = Line::from(paint.span(Tone::Dim, to));
    line.push_span(paint.span(tone, &format!(" {sign} {} {key}", text::short(&moved.table, 24))));
    line.push_span(paint.span(Tone::Dim, &format!("  {}", changes(moved))));
    line
}

/// What became of the cells: old and new values of an update, the values of a row that is new.
fn changes(moved: &Move) -> String {
    let cells = moved.columns.iter().filter_map(|column| {
        let name = &column.column;
        match moved.action.as_str() {
            "delete" => None,
            "insert" if column.new == Json::Null || moved.key.contains_key(name) => None,
            "insert" => Some(format!("{name} {}", row::value(&column.new))),
            _ => Some(format!(
                "{name} {} → {}",
                row::value(&column.old),
                row::value(&column.new)
            )),
        }
    });
    cells.collect::<Vec<_>>().join(", ")
}
