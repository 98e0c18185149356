//! `modsyncctl` as its users meet it: text, JSON and exit code of each verb, against a scripted daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod script;

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

#[test]
fn every_verb_answers_in_text_and_in_one_json_document() {
    let daemon = usual();
    let cases: [(&[&str], &str, &str); 9] = [
        (&["status"], "idle, in sync", "state"),
        (&["sync-now"], "synced: 3 rows pulled, 7 pushed (cycle 42)", "cycle"),
        (&["sync-now", "--no-wait"], "the daemon will sync", "queued"),
        (&["check"], "in sync", "in_sync"),
        (&["diff"], "plan p1", "plan"),
        (&["verify"], "both sides hold the same, row for row", "equal"),
        (&["pause"], "not paused, idle", "state"),
        (&["resume"], "not paused, idle", "state"),
        (&["logs"], "one\ntwo\\u{1b}[2J\n", "lines"),
    ];
    for (args, text, field) in cases {
        let output = ctl(&daemon, args);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{args:?}");
        assert!(stdout(&output).contains(text), "{args:?}: {}", stdout(&output));
        assert!(!stdout(&output).contains('\x1b'), "no colour into a pipe: {args:?}");
        let output = command(&daemon.socket, args).arg("--json").output().unwrap();
        assert_eq!(code(&output), 0, "{args:?}");
        assert!(document(&output).get(field).is_some(), "{args:?}: {}", stdout(&output));
    }
}

#[test]
fn flags_become_the_request() {
    let daemon = usual();
    let all = SyncRequest {
        skip_pull: true,
        dry_run: true,
        no_backup: true,
        no_verify: true,
        allow_deletes: true,
        plan: Some("p1".to_owned()),
        ..SyncRequest::default()
    };
    let pull_only = SyncRequest {
        pull_only: true,
        ..SyncRequest::default()
    };
    let diff = DiffRequest {
        table: Some("products".to_owned()),
        key: Some("https://x/?a=1&b".to_owned()),
    };
    let flags = "sync-now --skip-pull --dry-run --no-backup --no-verify --allow-deletes --plan p1";
    let lines = [
        flags,
        "sync-now --pull-only",
        "diff products https://x/?a=1&b",
        "pause --for 2h",
        "logs -n 5",
    ];
    for line in lines {
        let output = ctl(&daemon, &line.split(' ').collect::<Vec<_>>());
        assert_eq!(code(&output), 0, "{line}: {}", stderr(&output));
    }
    let expected = [
        Request::Sync(all),
        Request::Sync(pull_only),
        Request::Diff(diff),
        Request::Pause(PauseRequest {
            for_ms: Some(7_200_000),
        }),
        Request::Logs(LogsRequest {
            follow: false,
            lines: 5,
        }),
    ];
    assert_eq!(daemon.heard(), expected);
}

#[test]
fn status_exits_as_things_are() {
    let attention = Status {
        state: State::Attention,
        ..apart()
    };
    let conflicts = Status { conflicts: 1, ..idle() };
    let offline = Status {
        state: State::Offline,
        in_sync: None,
        ..idle()
    };
    let unknown = Status {
        in_sync: None,
        ..idle()
    };
    for (status, plain, strict) in [
        (idle(), 0, 0),
        (apart(), 0, 6),
        (unknown, 0, 6),
        (attention, 4, 4),
        (conflicts, 4, 4),
        (offline, 5, 5),
    ] {
        let state = status.clone();
        let daemon = with_status(status);
        assert_eq!(code(&ctl(&daemon, &["status"])), plain, "{state:?}");
        assert_eq!(
            code(&ctl(&daemon, &["status", "--exit-code", "--json"])),
            strict,
            "{state:?}"
        );
    }
}

