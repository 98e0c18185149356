//! What can go wrong on the laptop and on the way to the server.

use std::time::{Duration, Instant};

use super::clinic::{ask, examine, examine_in, paste, set_mode};
use super::support::daemon::{Daemon, until};
use super::support::sshd::{Agent, keygen};
use super::support::world::World;

/// With no daemon, that one thing is wrong besides.
const STOPPED: &str = "daemon";

#[test]
fn a_config_with_a_mistake_is_told_while_the_daemon_goes_on_with_the_old_one() {
    let mut world = World::with_products(10);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    world.settings.insert("sync", "pol = \"2s\"".to_owned());
    let file = world.config_file();
    let fix = ask(&daemon).assert_wrong("config", &["sync.pol", "did you mean", "goes on with"]);
    assert!(
        fix.contains("check-config") && fix.contains(file.to_str().unwrap()),
        "{fix}"
    );
    // Without a daemon nothing else can be told.
    drop(daemon);
    let report = examine(&world);
    assert_eq!((report.code, report.wrong()), (4, vec!["config", STOPPED]));
    assert!(report.check("schema")["ok"].is_null());
}

#[test]
fn modsyncctl_asks_modsyncd_when_no_daemon_runs() {
    let world = World::with_products(10);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_modsyncctl"))
        .args(["doctor", "--json", "--config"])
        .arg(world.config_file())
        .env("MODSYNC_SOCKET", world.socket())
        .env("HOME", world.path("home"))
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{report:#}");
    let wrong = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["ok"] == false)
        .unwrap();
    assert_eq!(wrong["name"], "daemon", "{report:#}");
    assert!(
        wrong["fix"].as_str().unwrap().starts_with("modsyncd run --config "),
        "{wrong:#}"
    );
}

#[test]
fn a_daemon_that_hangs_is_named_in_time() {
    let world = World::with_products(10);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    daemon.signal("STOP");
    let report = examine(&world);
    daemon.signal("CONT");
    report.assert_wrong(STOPPED, &["does not answer"]);
}

#[test]
fn the_state_folder_and_the_local_database() {
    let mut world = World::with_products(10);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();

    set_mode(&world.state(), 0o755);
    let fix = ask(&daemon).assert_wrong("state_folder", &["0755"]);
    paste(&world, &fix);
    ask(&daemon).assert_well();
    drop(daemon);

    let aside = world.path("aside.db");
    std::fs::rename(world.local(), &aside).unwrap();
    examine(&world).assert_among_wrong("local_database", &["is not there"]);
    std::fs::write(
        world.local(),
        "no database at all, but long enough to be read as one by sqlite, which says so",
    )
    .unwrap();
    examine(&world).assert_among_wrong("local_database", &["no SQLite database"]);
    std::fs::write(world.local(), "").unwrap();
    examine(&world).assert_among_wrong("local_database", &["has no bytes"]);
    let mut bytes = std::fs::read(&aside).unwrap();
    bytes[4096 * 3..4096 * 6].fill(0x5a);
    std::fs::write(world.local(), bytes).unwrap();
    let fix = examine(&world).assert_among_wrong("local_database", &["is damaged"]);
    assert!(fix.contains(".recover"), "{fix}");
    std::fs::copy(&aside, world.local()).unwrap();
    assert_eq!(examine(&world).wrong(), [STOPPED]);

    world
        .settings
        .insert("table", "[[table]]\nname = \"products\"\nsync = false".to_owned());
    let report = examine(&world);
    assert_eq!(report.check("schema")["level"], "note", "{:#}", report.json);
}

#[test]
fn a_local_database_that_is_locked_is_named_in_time() {
    let world = World::with_products(10);
    let holder = world.open_local();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    examine(&world).assert_among_wrong("local_database", &["locked"]);
}

