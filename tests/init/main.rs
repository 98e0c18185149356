//! `modsyncd init` on the built binary against a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod conversation;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::prelude::*;
use predicates::prelude::*;
use predicates::str::contains;
use support::sshd;
use support::world::World;

/// `modsyncd init` with everything but a word on the host key.
fn init(world: &World) -> (Command, PathBuf, PathBuf) {
    let (config, known_hosts) = (world.path("init.toml"), world.path("home/known_hosts"));
    let mut command = Command::cargo_bin("modsyncd").unwrap();
    command
        .args(["init", "--host", "127.0.0.1"])
        .arg("--port")
        .arg(world.port.to_string());
    command.args(["--user", &sshd::user()]);
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

/// What a command said, on both of its ways out.
fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).replace('\r', "") + &String::from_utf8_lossy(&output.stderr)
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
    command.arg("--accept-fingerprint").arg(fingerprint(&world));
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
    command.args([
        "--accept-fingerprint",
        "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ]);
    command.assert().failure().stderr(contains("is not trusted"));
    assert!(!known_hosts.exists());
}

#[test]
fn yes_trusts_a_key_at_first_sight_and_never_a_changed_one() {
    let world = World::with_products(3);
    let (mut command, _, known_hosts) = init(&world);
    command
        .arg("--yes")
        .assert()
        .success()
        .stdout(contains("trusted at first sight"));

    let known = std::fs::read_to_string(&known_hosts).unwrap();
    sshd::keygen(&world.path("home/other"), "ed25519", "");
    let other = std::fs::read_to_string(world.path("home/other.pub")).unwrap();
    let name = known.split(' ').next().unwrap();
    std::fs::write(&known_hosts, format!("{name} {other}")).unwrap();
    let (mut again, ..) = init(&world);
    again
        .args(["--yes", "--force"])
        .assert()
        .failure()
        .stderr(contains("is not the one in"));
}

#[test]
fn what_is_missing_is_named_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("new/config.toml");
    let run = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("modsyncd").unwrap();
        command.arg("init").args(arguments).arg("--config").arg(&config);
        command.env("HOME", folder.path()).assert().failure()
    };
    run(&["--user", "ann"]).stderr(contains("--local and --host and --remote must be given"));
    run(&["--local", "/x.db", "--remote", "/y.db"]).stderr(contains(": --host must be given"));
    run(&["--engine", "sqlite"]).stderr(contains("possible values: auto, sqlite3"));
    run(&["--accept-fingerprint", "MD5:00"]).stderr(contains("ssh-keygen -lf"));
    assert!(!config.parent().unwrap().exists(), "nothing was written");
}

#[test]
fn without_a_look_at_the_server_the_config_is_written_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let mut command = Command::cargo_bin("modsyncd").unwrap();
    command.args(["init", "--no-check", "--local", "/x.db", "--host", "nowhere.invalid"]);
    command.args(["--remote", "/srv/a.db", "--engine", "php", "--config"]);
    command.arg(&config).assert().success();
    assert!(std::fs::read_to_string(config).unwrap().contains("\nengine = \"php\""));
}

#[test]
fn a_server_that_cannot_be_reached_leaves_no_config() {
    let mut world = World::with_products(3);
    world.sshd.stop();
    let (mut command, config, _) = init(&world);
    command
        .arg("--yes")
        .assert()
        .failure()
        .stderr(contains("cannot connect to 127.0.0.1"));
    assert!(!config.exists());
}

const AMBIGUOUS: &str = "
CREATE TABLE articles(id INTEGER PRIMARY KEY, slug TEXT, title TEXT, updated_at TEXT, review_notes TEXT, reviewed_at TEXT);
CREATE TABLE members(email TEXT NOT NULL UNIQUE, number TEXT NOT NULL UNIQUE, name TEXT);
CREATE TABLE loose(line TEXT);";

#[test]
fn where_more_than_one_thing_may_be_meant_the_config_proposes_it() {
    let world = World::with_schema(AMBIGUOUS);
    let (mut command, config, _) = init(&world);
    let told = contains("articles  id (handed out by each side for itself)").and(contains("loose is left out: no key"));
    command.arg("--yes").assert().success().stdout(told);
    let written = std::fs::read_to_string(&config).unwrap();
    for expected in [
        "#key = [\"slug\"]",
        "#last_updated = \"updated_at\"",
        "#columns = [\"review_notes\", \"reviewed_at\"]\n#newest_by = \"reviewed_at\"",
        "# Rows are matched by [\"email\"]. Unique as well: [\"number\"].",
    ] {
        assert!(written.contains(expected), "{expected} is missing in:\n{written}");
    }
    // As it stands nothing of it is in effect; without the signs all of it is.
    let check = |file: &Path| {
        let mut command = Command::cargo_bin("modsyncd").unwrap();
        command.arg("check-config").arg("--config").arg(file).assert().success()
    };
    check(&config).stdout(contains("table articles").not());
    let uncomment = |line: &str| {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        setting.unwrap_or(line).to_owned() + "\n"
    };
    std::fs::write(&config, written.lines().map(uncomment).collect::<String>()).unwrap();
    let expected = "key slug; last updated by updated_at; review_notes, reviewed_at together";
    check(&config).stdout(contains(expected).and(contains("key email")));
}

#[test]
fn a_key_with_a_passphrase_is_offered_to_the_agent() {
    let world = World::with_products(3);
    let agent = sshd::Agent::start();
    let key = world.path("home/locked");
    sshd::keygen(&key, "ed25519", "open sesame");
    world.sshd.authorize(&key.with_extension("pub"));
    let (init, ..) = init(&world);
    let user_key = world.sshd.user_key();
    let arguments = init
        .get_args()
        .map(|arg| if arg == user_key { key.as_os_str() } else { arg });

    let answers = [("ssh-add? (yes/no):", "yes"), ("Enter passphrase", "open sesame")];
    let mut terminal = Command::new("python3");
    terminal.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/converse.py"));
    terminal.arg(serde_json::to_string(&answers).unwrap());
    terminal.arg(init.get_program()).args(arguments);
    terminal.args(["--accept-fingerprint", &fingerprint(&world)]);
    terminal.env("SSH_AUTH_SOCK", agent.socket());
    let said = contains("has a passphrase").and(contains("Identity added"));
    terminal.assert().success().stdout(said.and(contains("opens")));
}
