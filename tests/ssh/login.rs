//! Keys, agents, certificates and passwords.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use modsync::ssh::{TransportError, TransportErrorKind};

use crate::support::sshd::{Agent, Options, Sshd, SystemUser, keygen};
use crate::{open, refused, run};

fn config(text: &str) -> Options {
    Options {
        config: text.to_owned(),
        ..Options::default()
    }
}

/// A new key in the server's folder.
fn new_key(server: &Sshd, name: &str, kind: &str, passphrase: &str) -> PathBuf {
    let path = server.folder().join(name);
    keygen(&path, kind, passphrase);
    path
}

fn public(key: &Path) -> PathBuf {
    key.with_extension("pub")
}

fn assert_says(error: &TransportError, parts: &[&str]) {
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{part} is missing from: {error}");
    }
}

#[tokio::test]
async fn key_files_of_every_type_open_the_door() {
    let server = Sshd::start();
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let mut target = server.target();
        // The library cannot read one ECDSA key of 256: those whose number happens to be a byte shorter.
        for attempt in 0..3 {
            let key = new_key(&server, &format!("{kind}-{attempt}"), kind, "");
            server.authorize(&public(&key));
            target.identity_files = vec![server.folder().join("missing"), key];
            match open(&target).await {
                Err(error) if kind == "ecdsa" && error.message.contains("length invalid") => {}
                opened => {
                    opened.unwrap_or_else(|error| panic!("{kind}: {error}"));
                    break;
                }
            }
        }
    }
    assert!(server.log().contains("Accepted publickey for") && server.log().contains("RSA SHA256:"));
}

#[tokio::test]
async fn a_key_file_in_the_old_format_will_do() {
    let server = Sshd::start();
    let key = new_key(&server, "pem", "rsa", "");
    let mut convert = Command::new("ssh-keygen");
    convert.args(["-q", "-p", "-N", "", "-m", "PEM", "-f"]).arg(&key);
    assert!(convert.output().unwrap().status.success());
    assert!(fs::read_to_string(&key).unwrap().contains("BEGIN RSA PRIVATE KEY"));
    server.authorize(&public(&key));
    let mut target = server.target();
    target.identity_files = vec![key];
    open(&target).await.unwrap();
}

#[tokio::test]
async fn an_encrypted_key_asks_the_passphrase_command() {
    let server = Sshd::start();
    let key = new_key(&server, "locked", "ed25519", "open sesame");
    server.authorize(&public(&key));
    let mut target = server.target();
    target.identity_files = vec![key];
    assert_says(
        &refused(&target).await,
        &["locked: it needs a passphrase", "passphrase_command"],
    );

    target.passphrase_command = Some("echo wrong sesame".to_owned());
    let error = refused(&target).await;
    assert_says(&error, &["locked: the passphrase does not open it"]);
    assert!(!format!("{error:?}").contains("wrong sesame"), "{error:?}");

    target.passphrase_command = Some("exit 7".to_owned());
    assert_says(
        &refused(&target).await,
        &["`passphrase_command`: the command failed (exit status: 7)"],
    );

    target.passphrase_command = Some("echo open sesame".to_owned());
    open(&target).await.unwrap();
}

#[tokio::test]
async fn a_key_file_that_others_may_read_is_not_used() {
    let server = Sshd::start();
    fs::set_permissions(server.user_key(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_says(
        &refused(&server.target()).await,
        &["user: others may read it (mode 0644)", "chmod 600"],
    );
}

#[tokio::test]
async fn a_refusal_lists_everything_that_was_tried() {
    let server = Sshd::start();
    let (strange, garbage) = (
        new_key(&server, "strange", "ed25519", ""),
        server.folder().join("garbage"),
    );
    fs::write(&garbage, "no key\n").unwrap();
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o600)).unwrap();
    let mut target = server.target();
    target.identity_agent = Some(server.folder().join("no-agent"));
    target.identity_files = vec![server.folder().join("missing"), strange, garbage];
    let who = format!("{}@127.0.0.1:{}", target.user, server.port());
    assert_says(
        &refused(&target).await,
        &[
            &who,
            "no-agent: nobody answers there",
            "missing: no such file",
            "strange (SHA256:",
            "refused",
            "garbage: it cannot be read as a private key",
            "ssh-copy-id server",
        ],
    );
}

