//! The control socket: who may open it, what it refuses, and that neither end can hang or hurt the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../script/mod.rs"]
mod script;
#[path = "../support/mod.rs"]
mod support;

mod binding;
mod crowd;
mod limits;
mod others;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::stream;
use modsync::control::client::{Client, Synced};
use modsync::control::handler::{DiffRequest, LogsRequest, Request, Response};
use modsync::control::server::{self, BindError};
use modsync::control::types::{
    CheckReport, CycleSummary, DiffReport, ErrorBody, ErrorCode, Event, Outcome, PauseRequest, Phase, PhaseEvent,
    RecentAssessment, SideCounts, State, Status, SyncRequest, TableCheck, TableMoves, TableVerify, VerifyReport,
};
use script::{Daemon, wait_until};
use serde_json::{Value as Json, json};

fn idle() -> Status {
    Status {
        state: State::Idle,
        in_sync: Some(true),
        version: "9.9.9".to_owned(),
        ..Status::default()
    }
}

fn client(daemon: &Daemon) -> Client {
    Client::new(daemon.socket.clone(), None)
}

/// Sends bytes, and gives everything that comes back.
fn raw(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that has seen enough may close before it has read all.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// One request with curl's manners: the status and the error in the body.
fn refused(daemon: &Daemon, line: &str, body: &str) -> (u16, ErrorBody) {
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: modsync\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let answer = raw(&daemon.socket, &format!("{head}{body}"));
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")),
    )
}

#[tokio::test]
async fn status_travels_as_it_is() {
    let daemon = Daemon::usual(idle());
    assert_eq!(client(&daemon).status().await.unwrap(), idle());
}

