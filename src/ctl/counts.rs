//! What both sides hold, side by side.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;

use super::style::{Style, Tone};
use super::text;
use crate::control::types::{RecentAssessment, SideCounts, Skipped};

/// How many recent assessments are shown.
const RECENT: usize = 5;
/// Titles and addresses are cut to so many characters.
const TITLE: usize = 60;

/// The table of counts, the reviews by retailer and the newest assessments; nothing when neither side is known.
pub(super) fn render(
    local: Option<&SideCounts>,
    server: Option<&SideCounts>,
    as_of: Option<Timestamp>,
    style: &Style,
) -> Vec<String> {
    if local.is_none() && server.is_none() {
        return Vec::new();
    }
    let both = |get: &dyn Fn(&SideCounts) -> Option<u64>| [local.and_then(get), server.and_then(get)];
    let heading = as_of.map_or("server".to_owned(), |time| {
        format!("server at {}", text::clock(time, style))
    });
    let mut rows = vec![row("rows", both(&|side| Some(side.rows)))];
    for name in names(local, server, |side| side.tables.keys()) {
        rows.push(row(&format!("  {name}"), both(&|side| side.tables.get(name).copied())));
    }
    rows.extend(known("assessed", both(&|side| side.assessed)));
    rows.extend(known("pending reviews", both(&|side| side.pending_reviews)));
    for name in names(local, server, |side| side.pending_by_retailer.keys()) {
        let of = |side: &SideCounts| Some(side.pending_by_retailer.get(name).copied().unwrap_or(0));
        rows.push(row(&format!("  {name}"), both(&of)));
    }
    let mut lines = vec![String::new()];
    let table = columns(["", "local", &heading].map(str::to_owned).to_vec(), rows);
    let mut table = table.into_iter();
    lines.extend(table.next().map(|head| style.paint(Tone::Head, &head)));
    lines.extend(table);
    lines.extend(recent(local, server, style));
    lines
}

/// Tables that are left out or held, and why.
pub(super) fn left_out(tables: &[Skipped], style: &Style) -> Vec<String> {
    if tables.is_empty() {
        return Vec::new();
    }
    let each = tables
        .iter()
        .map(|table| format!("  {}: {}", text::safe(&table.name), text::safe(&table.reason)));
    [String::new(), style.paint(Tone::Head, "not synced")]
        .into_iter()
        .chain(each)
        .collect()
}

/// Aligned columns, the first to the left and the others to the right; the heading first.
pub(super) fn columns(heading: Vec<String>, rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let width = heading.len();
    table.add_row(heading);
    table.add_rows(rows);
    for index in 0..width {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if index > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// One count of both sides; "?" where it is not known.
fn row(label: &str, counts: [Option<u64>; 2]) -> Vec<String> {
    let [local, server] = counts.map(|count| count.map_or("?".to_owned(), |count| count.to_string()));
    vec![text::safe(label).into_owned(), local, server]
}

/// The same, left out when no side has it: not every database has reviews.
fn known(label: &str, counts: [Option<u64>; 2]) -> Option<Vec<String>> {
    counts.iter().any(Option::is_some).then(|| row(label, counts))
}

/// The names that either side has, in order.
fn names<'a, I: Iterator<Item = &'a String>>(
    local: Option<&'a SideCounts>,
    server: Option<&'a SideCounts>,
    get: impl Fn(&'a SideCounts) -> I,
) -> BTreeSet<&'a String> {
    local.into_iter().chain(server).flat_map(get).collect()
}

/// The newest assessments of the server, which is where they are made, or of the laptop.
fn recent(local: Option<&SideCounts>, server: Option<&SideCounts>, style: &Style) -> Vec<String> {
    let Some(side) = server.or(local).filter(|side| !side.recent.is_empty()) else {
        return Vec::new();
    };
    let each = side.recent.iter().take(RECENT).map(assessment);
    [String::new(), style.paint(Tone::Head, "recently assessed")]
        .into_iter()
        .chain(each)
        .collect()
}

fn assessment(assessed: &RecentAssessment) -> String {
    let at = text::short(assessed.assessed_at.as_deref().unwrap_or("?"), 26);
    let stage = assessed.lifecycle_stage.as_deref().unwrap_or("?");
    let stage = text::short(stage.strip_prefix("assessed_").unwrap_or(stage), 24);
    let what = assessed
        .title
        .as_deref()
        .filter(|title| !title.is_empty())
        .unwrap_or(&assessed.url);
    format!("  {at}  {stage:8}  {}", text::short(what, TITLE))
}
