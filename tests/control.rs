//! The control socket: who may open it, what it refuses, and that neither end can hang or hurt the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod script;

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
    CycleSummary, ErrorBody, ErrorCode, Event, Outcome, PauseRequest, Phase, PhaseEvent, State, Status, SyncRequest,
};
use script::{Daemon, wait_until};

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

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn status_travels_as_it_is() {
    let daemon = Daemon::usual(idle());
    assert_eq!(client(&daemon).status().await.unwrap(), idle());
}

#[test]
fn only_the_owner_may_open_the_socket() {
    let daemon = Daemon::usual(idle());
    assert_eq!(mode(&daemon.socket), 0o600);
    assert_eq!(mode(daemon.socket.parent().unwrap()), 0o700);
    let beside: Vec<_> = fs::read_dir(daemon.socket.parent().unwrap()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing else is left in the folder: {beside:?}");
}

#[tokio::test]
async fn a_folder_that_stood_there_keeps_its_mode_and_the_socket_is_private_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.path().join("s.sock");
    let _listener = server::bind(&socket).await.unwrap();
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(folder.path()), 0o755);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let _listener = server::bind(&socket).await.unwrap();
    assert!(UnixStream::connect(&socket).is_ok());
}

#[tokio::test]
async fn a_socket_with_a_live_daemon_is_refused_and_goes_on() {
    let daemon = Daemon::usual(idle());
    let error = server::bind(&daemon.socket).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert_eq!(client(&daemon).status().await.unwrap().state, State::Idle);
}

#[tokio::test]
async fn a_foreign_file_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.sock");
    fs::write(&file, "precious").unwrap();
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link, &folder.path().to_path_buf()] {
        let error = server::bind(path).await.unwrap_err();
        assert!(matches!(error, BindError::Foreign(_)), "{error}");
    }
    assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
}

/// Needs root, to act as another user; the rule itself is tested in its module for everybody.
#[test]
fn another_user_is_refused_even_if_the_modes_let_him_in() {
    let daemon = Daemon::usual(idle());
    if fs::metadata(&daemon.socket).unwrap().uid() != 0 {
        return;
    }
    for open in [daemon.folder.path(), daemon.socket.parent().unwrap(), &daemon.socket] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let binary = daemon.folder.path().join("modsyncctl");
    fs::copy(env!("CARGO_BIN_EXE_modsyncctl"), &binary).unwrap();
    let output = Command::new(&binary)
        .args(["status", "--json", "--socket"])
        .arg(&daemon.socket)
        .uid(65534)
        .gid(65534)
        .current_dir("/")
        .output()
        .unwrap();
    let error: ErrorBody = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error.code, ErrorCode::Forbidden);
    assert!(
        error.error.contains("belongs to another user"),
        "the daemon says so: {}",
        error.error
    );
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

#[tokio::test]
async fn events_begin_with_the_status_and_a_client_that_lags_gets_it_again() {
    let daemon = Daemon::usual(idle());
    let mut events = client(&daemon).events().await.unwrap();
    assert_eq!(events.next().await.unwrap(), Some(Event::Status(Box::new(idle()))));
    let phase = Event::Phase(PhaseEvent {
        phase: Phase::Pull,
        done: Some(1),
        total: None,
    });
    daemon.events.send(phase.clone()).unwrap();
    assert_eq!(events.next().await.unwrap(), Some(phase.clone()));
    // The script's channel keeps 16: the server cannot take 5000 in one go.
    for _ in 0..5000 {
        daemon.events.send(phase.clone()).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(10);
    while events.next().await.unwrap() != Some(Event::Status(Box::new(idle()))) {
        assert!(Instant::now() < until, "no status after a gap");
    }
}

#[test]
fn a_silent_daemon_sends_heartbeats() {
    let daemon = Daemon::usual(idle());
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: modsync\r\n\r\n")
        .unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains(r#"{"event":"heartbeat"}"#) {
        let read = stream.read(&mut buffer).expect("a heartbeat within four seconds");
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(seen.contains("application/x-ndjson"), "{seen}");
}

#[tokio::test]
async fn streams_leave_room_for_other_clients() {
    let daemon = Daemon::usual(idle());
    let client = client(&daemon);
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(client.events().await.unwrap());
    }
    assert_eq!(client.events().await.unwrap_err().code, ErrorCode::Busy);
    assert_eq!(client.status().await.unwrap(), idle());
    drop(streams);
    let until = Instant::now() + Duration::from_secs(10);
    while client.events().await.is_err() {
        assert!(Instant::now() < until, "places are given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn clients_that_say_nothing_are_shown_out_and_do_not_keep_others_out() {
    let daemon = Daemon::usual(idle());
    let idlers: Vec<_> = (0..200).map(|_| UnixStream::connect(&daemon.socket).unwrap()).collect();
    assert_eq!(client(&daemon).status().await.unwrap(), idle());
    drop(idlers);
    let started = Instant::now();
    let half = "POST /v1/sync HTTP/1.1\r\nHost: modsync\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{";
    let answer = raw(&daemon.socket, half);
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("in time"),
        "{answer}"
    );
    assert_eq!(raw(&daemon.socket, "GET /v1/sta"), "");
    assert!(started.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_call_has_a_deadline_and_the_daemon_learns_that_nobody_waits() {
    let daemon = Daemon::usual(idle());
    let impatient = Client::new(daemon.socket.clone(), Some(Duration::from_millis(300)));
    let started = Instant::now();
    let error = impatient.verify().await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    assert!(error.error.contains("GET /v1/verify"), "{}", error.error);
    assert!(started.elapsed() < Duration::from_secs(3));
    let until = Instant::now() + Duration::from_secs(10);
    while !daemon.abandoned() {
        assert!(Instant::now() < until, "the request is dropped");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_daemon_that_dies_in_the_middle_of_a_sync_is_noticed_at_once() {
    let mut daemon = Daemon::usual(idle());
    let client = client(&daemon);
    let waiting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let error = runtime
            .block_on(client.sync(&SyncRequest::default(), |_| {}))
            .unwrap_err();
        (error, Instant::now())
    });
    wait_until("the sync arrived", || !daemon.heard().is_empty());
    let killed = Instant::now();
    daemon.kill();
    let (error, noticed) = waiting.join().unwrap();
    assert_eq!(error.code, ErrorCode::NotRunning);
    assert!(noticed - killed < Duration::from_secs(5));
}

#[test]
fn an_orderly_end_closes_streams_and_cuts_off_what_hangs() {
    let mut daemon = Daemon::usual(idle());
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: modsync\r\n\r\n")
        .unwrap();
    let mut first = [0; 10];
    stream.read_exact(&mut first).unwrap();
    daemon.stop();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the body ends as HTTP wants it");
    let refused = || UnixStream::connect(&daemon.socket).is_err();
    wait_until("nobody listens any more", refused);
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
