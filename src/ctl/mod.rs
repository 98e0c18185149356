//! `modsyncctl`: asks the daemon and shows what it says. One file a verb: its flags, what it asks, how it reads.
//!
//! Standard output carries what was asked for: text for people, or with `--json` exactly one JSON document (one a line
//! for the verbs that go on). Errors go to standard error, with `--json` to standard output as the document.

mod amended;
mod args;
mod backups;
mod check;
mod completions;
mod confirm;
mod conflicts;
mod counts;
mod cycle;
mod diff;
pub(crate) mod doctor;
#[cfg(test)]
mod doctor_tests;
mod exit;
mod history;
mod logs;
mod out;
mod pause;
mod progress;
#[cfg(test)]
mod render_record_tests;
#[cfg(test)]
mod render_tests;
mod row;
mod schema;
mod self_test;
mod show;
mod socket;
mod status;
pub(crate) mod style;
mod sync_now;
pub mod text;
mod undo;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::control::client::Client;
use crate::control::types::{ErrorBody, ErrorCode};
pub use args::Cli;
use args::Verb;
use exit::Exit;
use out::{Failure, Out};
use style::Style;

/// What every verb works with.
struct Context {
    client: Client,
    /// The pair that was named.
    name: Option<String>,
    out: Out,
}

/// Runs `modsyncctl` with these arguments, the program's name first, and gives its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, args.iter().any(|arg| arg == "--json")).into(),
    };
    let out = Out::new(cli.global.json, Style::for_stdout(cli.global.color));
    let socket = match socket::resolve(cli.global.socket.as_deref(), cli.global.name.clone()) {
        Ok(socket) => socket,
        Err(body) => return out.fail(&Failure::Daemon(body)).into(),
    };
    let mut context = Context {
        client: Client::new(socket, cli.global.timeout),
        name: cli.global.name,
        out,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return context.out.fail(&Failure::Output(cause)).into(),
    };
    let ended = runtime.block_on(dispatch(cli.verb, &mut context));
    ended.unwrap_or_else(|failure| context.out.fail(&failure)).into()
}

/// The table of contents of `modsyncctl`.
async fn dispatch(verb: Verb, context: &mut Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Status(args) => status::run(&args, context).await,
        Verb::SyncNow(args) => sync_now::run(args, context).await,
        Verb::Check(args) => check::run(&args, context).await,
        Verb::Diff(args) => diff::run(args, context).await,
        Verb::Verify => verify::run(context).await,
        Verb::SelfTest => self_test::run(context).await,
        Verb::Doctor(args) => doctor::run(&args, context).await,
        Verb::Backups(args) => backups::run(args, context).await,
        Verb::History(args) => history::run(args, context).await,
        Verb::Show(args) => show::run(&args, context).await,
        Verb::Undo(args) => undo::run(&args, context).await,
        Verb::Conflicts(args) => conflicts::run(args, context).await,
        Verb::Pause(args) => pause::pause(&args, context).await,
        Verb::Resume => pause::resume(context).await,
        Verb::Logs(args) => logs::run(&args, context).await,
        Verb::Completions(args) => completions::run(&args, context),
    }
}

/// Says what is wrong with the arguments, or prints the help that was asked for.
fn usage(error: &clap::Error, json: bool) -> Exit {
    let asked_for = !error.use_stderr();
    if asked_for || !json {
        // Nobody reads it: there is nobody to tell.
        let _ = error.print();
        return if asked_for { Exit::Done } else { Exit::Usage };
    }
    let text = error.to_string();
    let body = ErrorBody {
        code: ErrorCode::BadRequest,
        error: text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned(),
        hint: Some("modsyncctl --help".to_owned()),
    };
    Out::new(true, Style::plain()).fail(&Failure::Daemon(body))
}
