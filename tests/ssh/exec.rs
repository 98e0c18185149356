//! Programs at the far end and their streams.

use std::io::ErrorKind;
use std::time::Duration;

use modsync::ssh::{ConnectOptions, Connection, Process, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::proxy::{Line, Proxy};
use crate::support::sshd::Sshd;
use crate::{eventually, open, run, soon};

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut hash = blake3::Hasher::new().finalize_xof();
    let mut bytes = vec![0; length];
    hash.fill(&mut bytes);
    bytes
}

#[tokio::test]
async fn carries_the_three_streams_of_a_command() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let Process {
        mut stdin,
        mut stdout,
        mut stderr,
    } = connection.exec("tr a-z A-Z; echo oops >&2").await.unwrap();
    stdin.write_all(b"hello").await.unwrap();
    stdin.shutdown().await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    stdout.read_to_string(&mut out).await.unwrap();
    stderr.read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("HELLO", "oops\n"));
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn carries_ten_megabytes_each_way_at_once() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let Process {
        mut stdin,
        mut stdout,
        stderr: _stderr,
    } = connection.exec("cat").await.unwrap();
    let sent = noise(10_000_000);
    let mut received = Vec::new();
    soon(async {
        let write = async {
            stdin.write_all(&sent).await.unwrap();
            stdin.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(stdout.read_to_end(&mut received), write);
        read.unwrap();
    })
    .await;
    assert!(
        received == sent,
        "{} of {} bytes came back, or other ones",
        received.len(),
        sent.len()
    );
}

#[tokio::test]
async fn programs_run_side_by_side() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let mut first = connection.exec("cat").await.unwrap();
    let mut second = connection.exec("cat").await.unwrap();
    for (process, word) in [(&mut second, b"two"), (&mut first, b"one")] {
        process.stdin.write_all(word).await.unwrap();
        let mut echoed = [0; 3];
        soon(process.stdout.read_exact(&mut echoed)).await.unwrap();
        assert_eq!(&echoed, word);
    }
}

#[tokio::test]
async fn standard_error_that_nobody_reads_holds_nothing_up() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let mut process = connection
        .exec("head -c 20000000 /dev/zero >&2; echo done")
        .await
        .unwrap();
    let mut printed = String::new();
    soon(process.stdout.read_to_string(&mut printed)).await.unwrap();
    assert_eq!(printed, "done\n");
}

#[tokio::test]
async fn a_program_waits_for_a_reader_that_is_slow() {
    let server = Sshd::start();
    let mut target = server.target();
    let proxy = Proxy::to(server.port(), Line::default()).await;
    target.host_key_alias = Some(format!("[127.0.0.1]:{}", server.port()));
    target.port = proxy.port();
    let connection = open(&target).await.unwrap();
    let mut process = connection.exec("head -c 100000000 /dev/urandom").await.unwrap();
    // Until nothing comes any more: the buffers on the way are full.
    let mut before = u64::MAX;
    while before != proxy.received() {
        before = proxy.received();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 40_000_000, "{before} bytes came that nobody had asked for");
    let mut part = vec![0; 1_000_000];
    soon(process.stdout.read_exact(&mut part)).await.unwrap();
    // What is left of it does not stand in the way of others once it is dropped.
    drop(process);
    assert_eq!(soon(run(&connection, "echo next")).await, "next\n");
}

#[tokio::test]
async fn dropping_a_process_ends_it() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let ended = server.folder().join("ended");
    let process = connection
        .exec(&format!("cat; touch '{}'", ended.display()))
        .await
        .unwrap();
    drop(process);
    eventually("the program sees the end of its input", || ended.exists()).await;
    assert_eq!(run(&connection, "echo next").await, "next\n");
}

#[tokio::test]
async fn dropping_a_process_ends_it_even_if_it_never_reads() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let ended = server.folder().join("ended");
    let command = format!(
        "trap '' PIPE; while echo; do sleep 0.02; done 2>/dev/null; touch '{}'",
        ended.display()
    );
    let mut process = connection.exec(&command).await.unwrap();
    let clog = async { while process.stdin.write_all(&noise(100_000)).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(1), clog)
        .await
        .expect_err("the program takes input for ever");
    drop(process);
    eventually("the program finds nobody to write to", || ended.exists()).await;
}

#[tokio::test]
async fn speaks_over_any_stream() {
    let server = Sshd::start();
    let (near, mut far) = tokio::io::duplex(4096);
    let mut tcp = tokio::net::TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .unwrap();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut far, &mut tcp).await });
    let connection = Connection::over(near, &server.target(), &ConnectOptions::default())
        .await
        .unwrap();
    assert_eq!(run(&connection, "echo over").await, "over\n");
}

#[tokio::test]
async fn a_write_to_a_program_that_has_ended_fails() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let mut process = connection.exec("exec true").await.unwrap();
    let mut nothing = Vec::new();
    soon(process.stdout.read_to_end(&mut nothing)).await.unwrap();
    let error = soon(async {
        loop {
            if let Err(error) = process.stdin.write_all(&[0; 100_000]).await {
                return error;
            }
        }
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_lost_connection_is_not_the_end_of_the_output() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let mut process = connection.exec("echo begun; exec cat").await.unwrap();
    let mut begun = [0; 6];
    process.stdout.read_exact(&mut begun).await.unwrap();
    server.kill_sessions();
    let mut rest = Vec::new();
    let error = soon(process.stdout.read_to_end(&mut rest)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
    eventually("the connection knows", || connection.is_closed()).await;
    let error = soon(connection.exec("echo")).await.err().unwrap();
    assert!(
        error.message.contains(&format!("127.0.0.1:{}", server.port())),
        "{error}"
    );
}

#[tokio::test]
async fn closing_ends_everything() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let mut process = connection.exec("cat").await.unwrap();
    connection.close().await;
    let mut rest = Vec::new();
    assert!(soon(process.stdout.read_to_end(&mut rest)).await.is_err());
}
