//! Bad lines: slow, dead, cut. And the proxy that imitates them.

use std::time::{Duration, Instant};

use modsync::config::ssh_config::SshTarget;
use modsync::ssh::{ConnectOptions, Connection, Transport, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::proxy::{Line, Proxy};
use crate::support::sshd::Sshd;
use crate::{eventually, open, refused, run, soon};

/// A server behind a proxy.
async fn behind(line: Line) -> (Sshd, Proxy, SshTarget) {
    let server = Sshd::start();
    let proxy = Proxy::to(server.port(), line).await;
    let mut target = server.target();
    target.host_key_alias = Some(format!("[127.0.0.1]:{}", server.port()));
    target.port = proxy.port();
    (server, proxy, target)
}

fn impatient() -> ConnectOptions {
    ConnectOptions {
        keepalive: Duration::from_millis(700),
        ..ConnectOptions::default()
    }
}

#[tokio::test]
async fn a_dead_line_is_noticed_by_whoever_waits_for_an_answer() {
    let (_server, proxy, target) = behind(Line::default()).await;
    let connection = Connection::open(&target, &impatient()).await.unwrap();
    let mut process = connection.exec("cat").await.unwrap();
    proxy.stall();
    let started = Instant::now();
    let error = soon(process.stdout.read_u8()).await.unwrap_err();
    assert!(error.to_string().contains("eepalive"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(connection.is_closed());
}

/// Here the session is stuck in a write, where it cannot ask for a sign of life any more.
#[tokio::test]
async fn a_dead_line_is_noticed_by_whoever_sends() {
    let server = Sshd::start();
    let (near, mut far) = tokio::io::duplex(4096);
    let mut tcp = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let (die, dead) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut far, &mut tcp) => {}
            _ = dead => {}
        }
        // Both ends stay open, and nothing is read from either.
        std::future::pending::<()>().await;
    });
    let options = ConnectOptions {
        compression: false,
        ..impatient()
    };
    let connection = Connection::over(near, &server.target(), &options).await.unwrap();
    let mut process = connection.exec("echo; exec cat > /dev/null").await.unwrap();
    process.stdout.read_u8().await.unwrap();
    die.send(()).unwrap();
    soon(async { while process.stdin.write_all(&[7; 100_000]).await.is_ok() {} }).await;
    let error = soon(process.stdout.read_u8()).await.unwrap_err();
    assert!(error.to_string().contains("took no byte"), "{error}");
}

#[tokio::test]
async fn a_line_that_was_only_slow_for_a_moment_goes_on() {
    let (_server, proxy, target) = behind(Line::default()).await;
    let connection = open(&target).await.unwrap();
    proxy.stall();
    let printed = run(&connection, "echo late");
    let resume = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.resume();
    };
    assert_eq!(soon(async { tokio::join!(printed, resume).0 }).await, "late\n");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_on_in_time() {
    let (_server, proxy, mut target) = behind(Line::default()).await;
    proxy.stall();
    target.connect_timeout = Duration::from_millis(500);
    let error = soon(refused(&target)).await;
    assert_eq!(error.kind, TransportErrorKind::Unreachable);
    assert!(
        error.message.contains("exchange keys with 127.0.0.1:") && error.message.contains("0.5 s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let server = Sshd::start();
    let mut target = server.target();
    drop(server);
    target.known_hosts.clear();
    let error = refused(&target).await;
    assert_eq!(error.kind, TransportErrorKind::Unreachable);
    assert!(
        error.message.contains(&format!("connect to 127.0.0.1:{}", target.port)),
        "{error}"
    );
}

#[tokio::test]
async fn something_that_is_not_ssh_is_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Sshd::start();
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        drop(stream);
    };
    let error = soon(async { tokio::join!(refused(&target), answer).0 }).await;
    assert!(error.message.contains("exchange keys"), "{error}");
}

#[tokio::test]
async fn costs_the_round_trips_that_it_says() {
    let delay = Duration::from_millis(25);
    let (_server, proxy, target) = behind(Line {
        delay,
        ..Line::default()
    })
    .await;
    let connection = open(&target).await.unwrap();
    let opened = proxy.round_trips();
    // Algorithms, keys, the service, showing a key, signing with it; the proxy does not see the one of TCP.
    assert_eq!(opened, 5);
    assert_eq!(connection.traffic().round_trips(), opened + 1);

    // A channel, and a command whose acceptance is not waited for. (Its input would have to wait: sshd opens the
    // window of a channel only when it starts the program.)
    let started = Instant::now();
    let mut process = connection.exec("echo; exec cat").await.unwrap();
    process.stdout.read_u8().await.unwrap();
    assert_eq!(proxy.round_trips() - opened, 2);
    assert!(started.elapsed() >= delay * 4, "{:?}", started.elapsed());

    // A question to a program that is there already.
    let before = proxy.round_trips();
    let started = Instant::now();
    process.stdin.write_all(b"y").await.unwrap();
    process.stdout.read_u8().await.unwrap();
    assert_eq!(proxy.round_trips() - before, 1);
    assert!(started.elapsed() >= delay * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn counts_what_the_network_carried() {
    let (_server, proxy, target) = behind(Line::default()).await;
    let connection = open(&target).await.unwrap();
    let traffic = connection.traffic();
    let before = traffic.received();
    assert_eq!(
        run(&connection, "head -c 1000000 /dev/zero | tr '\\0' x").await.len(),
        1_000_000
    );
    // The last packets, which close the channel, may still be on their way into the proxy.
    let agree = || (traffic.sent(), traffic.received()) == (proxy.sent(), proxy.received());
    eventually("both counts agree", agree).await;
    let compressed = traffic.received() - before;
    assert!(
        compressed < 50_000,
        "{compressed} bytes came for a megabyte of the same letter"
    );

    let plain = ConnectOptions {
        compression: false,
        ..ConnectOptions::default()
    };
    let connection = Connection::open(&target, &plain).await.unwrap();
    run(&connection, "head -c 1000000 /dev/zero").await;
    assert!(connection.traffic().received() > 1_000_000);
}

#[tokio::test]
async fn the_proxy_delays_without_slowing_and_paces_without_delaying() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let echo = async |line: Line, length: usize| {
        let proxy = Proxy::to(port, line).await;
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        let (mut from, mut to) = stream.split();
        let (started, bytes, mut back) = (Instant::now(), vec![1; length], vec![0; length]);
        let (write, read) = tokio::join!(to.write_all(&bytes), from.read_exact(&mut back));
        write.and(read).unwrap();
        assert_eq!((proxy.sent(), proxy.received()), (length as u64, length as u64));
        started.elapsed()
    };
    let delay = Duration::from_millis(50);
    let delayed = echo(
        Line {
            delay,
            ..Line::default()
        },
        2_000_000,
    )
    .await;
    assert!(delayed >= delay * 2 && delayed < delay * 40, "{delayed:?}");
    // A megabit at four megabits a second.
    let paced = echo(
        Line {
            up: Some(4_000_000),
            ..Line::default()
        },
        125_000,
    )
    .await;
    assert!(
        paced >= Duration::from_millis(240) && paced < Duration::from_millis(1500),
        "{paced:?}"
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_reached_again() {
    let mut server = Sshd::start();
    let target = server.target();
    server.stop();
    assert_eq!(refused(&target).await.kind, TransportErrorKind::Unreachable);
    server.restart();
    assert_eq!(run(&open(&target).await.unwrap(), "echo back").await, "back\n");
}
