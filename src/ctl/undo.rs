//! `modsyncctl undo`.

use super::confirm::{confirm, must_be_able_to_ask};
use super::exit::Exit;
use super::out::Failure;
use super::progress::Progress;
use super::{Context, amended};
use crate::control::types::{AmendReport, UndoRequest};

/// Take a cycle back: the values that it replaced come back, on both sides
///
/// Rows that moved since are left as they are and named. The undo is a cycle of its own: it stands in the history, and can
/// be undone. Asks on a terminal. Exits 4 when rows were left.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The number of the cycle, as `modsyncctl history` lists it
    cycle: i64,

    /// Say what would be taken back, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl undo 42 --dry-run
  modsyncctl undo 42
  modsyncctl undo 42 --yes --json | jq .left";

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = UndoRequest {
        cycle: args.cycle,
        dry_run: args.dry_run,
    };
    if !args.dry_run && !args.yes {
        ask(&request, context).await?;
    }
    let mut progress = Progress::new(!context.out.is_json());
    let report = context.client.undo(&request, |event| progress.hear(event)).await;
    progress.clear();
    let report = report?;
    context.out.answer(&report, amended::render)?;
    Ok(amended::exit(&report))
}

/// Finds out what would be taken back, and asks whether it shall be.
async fn ask(request: &UndoRequest, context: &Context) -> Result<(), Failure> {
    let what = format!("undo cycle {}", request.cycle);
    must_be_able_to_ask(&what)?;
    let planned = UndoRequest {
        dry_run: true,
        ..request.clone()
    };
    let planned = context.client.undo(&planned, |_| {}).await?;
    match planned.rows.is_empty() {
        true => Ok(()), // nothing to ask about
        false => confirm(&what, &question(request.cycle, &planned)),
    }
}

fn question(cycle: i64, planned: &AmendReport) -> String {
    format!("Undo cycle {cycle}: {}, on both sides?", amended::counts(planned))
}
