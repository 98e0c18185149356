//! `modsyncctl self-test`: it comes through on any schema and engine, and leaves no trace, wherever it is cut off.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use modsync::control::types::SelfTestReport;
use modsync::cycle::Syncer as _;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use super::support::daemon::{Daemon, until};
use super::support::world::{World, dump, rows, sync};

const STEPS: [&str; 7] = ["create", "push", "assess", "pending", "pull", "merged", "remove"];

/// The rows of each table, and SQLite's counters.
type Contents = (BTreeMap<String, Vec<String>>, Vec<String>);

/// Everything that a test could leave in the two databases.
fn contents(world: &World) -> [Contents; 2] {
    [world.open_local(), world.open_remote()].map(|connection| {
        let counters = match connection.prepare("SELECT 1 FROM sqlite_sequence") {
            // SQLite begins a counter at 0 with the first row that is made, whatever its id.
            Ok(_) => rows(&connection, "SELECT name,seq FROM sqlite_sequence WHERE seq<>0"),
            Err(_) => Vec::new(),
        };
        (dump(&connection), counters)
    })
}

async fn tested(world: &World) -> SelfTestReport {
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let before = contents(world);
    let report = pair.self_test(&|_| ()).await.unwrap();
    assert_eq!(contents(world), before, "{report:#?}");
    let after = sync(&mut pair).await;
    assert_eq!((after.pulled, after.pushed, after.deleted), (0, 0, 0), "{after:?}");
    report
}

#[track_caller]
fn assert_came_through(report: &SelfTestReport, table: &str) {
    let names: Vec<&str> = report.steps.iter().map(|step| step.name.as_str()).collect();
    assert!(
        report.ok && report.clean && report.steps.iter().all(|step| step.ok),
        "{report:#?}"
    );
    assert_eq!(
        (names.as_slice(), report.table.as_deref()),
        (STEPS.as_slice(), Some(table)),
        "{report:#?}"
    );
}

#[test]
fn the_seven_steps_are_told_and_nothing_is_left() {
    let world = World::with_products(30);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let before = contents(&world);
    let (code, report) = daemon.json(&["self-test"]);
    assert_eq!(
        (code, &report["ok"], &report["table"]),
        (0, &json!(true), &json!("products")),
        "{report:#}"
    );
    assert!(
        report["key"].as_str().unwrap().starts_with("modsync-self-test:"),
        "{report:#}"
    );
    assert_eq!(report["steps"].as_array().unwrap().len(), 7, "{report:#}");
    assert_eq!(contents(&world), before);
    let status = daemon.until_in_sync();
    assert_eq!(status["conflicts"], 0, "{status:#}");
    let text = daemon.ctl(&["self-test"]);
    assert!(text.code == 0 && text.out.contains("nothing of it is left"), "{text:?}");
    // Each takes one backup, before its first push.
    let backups = std::fs::read_dir(world.path("site")).unwrap();
    let backups = backups.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("backup_")
    });
    assert!(backups.count() <= 2);
}

#[tokio::test]
async fn a_row_is_found_for_tables_of_any_kind() {
    let tables = [
        // What is there: the statement, the table that takes the row.
        ("CREATE TABLE t(name TEXT PRIMARY KEY, note TEXT)", "t"),
        (
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT NOT NULL)",
            "t",
        ),
        (
            "CREATE TABLE t(id INTEGER PRIMARY KEY, n REAL); INSERT INTO t VALUES(5,1.5)",
            "t",
        ),
        (
            "CREATE TABLE t(a TEXT, b INTEGER NOT NULL, PRIMARY KEY(a,b)) WITHOUT ROWID; INSERT INTO t VALUES('x',1); \
          CREATE TABLE u(k INTEGER PRIMARY KEY AUTOINCREMENT, x BLOB)",
            "u",
        ),
        (
            "CREATE TABLE t(k TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK(kind IN('a','b')), note TEXT); INSERT INTO t VALUES('x','b','')",
            "t",
        ),
        (
            "CREATE TABLE p(k TEXT PRIMARY KEY); INSERT INTO p VALUES('p'); \
          CREATE TABLE c(k TEXT PRIMARY KEY, p TEXT NOT NULL REFERENCES p(k), n INTEGER CHECK(n<9)); INSERT INTO c VALUES('c','p',0)",
            "c",
        ),
        (
            "CREATE TABLE t(k TEXT PRIMARY KEY, n TEXT); CREATE TABLE l(x TEXT PRIMARY KEY, n INT); \
          CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO l VALUES(new.k,1); END",
            "l",
        ),
        (
            "CREATE TABLE t(k INT PRIMARY KEY NOT NULL, u TEXT UNIQUE NOT NULL, v REAL NOT NULL) STRICT; INSERT INTO t VALUES(1,'a',0.5)",
            "t",
        ),
    ];
    for (sql, table) in tables {
        let world = World::with_schema(sql);
        assert_came_through(&tested(&world).await, table);
    }
}

