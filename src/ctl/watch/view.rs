//! The screen as a pure function of the model, the moment and the room there is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::model::Model;
use super::paint::Paint;
use super::strip::{LEGEND, strip};
use super::{counts, moves};
use crate::control::types::{ErrorBody, ErrorCode, PhaseEvent, State, Status};
use crate::ctl::style::{Style, Tone};
use crate::ctl::{cycle, text};

/// From this width on counts and rows stand beside each other.
const WIDE: usize = 110;
/// How wide the counts are there.
const LEFT: usize = 46;
/// The longest advice and reason, in lines.
const ADVICE: usize = 3;

/// Lines that belong together.
#[derive(Default)]
struct Block {
    lines: Vec<Line<'static>>,
    /// How many of them go before everything else.
    least: usize,
    /// Whether an empty line is wanted before it.
    gap: bool,
    /// Which block gets its least lines first, and then the rest of them: the lowest.
    rank: u8,
}

/// Draws the whole area: nothing of what stood there before remains.
pub(super) fn draw(model: &Model, style: &Style, area: Rect, buffer: &mut Buffer) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let lines = arrange(blocks(model, style, width), height);
    for y in 0..area.height {
        let empty = Line::default();
        let line = lines.get(usize::from(y)).unwrap_or(&empty);
        let row = Rect::new(area.x, area.y + y, area.width, 1);
        for x in row.left()..row.right() {
            if let Some(cell) = buffer.cell_mut((x, row.y)) {
                cell.reset();
            }
        }
        buffer.set_line(row.x, row.y, line, row.width);
        if line.width() > width
            && let Some(last) = buffer.cell_mut((row.right() - 1, row.y))
        {
            last.set_symbol("…");
        }
    }
}

/// Everything there is to show, from top to bottom.
fn blocks(model: &Model, style: &Style, width: usize) -> Vec<Block> {
    let paint = Paint::new(style.color);
    let mut blocks = vec![Block {
        lines: vec![header(model, style, paint, width)],
        least: 1,
        ..Block::default()
    }];
    if let Some(gone) = &model.gone {
        let mut lines = paint.wrapped(Tone::Bad, &gone.error, width, ADVICE);
        lines.extend(
            gone.hint
                .iter()
                .flat_map(|hint| paint.wrapped(Tone::Head, hint, width, ADVICE)),
        );
        blocks.push(block(1, lines));
    }
    let Some(status) = &model.status else {
        return blocks;
    };
    blocks.push(Block {
        least: 0,
        ..block(3, places(status, paint, width))
    });
    if model.gone.is_none() {
        blocks.push(block(1, advice(status, paint, width)));
    }
    blocks.push(block(2, now(model, status, style, paint, width)));
    let label = "cycles   ";
    let bars = strip(&model.recent.cycles, width.saturating_sub(label.len()), paint);
    let legend = paint.line(Tone::Dim, &format!("{:9}{LEGEND}", ""));
    let mut strip = Line::from(paint.span(Tone::Dim, label));
    strip.extend(bars.spans);
    blocks.push(Block {
        gap: true,
        ..block(3, vec![strip])
    });
    blocks.push(Block {
        least: 0,
        ..block(6, vec![legend])
    });
    blocks.extend(body(model, status, style, paint, width));
    blocks
}

fn block(rank: u8, lines: Vec<Line<'static>>) -> Block {
    Block {
        least: lines.len(),
        lines,
        gap: false,
        rank,
    }
}

/// Counts and rows, one above the other or side by side.
fn body(model: &Model, status: &Status, style: &Style, paint: Paint, width: usize) -> Vec<Block> {
    let wide = width >= WIDE;
    let counts = counts::lines(status, paint, if wide { LEFT - 2 } else { width });
    let moves_width = if wide { width - LEFT } else { width };
    let moves = moves::lines(model.recent.moved.as_ref(), style, paint, moves_width);
    if wide {
        let beside = Block {
            least: 0,
            gap: true,
            ..block(4, beside(counts, moves))
        };
        return vec![beside];
    }
    vec![
        Block {
            least: 4,
            gap: true,
            ..block(4, counts)
        },
        Block {
            least: 6,
            gap: true,
            ..block(5, moves)
        },
    ]
}

fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>) -> Vec<Line<'static>> {
    let height = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let row = |_| {
        let mut line = left.next().unwrap_or_default();
        line.push_span(" ".repeat(LEFT.saturating_sub(line.width())));
        line.extend(right.next().unwrap_or_default().spans);
        line
    };
    (0..height).map(row).collect()
}

/// The lines that fit into so many rows, with a foot if there is room for one.
fn arrange(blocks: Vec<Block>, height: usize) -> Vec<Line<'static>> {
    let foot = usize::from(height >= 8);
    let mut left = height - foot;
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&index| blocks.get(index).map_or(0, |block| block.rank));
    let mut given = vec![(0, false); blocks.len()];
    for index in order.iter().copied() {
        if let (Some(block), Some(given)) = (blocks.get(index), given.get_mut(index)) {
            given.0 = block.least.min(block.lines.len()).min(left);
            left -= given.0;
        }
    }
    for (block, given) in blocks.iter().zip(&mut given) {
        if block.gap && left > 0 {
            *given = (given.0, true);
            left -= 1;
        }
    }
    for index in order {
        if let (Some(block), Some(given)) = (blocks.get(index), given.get_mut(index)) {
            let more = (block.lines.len() - given.0).min(left);
            given.0 += more;
            left -= more;
        }
    }
    let mut lines = Vec::with_capacity(height);
    for (block, (count, gap)) in blocks.into_iter().zip(given) {
        lines.extend((gap && count > 0).then(Line::default));
        lines.extend(block.lines.into_iter().take(count));
    }
    if foot > 0 {
        lines.resize(height - 1, Line::default());
        lines.push(Line::from("q quits"));
    }
    lines
}

