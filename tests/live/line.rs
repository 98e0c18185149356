//! The line to the server: not there, cut, silent, and with somebody else at its far end.

use std::time::{Duration, Instant};

use crate::story::{until_equal, waiting};
use crate::support::daemon::Daemon;
use crate::support::proxy::{Line, Proxy};
use crate::support::sshd::{Sshd, keygen};
use crate::support::world::World;

fn eager() -> World {
    let mut world = World::with_products(20);
    world
        .settings
        .insert("sync", "poll = \"300ms\"\ndebounce = \"100ms\"".to_owned());
    world
}

#[test]
fn a_server_that_is_not_there_is_offline_with_a_next_try_and_its_return_is_noticed() {
    let mut world = eager();
    world.sshd.stop();
    let daemon = Daemon::start(&world);
    let status = daemon.until_status("offline", |status| status["state"] == "offline");
    assert!(
        status["reason"].is_string() && status["in_sync"].is_null(),
        "{status:#}"
    );
    let next = |status: &serde_json::Value| status["next_try"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let ahead = next(&daemon.status()) - jiff::Timestamp::now();
    assert!(ahead.get_seconds().abs() <= 60, "the next try is soon: {ahead:?}");

    let answer = daemon.ctl(&["status"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(answer.out.contains("offline"), "{answer:?}");
    for verb in ["sync-now", "check", "diff", "verify"] {
        let asked = Instant::now();
        let answer = daemon.ctl(&[verb]);
        assert_eq!(answer.code, 5, "{verb}: {answer:?}");
        assert!(
            asked.elapsed() < Duration::from_secs(20),
            "{verb} took {:?}",
            asked.elapsed()
        );
    }

    // The laptop's own side is told of all the same.
    world.python(&["--count", "2"]);
    let status = daemon.until_status("the laptop's rows counted", |status| {
        status["local"]["tables"]["products"] == 22
    });
    assert_eq!(status["in_sync"], false, "{status:#}");

    world.sshd.restart();
    until_equal(&world);
    daemon.until_in_sync();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_cut_or_silent_is_taken_up_again() {
    let mut world = eager();
    let proxy = Proxy::to(world.sshd.port(), Line::default()).await;
    world.port = proxy.port();
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();

    proxy.cut();
    world.python(&["--count", "1"]);
    until_equal(&world);
    daemon.until_in_sync();

    proxy.stall();
    world.python(&["--count", "1"]);
    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["modest", &url]);
    let asked = Instant::now();
    let silent = daemon.until_status("a silent line is noticed", |status| status["state"] == "offline");
    println!(
        "a silent line was called offline after {:?}: {}",
        asked.elapsed(),
        silent["reason"]
    );
    proxy.cut();
    proxy.resume();
    until_equal(&world);
    daemon.until_in_sync();
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
}

#[test]
fn sshd_may_be_restarted_under_it() {
    let mut world = eager();
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    world.sshd.kill_sessions();
    world.sshd.restart();
    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["not_modest", &url]);
    world.python(&["--count", "1"]);
    until_equal(&world);
    daemon.until_in_sync();
}

#[test]
fn a_changed_host_key_needs_a_person_and_is_told_how_to_be_checked() {
    let mut world = eager();
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let logins = |world: &World| world.sshd.log().matches("Accepted publickey").count();
    let before = logins(&world);
    replace_host_key(&world.sshd);
    world.sshd.kill_sessions();
    world.sshd.restart();
    world.python(&["--count", "1"]);

    let status = daemon.until_status("attention", |status| status["state"] == "attention");
    let said = format!("{} {}", status["reason"], status["recommendation"]);
    assert!(said.contains("host key") && said.contains("SHA256:"), "{said}");
    assert!(said.contains("ssh-keygen"), "it says how to check the key: {said}");
    assert_eq!(daemon.ctl(&["status"]).code, 4);
    assert_eq!(daemon.ctl(&["sync-now"]).code, 4);
    assert_eq!(logins(&world), before, "nobody logs in at a stranger's");
}

/// Gives the server another host key under the same name.
fn replace_host_key(sshd: &Sshd) {
    let path = sshd.folder().join("host_ed25519");
    for old in [path.clone(), path.with_extension("pub")] {
        std::fs::remove_file(old).unwrap();
    }
    keygen(&path, "ed25519", "");
}
