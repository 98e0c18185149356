//! `modsyncctl self-test`.

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, text};
use crate::control::types::{SelfTestReport, TestStep};

pub(super) const EXAMPLES: &str = "\
Examples:
  modsyncctl self-test
  modsyncctl self-test --json | jq '.steps[] | {name, ok, duration_ms}'";

pub(super) async fn run(context: &mut Context) -> Result<Exit, Failure> {
    let report = context.client.self_test(|_| {}).await?;
    context.out.answer(&report, render)?;
    Ok(if report.ok { Exit::Done } else { Exit::Failed })
}

/// The test as text.
pub(super) fn render(report: &SelfTestReport, style: &Style) -> String {
    let mut lines: Vec<String> = report.steps.iter().map(|step| line(step, style)).collect();
    lines.push(String::new());
    lines.push(match (report.ok, report.clean) {
        (true, _) => style.paint(Tone::Good, "the test came through, and nothing of it is left"),
        (false, true) => style.paint(Tone::Bad, "the test failed; nothing of it is left"),
        (false, false) => style.paint(Tone::Bad, "the test failed, and its row is still there"),
    });
    if let (false, Some(table), Some(key)) = (report.clean, &report.table, &report.key) {
        lines.push(format!("the row: {} {}", text::safe(table), text::safe(key)));
    }
    if let Some(hint) = &report.hint {
        lines.push(format!("hint: {}", text::safe(hint)));
    }
    lines.join("\n") + "\n"
}

fn line(step: &TestStep, style: &Style) -> String {
    let (mark, tone) = match step.ok {
        true => ("ok", Tone::Good),
        false => ("FAIL", Tone::Bad),
    };
    let took = text::duration(step.duration_ms);
    format!(
        "{} {}  {:8} {took:>8}  {}",
        step.step,
        style.paint(tone, &format!("{mark:4}")),
        text::safe(&step.name),
        text::safe(&step.detail)
    )
}
