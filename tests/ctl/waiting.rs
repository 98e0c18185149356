//! Verbs that wait: deadlines, dying daemons, streams.

use super::*;

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
