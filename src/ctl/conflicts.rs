//! `modsyncctl conflicts`, `conflicts show` and `conflicts resolve`.

use clap::{Subcommand, ValueEnum};

use super::exit::Exit;
use super::out::Failure;
use super::progress::Progress;
use super::style::{Style, Tone};
use super::{Context, amended, row, text};
use crate::control::types::{ConflictRecord, ConflictsReport, ConflictsRequest, ResolveRequest, SeenRequest, Side};

/// List what both sides changed at once, which version won and why, and the losing values
///
/// Lists the conflicts that are not resolved, the newest first. On a terminal those that are shown count as seen from then
/// on; elsewhere, and with --json, only with --seen. Exits 4 while there are conflicts that nobody has seen.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// Only those of this table
    #[arg(long)]
    table: Option<String>,

    /// Only those of this row of the table: the value of its key (several: with commas between)
    #[arg(long, requires = "table")]
    key: Option<String>,

    /// Also those that were resolved
    #[arg(long)]
    all: bool,

    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// Those that are listed count as seen
    #[arg(long)]
    seen: bool,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl conflicts
  modsyncctl conflicts show 7
  modsyncctl conflicts resolve 7 --take server
  modsyncctl conflicts --json | jq '.conflicts[] | select(.seen | not) | .id'";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show one conflict, column by column
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its number
        id: i64,

        /// It counts as seen, also with --json
        #[arg(long)]
        seen: bool,
    },
    Resolve(ResolveArgs),
}

const SHOW_EXAMPLES: &str = "\
Examples:
  modsyncctl conflicts show 7
  modsyncctl conflicts show 7 --json | jq .columns";

/// Take one side's version: both sides get it, and the conflict counts as resolved
///
/// Where that version stands already nothing is written. A conflict of which a cell holds neither version by now is left
/// and named. `modsyncctl undo` takes it back. Exits 4 when one was left.
#[derive(clap::Args, Debug)]
#[command(after_help = RESOLVE_EXAMPLES)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["ids", "table", "all"]))]
struct ResolveArgs {
    /// Their numbers
    #[arg(value_name = "ID")]
    ids: Vec<i64>,

    /// All of this table that are not resolved
    #[arg(long)]
    table: Option<String>,

    /// All that are not resolved
    #[arg(long)]
    all: bool,

    /// Whose version
    #[arg(long, value_name = "SIDE")]
    take: Take,

    /// Say what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
}

const RESOLVE_EXAMPLES: &str = "\
Examples:
  modsyncctl conflicts resolve 7 --take server
  modsyncctl conflicts resolve --table products --take local --dry-run
  modsyncctl conflicts resolve --all --take server --json | jq .left";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Take {
    /// The laptop's
    Local,
    /// The server's
    Server,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    match args.verb {
        None => list(args, context).await,
        Some(Verb::Show { id, seen }) => show(id, seen, context).await,
        Some(Verb::Resolve(args)) => resolve(args, context).await,
    }
}

async fn list(args: Args, context: &Context) -> Result<Exit, Failure> {
    let request = ConflictsRequest {
        limit: Some(args.limit),
        table: args.table,
        key: args.key,
        all: args.all,
    };
    let report = context.client.conflicts(&request).await?;
    context.out.answer(&report, render)?;
    let mut unseen = report.unseen;
    let shown = report.conflicts.iter().filter(|conflict| !conflict.seen);
    let ids: Vec<i64> = shown.filter_map(|conflict| conflict.id).collect();
    if !ids.is_empty() && (args.seen || context.out.is_read_by_a_person()) {
        unseen = context.client.seen(&SeenRequest { ids }).await?.unseen;
    }
    Ok(if unseen > 0 { Exit::Attention } else { Exit::Done })
}

async fn show(id: i64, seen: bool, context: &Context) -> Result<Exit, Failure> {
    let record = context.client.conflict(id).await?;
    context.out.answer(&record, render_one)?;
    if !record.seen && (seen || context.out.is_read_by_a_person()) {
        context.client.seen(&SeenRequest { ids: vec![id] }).await?;
    }
    Ok(Exit::Done)
}

async fn resolve(args: ResolveArgs, context: &Context) -> Result<Exit, Failure> {
    let request = ResolveRequest {
        ids: args.ids,
        table: args.table,
        all: args.all,
        take: Some(match args.take {
            Take::Local => Side::Local,
            Take::Server => Side::Server,
        }),
        dry_run: args.dry_run,
    };
    let mut progress = Progress::new(!context.out.is_json());
    let report = context.client.resolve(&request, |event| progress.hear(event)).await;
    progress.clear();
    let report = report?;
    context.out.answer(&report, amended::render)?;
    Ok(amended::exit(&report))
}

/// The list as text.
pub(super) fn render(report: &ConflictsReport, style: &Style) -> String {
    if report.conflicts.is_empty() {
        return style.paint(Tone::Good, "no conflicts") + "\n";
    }
    let heading = text::count(report.conflicts.len() as u64, "conflict");
    let mut lines = vec![style.paint(Tone::Head, &heading)];
    lines.extend(report.conflicts.iter().flat_map(|each| row::conflict(each, style)));
    if report.more {
        lines.push(style.paint(Tone::Dim, "there are older ones: --limit shows more"));
    }
    lines.push(style.paint(
        Tone::Dim,
        "`conflicts resolve ID --take local|server` takes the other version",
    ));
    lines.join("\n") + "\n"
}

/// One conflict as text.
pub(super) fn render_one(record: &ConflictRecord, style: &Style) -> String {
    row::conflict(record, style).join("\n") + "\n"
}
