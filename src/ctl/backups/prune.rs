//! Old backups removed.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::super::confirm::{confirm, must_be_able_to_ask};
use super::super::exit::Exit;
use super::super::out::Failure;
use super::super::style::{Style, Tone};
use super::super::{Context, text};
use crate::control::types::{PruneReport, PruneRequest};

/// Remove old backups
///
/// By the rule of the config, or by what is said here; with both options only what both name goes. The newest whole one
/// always stays. What was cut off more than a day ago goes, too.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Keep so many of the newest, whatever the config says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_last: Option<u32>,

    /// Remove only what is older: 12h, 30d, 8w
    #[arg(long, value_name = "TIME", value_parser = age)]
    older_than: Option<Duration>,

    /// Say what would go, remove nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl backups prune --dry-run
  modsyncctl backups prune --keep-last 3
  modsyncctl backups prune --older-than 30d --yes";

/// A time with its unit; days have 24 hours.
fn age(text: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().ok();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let positive = duration.and_then(|duration| Duration::try_from(duration).ok());
    positive.ok_or_else(|| "a time with its unit is needed, as in 12h, 30d or 8w".to_owned())
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = PruneRequest {
        keep_last: args.keep_last,
        older_than_ms: args
            .older_than
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        dry_run: args.dry_run,
    };
    if !args.dry_run && !args.yes {
        must_be_able_to_ask("remove old backups")?;
        let planned = PruneRequest {
            dry_run: true,
            ..request.clone()
        };
        let plan = context.client.prune_backups(&planned).await?;
        if !plan.removed.is_empty() {
            eprint_lines(&render(&plan, &Style::plain()))?;
            confirm("remove old backups", "Remove them?")?;
        }
    }
    let report = context.client.prune_backups(&request).await?;
    context.out.answer(&report, render)?;
    Ok(Exit::Done)
}

/// What a question is about, where the question is asked.
pub(super) fn eprint_lines(lines: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    std::io::stderr().lock().write_all(lines.as_bytes())
}

/// What went, or would go, as text.
pub(super) fn render(report: &PruneReport, style: &Style) -> String {
    let kept = text::count(report.kept, "backup");
    if report.removed.is_empty() {
        return format!("nothing to remove, {kept} kept\n");
    }
    let verb = if report.dry_run { "would remove" } else { "removed" };
    let mut lines: Vec<String> = report
        .removed
        .iter()
        .map(|backup| format!("  {}  {}", text::safe(&backup.name), text::bytes(backup.size)))
        .collect();
    let head = format!(
        "{verb} {}, {}; {kept} kept",
        text::count(report.removed.len() as u64, "backup"),
        text::bytes(report.freed)
    );
    lines.insert(0, style.paint(Tone::Head, &head));
    lines.join("\n") + "\n"
}
