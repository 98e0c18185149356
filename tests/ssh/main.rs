//! The SSH connection against OpenSSH's own server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod exec;
mod files;
mod host_keys;
mod jumps;
mod line;
mod login;

use std::future::Future;
use std::time::{Duration, Instant};

use modsync::config::ssh_config::SshTarget;
use modsync::ssh::{ConnectOptions, Connection, Transport, TransportError};
use tokio::io::AsyncReadExt;

/// Connects with the usual options.
async fn open(target: &SshTarget) -> Result<Connection, TransportError> {
    Connection::open(target, &ConnectOptions::default()).await
}

/// Connects where that must fail.
async fn refused(target: &SshTarget) -> TransportError {
    match open(target).await {
        Ok(_) => panic!("connected, but should not have"),
        Err(error) => error,
    }
}

/// What a command prints.
async fn run(connection: &Connection, command: &str) -> String {
    let mut process = connection.exec(command).await.unwrap();
    let mut printed = String::new();
    process.stdout.read_to_string(&mut printed).await.unwrap();
    printed
}

/// Ends a test that would hang.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("still not done after 20 s")
}

/// Waits for a condition.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: still not so after 20 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
