//! The last cycles as a strip: one character each, the newest to the right.

use ratatui::text::{Line, Span};

use super::paint::Paint;
use crate::control::types::{CycleBrief, Outcome};
use crate::ctl::style::Tone;

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// What the marks mean, for where there is room.
pub(super) const LEGEND: &str = "▁…█ rows moved  · nothing  ! attention  ✗ failed  ○ offline";

/// As many of the newest cycles as `width` takes.
pub(super) fn strip(cycles: &[CycleBrief], width: usize, paint: Paint) -> Line<'static> {
    let shown = cycles.get(cycles.len().saturating_sub(width)..).unwrap_or_default();
    let most = shown.iter().map(|cycle| cycle.rows).max().unwrap_or(0);
    let marks = shown.iter().map(|cycle| {
        let (mark, tone) = mark(cycle, most);
        Span::styled(mark, paint.tone(tone))
    });
    Line::from_iter(marks)
}

/// How a cycle looks beside one that moved `most` rows.
fn mark(cycle: &CycleBrief, most: u64) -> (&'static str, Tone) {
    match cycle.outcome {
        Outcome::Attention | Outcome::Stopped => ("!", Tone::Bad),
        Outcome::Failed | Outcome::Interrupted => ("✗", Tone::Bad),
        Outcome::Offline => ("○", Tone::Busy),
        Outcome::Synced | Outcome::Unchanged | Outcome::Planned => match cycle.rows {
            0 => ("·", Tone::Dim),
            rows => (bar(rows, most), Tone::Good),
        },
    }
}

/// By the logarithm: one row can be seen beside a thousand.
fn bar(rows: u64, most: u64) -> &'static str {
    let share = (1.0 + rows as f64).ln() / (1.0 + most.max(rows) as f64).ln();
    let step = (share * BARS.len() as f64).ceil() as usize; // 1 to 8
    BARS.get(step.saturating_sub(1)).copied().unwrap_or("█")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(outcome: Outcome, rows: u64) -> CycleBrief {
        CycleBrief {
            outcome,
            rows,
            ..CycleBrief::default()
        }
    }

    #[test]
    fn bars_grow_with_the_rows_and_what_failed_is_marked() {
        let cycles = [
            cycle(Outcome::Unchanged, 0),
            cycle(Outcome::Synced, 1),
            cycle(Outcome::Synced, 10),
            cycle(Outcome::Synced, 100),
            cycle(Outcome::Synced, 5000),
            cycle(Outcome::Offline, 0),
            cycle(Outcome::Failed, 0),
            cycle(Outcome::Stopped, 0),
            cycle(Outcome::Attention, 3),
            cycle(Outcome::Interrupted, 0),
        ];
        let text = |width| strip(&cycles, width, Paint::plain()).to_string();
        assert_eq!(text(40), "·▁▃▅█○✗!!✗");
        assert_eq!(text(4), "✗!!✗", "the newest where there is little room");
        assert_eq!(text(0), "");
        assert_eq!(strip(&[cycle(Outcome::Synced, 1)], 5, Paint::plain()).to_string(), "█");
    }
}
