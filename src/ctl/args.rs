//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{backups, check, completions, conflicts, diff, doctor, history, logs, pause, show, status, sync_now, undo};

/// Asks modsyncd, the daemon that keeps two databases in sync, and tells it what to do.
#[derive(Debug, Parser)]
#[command(name = "modsyncctl", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl status                  how things are, and what to do next
  modsyncctl sync-now                a pull-then-push cycle now
  modsyncctl diff products           what a cycle would move in one table
  modsyncctl history                 what cycles moved; `show` and `undo` take their numbers
  modsyncctl status --json | jq .in_sync

Exit codes: 0 done and in sync, 1 failed, 2 wrong usage, 3 daemon not running, 4 needs attention,
5 server unreachable (will retry), 6 sync needed (check and status with --exit-code).";

/// What every verb takes.
#[derive(Args, Debug)]
pub(super) struct Global {
    /// Answer with one JSON document on standard output, errors included
    #[arg(long, global = true)]
    pub json: bool,

    /// The daemon's socket [env: MODSYNC_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// The daemon of that name, when several pairs of databases have one each
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "socket", value_parser = name)]
    pub name: Option<String>,

    /// Give up after that time: 30s, 5m [default: 5s, for check, diff and verify 5m, for sync-now, undo and conflicts
    /// resolve 10m]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub color: ColorWhen,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Also into a pipe
    Always,
    /// Not at all
    Never,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Status(status::Args),
    SyncNow(sync_now::Args),
    Check(check::Args),
    Diff(diff::Args),
    /// Prove that both sides hold the same data, row for row
    ///
    /// Compares the contents of every row of every synced table, not the daemon's bookkeeping. Exits 1 when a row
    /// differs. Writes nothing.
    #[command(after_help = super::verify::EXAMPLES)]
    Verify,
    Doctor(doctor::Args),
    /// Run the reversible seven-step test on both databases
    ///
    /// Makes a test row on the laptop, pushes it, changes it on the server as the website would, sees the laptop's row
    /// unchanged, pulls, sees it merged, and removes it from both sides, also when a step fails. Safe on a production
    /// database at any time. Exits 1 when a step fails.
    #[command(after_help = super::self_test::EXAMPLES)]
    SelfTest,
    Backups(backups::Args),
    History(history::Args),
    Show(show::Args),
    Undo(undo::Args),
    Conflicts(conflicts::Args),
    Pause(pause::Args),
    /// End a pause
    #[command(after_help = pause::RESUME_EXAMPLES)]
    Resume,
    Logs(logs::Args),
    Completions(completions::Args),
}

/// A duration with its unit, above zero: `90s`, `5m`, `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    match parsed.and_then(|duration| Duration::try_from(duration).ok()) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a time above zero with its unit is needed, as in 90s, 5m or 2h".to_owned()),
    }
}

/// A daemon's name: it becomes part of a file name.
fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && !text.starts_with('.') && text.chars().all(good) {
        Ok(text.to_owned())
    } else {
        Err("a name has letters, digits, '-', '_' and '.', and does not begin with '.'".to_owned())
    }
}
