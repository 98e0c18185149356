//! `modsyncctl sync-now`.

use std::io;

use serde::Serialize;

use super::confirm::confirm;
use super::exit::Exit;
use super::out::{Failure, complain};
use super::progress::Progress;
use super::{Context, cycle};
use crate::control::client::Synced;
use crate::control::types::{CycleSummary, Outcome, SyncRequest};

/// Run a pull-then-push cycle now, and wait for it
///
/// Takes a backup on the server first, and reads back what was written, unless told otherwise. Works while paused, too.
/// Exits 0 when both sides hold the same, 4 when a person is needed, 5 when the server cannot be reached.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Pull and merge, push nothing
    #[arg(long, conflicts_with = "skip_pull")]
    pull_only: bool,

    /// Push only; rows that are newer on the server are left there and named
    #[arg(long)]
    skip_pull: bool,

    /// Say what would move, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Take no backup on the server
    #[arg(long)]
    no_backup: bool,

    /// Do not read back what was written
    #[arg(long)]
    no_verify: bool,

    /// Do not wait: exit 0 once the daemon has taken it up
    #[arg(long)]
    no_wait: bool,

    /// Deletions beyond `max_delete`, and one value in most rows of a column, are meant; asks on a terminal
    #[arg(long)]
    allow_deletes: bool,

    /// Move exactly this plan of `modsyncctl diff`, or refuse because a side moved
    #[arg(long, value_name = "ID")]
    plan: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl sync-now
  modsyncctl sync-now --dry-run
  modsyncctl sync-now --pull-only --json | jq .pulled
  modsyncctl sync-now --plan \"$(modsyncctl diff --json | jq -r .plan)\"";

/// The document for `--no-wait`.
#[derive(Serialize)]
struct Queued {
    queued: bool,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    if args.allow_deletes && !args.dry_run && !args.yes {
        confirm(
            "sync with --allow-deletes",
            "Carry out deletions beyond the limit, on both sides?",
        )?;
    }
    let mut progress = Progress::new(!context.out.is_json());
    let synced = context.client.sync(&args.into(), |event| progress.hear(event)).await;
    progress.clear();
    match synced? {
        Synced::Queued => {
            context
                .out
                .answer(&Queued { queued: true }, |_, _| "the daemon will sync\n".to_owned())?;
            Ok(Exit::Done)
        }
        Synced::Ended(cycle) => Ok(tell(&cycle, context)?),
    }
}

impl From<Args> for SyncRequest {
    fn from(args: Args) -> Self {
        Self {
            pull_only: args.pull_only,
            skip_pull: args.skip_pull,
            dry_run: args.dry_run,
            no_backup: args.no_backup,
            no_verify: args.no_verify,
            allow_deletes: args.allow_deletes,
            plan: args.plan,
            no_wait: args.no_wait,
        }
    }
}

/// Writes the summary: a cycle that did its work to standard output, one that did not to standard error.
fn tell(cycle: &CycleSummary, context: &Context) -> io::Result<Exit> {
    let failed = matches!(
        cycle.outcome,
        Outcome::Stopped | Outcome::Offline | Outcome::Failed | Outcome::Interrupted
    );
    if failed && !context.out.is_json() {
        let reason = cycle.reason.as_deref().unwrap_or("the daemon's log says why");
        complain(
            &format!("sync: {}: {reason}", cycle::words(cycle.outcome)),
            cycle.hint.as_deref().or(hint(cycle.outcome)),
        )?;
    } else {
        context.out.answer(cycle, cycle::render)?;
    }
    Ok(cycle.outcome.into())
}

fn hint(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Stopped => Some("`modsyncctl diff` shows what it would have moved"),
        Outcome::Offline => Some("`modsyncctl status` says when it tries next"),
        Outcome::Failed => Some("`modsyncctl logs` tells more"),
        _ => None,
    }
}
