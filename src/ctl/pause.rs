//! `modsyncctl pause` and `modsyncctl resume`.

use std::time::Duration;

use super::args::duration;
use super::exit::Exit;
use super::out::Failure;
use super::style::Style;
use super::{Context, text};
use crate::control::types::{PauseRequest, State, Status};

/// Let no cycle run by itself for a while
///
/// `sync-now` still works meanwhile.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// For how long: 30m, 2h [default: until `modsyncctl resume`]
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    limit: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl pause
  modsyncctl pause --for 2h";

pub(super) const RESUME_EXAMPLES: &str = "\
Examples:
  modsyncctl resume
  modsyncctl resume --json | jq .state";

pub(super) async fn pause(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let for_ms = args
        .limit
        .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let status = context.client.pause(&PauseRequest { for_ms }).await?;
    context.out.answer(&status, render)?;
    Ok(Exit::Done)
}

pub(super) async fn resume(context: &mut Context) -> Result<Exit, Failure> {
    let status = context.client.resume().await?;
    context.out.answer(&status, render)?;
    Ok(Exit::Done)
}

/// Whether it is paused now, in one line.
pub(super) fn render(status: &Status, style: &Style) -> String {
    match (status.state, status.paused_until) {
        (State::Paused, Some(until)) => format!("paused until {}\n", text::clock(until, style)),
        (State::Paused, None) => "paused until `modsyncctl resume`\n".to_owned(),
        (state, _) => format!("not paused, {}\n", state.as_str()),
    }
}