/// "modsync  idle, in sync                 server as of 3 s ago, 10:35:09".
fn header(model: &Model, style: &Style, paint: Paint, width: usize) -> Line<'static> {
    let mut line = Line::from(paint.span(Tone::Head, "modsync  "));
    let (tone, words) = match (&model.gone, &model.status) {
        (Some(gone), _) => (Tone::Bad, without_daemon(gone).to_owned()),
        (None, Some(status)) => (tone(status), state(status, style)),
        (None, None) => (Tone::Busy, "asking the daemon".to_owned()),
    };
    line.push_span(paint.span(tone, &words));
    if let Some(status) = &model.status {
        let seen = match status.as_of {
            Some(time) => format!("server as of {}", text::when(time, style)),
            None => "server not seen yet".to_owned(),
        };
        let room = width.saturating_sub(line.width());
        if room >= seen.len() + 2 {
            line.push_span(" ".repeat(room - seen.len()));
            line.push_span(paint.span(Tone::Dim, &seen));
        }
    }
    line
}

fn without_daemon(gone: &ErrorBody) -> &'static str {
    match gone.code {
        ErrorCode::NotRunning | ErrorCode::Ending => "daemon not running, waiting",
        ErrorCode::Timeout => "daemon does not answer, waiting",
        _ => "daemon cannot be asked, waiting",
    }
}

fn tone(status: &Status) -> Tone {
    match (status.state, status.in_sync) {
        (State::Offline | State::Attention, _) => Tone::Bad,
        (State::Starting | State::Paused, _) | (_, None) => Tone::Busy,
        (State::Idle | State::Syncing | State::Waiting, Some(_)) => Tone::Good,
    }
}

/// "paused until 14:37:19, not in sync".
fn state(status: &Status, style: &Style) -> String {
    let mut words = status.state.as_str().to_owned();
    if let (State::Paused, Some(until)) = (status.state, status.paused_until) {
        words = format!("{words} until {}", text::clock(until, style));
    }
    let sync = match status.in_sync {
        Some(true) => "in sync",
        Some(false) => "not in sync",
        None => "not known whether in sync",
    };
    format!("{words}, {sync}")
}

fn places(status: &Status, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let engine = status.engine.iter().map(|engine| format!(", {engine}"));
    let server = format!("{}{}", status.remote, engine.collect::<String>());
    let places = [("laptop   ", &status.database), ("server   ", &server)];
    let place = |(label, place): (&str, &String)| {
        let mut line = Line::from(paint.span(Tone::Dim, label));
        line.push_span(text::tail(place, width.saturating_sub(label.len())));
        line
    };
    places.into_iter().map(place).collect()
}

/// Why it is as it is, and what to do.
fn advice(status: &Status, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let bad = matches!(status.state, State::Offline | State::Attention);
    let tone = if bad { Tone::Bad } else { Tone::Busy };
    let mut lines: Vec<Line> = status
        .reason
        .iter()
        .flat_map(|reason| paint.wrapped(tone, reason, width, ADVICE))
        .collect();
    lines.extend(paint.wrapped(Tone::Head, &status.recommendation, width, ADVICE));
    let waiting = [
        (status.conflicts, "conflict", "to look at: `modsyncctl conflicts`"),
        (
            status.left_out.len() as u64,
            "part",
            "not synced: `modsyncctl status` says why",
        ),
    ];
    for (count, noun, what) in waiting {
        if count > 0 {
            lines.push(paint.line(Tone::Bad, &format!("{} {what}", text::count(count, noun))));
        }
    }
    lines
}

/// What runs, what ran last, and when the next one runs.
fn now(model: &Model, status: &Status, style: &Style, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut field = |label: &str, value: String| {
        let mut line = Line::from(paint.span(Tone::Dim, &format!("{label:9}")));
        line.push_span(text::safe(&value).into_owned());
        lines.push(line);
    };
    // What a daemon that is gone had meant to do next, it will not do.
    let planned = |time| if model.gone.is_none() { time } else { None };
    match (&model.phase, planned(status.next_try), planned(status.next_run)) {
        (Some(phase), ..) => field("now", progress(phase, width)),
        (None, Some(time), _) => field("next try", text::when(time, style)),
        (None, None, Some(time)) => field("next run", text::when(time, style)),
        (None, None, None) => {}
    }
    if let Some(last) = &status.last_cycle {
        field("last", cycle::one_line(last, style));
    }
    lines
}

/// "pushing to the server  ████░░░░ 120 of 340".
fn progress(phase: &PhaseEvent, width: usize) -> String {
    let words = phase.phase.describe();
    let (Some(done), Some(total)) = (phase.done, phase.total.filter(|&total| total > 0)) else {
        return words.to_owned();
    };
    let room = width.saturating_sub(words.len() + 30).clamp(5, 40);
    let full = usize::try_from(done.min(total).saturating_mul(room as u64) / total).unwrap_or(room);
    format!(
        "{words}  {}{} {done} of {total}",
        "█".repeat(full),
        "░".repeat(room - full)
    )
}

/// A line that names what stands below it.
pub(super) fn heading(paint: Paint, words: &str) -> Line<'static> {
    Line::from(Span::styled(words.to_owned(), paint.tone(Tone::Head)))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
