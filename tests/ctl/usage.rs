//! Errors, wrong usage, help, and where the socket is.

use super::*;

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
            "status", "sync-now", "check", "diff", "verify", "backups", "pause", "resume", "logs",
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
    let mut misled = command(Path::new("/nowhere"), &["status", "--name", "shop"]);
    let output = misled.env("XDG_RUNTIME_DIR", runtime.path()).output().unwrap();
    assert_eq!(
        code(&output),
        0,
        "a flag goes before the environment: {}",
        stderr(&output)
    );
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
        "backups",
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
