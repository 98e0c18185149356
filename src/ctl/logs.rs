//! `modsyncctl logs`.

use serde::Serialize;

use super::exit::Exit;
use super::out::Failure;
use super::{Context, text};
use crate::control::handler::LogsRequest;

/// Show the daemon's log
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Go on with new lines as they come, until Ctrl-C (with --json: one document a line)
    #[arg(short, long)]
    follow: bool,

    /// How many of the newest lines come first
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = LogsRequest::default().lines)]
    lines: u32,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl logs
  modsyncctl logs -n 20 -f
  modsyncctl logs --json | jq -r '.lines[]'";

/// The whole log, as one document.
#[derive(Serialize)]
struct Document {
    lines: Vec<String>,
}

/// One line of a log that is followed.
#[derive(Serialize)]
struct Line<'a> {
    line: &'a str,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = LogsRequest {
        follow: args.follow,
        lines: args.lines,
    };
    let mut log = context.client.logs(&request).await?;
    let mut lines = Vec::new();
    while let Some(line) = log.next().await? {
        if context.out.is_json() && !args.follow {
            lines.push(line);
        } else {
            context.out.answer(&Line { line: &line }, |line, _| {
                text::safe(line.line).into_owned() + "\n"
            })?;
        }
    }
    if context.out.is_json() && !args.follow {
        context.out.answer(&Document { lines }, |_, _| String::new())?;
    }
    Ok(Exit::Done)
}
