//! What is settled by itself and told, what is held until a person says that it is meant, and who may read it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::story::waiting;
use crate::support::daemon::Daemon;
use crate::support::world::{World, rows};

fn in_sync(world: &World) -> Daemon {
    let daemon = Daemon::start(world);
    daemon.until_in_sync();
    daemon
}

fn calm(products: usize) -> World {
    let mut world = World::with_products(products);
    world.settings.insert("sync", "poll = \"1h\"\nwatch = false".to_owned());
    world
}

#[test]
fn a_settled_conflict_is_told_and_stops_nothing() {
    let world = calm(20);
    let mut daemon = in_sync(&world);
    let url = waiting(&world.open_remote(), 1).remove(0);
    let set = |title: &str| format!("UPDATE products SET title='{title}' WHERE url='{url}'");
    world.open_local().execute_batch(&set("from the laptop")).unwrap();
    world.open_remote().execute_batch(&set("from the site")).unwrap();

    let summary = daemon.sync(&[], 4);
    assert_eq!(
        (&summary["conflicts"], &summary["held"]),
        (&1.into(), &0.into()),
        "{summary:#}"
    );
    world.assert_equal();
    let check = |daemon: &Daemon| {
        let (code, status) = daemon.json(&["status"]);
        assert_eq!((code, &status["conflicts"]), (4, &1.into()), "{status:#}");
        assert_eq!(
            (&status["state"], &status["in_sync"]),
            (&"idle".into(), &true.into()),
            "{status:#}"
        );
        assert!(
            status["recommendation"].as_str().unwrap().contains("conflicts"),
            "{status:#}"
        );
    };
    check(&daemon);
    daemon.kill();
    daemon.again();
    daemon.until_in_sync();
    check(&daemon);
}

#[test]
fn deletions_in_bulk_are_held_until_they_are_meant() {
    let world = calm(40);
    let daemon = in_sync(&world);
    let queue = "SELECT id FROM assessment_queue";
    let before = rows(&world.open_remote(), queue).len();
    world
        .open_local()
        .execute_batch("DELETE FROM assessment_queue WHERE id%2=0")
        .unwrap();
    world.python(&["--count", "1"]);

    let summary = daemon.sync(&[], 4);
    assert!(summary["held"].as_u64().unwrap() > 1, "{summary:#}");
    assert_eq!(summary["pushed"], 2, "the rest goes on: {summary:#}");
    assert_eq!(
        rows(&world.open_remote(), queue).len(),
        before + 1,
        "nothing was deleted"
    );
    let (code, status) = daemon.json(&["status"]);
    assert_eq!(
        (code, &status["state"], &status["in_sync"]),
        (4, &"attention".into(), &false.into()),
        "{status:#}"
    );
    assert!(status["reason"].as_str().unwrap().contains("max_delete"), "{status:#}");
    assert!(
        status["recommendation"].as_str().unwrap().contains("--allow-deletes"),
        "{status:#}"
    );
    assert_eq!(daemon.sync(&[], 4)["held"], summary["held"]);
    assert_eq!(daemon.ctl(&["diff"]).code, 4);

    assert_eq!(
        daemon.ctl(&["sync-now", "--allow-deletes"]).code,
        2,
        "nobody is there to be asked"
    );
    let done = daemon.sync(&["--allow-deletes", "--yes"], 0);
    assert_eq!(done["deleted"], summary["held"], "{done:#}");
    world.assert_equal();
    let status = daemon.until_in_sync();
    assert!(status["reason"].is_null(), "{status:#}");
    assert_eq!(daemon.ctl(&["status", "--exit-code"]).code, 0);
}

#[test]
fn a_column_wiped_by_accident_is_held_until_it_is_meant() {
    let world = calm(60);
    let daemon = in_sync(&world);
    let wipe = "UPDATE products SET title='?', last_updated='2026-01-01T00:00:00'";
    world.open_local().execute_batch(wipe).unwrap();
    let held = daemon.sync(&[], 4);
    assert_eq!((&held["held"], &held["pushed"]), (&60.into(), &0.into()), "{held:#}");
    let status = daemon.status();
    assert_eq!(status["state"], "attention", "{status:#}");
    assert!(
        status["reason"].as_str().unwrap().contains("products.title"),
        "{status:#}"
    );
    assert!(rows(&world.open_remote(), "SELECT 1 FROM products WHERE title='?'").is_empty());
    daemon.sync(&["--allow-deletes", "--yes"], 0);
    world.assert_equal();
    daemon.until_in_sync();
}

#[test]
fn nobody_else_may_read_what_it_keeps_and_no_secret_is_in_the_log() {
    let mut world = calm(20);
    world.settings.insert("table", "[log]\nlevel = \"trace\"".to_owned());
    let daemon = in_sync(&world);
    world.python(&["--count", "1"]);
    daemon.sync(&[], 0);

    let mut found = Vec::new();
    files(&world.state(), &mut found);
    let ours = found.len();
    files(&world.remote_state(), &mut found);
    assert!(found.len() > ours + 1, "the server's base is there: {found:?}");
    assert!(found.iter().any(|path| path.ends_with("history.db")), "{found:?}");
    for path in &found {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
    }
    let config = std::fs::read_to_string(world.sshd.user_key()).unwrap();
    let secret = config.lines().nth(1).unwrap();
    let log = daemon.ctl(&["logs", "-n", "100000"]).out + &daemon.errors();
    assert!(!log.contains(secret), "the private key is in the log");
    assert!(!log.contains("A dress found by the workflow"), "a row is in the log");
}

/// Everything in a folder, and the folder.
fn files(path: &Path, found: &mut Vec<std::path::PathBuf>) {
    if !path.exists() {
        return;
    }
    found.push(path.to_owned());
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    }
}
