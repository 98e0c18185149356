//! `modsyncctl show`.

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, cycle, row, text};
use crate::control::types::{CycleReport, Move, ShowRequest, Side};

/// Show what one cycle did, row by row, with old and new values and its conflicts
///
/// Answered from the record at once. Every value that was replaced stands here until the record forgets the cycle
/// ([history] in the config).
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The number of the cycle, as `modsyncctl history` lists it
    cycle: i64,

    /// How many rows at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl show 42
  modsyncctl show 42 --json | jq '.moves[] | select(.action == \"delete\")'";

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = ShowRequest {
        limit: Some(args.limit),
    };
    let report = context.client.show(args.cycle, &request).await?;
    context.out.answer(&report, render)?;
    Ok(Exit::Done)
}

/// The cycle as text.
pub(super) fn render(report: &CycleReport, style: &Style) -> String {
    let summary = &report.summary;
    let mut lines: Vec<String> = cycle::render(summary, style).lines().map(str::to_owned).collect();
    let when = summary.started.map(|time| text::when(time, style)).unwrap_or_default();
    let cause = match summary.undoes {
        Some(cycle) => format!("undo of cycle {cycle}"),
        None => text::safe(&summary.trigger).into_owned(),
    };
    lines.insert(1, format!("  {when}, {cause}"));
    lines.extend(report.undone_by.map(|by| format!("  undone by cycle {by}")));
    for (side, heading) in [
        (Side::Local, "from the server to the laptop"),
        (Side::Server, "from the laptop to the server"),
    ] {
        let moves: Vec<&Move> = report.moves.iter().filter(|each| each.to == side).collect();
        if !moves.is_empty() {
            lines.push(String::new());
            let heading = format!("{heading}: {}", text::count(moves.len() as u64, "row"));
            lines.push(style.paint(Tone::Head, &heading));
            lines.extend(moves.into_iter().flat_map(|each| row::render(each, style)));
        }
    }
    let listed = report.moves.len() as u64;
    if report.total > listed {
        let rest = text::count(report.total - listed, "more row");
        lines.push(style.paint(Tone::Dim, &format!("  {rest}: --limit {}", report.total)));
    }
    if !report.conflicts.is_empty() {
        lines.push(String::new());
        let heading = text::count(report.conflicts.len() as u64, "conflict");
        lines.push(style.paint(Tone::Head, &heading));
        lines.extend(report.conflicts.iter().flat_map(|each| row::conflict(each, style)));
    }
    lines.join("\n") + "\n"
}
