//! Who is told when a person is needed: a real daemon, a real sshd, and a script as the command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;

use support::daemon::{Daemon, until};
use support::world::World;

/// Longer than attention has to last until it is told.
const LONG_ENOUGH: Duration = Duration::from_secs(8);

/// A world whose daemon notes what it tells, a line each: the kind and the title.
fn world() -> World {
    let mut world = World::with_products(40);
    world
        .settings
        .insert("sync", "debounce = \"200ms\"\npoll = \"300ms\"".to_owned());
    let command = format!(
        "command = 'printf \"%s: %s\\n\" \"$NOTIFY_KIND\" \"$1\" >> {0}; printf %s \"$2\" > {0}.text'\noffline_after = \"1s\"",
        world.path("told").display()
    );
    world.settings.insert("notify", command);
    world
}

fn told(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn until_told(world: &World, lines: &[&str]) {
    until(&format!("it is told: {lines:?}"), || {
        let told = told(world);
        assert!(told.len() <= lines.len(), "told too often: {told:?}");
        (told == lines).then_some(())
    });
}

const BRAKE: &str = "attention: modsync needs you";
const CONFLICT: &str = "conflict: modsync: a conflict to look at";

#[test]
fn a_brake_and_a_conflict_are_told_once_also_over_a_restart() {
    let world = world();
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let server = world.open_remote();
    server
        .execute_batch(
            "PRAGMA foreign_keys=OFF; CREATE TEMP TABLE kept AS SELECT * FROM products; DELETE FROM products;",
        )
        .unwrap();
    daemon.until_status("the brake holds", |status| status["state"] == "attention");
    until_told(&world, &[BRAKE]);
    let text = std::fs::read_to_string(world.path("told.text")).unwrap();
    assert!(text.contains("products") && text.contains("What to do: "), "{text}");

    daemon.terminate();
    daemon.again();
    daemon.until_status("the brake holds", |status| status["state"] == "attention");
    // What must not come has no sign of its own.
    std::thread::sleep(LONG_ENOUGH);
    until_told(&world, &[BRAKE]);

    server.execute_batch("INSERT INTO products SELECT * FROM kept").unwrap();
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    daemon.ctl(&["pause"]);
    let set =
        |title: &str| format!("UPDATE products SET title='{title}' WHERE rowid=(SELECT min(rowid) FROM products)");
    world.open_local().execute_batch(&set("ours")).unwrap();
    server.execute_batch(&set("theirs")).unwrap();
    daemon.ctl(&["resume"]);
    until_told(&world, &[BRAKE, CONFLICT]);
    let metrics = daemon.metrics();
    assert!(
        metrics.contains("modsync_notifications_total{result=\"sent\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_server_that_stays_away_is_told_once_and_again_when_it_came_back_in_between() {
    let mut world = world();
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let offline = "offline: modsync: the server is out of reach";
    for times in 1..=2 {
        world.sshd.kill_sessions();
        world.sshd.stop();
        until_told(&world, &vec![offline; times]);
        let text = std::fs::read_to_string(world.path("told.text")).unwrap();
        assert!(
            text.contains("127.0.0.1") && text.contains("has not been reached since"),
            "{text}"
        );
        world.sshd.restart();
        daemon.until_in_sync();
    }
}

#[test]
fn a_command_that_fails_is_counted_and_harms_nothing_and_off_is_off() {
    for (setting, failed) in [
        ("command = \"exit 3\"", 1),
        ("enabled = false\ncommand = \"exit 3\"", 0),
    ] {
        let mut world = world();
        world.settings.insert("notify", setting.to_owned());
        let daemon = Daemon::start(&world);
        daemon.until_in_sync();
        world
            .open_remote()
            .execute_batch("PRAGMA foreign_keys=OFF; DELETE FROM products")
            .unwrap();
        daemon.until_status("the brake holds", |status| status["state"] == "attention");
        let line = format!("modsync_notifications_total{{result=\"failed\"}} {failed}");
        if failed > 0 {
            until("the failure is counted", || {
                daemon.metrics().contains(&line).then_some(())
            });
        } else {
            std::thread::sleep(LONG_ENOUGH); // what must not come has no sign of its own
            assert!(daemon.metrics().contains(&line));
        }
        assert_eq!(daemon.status()["state"], "attention");
    }
}