#[tokio::test]
async fn the_agent_signs_for_keys_that_are_in_no_file() {
    let (server, agent) = (Sshd::start(), Agent::start());
    for kind in ["rsa", "ed25519"] {
        let key = new_key(&server, kind, kind, "");
        server.authorize(&public(&key));
        agent.add(&key);
        fs::remove_file(&key).unwrap();
        let mut target = server.target();
        target.identity_agent = Some(agent.socket());
        target.identity_files = vec![key.clone()];
        target.identities_only = true;
        open(&target).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        target.identity_files.clear();
        assert_says(&refused(&target).await, &[]);
        target.identities_only = false;
        open(&target).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn a_full_agent_does_not_keep_the_right_key_from_being_tried() {
    let (server, agent) = (Sshd::start(), Agent::start());
    for number in 0..8 {
        agent.add(&new_key(&server, &format!("foreign{number}"), "ed25519", ""));
    }
    let mut target = server.target();
    target.identity_agent = Some(agent.socket());
    // sshd hangs up after six keys that it does not know.
    open(&target).await.unwrap();
    target.identity_files.clear();
    assert_says(
        &refused(&target).await,
        &["Too many authentication failures", "IdentitiesOnly yes", "refused"],
    );
}

#[tokio::test]
async fn a_certificate_beside_the_key_is_offered() {
    let server = Sshd::start();
    let authority = new_key(&server, "ca", "ed25519", "");
    let config = server.folder().join("sshd_config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        config,
        format!("TrustedUserCAKeys {}\n{text}", public(&authority).display()),
    )
    .unwrap();
    let mut server = server;
    server.restart();
    for kind in ["ed25519", "rsa"] {
        let key = new_key(&server, &format!("signed-{kind}"), kind, "");
        let mut target = server.target();
        target.identity_files = vec![key.clone()];
        assert_says(&refused(&target).await, &["refused"]);
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-I", "test", "-n", &target.user, "-s"])
            .arg(&authority)
            .arg(public(&key));
        assert!(sign.status().unwrap().success());
        open(&target).await.unwrap_or_else(|error| panic!("{kind}: {error}"));

        let agent = Agent::start();
        agent.add(&key);
        fs::remove_file(&key).unwrap();
        target.identity_agent = Some(agent.socket());
        open(&target)
            .await
            .unwrap_or_else(|error| panic!("{kind} in the agent: {error}"));
    }
}

/// One test, because it needs a user of the machine.
#[tokio::test]
async fn a_password_is_asked_of_its_command() {
    let user = SystemUser::with_password("correct horse");
    let (none, right, wrong) = (None, Some("echo correct horse"), Some("echo battery staple"));
    let password = "PasswordAuthentication yes";
    let questions = "UsePAM yes\nKbdInteractiveAuthentication yes";
    let both = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    for (settings, with_key) in [(password, false), (questions, false), (both, true)] {
        let server = Sshd::with(&config(settings));
        let mut target = server.target();
        target.user.clone_from(&user.name);
        if !with_key {
            target.identity_files.clear();
        }
        // The user is not root, and has to be able to read the file that lets the key in.
        fs::set_permissions(server.folder(), fs::Permissions::from_mode(0o755)).unwrap();

        let mut with = |command: Option<&str>| {
            target.password_command = command.map(str::to_owned);
            target.clone()
        };
        let connection = open(&with(right))
            .await
            .unwrap_or_else(|error| panic!("{settings}: {error}"));
        assert_eq!(run(&connection, "id -un").await.trim(), user.name);
        let error = refused(&with(wrong)).await;
        assert_says(&error, &["refused"]);
        assert!(!format!("{error:?}").contains("battery"), "{error:?}");
        assert_says(&refused(&with(none)).await, &["password: no `password_command` is set"]);
        assert_says(
            &refused(&with(Some("exit 1"))).await,
            &["`password_command`: the command failed"],
        );
    }
}