#[tokio::test]
async fn it_is_said_when_no_table_will_do() {
    let world = World::with_schema(
        "CREATE TABLE t(k TEXT PRIMARY KEY, n TEXT); CREATE TABLE l(x INTEGER PRIMARY KEY);
         CREATE TRIGGER g AFTER UPDATE ON t BEGIN SELECT 1; END",
    );
    let report = tested(&world).await;
    let reason = report.reason.clone().unwrap();
    assert!(
        !report.ok && report.clean && reason.contains("t: it has triggers") && reason.contains("l: it is empty"),
        "{report:#?}"
    );
}

#[tokio::test]
async fn every_engine_comes_through() {
    for engine in ["python3", "php", "sftp"] {
        let mut world = World::with_products(10);
        world.settings.insert("remote", format!("engine = \"{engine}\""));
        world.settings.insert("backup", "enabled = false".to_owned());
        assert_came_through(&tested(&world).await, "products");
    }
}

#[tokio::test]
async fn what_else_changed_is_synced_on_the_way_and_stays() {
    let world = World::with_products(10);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world
        .open_local()
        .execute_batch("UPDATE products SET price=1.5 WHERE rowid=1")
        .unwrap();
    world
        .open_remote()
        .execute_batch("UPDATE products SET title='site' WHERE rowid=2")
        .unwrap();
    let report = pair.self_test(&|_| ()).await.unwrap();
    assert_came_through(&report, "products");
    world.assert_equal();
    let seen = world.both("SELECT count(*) FROM products WHERE price=1.5 OR title='site'");
    assert_eq!(seen, ["Integer(2)"]);
}

/// How far a test has come, as the two databases show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    LaptopAlone,
    Both,
    Assessed,
    Merged,
    ServerAlone,
}

fn stage(connection: &Connection) -> Option<String> {
    let stage = "SELECT lifecycle_stage FROM products WHERE url GLOB 'modsync-self-test:*'";
    connection
        .query_row(stage, [], |row| row.get(0))
        .optional()
        .unwrap_or_default()
}

fn see(local: &Connection, server: &Connection) -> Option<Seen> {
    let server = stage(server);
    match (stage(local), server) {
        (Some(_), None) => Some(Seen::LaptopAlone),
        (None, Some(_)) => Some(Seen::ServerAlone),
        (Some(ours), Some(theirs)) if ours == theirs && ours == "pending_assessment" => Some(Seen::Both),
        (Some(ours), Some(theirs)) if ours == theirs => Some(Seen::Merged),
        (Some(_), Some(_)) => Some(Seen::Assessed),
        (None, None) => None,
    }
}

fn begin(world: &World) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modsyncctl"));
    command
        .args(["self-test", "--json"])
        .env("MODSYNC_SOCKET", world.socket());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_daemon_that_is_killed_at_any_step_leaves_no_trace_after_the_next_start() {
    let mut world = World::with_products(10);
    world.settings.insert("backup", "enabled = false".to_owned());
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let before = contents(&world);
    let [local, server] = [world.open_local(), world.open_remote()];
    for wanted in [
        Seen::LaptopAlone,
        Seen::Both,
        Seen::Assessed,
        Seen::Merged,
        Seen::ServerAlone,
    ] {
        let caught = (0..5).any(|_| {
            let mut asked = begin(&world);
            let caught = loop {
                if see(&local, &server) == Some(wanted) {
                    break true;
                }
                if asked.try_wait().unwrap().is_some() {
                    break false;
                }
            };
            if caught {
                daemon.kill();
                world.sshd.kill_sessions();
            }
            asked.wait().unwrap();
            caught
        });
        assert!(caught, "{wanted:?} was never seen");
        daemon.again();
        until("the row of the test is gone", || {
            see(&local, &server).is_none().then_some(())
        });
        daemon.until_in_sync();
        assert_eq!(contents(&world), before, "killed at {wanted:?}");
        let (code, report) = daemon.json(&["self-test"]);
        assert_eq!(code, 0, "after {wanted:?}: {report:#}");
    }
}

#[test]
fn a_line_that_is_cut_in_the_middle_is_told_and_the_row_goes_all_the_same() {
    let mut world = World::with_products(10);
    world.settings.insert("backup", "enabled = false".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let before = contents(&world);
    let [local, server] = [world.open_local(), world.open_remote()];
    for wanted in [Seen::LaptopAlone, Seen::Assessed] {
        let mut asked = begin(&world);
        while see(&local, &server) != Some(wanted) && asked.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        world.sshd.kill_sessions();
        asked.wait().unwrap();
        daemon.until_in_sync();
        until("the row of the test is gone", || {
            see(&local, &server).is_none().then_some(())
        });
        assert_eq!(contents(&world), before, "cut at {wanted:?}");
    }
}
