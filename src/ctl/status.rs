//! `modsyncctl status`.

use jiff::Timestamp;

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, counts, cycle, text, watch};
use crate::control::client::Events;
use crate::control::types::{Event, State, Status};

/// Show how things are, and what to do next
///
/// Answers from what the daemon knows, also while the server cannot be reached: what is said of the server carries the
/// time at which it was true. Exits 4 when a person is needed and 5 while the server is unreachable.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Stay and show it live, on the whole screen; q, Esc or Ctrl-C quits. Without a terminal: again whenever something
    /// changes (with --json one document a line)
    #[arg(short, long)]
    watch: bool,

    /// Exit 6 when a sync is needed, or when it is not known whether one is
    #[arg(long)]
    exit_code: bool,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl status
  modsyncctl status --watch
  modsyncctl status --json | jq '.pending'
  modsyncctl status --exit-code >/dev/null || echo 'not in sync'";

/// Labels are padded to this width.
const LABEL: usize = 11;

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    if args.watch {
        return watch(context).await;
    }
    let status = context.client.status().await?;
    context.out.answer(&status, render)?;
    Ok(Exit::of_status(&status, args.exit_code))
}

/// The screen, or where there is none each status as it comes.
async fn watch(context: &Context) -> Result<Exit, Failure> {
    if context.out.is_screen() {
        return watch::run(context).await;
    }
    let mut events = context.client.events().await?;
    let Some(mut status) = next_status(&mut events).await? else {
        return Ok(Exit::NotRunning);
    };
    loop {
        context
            .out
            .answer(&status, |status, style| render(status, style) + "\n")?;
        status = match next_status(&mut events).await? {
            Some(next) => next,
            None => return Err(Failure::Daemon(crate::control::client::ended())),
        };
    }
}

/// The next status among the events; `None` once the daemon ends.
async fn next_status(events: &mut Events) -> Result<Option<Status>, Failure> {
    loop {
        match events.next().await? {
            Some(Event::Status(status)) => return Ok(Some(*status)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// The status as text.
pub(super) fn render(status: &Status, style: &Style) -> String {
    let mut lines = vec![headline(status, style)];
    lines.extend(status.reason.iter().map(|reason| format!("  {}", text::safe(reason))));
    lines.push(String::new());
    let mut field = |label: &str, value: String| lines.push(format!("{} {value}", style.label(label, LABEL)));
    for (label, place) in [
        ("local", text::safe(&status.database).into_owned()),
        ("server", server(status)),
    ] {
        if !place.is_empty() {
            field(label, place);
        }
    }
    if let Some(last) = &status.last_cycle {
        field("last sync", cycle::one_line(last, style));
    }
    field("pending", pending(status));
    if let Some(time) = status.next_try {
        field("next try", text::when(time, style));
    }
    if let Some(time) = status.next_run {
        field("next run", text::when(time, style));
    }
    if status.conflicts > 0 {
        let waiting = format!(
            "{} to look at: `modsyncctl conflicts`",
            text::count(status.conflicts, "conflict")
        );
        field("conflicts", style.paint(Tone::Bad, &waiting));
    }
    lines.extend(counts::render(
        status.local.as_ref(),
        status.server.as_ref(),
        status.as_of,
        style,
    ));
    lines.extend(counts::left_out(&status.left_out, style));
    if !status.recommendation.is_empty() {
        lines.push(String::new());
        lines.push(style.paint(Tone::Head, &text::safe(&status.recommendation)));
    }
    lines.join("\n") + "\n"
}

/// "idle, in sync (server as of 12 s ago, 10:35:00)".
fn headline(status: &Status, style: &Style) -> String {
    let tone = match status.state {
        State::Idle | State::Syncing | State::Waiting => Tone::Good,
        State::Starting | State::Paused => Tone::Busy,
        State::Offline | State::Attention => Tone::Bad,
    };
    let mut state = status.state.as_str().to_owned();
    if let Some(until) = status.paused_until.filter(|_| status.state == State::Paused) {
        state = format!("{state} until {}", text::clock(until, style));
    }
    let (tone_of_sync, sync) = match status.in_sync {
        Some(true) => (Tone::Good, "in sync"),
        Some(false) => (Tone::Busy, "not in sync"),
        None => (Tone::Busy, "not known whether in sync"),
    };
    let (state, sync) = (style.paint(tone, &state), style.paint(tone_of_sync, sync));
    format!("{state}, {sync}{}", as_of(status.as_of, style))
}

/// " (server as of 12 s ago, 10:35:00)".
pub(super) fn as_of(time: Option<Timestamp>, style: &Style) -> String {
    match time {
        Some(time) => style.paint(Tone::Dim, &format!(" (server as of {})", text::when(time, style))),
        None => style.paint(Tone::Dim, " (server not seen yet)"),
    }
}

fn server(status: &Status) -> String {
    let remote = text::safe(&status.remote);
    match &status.engine {
        Some(engine) => format!("{remote}, {}", text::safe(engine)),
        None => remote.into_owned(),
    }
}

/// "3 rows to pull, 7 to push".
fn pending(status: &Status) -> String {
    let known = [(status.pending.pull, "to pull"), (status.pending.push, "to push")];
    let unknown: Vec<&str> = known
        .iter()
        .filter(|(rows, _)| rows.is_none())
        .map(|(_, verb)| *verb)
        .collect();
    let counted = known.map(|(rows, verb)| (rows.unwrap_or(0), verb));
    match (text::parts("row", &counted), unknown.as_slice()) {
        (Some(text), []) => text,
        (None, []) => "nothing".to_owned(),
        (Some(text), unknown) => format!("{text}, {} not known", unknown.join(" and ")),
        (None, unknown) => format!("{} not known", unknown.join(" and ")),
    }
}
