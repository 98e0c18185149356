//! What does not happen: cycles for the daemon's own writes, traffic when nothing changes.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::story::{until_equal, waiting};
use crate::support::daemon::{Daemon, until};
use crate::support::proxy::{Line, Proxy};
use crate::support::world::World;

/// How many cycles the daemon has run since it started, by what `/metrics` counts.
fn cycles(daemon: &Daemon) -> u64 {
    daemon
        .metrics()
        .lines()
        .filter(|line| line.starts_with("modsync_cycles_total"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// How often the daemon has looked at the server: the time at which it last heard of it, as it moves on.
fn until_looks(daemon: &Daemon, looks: u32) {
    let mut seen = daemon.status()["as_of"].clone();
    for _ in 0..looks {
        let status = daemon.until_status("another look at the server", |status| status["as_of"] != seen);
        seen = status["as_of"].clone();
    }
}

#[test]
fn one_change_is_one_cycle_and_its_own_writes_are_none() {
    let mut world = World::with_products(30);
    world
        .settings
        .insert("sync", "poll = \"300ms\"\ndebounce = \"200ms\"".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    until_looks(&daemon, 3);
    let before = cycles(&daemon);
    let numbers = |status: &Json| status["last_cycle"]["cycle"].as_u64().unwrap();
    let last = numbers(&daemon.status());

    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["modest", &url]);
    until_equal(&world);
    until_looks(&daemon, 5);
    assert_eq!(cycles(&daemon) - before, 1, "after a review: {:#}", daemon.status());

    world.python(&["--count", "1"]);
    until_equal(&world);
    until_looks(&daemon, 5);
    assert_eq!(cycles(&daemon) - before, 2, "after a product: {:#}", daemon.status());

    // Both sides at once: a cycle for each look that sees one of them, at most.
    world.php(&["not_modest", &url]);
    world.python(&["--count", "1"]);
    until_equal(&world);
    until_looks(&daemon, 5);
    let total = cycles(&daemon) - before;
    assert!((3..=4).contains(&total), "{total} cycles");
    let status = daemon.until_in_sync();
    assert_eq!(numbers(&status) - last, total, "each of them moved something");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_costs_next_to_nothing_on_the_line() {
    let mut world = World::with_products(30);
    let proxy = Proxy::to(world.sshd.port(), Line::default()).await;
    world.port = proxy.port();
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    until_looks(&daemon, 1);
    let before = cycles(&daemon);
    let (bytes, since) = (proxy.sent() + proxy.received(), Instant::now());
    until_looks(&daemon, 6);
    let (bytes, took) = (proxy.sent() + proxy.received() - bytes, since.elapsed());
    let rate = bytes as f64 / took.as_secs_f64();
    println!("idle: {bytes} bytes in {took:?} for 6 looks: {rate:.0} bytes/s");
    assert_eq!(cycles(&daemon), before, "no cycle while nothing changes");
    assert!(rate < 200.0, "{rate} bytes/s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_lands_in_a_cycle_is_taken_by_the_next() {
    let mut world = World::with_products(30);
    // A cycle of some hundred milliseconds, and no other look at the laptop than the daemon's own.
    let line = Line {
        delay: Duration::from_millis(100),
        ..Line::default()
    };
    let proxy = Proxy::to(world.sshd.port(), line).await;
    world.port = proxy.port();
    world
        .settings
        .insert("sync", "poll = \"1h\"\ndebounce = \"100ms\"".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    for round in 0..4 {
        world.python(&["--count", "1"]);
        daemon.until_status("the cycle for the first product", |status| status["state"] == "syncing");
        world.python(&["--count", "1"]);
        let there = "SELECT count(*) FROM products WHERE url LIKE '%/workflow-WF%'";
        until("both products are on the server", || {
            let count: u32 = world.open_remote().query_row(there, [], |row| row.get(0)).unwrap();
            (count == 2 * (round + 1)).then_some(())
        });
        daemon.until_in_sync();
    }
}