#[test]
fn check_diff_and_verify_exit_as_things_are() {
    let daemon = daemon(|request| {
        Some(Ok(match request {
            Request::Check => Response::Check(Box::new(CheckReport {
                tables: vec![TableCheck {
                    table: "products".to_owned(),
                    to_pull: 3,
                    ..TableCheck::default()
                }],
                ..CheckReport::default()
            })),
            Request::Verify => Response::Verify(Box::default()),
            Request::Diff(_) => Response::Diff(Box::new(DiffReport {
                stopped: Some("too many deletions".to_owned()),
                ..DiffReport::default()
            })),
            _ => return None,
        }))
    });
    assert_eq!(code(&ctl(&daemon, &["check"])), 0);
    assert_eq!(code(&ctl(&daemon, &["check", "--exit-code"])), 6);
    assert_eq!(code(&ctl(&daemon, &["verify"])), 1);
    assert_eq!(code(&ctl(&daemon, &["diff"])), 4);
}

#[test]
fn sync_now_exits_with_its_outcome() {
    let cases = [
        (Outcome::Synced, 0, true),
        (Outcome::Unchanged, 0, true),
        (Outcome::Planned, 0, true),
        (Outcome::Attention, 4, true),
        (Outcome::Stopped, 4, false),
        (Outcome::Offline, 5, false),
        (Outcome::Failed, 1, false),
        (Outcome::Interrupted, 1, false),
    ];
    for (outcome, expected, on_stdout) in cases {
        let daemon = with_outcome(outcome);
        let output = ctl(&daemon, &["sync-now"]);
        assert_eq!(code(&output), expected, "{outcome:?}");
        let (said, silent) = match on_stdout {
            true => (stdout(&output), stderr(&output)),
            false => (stderr(&output), stdout(&output)),
        };
        assert!(said.contains("the \\u{1b}[31mreason"), "{outcome:?}: {said}");
        assert_eq!(silent, "", "{outcome:?}");
        let output = ctl(&daemon, &["sync-now", "--json"]);
        assert_eq!(code(&output), expected, "{outcome:?}");
        assert_eq!(document(&output)["outcome"], json!(outcome), "{outcome:?}");
    }
}

#[test]
fn errors_of_the_daemon_have_their_exit_codes() {
    let cases = [
        (ErrorCode::BadRequest, 2),
        (ErrorCode::NotFound, 1),
        (ErrorCode::Attention, 4),
        (ErrorCode::Failed, 1),
        (ErrorCode::Offline, 5),
        (ErrorCode::Ending, 1),
    ];
    for (error_code, expected) in cases {
        let error = ErrorBody {
            code: error_code,
            error: "compare products: no such table".to_owned(),
            hint: Some("look".to_owned()),
        };
        let said = error.clone();
        let daemon = daemon(move |request| (*request == Request::Check).then(|| Err(said.clone())));
        let output = ctl(&daemon, &["check"]);
        assert_eq!(code(&output), expected, "{error_code:?}");
        assert_eq!(
            stderr(&output),
            "modsyncctl: compare products: no such table\nhint: look\n"
        );
        assert_eq!(stdout(&output), "");
        let output = ctl(&daemon, &["check", "--json"]);
        assert_eq!(code(&output), expected, "{error_code:?}");
        assert_eq!(document(&output), serde_json::to_value(&error).unwrap());
    }
}

#[test]
fn without_a_daemon_every_verb_exits_3_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("none.sock");
    let stale = folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for socket in [&nothing, &stale] {
        for verb in [
            "status", "sync-now", "check", "diff", "verify", "pause", "resume", "logs",
        ] {
            let output = command(socket, &[verb]).output().unwrap();
            assert_eq!(code(&output), 3, "{verb}");
            assert!(
                stderr(&output).contains("`modsyncd install`"),
                "{verb}: {}",
                stderr(&output)
            );
            assert_eq!(stdout(&output), "");
            let output = command(socket, &[verb, "--json"]).output().unwrap();
            assert_eq!(
                (code(&output), &document(&output)["code"]),
                (3, &json!("not_running")),
                "{verb}"
            );
        }
    }
}

