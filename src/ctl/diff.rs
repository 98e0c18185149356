//! `modsyncctl diff`.

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, row, schema, status, text};
use crate::control::handler::DiffRequest;
use crate::control::types::{DiffReport, Move, Side};

/// Show the rows and columns that a cycle would move, each way, and its conflicts
///
/// Asks the server now; writes nothing. Ends with a plan id: `sync-now --plan ID` moves exactly this, or refuses because
/// a side moved meanwhile. Exits 4 when a cycle would stop before it writes.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only this table
    table: Option<String>,

    /// Only this row of the table: the value of its key
    key: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl diff
  modsyncctl diff products
  modsyncctl diff products https://shop.example/dress-1
  modsyncctl sync-now --plan \"$(modsyncctl diff --json | jq -r .plan)\"";

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let Args { table, key } = args;
    let report = context.client.diff(&DiffRequest { table, key }).await?;
    context.out.answer(&report, render)?;
    Ok(if report.stopped.is_some() {
        Exit::Attention
    } else {
        Exit::Done
    })
}

/// The plan as text.
pub(super) fn render(report: &DiffReport, style: &Style) -> String {
    let mut lines = Vec::new();
    if let Some(reason) = &report.stopped {
        let stopped = format!("a cycle would stop before it writes: {}", text::safe(reason));
        lines.push(style.paint(Tone::Bad, &stopped));
        lines.push(String::new());
    }
    if !report.schema.is_empty() {
        lines.push(style.paint(
            Tone::Head,
            "a cycle first adds to the schema (one with --plan does not)",
        ));
        lines.extend(schema::lines(&report.schema));
        lines.push(String::new());
    }
    for (side, heading) in [
        (Side::Local, "from the server to the laptop"),
        (Side::Server, "from the laptop to the server"),
    ] {
        let moves: Vec<&Move> = report.moves.iter().filter(|each| each.to == side).collect();
        if !moves.is_empty() {
            let heading = format!("{heading}: {}", text::count(moves.len() as u64, "row"));
            lines.push(style.paint(Tone::Head, &heading));
            lines.extend(moves.into_iter().flat_map(|each| row::render(each, style)));
            lines.push(String::new());
        }
    }
    if !report.conflicts.is_empty() {
        let heading = text::count(report.conflicts.len() as u64, "conflict");
        lines.push(style.paint(Tone::Head, &heading));
        lines.extend(report.conflicts.iter().flat_map(|each| row::conflict(each, style)));
        lines.push(String::new());
    }
    if report.moves.is_empty() && report.conflicts.is_empty() && report.schema.is_empty() {
        lines.push(style.paint(Tone::Good, "nothing to move"));
    }
    lines.push(format!(
        "plan {}{}",
        text::safe(&report.plan),
        status::as_of(report.as_of, style)
    ));
    lines.join("\n") + "\n"
}
