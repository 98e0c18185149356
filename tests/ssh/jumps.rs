//! Connections through jump hosts.

use modsync::ssh::{ConnectOptions, TransportErrorKind, scan_host_key};

use crate::support::sshd::{Options, Sshd};
use crate::{open, refused, run};

#[tokio::test]
async fn goes_through_two_jump_hosts() {
    let (outer, inner, server) = (Sshd::start(), Sshd::start(), Sshd::start());
    let mut target = server.target();
    target.jumps = vec![outer.target(), inner.target()];
    let connection = open(&target).await.unwrap();
    let printed = run(&connection, "echo $SSH_CONNECTION").await;
    assert!(printed.trim().ends_with(&format!(" {}", server.port())), "{printed}");
    assert!(inner.log().contains("Accepted publickey") && outer.log().contains("Accepted publickey"));
}

#[tokio::test]
async fn the_host_key_of_each_hop_is_checked() {
    let (jump, server) = (Sshd::start(), Sshd::start());
    let mut target = server.target();
    let mut hop = jump.target();
    hop.known_hosts.clear();
    target.jumps = vec![hop];
    let error = refused(&target).await;
    assert_eq!(error.kind, TransportErrorKind::HostKey);
    assert!(error.message.contains(&format!("127.0.0.1:{}", jump.port())), "{error}");

    target.jumps = vec![jump.target()];
    target.known_hosts.clear();
    let error = refused(&target).await;
    assert_eq!(error.kind, TransportErrorKind::HostKey);
    assert!(
        error.message.contains(&format!("127.0.0.1:{}", server.port())),
        "{error}"
    );
}

#[tokio::test]
async fn a_jump_host_that_forbids_it_is_a_matter_of_setup() {
    let jump = Sshd::with(&Options {
        config: "AllowTcpForwarding no".to_owned(),
        ..Options::default()
    });
    let server = Sshd::start();
    let mut target = server.target();
    target.jumps = vec![jump.target()];
    let error = refused(&target).await;
    assert_eq!(error.kind, TransportErrorKind::Setup);
    assert!(error.message.contains("AllowTcpForwarding"), "{error}");
}

#[tokio::test]
async fn a_host_key_can_be_looked_at_through_a_jump_host() {
    let (jump, server) = (Sshd::start(), Sshd::start());
    let mut target = server.target();
    target.known_hosts.clear();
    target.jumps = vec![jump.target()];
    let key = scan_host_key(&target, &ConnectOptions::default()).await.unwrap();
    assert_eq!(key.openssh_line, server.host_key("ed25519"));
}