#[test]
fn the_socket_is_found_by_flag_environment_name_and_default() {
    let daemon = usual();
    let runtime = tempfile::tempdir().unwrap();
    std::fs::create_dir(runtime.path().join("modsync")).unwrap();
    std::os::unix::fs::symlink(&daemon.socket, runtime.path().join("modsync/modsyncd-shop.sock")).unwrap();
    let bare = |args: &[&str]| {
        let mut command = command(Path::new("/nowhere"), args);
        command
            .env_remove("MODSYNC_SOCKET")
            .env("XDG_RUNTIME_DIR", runtime.path());
        command.output().unwrap()
    };
    let socket = daemon.socket.to_str().unwrap();
    assert_eq!(code(&bare(&["status", "--socket", socket])), 0);
    assert_eq!(code(&bare(&["status", "--name", "shop"])), 0);
    let missing = bare(&["status"]);
    assert_eq!(code(&missing), 3);
    let expected = runtime.path().join("modsync/modsyncd.sock");
    assert!(
        stderr(&missing).contains(expected.to_str().unwrap()),
        "{}",
        stderr(&missing)
    );
    assert_eq!(code(&bare(&["status", "--name", "../x"])), 2);
}

#[test]
fn wrong_usage_exits_2_and_suggests() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| command(&folder.path().join("none"), args).output().unwrap();
    let output = run(&["statsu"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("'status'"), "{}", stderr(&output));
    for args in [
        &["sync-now", "--pull-only", "--skip-pull"][..],
        &["pause", "--for", "2"],
        &["pause", "--for", "-1h"],
        &["status", "--timeout", "0s"],
        &[],
    ] {
        assert_eq!(code(&run(args)), 2, "{args:?}");
    }
    let output = run(&["--json", "statsu"]);
    assert_eq!((code(&output), &document(&output)["code"]), (2, &json!("bad_request")));
}

#[test]
fn help_ends_with_examples_and_version_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| command(&folder.path().join("none"), args).output().unwrap();
    let verbs = [
        "status",
        "sync-now",
        "check",
        "diff",
        "verify",
        "pause",
        "resume",
        "logs",
        "completions",
    ];
    for verb in verbs {
        let output = run(&[verb, "--help"]);
        assert_eq!(code(&output), 0, "{verb}");
        let help = stdout(&output);
        let examples = help.split("Examples:").nth(1).unwrap_or_else(|| panic!("{help}"));
        let last = examples.trim_end().lines().last().unwrap();
        assert!(last.contains(&format!("modsyncctl {verb}")) || verb == "diff", "{help}");
    }
    assert!(stdout(&run(&["--help"])).contains("Exit codes:"));
    assert_eq!(
        stdout(&run(&["--version"])),
        format!("modsyncctl {}\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(&["completions", shell])).contains("sync-now"), "{shell}");
    }
}

