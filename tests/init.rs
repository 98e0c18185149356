//! `modsyncd init` on the built binary against a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::PathBuf;
use std::process::Command;

use assert_cmd::prelude::*;
use predicates::prelude::*;
use predicates::str::contains;
use support::world::World;

/// `modsyncd init` with everything but a word on the host key.
fn init(world: &World) -> (Command, PathBuf, PathBuf) {
    let (config, known_hosts) = (world.path("init.toml"), world.path("home/known_hosts"));
    let mut command = Command::cargo_bin("modsyncd").unwrap();
    command
        .args(["init", "--host", "127.0.0.1"])
        .arg("--port")
        .arg(world.port.to_string());
    command.args(["--user", &support::sshd::user()]);
    command
        .arg("--config")
        .arg(&config)
        .arg("--known-hosts")
        .arg(&known_hosts);
    command
        .arg("--local")
        .arg(world.local())
        .arg("--remote")
        .arg(world.remote());
    command.arg("--identity-file").arg(world.sshd.user_key());
    (command, config, known_hosts)
}

fn fingerprint(world: &World) -> String {
    let key = world.sshd.folder().join("host_ed25519.pub");
    let output = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned()
}

#[test]
fn an_unknown_host_key_is_shown_and_not_trusted_unasked() {
    let world = World::with_products(3);
    let (mut command, _, known_hosts) = init(&world);
    command
        .assert()
        .failure()
        .stdout(contains(fingerprint(&world)))
        .stderr(contains("is not trusted"));
    assert!(!known_hosts.exists(), "nothing was added");
}

#[test]
fn a_named_fingerprint_is_trusted_and_the_config_works() {
    let world = World::with_products(3);
    let (mut command, config, known_hosts) = init(&world);
    command.arg("--fingerprint").arg(fingerprint(&world));
    command
        .assert()
        .success()
        .stdout(contains("opens").and(contains("modsyncd install")));
    assert!(
        std::fs::read_to_string(known_hosts)
            .unwrap()
            .starts_with("[127.0.0.1]:")
    );
    let mut check = Command::cargo_bin("modsyncd").unwrap();
    check
        .arg("check-config")
        .arg("--config")
        .arg(&config)
        .assert()
        .success();

    let (mut again, ..) = init(&world);
    again.assert().failure().stderr(contains("is there already"));
}

#[test]
fn another_fingerprint_is_refused() {
    let world = World::with_products(3);
    let (mut command, _, known_hosts) = init(&world);
    command.args(["--fingerprint", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]);
    command.assert().failure().stderr(contains("is not trusted"));
    assert!(!known_hosts.exists());
}

#[test]
fn a_missing_answer_is_named() {
    let mut command = Command::cargo_bin("modsyncd").unwrap();
    let folder = tempfile::tempdir().unwrap();
    command
        .args(["init", "--local", "/x.db"])
        .arg("--config")
        .arg(folder.path().join("c.toml"));
    command.assert().failure().stderr(contains("--host"));
}

/// Runs a command on a terminal of its own and answers what it asks: pairs of a question's end and the answer.
const ON_A_TERMINAL: &str = r#"
import os, pty, sys
answers = [pair.split('=', 1) for pair in sys.argv[1].split('|')]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = ''
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data.decode(errors='replace')
    if answers and answers[0][0] in seen:
        seen = ''
        os.write(terminal, (answers.pop(0)[1] + '\n').encode())
    sys.stdout.buffer.write(data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_key_with_a_passphrase_is_offered_to_the_agent() {
    let world = World::with_products(3);
    let agent = support::sshd::Agent::start();
    let key = world.path("home/locked");
    support::sshd::keygen(&key, "ed25519", "open sesame");
    world.sshd.authorize(&key.with_extension("pub"));
    let (init, ..) = init(&world);
    let user_key = world.sshd.user_key();
    let arguments = init
        .get_args()
        .map(|arg| if arg == user_key { key.as_os_str() } else { arg });

    let mut terminal = Command::new("python3");
    terminal.args([
        "-c",
        ON_A_TERMINAL,
        "ssh-add? (yes/no)=yes|Enter passphrase=open sesame",
    ]);
    terminal.arg(init.get_program()).args(arguments);
    terminal.args(["--fingerprint", &fingerprint(&world)]);
    terminal.env("SSH_AUTH_SOCK", agent.socket());
    let said = contains("has a passphrase").and(contains("Identity added"));
    terminal.assert().success().stdout(said.and(contains("opens")));
}
