//! The SSH connection against OpenSSH's own server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use modsync::ssh::{ConnectOptions, Connection, Process, Transport};
use support::sshd::Sshd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn runs_a_command_and_carries_its_three_streams() {
    let server = Sshd::start();
    let connection = Connection::open(&server.target(), &ConnectOptions::default())
        .await
        .unwrap();
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
    let traffic = connection.traffic();
    assert!(traffic.sent() > 1000 && traffic.received() > 1000, "{traffic:?}");
}
