//! The daemon killed, ended and woken, at any moment.

use std::time::Duration;

use rusqlite::Connection;

use crate::load::{Writer, assert_reviewed};
use crate::story::{until_equal, waiting};
use crate::support::daemon::Daemon;
use crate::support::world::World;

/// A daemon that runs cycles as often as it can.
fn eager(products: usize) -> World {
    let mut world = World::with_products(products);
    world
        .settings
        .insert("sync", "poll = \"200ms\"\ndebounce = \"50ms\"".to_owned());
    for database in [world.open_local(), world.open_remote()] {
        let entries = "INSERT OR IGNORE INTO assessment_queue(product_url,retailer,category,review_type) \
                       SELECT url,retailer,'dresses','modesty' FROM products";
        database.execute_batch(entries).unwrap();
    }
    world
}

#[test]
fn killed_at_random_moments_under_load_it_goes_on_and_sees_no_false_conflict() {
    let world = eager(200);
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let mut site = Writer::site(&world, 15, 400);
    let laptop = Writer::laptop(&world, 40, 300);
    let (mut kills, mut in_a_cycle) = (0_u32, 0_u32);
    for phase in ["pull", "merge", "push", "agree"].into_iter().cycle().take(16) {
        if !site.is_writing() {
            site = Writer::site(&world, 15, 400); // into the same log
        }
        daemon.until_phase(phase);
        // Not to wait for something: the moment of the kill has to differ.
        std::thread::sleep(Duration::from_millis(u64::from(kills * 5 % 17)));
        daemon.kill();
        kills += 1;
        in_a_cycle += u32::from(begun(&world));
        daemon.again();
    }
    let (reviews, products) = (site.committed(), laptop.committed());
    until_equal(&world);
    let status = daemon.until_in_sync();
    println!("{kills} kills, {in_a_cycle} of them in the middle of a cycle that had begun to write");

    assert_reviewed(&world.open_remote(), &reviews);
    assert_reviewed(&world.open_local(), &reviews);
    let imported = "SELECT count(*) FROM products WHERE url LIKE '%/workflow-WF%'";
    let count: usize = world
        .open_remote()
        .query_row(imported, [], |row| row.get::<_, u32>(0))
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(count, products.len());
    assert_eq!(status["conflicts"], 0, "{status:#}");
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
    for database in [world.open_local(), world.open_remote()] {
        let verdict: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
    }
}

/// Whether a cycle is written down as begun and not as ended.
fn begun(world: &World) -> bool {
    let history = Connection::open(world.state().join("history.db")).unwrap();
    history
        .query_row("SELECT count(*) FROM journal", [], |row| row.get::<_, u32>(0))
        .unwrap()
        > 0
}

#[test]
fn one_daemon_a_state_folder_and_a_reload_takes_the_new_config_or_says_why_not() {
    let mut world = World::with_products(20);
    world.settings.insert("sync", "poll = \"1h\"\nwatch = false".to_owned());
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();

    let (code, message) = daemon.second();
    assert_eq!(code, Some(1));
    assert!(message.contains(&format!("process {}", daemon.pid())), "{message}");

    world.settings.insert("sync", "polll = \"1s\"".to_owned());
    world.config_file();
    daemon.signal("HUP");
    let refused = daemon.until_status("the mistake in status", |status| {
        status["reason"].as_str().is_some_and(|reason| reason.contains("polll"))
    });
    assert_eq!(refused["in_sync"], true, "the old config goes on");

    world
        .settings
        .insert("sync", "poll = \"200ms\"\ndebounce = \"100ms\"".to_owned());
    world.config_file();
    daemon.signal("HUP");
    daemon.until_status("a cycle of the new config", |status| {
        status["last_cycle"]["trigger"] == "reload" && status["reason"].is_null()
    });
    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["modest", &url]);
    until_equal(&world);
    assert!(daemon.terminate().0.success());
    assert!(!world.socket().exists());
}

#[test]
fn sigterm_ends_it_at_any_moment_also_while_the_server_stands_still() {
    let mut world = eager(20);
    // No look at the server is under way when it stops: the cycle meets it first.
    world
        .settings
        .insert("sync", "poll = \"1h\"\ndebounce = \"50ms\"".to_owned());
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let ends = |daemon: &mut Daemon, when: &str| {
        let (status, took) = daemon.terminate();
        println!("ended in {took:?} {when}");
        assert!(status.success(), "{when}: {status}");
        assert!(took < Duration::from_secs(10), "{when}: {took:?}");
    };
    ends(&mut daemon, "when idle");

    daemon.again();
    ends(&mut daemon, "right after the start");

    daemon.again();
    daemon.until_in_sync();
    world.sshd.signal_sessions("STOP");
    world.python(&["--count", "3"]);
    daemon.until_status("a cycle that cannot go on", |status| status["state"] == "syncing");
    ends(&mut daemon, "in a cycle, with the server's session stopped");
    world.sshd.signal_sessions("CONT");

    daemon.again();
    until_equal(&world);
}
