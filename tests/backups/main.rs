//! Backups of the server's database as a person handles them: a real sshd, the built programs, every engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

#[allow(dead_code)] // these trials hold engines, and kill none
#[path = "../faults/gate.rs"]
mod gate;
#[path = "../support/mod.rs"]
mod support;

mod damage;
mod engines;
mod meanwhile;
mod names;
mod prune;
mod schema;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;
use support::daemon::{Answer, Daemon};
use support::world::{World, dump, open};

/// Products, and a queue whose rows have an id and a natural key and refer to products.
const SHOP: &str = "CREATE TABLE product(url TEXT PRIMARY KEY, title TEXT, price REAL);
    CREATE TABLE queue(id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL REFERENCES product(url), kind TEXT NOT NULL, note,
        UNIQUE(url, kind));
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<40)
        INSERT INTO product SELECT 'u'||i, 'title '||i, i/4.0 FROM n;
    INSERT INTO queue(url,kind,note) SELECT url,'look',x'00ff' FROM product WHERE price<5;";

/// A world whose daemon does nothing by itself.
fn world(engine: &str) -> World {
    let mut world = World::with_schema(SHOP);
    calm(&mut world);
    world.settings.insert("remote", format!("engine = \"{engine}\""));
    if engine == "modsyncd" {
        std::fs::create_dir(world.path("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_modsyncd"), world.path("bin/modsyncd")).unwrap();
    }
    world
}

fn calm(world: &mut World) {
    world.settings.insert("sync", "poll = \"1h\"\nwatch = false".to_owned());
}

fn in_sync(world: &World) -> Daemon {
    let daemon = Daemon::start(world);
    daemon.until_in_sync();
    daemon
}

/// Takes a backup and gives its name.
fn create(daemon: &Daemon) -> String {
    let (code, backup) = daemon.json(&["backups", "create"]);
    assert_eq!(code, 0, "{backup:#}");
    backup["name"].as_str().unwrap().to_owned()
}

fn list(daemon: &Daemon) -> Vec<Json> {
    let (code, list) = daemon.json(&["backups"]);
    assert_eq!(code, 0, "{list:#}");
    list["backups"].as_array().unwrap().clone()
}

fn names(daemon: &Daemon) -> Vec<String> {
    let names = list(daemon);
    names
        .iter()
        .map(|backup| backup["name"].as_str().unwrap().to_owned())
        .collect()
}

/// `backups restore NAME …` with `--json`.
fn restore(daemon: &Daemon, name: &str, arguments: &[&str]) -> (i32, Json) {
    daemon.json(&[&["backups", "restore", name], arguments].concat())
}

/// Rows inserted, changed and deleted.
fn counts(report: &Json) -> [u64; 3] {
    ["inserts", "updates", "deletes"].map(|kind| report[kind].as_u64().unwrap_or_else(|| panic!("{report:#}")))
}

fn beside(world: &World, name: &str) -> PathBuf {
    world.path("site").join(name)
}

/// The rows of a backup.
fn rows_of(world: &World, name: &str) -> BTreeMap<String, Vec<String>> {
    dump(&open(&beside(world, name)))
}

/// A cycle has nothing to do, and both databases hold the same.
fn assert_at_rest(world: &World, daemon: &Daemon) {
    let after = daemon.sync(&[], 0);
    assert_eq!(after["outcome"], "unchanged", "{after:#}");
    let (code, verified) = daemon.json(&["verify"]);
    assert_eq!((code, &verified["equal"]), (0, &Json::Bool(true)), "{verified:#}");
    world.assert_equal();
}

#[track_caller]
fn assert_says(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, code, "{answer:?}");
    let said = format!("{}{}", answer.out, answer.err);
    for word in words {
        assert!(said.contains(word), "\"{word}\" is missing: {answer:?}");
    }
}
