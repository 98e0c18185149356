//! The daemon as a process sees it: signals, socket and log.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use modsync::config::LoadOptions;
use modsync::control::client::Client;
use modsync::control::types::{State, Status};

use crate::script::{Scripted, config};

/// Sends a signal to this very process, which the daemon under test shares.
fn signal(name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", std::process::id())])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Asks over the socket until the status is like that; a limit far beyond any working machine's.
async fn until(client: &Client, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
    let asking = async {
        loop {
            match client.status().await {
                Ok(status) if condition(&status) => return status,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come about"))
}

#[tokio::test]
async fn signals_reload_and_end_it_and_the_socket_and_the_log_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let socket = config.daemon.socket.clone();
    let logs = config.daemon.state_dir.join("logs");
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "\n\n\n\n\n\nwhat = 1\n").unwrap();
    let options = LoadOptions {
        file: Some(file),
        ..LoadOptions::default()
    };
    let daemon = tokio::spawn(modsync::daemon::run(config, options, Scripted::default()));
    let client = Client::new(socket.clone(), Some(Duration::from_secs(5)));
    let status = until(&client, "in sync", |status| status.in_sync == Some(true)).await;
    assert_eq!((status.state, status.pid), (State::Idle, std::process::id()));

    signal("HUP");
    let refused = |status: &Status| {
        status
            .reason
            .as_ref()
            .is_some_and(|reason| reason.contains("config.toml:7:"))
    };
    until(&client, "the refusal of the config", refused).await;

    signal("TERM");
    let ended = tokio::time::timeout(Duration::from_secs(10), daemon).await;
    ended.expect("ends within ten seconds").unwrap().unwrap();
    assert!(!socket.exists());
    let file = std::fs::read_dir(&logs).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("config.toml:7:") && text.contains("ended"), "{text}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&logs), mode(&file)), (0o700, 0o600));
}
