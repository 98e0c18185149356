//! `modsyncctl` as its users meet it: text, JSON and exit code of each verb, against a scripted daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../script/mod.rs"]
mod script;

mod answers;
mod usage;
mod waiting;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use modsync::control::handler::{DiffRequest, LogsRequest, Request, Response};
use modsync::control::types::{
    CheckReport, CycleSummary, DiffReport, ErrorBody, ErrorCode, Event, Outcome, PauseRequest, Pending, State, Status,
    SyncRequest, TableCheck, VerifyReport,
};
use script::{Daemon, wait_until};
use serde_json::{Value as Json, json};

/// The built binary, in an environment that says nothing.
fn command(socket: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modsyncctl"));
    command
        .env_clear()
        .env("TZ", "UTC")
        .env("MODSYNC_SOCKET", socket)
        .args(args);
    command
}

fn ctl(daemon: &Daemon, args: &[&str]) -> Output {
    command(&daemon.socket, args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code, not a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The one JSON document on standard output; standard error has to be silent.
fn document(output: &Output) -> Json {
    assert_eq!(stderr(output), "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(output)))
}

fn idle() -> Status {
    Status {
        state: State::Idle,
        in_sync: Some(true),
        recommendation: "Nothing to do.".to_owned(),
        ..Status::default()
    }
}

fn apart() -> Status {
    Status {
        in_sync: Some(false),
        pending: Pending {
            pull: Some(3),
            push: Some(7),
        },
        ..idle()
    }
}

/// Answers everything with success, except for what `special` answers.
fn daemon(special: impl Fn(&Request) -> Option<Result<Response, ErrorBody>> + Send + Sync + 'static) -> Daemon {
    Daemon::start(move |request| {
        if let Some(answer) = special(request) {
            return Some(answer);
        }
        Some(Ok(match request {
            Request::Sync(sync) if sync.no_wait => Response::Queued,
            Request::Sync(_) => Response::Cycle(Box::new(CycleSummary {
                cycle: Some(42),
                pulled: 3,
                pushed: 7,
                ..CycleSummary::default()
            })),
            Request::Check => Response::Check(Box::new(CheckReport {
                in_sync: true,
                ..CheckReport::default()
            })),
            Request::Diff(_) => Response::Diff(Box::new(DiffReport {
                plan: "p1".to_owned(),
                ..DiffReport::default()
            })),
            Request::Verify => Response::Verify(Box::new(VerifyReport {
                equal: true,
                ..VerifyReport::default()
            })),
            Request::Logs(_) => Response::Logs(Box::pin(stream::iter(["one".to_owned(), "two\x1b[2J".to_owned()]))),
            _ => Response::Status(Box::new(idle())),
        }))
    })
}

fn usual() -> Daemon {
    daemon(|_| None)
}

fn with_status(status: Status) -> Daemon {
    daemon(move |request| (*request == Request::Status).then(|| Ok(Response::Status(Box::new(status.clone())))))
}

fn with_outcome(outcome: Outcome) -> Daemon {
    daemon(move |request| {
        matches!(request, Request::Sync(_)).then(|| {
            Ok(Response::Cycle(Box::new(CycleSummary {
                outcome,
                reason: Some("the \x1b[31mreason".to_owned()),
                ..CycleSummary::default()
            })))
        })
    })
}
