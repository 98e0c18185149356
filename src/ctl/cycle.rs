//! How a cycle reads: in one line of `status`, and as the summary of `sync-now`.

use super::style::{Style, Tone};
use super::{schema, text};
use crate::control::types::{CycleSummary, Outcome, TableMoves};

/// "12 s ago, 10:35:00: 3 rows pulled, 7 pushed; 0.15 s, 2 round trips, 4.1 kB sent, 812 B received".
pub(super) fn one_line(cycle: &CycleSummary, style: &Style) -> String {
    let when = cycle
        .started
        .map_or_else(|| "at an unknown time".to_owned(), |time| text::when(time, style));
    format!("{when}: {}; {}", what(cycle), cost(cycle))
}

/// "3 rows pulled, 7 pushed", or why nothing was moved.
pub(super) fn what(cycle: &CycleSummary) -> String {
    match cycle.outcome {
        Outcome::Synced | Outcome::Attention => moved(cycle).unwrap_or_else(|| "nothing moved".to_owned()),
        outcome => {
            let words = words(outcome).to_owned();
            cycle
                .reason
                .as_ref()
                .map_or(words.clone(), |reason| format!("{words}: {}", text::safe(reason)))
        }
    }
}

/// The summary of a cycle that ended.
pub(super) fn render(cycle: &CycleSummary, style: &Style) -> String {
    let mut lines = vec![headline(cycle, style)];
    lines.extend(cycle.reason.iter().map(|reason| format!("  {}", text::safe(reason))));
    if !cycle.schema.is_empty() {
        let heading = match cycle.outcome {
            Outcome::Planned => "to be added to the schema:",
            _ => "added to the schema:",
        };
        lines.push(format!("  {heading}"));
        lines.extend(schema::lines(&cycle.schema).map(|line| format!("  {line}")));
    }
    lines.extend(tables(cycle));
    if cycle.conflicts > 0 {
        let recorded = format!(
            "{}: see `modsyncctl conflicts`",
            text::count(cycle.conflicts, "conflict")
        );
        lines.push(format!("  {}", style.paint(Tone::Busy, &recorded)));
    }
    if cycle.held > 0 {
        lines.push(format!(
            "  {}",
            style.paint(Tone::Bad, &format!("{} held back", text::count(cycle.held, "row")))
        ));
    }
    lines.extend(cycle.backup.iter().map(|name| format!("  backup {}", text::safe(name))));
    lines.push(format!("  {}", style.paint(Tone::Dim, &cost(cycle))));
    lines.extend(cycle.hint.iter().map(|hint| format!("hint: {}", text::safe(hint))));
    lines.join("\n") + "\n"
}

/// "synced: 3 rows pulled, 7 pushed (cycle 42)".
fn headline(cycle: &CycleSummary, style: &Style) -> String {
    let tone = match cycle.outcome {
        Outcome::Synced | Outcome::Unchanged | Outcome::Planned => Tone::Good,
        _ => Tone::Bad,
    };
    let words = style.paint(tone, words(cycle.outcome));
    let number = cycle
        .cycle
        .map(|number| format!(" (cycle {number})"))
        .unwrap_or_default();
    match moved(cycle) {
        Some(moved) => format!("{words}: {moved}{number}"),
        None => format!("{words}{number}"),
    }
}

/// What an outcome means, for people.
pub(super) fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Synced => "synced",
        Outcome::Unchanged => "nothing to do, both sides hold the same",
        Outcome::Attention => "synced, but a person is needed",
        Outcome::Stopped => "stopped before anything was written",
        Outcome::Offline => "the server cannot be reached, the daemon tries again",
        Outcome::Failed => "failed, nothing is lost",
        Outcome::Interrupted => "interrupted, the next cycle goes on",
        Outcome::Planned => "a dry run, nothing was written",
    }
}

/// "3 rows pulled, 7 pushed, 1 deleted"; `None` when nothing moved.
fn moved(cycle: &CycleSummary) -> Option<String> {
    let [pull, push, delete] = verbs(cycle.outcome);
    text::parts(
        "row",
        &[(cycle.pulled, pull), (cycle.pushed, push), (cycle.deleted, delete)],
    )
}

/// A line for each table in which something moved.
fn tables(cycle: &CycleSummary) -> Vec<String> {
    let [pull, push, delete] = verbs(cycle.outcome);
    let moved = |table: &TableMoves| {
        let counts = [(table.pulled, pull), (table.pushed, push), (table.deleted, delete)];
        text::parts("row", &counts).map(|moved| (text::safe(&table.table).into_owned(), moved))
    };
    let tables: Vec<_> = cycle.tables.iter().filter_map(moved).collect();
    let width = tables.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    tables
        .iter()
        .map(|(name, moved)| format!("  {name:width$}  {moved}"))
        .collect()
}

/// What was done to rows, or would be.
fn verbs(outcome: Outcome) -> [&'static str; 3] {
    match outcome {
        Outcome::Planned => ["to pull", "to push", "to delete"],
        _ => ["pulled", "pushed", "deleted"],
    }
}

/// "0.15 s, 2 round trips, 4.1 kB sent, 812 B received".
fn cost(cycle: &CycleSummary) -> String {
    format!(
        "{}, {}, {} sent, {} received",
        text::duration(cycle.duration_ms),
        text::count(cycle.round_trips, "round trip"),
        text::bytes(cycle.bytes_sent),
        text::bytes(cycle.bytes_received),
    )
}
