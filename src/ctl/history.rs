//! `modsyncctl history`.

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, cycle, row, text};
use crate::control::types::{HistoryReport, HistoryRequest, RecordedCycle};

/// List what cycles moved, the newest first; why a row is as it is
///
/// Answered from the record at once, also while a cycle runs or the server is out of reach. Cycles that had nothing to do
/// are not recorded. With --table and --key each cycle tells what it did to that row.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// How many cycles at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// Only cycles before this one
    #[arg(long, value_name = "CYCLE")]
    before: Option<i64>,

    /// Only cycles that touched this table
    #[arg(long)]
    table: Option<String>,

    /// Only cycles that touched this row of the table: the value of its key (several: with commas between)
    #[arg(long, requires = "table")]
    key: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl history
  modsyncctl history --table products --key https://shop.example/dress-1
  modsyncctl history --limit 1000 --json | jq '.cycles[] | select(.deleted > 0) | .cycle'";

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = HistoryRequest {
        limit: Some(args.limit),
        before: args.before,
        table: args.table,
        key: args.key,
    };
    let report = context.client.history(&request).await?;
    context.out.answer(&report, render)?;
    Ok(Exit::Done)
}

/// The list as text.
pub(super) fn render(report: &HistoryReport, style: &Style) -> String {
    if report.cycles.is_empty() {
        return "no such cycle is recorded\n".to_owned();
    }
    let mut lines: Vec<String> = report.cycles.iter().flat_map(|cycle| lines(cycle, style)).collect();
    let last = report.cycles.last().and_then(|cycle| cycle.summary.cycle);
    if let (true, Some(last)) = (report.more, last) {
        lines.push(style.paint(Tone::Dim, &format!("older ones: --before {last}")));
    }
    lines.join("\n") + "\n"
}

/// One line for a cycle, and what it did to the row that was asked for.
fn lines(recorded: &RecordedCycle, style: &Style) -> Vec<String> {
    let summary = &recorded.summary;
    let number = summary.cycle.map(|cycle| cycle.to_string()).unwrap_or_default();
    let when = summary
        .started
        .map_or_else(|| "at an unknown time".to_owned(), |time| text::when(time, style));
    let head = style.paint(Tone::Head, &format!("{number:>6}"));
    let mut line = format!("{head}  {when}  {}: {}", cause(recorded), cycle::what(summary));
    if let Some(by) = recorded.undone_by {
        line += &style.paint(Tone::Dim, &format!(", undone by {by}"));
    }
    let mut lines = vec![line];
    for moved in &recorded.moves {
        lines.push(format!("        {}", row::to_whom(moved.to)));
        lines.extend(
            row::render(moved, style)
                .into_iter()
                .map(|line| format!("        {line}")),
        );
    }
    lines
}

/// "watch", "undo of cycle 7".
fn cause(recorded: &RecordedCycle) -> String {
    match recorded.summary.undoes {
        Some(cycle) => format!("undo of cycle {cycle}"),
        None => text::safe(&recorded.summary.trigger).into_owned(),
    }
}