#[test]
fn what_makes_no_sense_is_named() {
    let daemon = Daemon::usual(idle());
    let large = format!("{{\"plan\":\"{}\"}}", "x".repeat(70_000));
    let cases = [
        ("GET /v1/nonsense", "", 404, ErrorCode::NotFound, "/v1/nonsense"),
        (
            "DELETE /v1/status",
            "",
            405,
            ErrorCode::MethodNotAllowed,
            "DELETE /v1/status",
        ),
        ("POST /v1/sync", "{", 400, ErrorCode::BadRequest, "EOF"),
        (
            "POST /v1/sync",
            r#"{"pul_only":true}"#,
            400,
            ErrorCode::BadRequest,
            "pul_only",
        ),
        ("POST /v1/sync", large.as_str(), 413, ErrorCode::TooLarge, "65536 bytes"),
        ("POST /v1/pause", r#"{"for_ms":-1}"#, 400, ErrorCode::BadRequest, "-1"),
        ("GET /v1/diff?tabel=x", "", 400, ErrorCode::BadRequest, "tabel"),
        (
            "GET /v1/logs?lines=many",
            "",
            400,
            ErrorCode::BadRequest,
            "invalid digit",
        ),
    ];
    for (line, body, status, code, part) in cases {
        let (got, error) = refused(&daemon, line, body);
        assert_eq!((got, error.code), (status, code), "{line}: {error:?}");
        assert!(error.error.contains(part), "{line}: {error:?}");
    }
    let (_, error) = refused(&daemon, "GET /", "");
    assert!(error.hint.unwrap().contains("POST /v1/sync"), "it says what exists");
    assert!(daemon.heard().is_empty(), "nothing of it reached the daemon");
}

#[tokio::test]
async fn requests_arrive_as_they_were_made() {
    let daemon = Daemon::start(|request| {
        Some(Ok(match request {
            Request::Diff(_) => Response::Diff(Box::default()),
            Request::Sync(sync) if sync.no_wait => Response::Queued,
            Request::Sync(_) => Response::Cycle(Box::default()),
            Request::Logs(_) => Response::Logs(Box::pin(stream::iter(["one".to_owned(), "two".to_owned()]))),
            _ => Response::Status(Box::new(idle())),
        }))
    });
    let client = client(&daemon);
    let diff = DiffRequest {
        table: Some("a b&c=ü".to_owned()),
        key: Some("https://x/?y=1&z=2#%00".to_owned()),
    };
    let sync = SyncRequest {
        skip_pull: true,
        plan: Some("p1".to_owned()),
        ..SyncRequest::default()
    };
    let queued = SyncRequest {
        no_wait: true,
        ..SyncRequest::default()
    };
    let pause = PauseRequest {
        for_ms: Some(7_200_000),
    };
    let logs = LogsRequest {
        follow: false,
        lines: 7,
    };
    client.diff(&diff).await.unwrap();
    assert!(matches!(client.sync(&sync, |_| {}).await.unwrap(), Synced::Ended(_)));
    assert_eq!(client.sync(&queued, |_| {}).await.unwrap(), Synced::Queued);
    client.pause(&pause).await.unwrap();
    client.resume().await.unwrap();
    let mut lines = client.logs(&logs).await.unwrap();
    assert_eq!(lines.next().await.unwrap().as_deref(), Some("one"));
    assert_eq!(lines.next().await.unwrap().as_deref(), Some("two"));
    assert_eq!(lines.next().await.unwrap(), None);
    let expected = vec![
        Request::Diff(diff),
        Request::Sync(sync),
        Request::Sync(queued),
        Request::Pause(pause),
        Request::Resume,
        Request::Logs(logs),
    ];
    assert_eq!(daemon.heard(), expected);
}

#[tokio::test]
async fn errors_of_the_daemon_arrive_with_code_and_hint() {
    let error = ErrorBody {
        code: ErrorCode::Offline,
        error: "reach assess: no route".to_owned(),
        hint: Some("wait".to_owned()),
    };
    let said = error.clone();
    let daemon = Daemon::start(move |request| match request {
        Request::Status => Some(Ok(Response::Status(Box::new(idle())))),
        _ => Some(Err(said.clone())),
    });
    assert_eq!(client(&daemon).check().await.unwrap_err(), error);
}

#[test]
fn metrics_are_text_for_prometheus() {
    let counted = || {
        let mut counters = modsync::control::metrics::Counters::default();
        counters.record(&CycleSummary {
            outcome: Outcome::Synced,
            pulled: 5,
            pushed: 7,
            bytes_sent: 100,
            duration_ms: 1500,
            ..CycleSummary::default()
        });
        counters.record(&CycleSummary {
            outcome: Outcome::Planned,
            pulled: 9,
            ..CycleSummary::default()
        });
        counters
    };
    let daemon = Daemon::start(move |_| Some(Ok(Response::Metrics(Box::new(idle()), Box::new(counted())))));
    let text = raw(
        &daemon.socket,
        "GET /metrics HTTP/1.1\r\nHost: modsync\r\nConnection: close\r\n\r\n",
    );
    for line in [
        "content-type: application/openmetrics-text",
        "modsync_build_info{version=\"9.9.9\"} 1.0",
        "modsync_state{state=\"idle\"} 1.0",
        "modsync_state{state=\"offline\"} 0.0",
        "modsync_in_sync 1.0",
        "modsync_cycles_total{outcome=\"synced\"} 1",
        "modsync_cycles_total{outcome=\"planned\"} 1",
        "modsync_moved_rows_total{move=\"pulled\"} 5",
        "modsync_network_bytes_total{direction=\"sent\"} 100",
        "modsync_cycle_seconds_total 1.5",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(
        !text.contains("modsync_pending_rows{"),
        "what is unknown is left out: {text}"
    );
}

#[test]
fn every_field_is_documented() {
    let documents = [
        json!(Status {
            last_cycle: Some(CycleSummary {
                tables: vec![TableMoves::default()],
                ..CycleSummary::default()
            }),
            local: Some(SideCounts {
                recent: vec![RecentAssessment::default()],
                ..SideCounts::default()
            }),
            ..idle()
        }),
        json!(CheckReport {
            tables: vec![TableCheck::default()],
            ..CheckReport::default()
        }),
        json!(VerifyReport {
            tables: vec![TableVerify::default()],
            ..VerifyReport::default()
        }),
        json!(DiffReport::default()),
        json!(SyncRequest::default()),
        json!(PauseRequest::default()),
    ];
    let manual = include_str!("../../docs/api.md");
    for name in documents.iter().flat_map(names) {
        let quoted = [format!("`{name}`"), format!("\"{name}\"")];
        assert!(
            quoted.iter().any(|form| manual.contains(form)),
            "docs/api.md does not tell of {name}"
        );
    }
}

/// The names of all fields, also of nested documents.
fn names(document: &Json) -> Vec<String> {
    match document {
        Json::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| [vec![name.clone()], names(value)].concat())
            .collect(),
        Json::Array(items) => items.iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}
