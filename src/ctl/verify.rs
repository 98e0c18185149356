//! `modsyncctl verify`.

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, counts, row, status, text};
use crate::control::types::{TableVerify, VerifyReport};

pub(super) const EXAMPLES: &str = "\
Examples:
  modsyncctl verify
  modsyncctl verify --timeout 30m
  modsyncctl verify --json | jq .equal";

pub(super) async fn run(context: &mut Context) -> Result<Exit, Failure> {
    let report = context.client.verify().await?;
    context.out.answer(&report, render)?;
    Ok(if report.equal { Exit::Done } else { Exit::Failed })
}

/// The proof as text.
pub(super) fn render(report: &VerifyReport, style: &Style) -> String {
    let verdict = match (report.equal, report.tables.iter().all(|table| table.equal)) {
        (true, _) => style.paint(Tone::Good, "both sides hold the same, row for row"),
        (false, true) => style.paint(Tone::Bad, "what could be compared is the same on both sides"),
        (false, false) => style.paint(Tone::Bad, "the sides differ"),
    };
    let mut lines = vec![
        format!("{verdict}{}", status::as_of(report.as_of, style)),
        String::new(),
    ];
    let heading = ["", "local", "server", "differing"].map(str::to_owned).to_vec();
    let mut table = counts::columns(heading, report.tables.iter().map(cells).collect()).into_iter();
    lines.extend(table.next().map(|head| style.paint(Tone::Head, &head)));
    lines.extend(table);
    for table in &report.held {
        let (name, reason) = (text::safe(&table.name), text::safe(&table.reason));
        lines.push(style.paint(Tone::Bad, &format!("{name} was not compared: {reason}")));
    }
    for table in report.tables.iter().filter(|table| !table.equal) {
        lines.extend(differences(table, style));
    }
    lines.join("\n") + "\n"
}

fn cells(table: &TableVerify) -> Vec<String> {
    let numbers = [table.local_rows, table.server_rows, table.differing].map(|number| number.to_string());
    [text::safe(&table.table).into_owned()]
        .into_iter()
        .chain(numbers)
        .collect()
}

/// The rows of one table that differ, as what would have to change on the laptop.
fn differences(table: &TableVerify, style: &Style) -> Vec<String> {
    let differing = text::count(table.differing, "row");
    let heading = format!(
        "{}: {differing} to change on the laptop to match the server",
        text::safe(&table.table)
    );
    let mut lines = vec![String::new(), style.paint(Tone::Head, &heading)];
    lines.extend(table.differences.iter().flat_map(|each| row::render(each, style)));
    let listed = table.differences.len() as u64;
    if listed < table.differing {
        lines.push(format!("  and {} more", table.differing - listed));
    }
    lines
}
