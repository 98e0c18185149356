//! The old project's script beside modsync: it copies the whole local file over the server's while the daemon watches.
//! docs/migrating.md tells what comes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::Path;

use support::daemon::{Daemon, until};
use support::world::{World, dump};

fn start() -> (World, Daemon) {
    let mut world = World::with_products(40);
    world
        .settings
        .insert("sync", "debounce = \"100ms\"\npoll = \"200ms\"".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    (world, daemon)
}

/// How a file is put over another.
#[derive(Clone, Copy, Debug)]
enum Upload {
    /// As SFTP's `put` does: the same file is cut to nothing and written anew.
    InPlace,
    /// Beside it and renamed: another file.
    Renamed,
}

fn upload(from: &Path, world: &World, way: Upload) {
    match way {
        Upload::InPlace => drop(std::fs::copy(from, world.remote()).unwrap()),
        Upload::Renamed => {
            let beside = world.path("site/upload");
            std::fs::copy(from, &beside).unwrap();
            std::fs::rename(beside, world.remote()).unwrap();
        }
    }
}

/// A review on the website; its product.
fn review(world: &World) -> String {
    let sql = "SELECT product_url FROM assessment_queue WHERE status='pending' AND review_type='modesty' LIMIT 1";
    let url: String = world.open_remote().query_row(sql, [], |row| row.get(0)).unwrap();
    world.php(&["modest", &url]);
    url
}

fn stage(connection: &rusqlite::Connection, url: &str) -> Option<String> {
    let sql = "SELECT lifecycle_stage FROM products WHERE url=?1";
    connection.query_row(sql, [url], |row| row.get(0)).unwrap()
}

/// Waits until the daemon has looked at everything that was done before this call. The first cycle to meet another file
/// asks for attention; that may be this one or a poll's before it.
fn settle(world: &World, daemon: &Daemon) {
    world.python(&["--count", "1"]);
    let (code, summary) = daemon.json(&["sync-now"]);
    assert!(matches!(code, 0 | 4), "sync-now: {summary:#}");
    daemon.until_in_sync();
}

/// What the laptop's file holds, the script puts on the server: nothing is lost, and modsync goes on.
#[test]
fn a_fresh_copy_over_the_server_loses_nothing() {
    for way in [Upload::InPlace, Upload::Renamed] {
        let (world, daemon) = start();
        let url = review(&world);
        until("the review is here", || {
            stage(&world.open_local(), &url).filter(|stage| stage == "assessed_approved")
        });
        daemon.until_in_sync();
        upload(&world.local(), &world, way);
        settle(&world, &daemon);
        world.assert_equal();
        assert_eq!(
            stage(&world.open_remote(), &url).as_deref(),
            Some("assessed_approved"),
            "{way:?}"
        );
    }
}

/// The script read the laptop's file before a review came, and writes it to the server afterwards. Into the same file that
/// looks like a program that takes the review back, and the laptop follows; only the record has it then. Another file
/// is recognised: all rows are compared, nothing is deleted, and the review wins.
#[test]
fn a_stale_copy_takes_a_review_back_unless_it_is_another_file() {
    for (way, expected) in [
        (Upload::InPlace, "pending_assessment"),
        (Upload::Renamed, "assessed_approved"),
    ] {
        let (world, daemon) = start();
        let stale = world.path("stale.db");
        std::fs::copy(world.local(), &stale).unwrap();
        let url = review(&world);
        until("the review is here", || {
            stage(&world.open_local(), &url).filter(|stage| stage == "assessed_approved")
        });
        daemon.until_in_sync();
        upload(&stale, &world, way);
        settle(&world, &daemon);
        world.assert_equal();
        assert_eq!(stage(&world.open_local(), &url).as_deref(), Some(expected), "{way:?}");
        let noticed = daemon
            .errors()
            .contains("the server's database is another file than at the last sync");
        assert_eq!(noticed, matches!(way, Upload::Renamed), "{way:?}: {}", daemon.errors());
    }
}

/// The first look of docs/migrating.md: paused before the server could be reached, it compares and writes nothing.
#[test]
fn a_daemon_that_was_paused_before_its_first_cycle_only_looks() {
    let mut world = World::with_products(40);
    world.python(&["--count", "2"]);
    let url = review(&world);
    let (laptop, server) = (dump(&world.open_local()), dump(&world.open_remote()));
    let port = std::mem::replace(&mut world.port, 1);
    let mut daemon = Daemon::start(&world);
    daemon.until_status("offline", |status| status["state"] == "offline");
    assert_eq!(daemon.ctl(&["pause"]).code, 0);
    daemon.terminate();

    world.port = port;
    world.config_file();
    daemon.again();
    daemon.until_status("paused", |status| status["state"] == "paused");
    let (_, check) = daemon.json(&["check"]);
    assert_eq!(check["in_sync"], false, "{check:#}");
    let (_, diff) = daemon.json(&["diff"]);
    assert!(diff["moves"].to_string().contains(&url), "{diff:#}");
    let planned = daemon.sync(&["--dry-run"], 0);
    assert_eq!(
        (planned["pushed"].as_u64(), planned["outcome"].as_str()),
        (Some(4), Some("planned")),
        "{planned:#}"
    );
    assert_eq!(
        (dump(&world.open_local()), dump(&world.open_remote())),
        (laptop, server),
        "nothing was written"
    );

    daemon.ctl(&["resume"]);
    daemon.until_in_sync();
    world.assert_equal();
    assert_eq!(stage(&world.open_local(), &url).as_deref(), Some("assessed_approved"));
}