#[test]
fn deletions_beyond_the_limit_need_a_yes() {
    let daemon = usual();
    let output = ctl(&daemon, &["sync-now", "--allow-deletes"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--yes"), "{}", stderr(&output));
    assert!(daemon.heard().is_empty(), "nothing was asked of the daemon");
    assert_eq!(code(&ctl(&daemon, &["sync-now", "--allow-deletes", "--yes"])), 0);
    let asked = SyncRequest {
        allow_deletes: true,
        ..SyncRequest::default()
    };
    assert_eq!(daemon.heard(), [Request::Sync(asked)]);
}

#[test]
fn a_daemon_that_does_not_answer_meets_the_deadline() {
    let daemon = Daemon::start(|request| match request {
        Request::Check => None,
        _ => Some(Ok(Response::Status(Box::new(idle())))),
    });
    let started = Instant::now();
    let output = ctl(&daemon, &["check", "--timeout", "300ms", "--json"]);
    assert_eq!((code(&output), &document(&output)["code"]), (1, &json!("timeout")));
    assert!(started.elapsed() < Duration::from_secs(3));
}

/// A stopped process still takes connections, by way of the kernel, and may have begun to answer.
#[test]
fn a_daemon_that_falls_silent_is_given_up_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            if line.starts_with("GET /v1/events") {
                let begin =
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n16\r\n{\"event\":\"heartbeat\"}\n\r\n";
                stream.write_all(begin.as_bytes()).unwrap();
            }
            kept.push(stream);
        }
    });
    let started = Instant::now();
    let run = |args: &[&str]| {
        command(&socket, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [
        run(&["status", "--json"]),
        run(&["sync-now", "--json"]),
        run(&["status", "--watch", "--json"]),
    ];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), &document(&output)["code"]), (1, &json!("timeout")));
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_daemon_that_dies_in_the_middle_of_a_sync_ends_the_wait() {
    let mut daemon = Daemon::start(|request| match request {
        Request::Sync(_) => None,
        _ => Some(Ok(Response::Status(Box::new(idle())))),
    });
    let child = command(&daemon.socket, &["sync-now"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the sync arrived", || !daemon.heard().is_empty());
    let killed = Instant::now();
    daemon.kill();
    let output = child.wait_with_output().unwrap();
    assert!(killed.elapsed() < Duration::from_secs(5));
    assert_eq!(code(&output), 3);
    assert!(
        stderr(&output).contains("the daemon ended meanwhile"),
        "{}",
        stderr(&output)
    );
}

/// Lines of a child's standard output as they come; the child is killed in the end.
struct Watched(Child, BufReader<std::process::ChildStdout>);

impl Watched {
    fn start(daemon: &Daemon, args: &[&str]) -> Self {
        let mut child = command(&daemon.socket, args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self(child, lines)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn watch_follows_the_daemon_and_ends_with_it() {
    let mut daemon = usual();
    let mut watched = Watched::start(&daemon, &["status", "--watch", "--json"]);
    let state = |line: &str| serde_json::from_str::<Json>(line).unwrap()["state"].clone();
    assert_eq!(state(&watched.line()), json!("idle"));
    let syncing = Status {
        state: State::Syncing,
        ..idle()
    };
    daemon.events.send(Event::Status(Box::new(syncing))).unwrap();
    assert_eq!(state(&watched.line()), json!("syncing"));
    daemon.stop();
    let mut rest = String::new();
    watched.1.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("not_running"), "{rest}");
    assert_eq!(watched.0.wait().unwrap().code(), Some(3));
}

#[test]
fn logs_are_followed_line_by_line() {
    let daemon = daemon(|request| {
        matches!(request, Request::Logs(_)).then(|| {
            let first = stream::iter(["first".to_owned(), "second".to_owned()]);
            Ok(Response::Logs(Box::pin(first.chain(stream::pending()))))
        })
    });
    let mut watched = Watched::start(&daemon, &["logs", "-f", "-n", "2"]);
    assert_eq!(
        (watched.line(), watched.line()),
        ("first\n".to_owned(), "second\n".to_owned())
    );
    assert_eq!(daemon.heard(), [Request::Logs(LogsRequest { follow: true, lines: 2 })]);
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let daemon = daemon(|request| {
        matches!(request, Request::Logs(_)).then(|| {
            let many = stream::iter(std::iter::repeat_n("x".repeat(100), 20_000));
            Ok(Response::Logs(Box::pin(many)))
        })
    });
    let mut child = command(&daemon.socket, &["logs"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn colour_is_for_those_who_ask() {
    let daemon = usual();
    assert!(stdout(&ctl(&daemon, &["status", "--color", "always"])).contains("\x1b[32midle"));
    assert!(!stdout(&ctl(&daemon, &["status", "--color", "never"])).contains('\x1b'));
}

#[test]
fn json_holds_nothing_that_a_terminal_obeys() {
    let hostile = Status {
        reason: Some("\x1b[2J\u{9b}31m\u{202e}\u{7f}".to_owned()),
        ..idle()
    };
    let daemon = with_status(hostile.clone());
    let output = ctl(&daemon, &["status", "--json"]);
    let text = stdout(&output);
    assert!(
        text.is_ascii() && !text.trim_end().contains(|c: char| c.is_control()),
        "{text:?}"
    );
    assert_eq!(document(&output)["reason"], json!(hostile.reason), "and says the same");
}
