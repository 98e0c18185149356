//! How rows read that a person had brought to both sides: by `undo`, and by `conflicts resolve`.

use super::exit::Exit;
use super::style::{Style, Tone};
use super::{cycle, row, text};
use crate::control::types::{AmendReport, Outcome};

/// What came of it as text.
pub(super) fn render(report: &AmendReport, style: &Style) -> String {
    let mut lines = Vec::new();
    let ran = report.cycle.started.is_some();
    let stopped = Exit::from(report.cycle.outcome) != Exit::Done && report.rows.is_empty() && ran;
    let heading = match report.cycle.outcome {
        _ if stopped => cycle::words(report.cycle.outcome).to_owned(),
        Outcome::Planned => format!("a dry run, nothing was written; on both sides {}", counts(report)),
        _ if report.rows.is_empty() => counts(report),
        _ => format!("on both sides {}", counts(report)),
    };
    let tone = if report.left.is_empty() && !stopped {
        Tone::Good
    } else {
        Tone::Busy
    };
    let number = report.cycle.cycle.map(|cycle| format!(" (cycle {cycle})"));
    lines.push(format!("{}{}", style.paint(tone, &heading), number.unwrap_or_default()));
    if stopped {
        lines.extend(
            report
                .cycle
                .reason
                .iter()
                .map(|reason| format!("  {}", text::safe(reason))),
        );
    }
    lines.extend(report.rows.iter().flat_map(|change| row::change(change, style)));
    if !report.left.is_empty() {
        let heading = format!("left as they are: {}", text::count(report.left.len() as u64, "row"));
        lines.push(style.paint(Tone::Bad, &heading));
        lines.extend(report.left.iter().map(row::left));
    }
    if !report.resolved.is_empty() {
        let ids: Vec<String> = report.resolved.iter().map(ToString::to_string).collect();
        let noun = if ids.len() == 1 { "conflict" } else { "conflicts" };
        let verb = if report.cycle.outcome == Outcome::Planned {
            "would be resolved"
        } else {
            "resolved"
        };
        lines.push(format!("{verb}: {noun} {}", ids.join(", ")));
    }
    lines.extend(
        report
            .cycle
            .backup
            .iter()
            .map(|name| format!("  backup {}", text::safe(name))),
    );
    if stopped {
        lines.extend(
            report
                .cycle
                .hint
                .iter()
                .map(|hint| format!("hint: {}", text::safe(hint))),
        );
    }
    lines.join("\n") + "\n"
}

/// "7 rows changed, 1 left", or to be changed.
pub(super) fn counts(report: &AmendReport) -> String {
    let verbs = match report.cycle.outcome {
        Outcome::Planned => ["to insert", "to change", "to delete"],
        _ => ["inserted", "changed", "deleted"],
    };
    let count = |action: &str| report.rows.iter().filter(|row| row.action == action).count() as u64;
    let counts = [
        (count("insert"), verbs[0]),
        (count("update"), verbs[1]),
        (count("delete"), verbs[2]),
        (report.left.len() as u64, "left"),
    ];
    text::parts("row", &counts).unwrap_or_else(|| "nothing to write".to_owned())
}

/// Rows that were left wait for a person.
pub(super) fn exit(report: &AmendReport) -> Exit {
    match Exit::from(report.cycle.outcome) {
        Exit::Done if !report.left.is_empty() => Exit::Attention,
        exit => exit,
    }
}
