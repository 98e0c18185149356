//! What each verb asks, how its answer reads, and what it exits with.

use super::*;

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
