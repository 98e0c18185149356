//! Streams, deadlines, deaths, and clients that misbehave.

use std::io::{BufRead as _, BufReader};

use super::*;

#[tokio::test]
async fn events_begin_with_the_status_and_a_client_that_lags_gets_it_again() {
    let daemon = Daemon::usual(idle());
    let mut events = client(&daemon).events().await.unwrap();
    assert_eq!(events.next().await.unwrap(), Some(Event::Status(Box::new(idle()))));
    assert_eq!(events.next().await.unwrap(), Some(Event::Recent(Box::default())));
    let phase = Event::Phase(PhaseEvent {
        phase: Phase::Pull,
        done: Some(1),
        total: None,
    });
    daemon.events.send(phase.clone()).unwrap();
    assert_eq!(events.next().await.unwrap(), Some(phase.clone()));
    // Far more than the buffers on the way hold while nobody reads; the script's channel keeps 16.
    for _ in 0..100_000 {
        daemon.events.send(phase.clone()).unwrap();
    }
    let status_again = async { while events.next().await.unwrap() != Some(Event::Status(Box::new(idle()))) {} };
    tokio::time::timeout(Duration::from_secs(10), status_again)
        .await
        .unwrap();
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
    let mut lines = BufReader::new(stream);
    while !seen.contains(r#"{"event":"heartbeat"}"#) {
        let read = lines.read_line(&mut seen).expect("a heartbeat within four seconds");
        assert!(read > 0, "{seen}");
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

/// Sends again and again until the daemon has had enough; how much it took, how long that lasted, and what it said.
fn pour(daemon: &Daemon, head: &str, drop: &[u8], pause: Duration) -> (usize, Duration, String) {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    let started = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut sent, mut next) = (0, head.as_bytes());
    while let Ok(taken) = stream.write(next) {
        sent += taken;
        next = drop;
        assert!(started.elapsed() < Duration::from_secs(20), "it never has enough");
        std::thread::sleep(pause);
    }
    let mut answer = Vec::new();
    // What it said before it hung up is there even where the connection was reset.
    let _ = stream.read_to_end(&mut answer);
    (sent, started.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn what_never_ends_is_cut_off() {
    let daemon = Daemon::usual(idle());
    let (none, slow) = (Duration::ZERO, Duration::from_millis(50));
    let header = [b"X: ".as_slice(), &[b'x'; 997], b"\r\n"].concat();
    let chunk = [b"400\r\n".as_slice(), &[b' '; 1024], b"\r\n"].concat();
    let get = "GET /v1/status HTTP/1.1\r\nHost: modsync\r\n";
    let post = "POST /v1/sync HTTP/1.1\r\nHost: modsync\r\nTransfer-Encoding: chunked\r\n\r\n";
    let promised = format!("{get}Content-Length: 1000000000000\r\n\r\n");
    for (what, head, drop, pause, answer) in [
        ("a head", get, header.as_slice(), none, "431"),
        (
            "one header",
            "GET /v1/status HTTP/1.1\r\nX: ",
            &[b'x'; 1000],
            none,
            "431",
        ),
        ("a path", "GET /", &[b'x'; 1000], none, "4"),
        ("a body", post, chunk.as_slice(), none, "413"),
        (
            "a body that nobody asked for",
            promised.as_str(),
            &[b'x'; 1000],
            none,
            "200",
        ),
        ("a slow head", "G", b"E", slow, ""),
        ("a slow header", "GET /v1/status HTTP/1.1\r\nX: ", b"x", slow, ""),
        ("a slow body", post, b"1\r\n \r\n", slow, "400"),
    ] {
        let (sent, lasted, said) = pour(&daemon, head, drop, pause);
        // What the kernel holds between the two counts as sent.
        assert!(sent < 2_000_000, "{what}: it took {sent} bytes");
        assert!(lasted < Duration::from_secs(8), "{what}: it took {lasted:?}");
        assert!(
            said.is_empty() || said.contains(&format!("HTTP/1.1 {answer}")),
            "{what}: {said}"
        );
    }
    assert!(daemon.heard().is_empty());
}

#[test]
fn a_connection_that_is_half_closed_is_ended() {
    let daemon = Daemon::usual(idle());
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
        .write_all(b"GET /v1/status HTTP/1.1\r\nHost: modsync\r\n\r\n")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
}
