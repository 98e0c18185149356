//! Rows brought back from a backup.

use super::super::confirm::{confirm, must_be_able_to_ask};
use super::super::exit::Exit;
use super::super::out::Failure;
use super::super::progress::Progress;
use super::super::style::{Style, Tone};
use super::super::{Context, counts, cycle, row, status, text};
use super::prune::eprint_lines;
use crate::control::types::{Move, RestoreReport, RestoreRequest, RestoreRow, RestoreTable, Side, Take};

/// Bring rows back from a backup, on both sides
///
/// Of the whole backup, of one table or of one row. Writes through SQLite, row by row and guarded, never over a file: the site
/// goes on meanwhile, and a row that it changes in that moment is left and named. Both sides are synced and a backup is
/// taken first. --take says what the databases shall hold; without it nothing is written and both counts are shown.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The backup, by its name in the list
    #[arg(value_name = "NAME")]
    backup: String,

    /// Only this table
    table: Option<String>,

    /// Only this row of the table: the value of its key
    key: Option<String>,

    /// backup: what the backup holds, rows that came since go. local: what is there now, and from the backup what is missing now
    #[arg(long, value_name = "WHAT", value_enum)]
    take: Option<Taken>,

    /// Say what would be done, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Do exactly what a dry run showed, or refuse because a row moved
    #[arg(long, value_name = "ID")]
    plan: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Taken {
    Backup,
    Local,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl backups restore products.db.backup_20261123_103507 --dry-run
  modsyncctl backups restore products.db.backup_20261123_103507 --take local
  modsyncctl backups restore products.db.backup_20261123_103507 products --take backup
  modsyncctl backups restore products.db.backup_20261123_103507 products https://shop.example/dress-1 --take backup";

/// Up to so many rows are shown to people.
const SHOWN: usize = 20;

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let take = args.take.map(|take| match take {
        Taken::Backup => Take::Backup,
        Taken::Local => Take::Local,
    });
    let mut request = RestoreRequest {
        name: args.backup,
        table: args.table,
        key: args.key,
        take,
        dry_run: args.dry_run,
        plan: args.plan,
    };
    if take.is_some() && !args.dry_run && !args.yes {
        must_be_able_to_ask("restore")?;
        let planned = RestoreRequest {
            dry_run: true,
            ..request.clone()
        };
        let plan = context.client.restore(&planned, |_| {}).await?;
        if changes(&plan) > 0 {
            eprint_lines(&render(&plan, &Style::plain()))?;
            confirm("restore", "Write this on both sides?")?;
        }
        request.plan.get_or_insert(plan.plan);
    }
    let mut progress = Progress::new(!context.out.is_json());
    let report = context.client.restore(&request, |event| progress.hear(event)).await;
    progress.clear();
    let report = report?;
    context.out.answer(&report, render)?;
    Ok(match &report.cycle {
        _ if !report.left.is_empty() => Exit::Attention,
        Some(cycle) => cycle.outcome.into(),
        None => Exit::Done,
    })
}

fn changes(report: &RestoreReport) -> u64 {
    report.inserts + report.updates + report.deletes
}

/// What was done, or would be, as text.
pub(super) fn render(report: &RestoreReport, style: &Style) -> String {
    let mut lines = vec![headline(report, style)];
    if report.cycle.is_none() {
        lines.extend(tables(report, style));
    }
    if !report.rows.is_empty() && report.rows.len() <= SHOWN {
        lines.push(String::new());
        // Of several rows those that come or go are named; one alone is shown whole.
        let brief = |each: &RestoreRow| report.rows.len() > 1 && each.action != "update";
        let shown = |each| {
            let lines = row::render(&as_move(each), style);
            lines.into_iter().take(if brief(each) { 1 } else { usize::MAX })
        };
        lines.extend(report.rows.iter().flat_map(shown));
    }
    if !report.left.is_empty() {
        let heading = format!("left as they are: {}", text::count(report.left.len() as u64, "row"));
        lines.push(style.paint(Tone::Bad, &heading));
        lines.extend(report.left.iter().take(SHOWN).map(|left| {
            format!(
                "  {} {}: {}",
                text::safe(&left.table),
                row::key(&left.key),
                text::safe(&left.reason)
            )
        }));
        if report.left.len() > SHOWN {
            lines.push("  … `--json` names them all".to_owned());
        }
    }
    if !report.left_out.is_empty() {
        lines.push(String::new());
        lines.push(style.paint(Tone::Head, "not restored"));
        lines.extend(
            report
                .left_out
                .iter()
                .map(|skipped| format!("  {}: {}", text::safe(&skipped.name), text::safe(&skipped.reason))),
        );
    }
    match &report.cycle {
        Some(done) => lines.push(cycle::render(done, style).trim_end().to_owned()),
        None if changes(report) == 0 && report.take.is_some() => {}
        None => lines.push(format!(
            "\nplan {}{}",
            text::safe(&report.plan),
            status::as_of(report.as_of, style)
        )),
    }
    lines.join("\n") + "\n"
}

fn headline(report: &RestoreReport, style: &Style) -> String {
    let name = text::safe(&report.name);
    let sum = |read: fn(&RestoreTable) -> u64| report.tables.iter().map(read).sum::<u64>();
    if report.take.is_none() {
        let differ = sum(|table| table.missing + table.changed + table.added);
        let words = format!(
            "{name} and the server's database differ in {}",
            text::count(differ, "row")
        );
        return style.paint(Tone::Head, &words);
    }
    let done = [
        (report.inserts, "inserted"),
        (report.updates, "changed"),
        (report.deletes, "deleted"),
    ];
    let planned = [
        (report.inserts, "to insert"),
        (report.updates, "to change"),
        (report.deletes, "to delete"),
    ];
    let (verb, parts) = match report.cycle {
        Some(_) => ("restored from", done),
        None => ("a restore from", planned),
    };
    match text::parts("row", &parts) {
        Some(parts) => style.paint(Tone::Head, &format!("{verb} {name}: {parts}")),
        None => style.paint(Tone::Good, &format!("nothing to restore from {name}")),
    }
}

/// A line for each table that differs.
fn tables(report: &RestoreReport, style: &Style) -> Vec<String> {
    let differ = report
        .tables
        .iter()
        .filter(|table| table.missing + table.changed + table.added > 0);
    let rows: Vec<Vec<String>> = differ
        .map(|table| {
            let numbers = [table.backup, table.now, table.missing, table.changed, table.added];
            let mut name = text::safe(&table.table).into_owned();
            if !table.kept_columns.is_empty() {
                name += &format!(" (keeps {})", text::safe(&table.kept_columns.join(", ")));
            }
            [name]
                .into_iter()
                .chain(numbers.map(|number| number.to_string()))
                .collect()
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let heading = ["", "in the backup", "now", "missing now", "changed", "came since"];
    let mut table = counts::columns(heading.map(str::to_owned).to_vec(), rows).into_iter();
    let mut lines = vec![String::new()];
    lines.extend(table.next().map(|head| style.paint(Tone::Head, &head)));
    lines.extend(table);
    lines
}

fn as_move(row: &RestoreRow) -> Move {
    Move {
        table: row.table.clone(),
        key: row.key.clone(),
        to: Side::Server,
        action: row.action.clone(),
        columns: row.columns.clone(),
    }
}
