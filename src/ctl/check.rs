//! `modsyncctl check`.

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, counts, schema, status, text};
use crate::control::types::{CheckReport, TableCheck};

/// Compare both sides live, and say what each has that the other lacks
///
/// Asks the server now; writes nothing.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Exit 6 when a sync is needed
    #[arg(long)]
    exit_code: bool,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl check
  modsyncctl check --exit-code || modsyncctl sync-now
  modsyncctl check --json | jq '.tables[] | select(.to_pull > 0)'";

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let report = context.client.check().await?;
    context.out.answer(&report, render)?;
    Ok(Exit::of_sync_needed(!report.in_sync, args.exit_code))
}

/// The comparison as text.
pub(super) fn render(report: &CheckReport, style: &Style) -> String {
    let verdict = match report.in_sync {
        true => style.paint(Tone::Good, "in sync"),
        false => style.paint(Tone::Busy, "not in sync"),
    };
    let mut lines = vec![format!("{verdict}{}", status::as_of(report.as_of, style))];
    if !report.schema.is_empty() {
        lines.push(String::new());
        lines.push(style.paint(Tone::Head, "a cycle adds to the schema"));
        lines.extend(schema::lines(&report.schema));
    }
    let apart: Vec<_> = report.tables.iter().filter_map(row).collect();
    if !apart.is_empty() {
        let heading = ["", "to pull", "to push", "deleted local", "deleted server", "conflicts"];
        let mut table = counts::columns(heading.map(str::to_owned).to_vec(), apart).into_iter();
        lines.push(String::new());
        lines.extend(table.next().map(|head| style.paint(Tone::Head, &head)));
        lines.extend(table);
    }
    lines.extend(counts::render(
        Some(&report.local),
        Some(&report.server),
        report.as_of,
        style,
    ));
    lines.extend(counts::left_out(&report.left_out, style));
    if !report.recommendation.is_empty() {
        lines.push(String::new());
        lines.push(style.paint(Tone::Head, &text::safe(&report.recommendation)));
    }
    lines.join("\n") + "\n"
}

/// A table in which something differs.
fn row(table: &TableCheck) -> Option<Vec<String>> {
    let numbers = [
        table.to_pull,
        table.to_push,
        table.deleted_local,
        table.deleted_server,
        table.conflicts,
    ];
    let name = text::safe(&table.table).into_owned();
    let cells = numbers.map(|number| number.to_string());
    (numbers != [0; 5]).then(|| [name].into_iter().chain(cells).collect())
}
