//! The control socket: who may open it, what it refuses, and that neither end can hang the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod script;

use modsync::control::client::Client;
use modsync::control::types::{State, Status};
use script::Daemon;

fn idle() -> Status {
    Status {
        state: State::Idle,
        in_sync: Some(true),
        ..Status::default()
    }
}

#[tokio::test]
async fn status_travels_as_it_is() {
    let daemon = Daemon::usual(idle());
    let client = Client::new(daemon.socket.clone(), None);
    assert_eq!(client.status().await.unwrap(), idle());
    drop(daemon);
}
