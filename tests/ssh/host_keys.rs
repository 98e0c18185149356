//! Whose word is taken for being the server.

use std::fs;
use std::path::Path;
use std::process::Command;

use modsync::config::ssh_config::SshTarget;
use modsync::ssh::known_hosts::{self, LookupName};
use modsync::ssh::{ConnectOptions, TransportError, TransportErrorKind, scan_host_key};

use crate::support::sshd::{Options, Sshd, keygen};
use crate::{open, refused};

fn fingerprint(server: &Sshd, kind: &str) -> String {
    let file = server.folder().join(format!("host_{kind}.pub"));
    let printed = Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap().stdout;
    String::from_utf8(printed)
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned()
}

/// The target with a known_hosts file of this text, in which PORT stands for the server's port.
fn knowing(server: &Sshd, text: &str) -> SshTarget {
    let mut target = server.target();
    target.known_hosts = vec![server.known_hosts(&text.replace("PORT", &server.port().to_string()))];
    target
}

fn assert_says(error: &TransportError, parts: &[&str]) {
    assert_eq!(error.kind, TransportErrorKind::HostKey, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{part} is missing from: {error}");
    }
}

#[tokio::test]
async fn an_unknown_host_is_stopped_with_what_to_compare() {
    let server = Sshd::start();
    let target = knowing(&server, "# nobody\n");
    let error = refused(&target).await;
    let (at, file) = (
        format!("127.0.0.1:{}", server.port()),
        target.known_hosts[0].display().to_string(),
    );
    let print = fingerprint(&server, "ed25519");
    assert_says(
        &error,
        &[
            &at,
            "ssh-ed25519",
            &print,
            &file,
            "ssh-keyscan",
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            "modsyncd init",
            "ssh server",
        ],
    );
    assert!(
        !server.log().contains("Accepted"),
        "logged in at a server that is not known"
    );
}

#[tokio::test]
async fn a_changed_key_is_stopped_with_the_line_that_has_the_old_one() {
    let server = Sshd::start();
    keygen(&server.folder().join("other"), "ed25519", "");
    let other = fs::read_to_string(server.folder().join("other.pub")).unwrap();
    let target = knowing(&server, &format!("# comment\n[127.0.0.1]:PORT {other}"));
    let error = refused(&target).await;
    let place = format!("{}:2 has another", target.known_hosts[0].display());
    let remove = format!("ssh-keygen -R '[127.0.0.1]:{}' -f", server.port());
    assert_says(
        &error,
        &[
            "has changed",
            &fingerprint(&server, "ed25519"),
            &place,
            &remove,
            "modsyncd init",
        ],
    );
}

#[tokio::test]
async fn a_revoked_key_is_stopped_although_another_line_knows_it() {
    let server = Sshd::start();
    let key = server.host_key("ed25519");
    let target = knowing(&server, &format!("[127.0.0.1]:PORT {key}\n@revoked * {key}\n"));
    let place = format!("{}:2", target.known_hosts[0].display());
    assert_says(
        &refused(&target).await,
        &["revoked", &place, &fingerprint(&server, "ed25519")],
    );
}

#[tokio::test]
async fn hashed_names_aliases_patterns_and_second_files_are_understood() {
    let server = Sshd::start();
    let key = server.host_key("ed25519");

    let hashed = server.target();
    let file = &hashed.known_hosts[0];
    assert!(
        Command::new("ssh-keygen")
            .arg("-Hf")
            .arg(file)
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(fs::read_to_string(file).unwrap().starts_with("|1|"));
    open(&hashed).await.unwrap();

    open(&knowing(&server, &format!("[127.0.*]:* {key}\n"))).await.unwrap();
    open(&knowing(&server, &format!("nonsense\n127.0.0.1 {key}\n")))
        .await
        .unwrap();
    refused(&knowing(&server, &format!("127.0.0.*,!127.0.0.1 {key}\n"))).await;

    let mut alias = knowing(&server, &format!("production {key}\n"));
    alias.host_key_alias = Some("production".to_owned());
    open(&alias).await.unwrap();
    alias.known_hosts.insert(0, server.folder().join("missing"));
    open(&alias).await.unwrap();
}

#[tokio::test]
async fn the_server_is_asked_for_the_key_that_is_known() {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let server = Sshd::with(&Options {
            host_keys: vec!["ed25519", "ecdsa", "rsa"],
            ..Options::default()
        });
        let target = knowing(&server, &format!("[127.0.0.1]:PORT {}\n", server.host_key(kind)));
        open(&target).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn a_key_that_was_looked_at_and_added_is_known() {
    let server = Sshd::start();
    let mut target = server.target();
    target.known_hosts = vec![server.folder().join("new/known_hosts")];
    let key = scan_host_key(&target, &ConnectOptions::default()).await.unwrap();
    assert_eq!(key.algorithm, "ssh-ed25519");
    assert_eq!(key.fingerprint_sha256, fingerprint(&server, "ed25519"));
    assert_eq!(key.openssh_line, server.host_key("ed25519"));
    refused(&target).await;
    known_hosts::add(
        &target.known_hosts[0],
        &LookupName::new(&target.host, target.port, None),
        &key,
    )
    .unwrap();
    open(&target).await.unwrap();
}

/// A server that shows a certificate for `principals`, valid in `validity`, and the authority's public key.
fn certified(principals: &str, validity: &str) -> (Sshd, String) {
    let mut server = Sshd::start();
    let authority = server.folder().join("ca");
    keygen(&authority, "ed25519", "");
    sign(
        &authority,
        &server.folder().join("host_ed25519.pub"),
        &["-h", "-n", principals, "-V", validity],
    );
    let (config, certificate) = (
        server.folder().join("sshd_config"),
        server.folder().join("host_ed25519-cert.pub"),
    );
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, format!("HostCertificate {}\n{text}", certificate.display())).unwrap();
    server.restart();
    (server, fs::read_to_string(authority.with_extension("pub")).unwrap())
}

fn sign(authority: &Path, key: &Path, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-I", "test"])
        .args(arguments)
        .arg("-s")
        .arg(authority)
        .arg(key);
    assert!(command.status().unwrap().success());
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_enough() {
    let (server, authority) = certified("127.0.0.1", "-1h:+1h");
    open(&knowing(
        &server,
        &format!("@cert-authority [127.0.0.1]:PORT {authority}"),
    ))
    .await
    .unwrap();
    // The same line without its marker is a host's own key, and another one.
    assert_says(
        &refused(&knowing(&server, &format!("[127.0.0.1]:PORT {authority}"))).await,
        &["has changed"],
    );
    // Another host's authority.
    assert_says(
        &refused(&knowing(&server, &format!("@cert-authority example.org {authority}"))).await,
        &["not known"],
    );
    let revoked = format!("@cert-authority [127.0.0.1]:PORT {authority}@revoked * {authority}");
    assert_says(&refused(&knowing(&server, &revoked)).await, &["revoked"]);
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_not() {
    for (principals, validity) in [("example.org", "-1h:+1h"), ("127.0.0.1", "-2h:-1h")] {
        let (server, authority) = certified(principals, validity);
        let text = format!("@cert-authority [127.0.0.1]:PORT {authority}");
        assert_says(&refused(&knowing(&server, &text)).await, &["not known"]);
        // But the key in it may be known by itself.
        let key = server.host_key("ed25519");
        open(&knowing(&server, &format!("{text}[127.0.0.1]:PORT {key}\n")))
            .await
            .unwrap();
    }
}