#[test]
fn keys() {
    let world = World::with_products(10);
    let key = world.sshd.user_key();

    set_mode(&key, 0o644);
    let report = examine(&world);
    let fix = report.assert_among_wrong("key", &["0644"]);
    report.assert_among_wrong("login", &["cannot log in"]);
    assert!(report.check("engine")["ok"].is_null());
    paste(&world, &fix);
    assert_eq!(examine(&world).wrong(), [STOPPED]);

    let aside = key.with_extension("aside");
    std::fs::rename(&key, &aside).unwrap();
    let fix = examine(&world).assert_among_wrong("key", &["is not there"]);
    assert!(fix.starts_with("ssh-keygen -t ed25519 -f "), "{fix}");

    // An encrypted one, without an agent and with it.
    std::fs::remove_file(key.with_extension("pub")).unwrap();
    keygen(&key, "ed25519", "open sesame");
    world.sshd.authorize(&key.with_extension("pub"));
    let fix = examine(&world).assert_among_wrong("key", &["has a passphrase", "SSH_AUTH_SOCK"]);
    assert!(fix.starts_with("ssh-add "), "{fix}");
    let agent = Agent::start();
    let socket = agent.socket().to_str().unwrap().to_owned();
    let with_agent = [("SSH_AUTH_SOCK", socket.as_str())];
    examine_in(&world, &with_agent).assert_among_wrong("key", &["the agent holds no key"]);
    let opened = key.with_extension("opened");
    std::fs::copy(&key, &opened).unwrap();
    set_mode(&opened, 0o600);
    let mut decrypt = std::process::Command::new("ssh-keygen");
    decrypt
        .args(["-q", "-p", "-P", "open sesame", "-N", "", "-f"])
        .arg(&opened);
    assert!(decrypt.status().unwrap().success());
    agent.add(&opened);
    assert_eq!(examine_in(&world, &with_agent).wrong(), [STOPPED]);
}

#[test]
fn a_login_that_is_refused_is_told_with_what_was_tried() {
    let world = World::with_products(10);
    std::fs::write(world.sshd.folder().join("authorized_keys"), "").unwrap();
    let report = examine(&world);
    let fix = report.assert_among_wrong("login", &["cannot log in", "refused"]);
    assert!(fix.starts_with("ssh-copy-id -i "), "{fix}");
    assert_eq!(
        (
            report.check("key")["ok"].as_bool(),
            report.check("host_key")["ok"].as_bool()
        ),
        (Some(true), Some(true))
    );
}

#[test]
fn host_keys_that_are_unknown_or_changed_are_healed_by_their_fix() {
    let world = World::with_products(10);
    let known = world.sshd.folder().join("known_hosts");
    // The config names the file, and is written once: each writing makes the host known.
    let file = world.config_file();
    let examine = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_modsyncd"))
            .args(["doctor", "--json", "--config"])
            .arg(&file)
            .env("HOME", world.path("home"))
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .unwrap();
        super::clinic::Report {
            code: output.status.code().unwrap(),
            json: serde_json::from_slice(&output.stdout).unwrap(),
        }
    };
    std::fs::write(&known, "").unwrap();
    let report = examine();
    let fix = report.assert_among_wrong("host_key", &["is not known", "SHA256:"]);
    assert_eq!(report.wrong(), [STOPPED, "host_key"]);
    paste(&world, &fix);
    assert_eq!(examine().wrong(), [STOPPED]);

    keygen(&world.path("other"), "ed25519", "");
    let other = std::fs::read_to_string(world.path("other.pub")).unwrap();
    std::fs::write(&known, format!("[127.0.0.1]:{} {other}", world.port)).unwrap();
    let fix = examine().assert_among_wrong("host_key", &["has changed"]);
    assert!(fix.starts_with("ssh-keygen -R "), "{fix}");
    paste(&world, &fix);
    assert_eq!(examine().wrong(), [STOPPED]);
}

#[test]
fn a_server_that_is_away_or_silent_is_named_in_time() {
    let mut world = World::with_products(10);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    world.sshd.stop();
    world.sshd.kill_sessions();
    let report = ask(&daemon);
    report.assert_wrong("server", &["cannot connect"]);
    assert_eq!(report.code, 5);
    assert!(report.check("login")["ok"].is_null());
    world.sshd.restart();
    until("the server answers again", || (ask(&daemon).code == 0).then_some(()));

    // One that takes the connection and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.port = listener.local_addr().unwrap().port();
    let began = Instant::now();
    let report = examine(&world);
    report.assert_among_wrong("server", &["no answer within"]);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}
