//! What one side adds, and what becomes of it on the other.

use std::path::Path;
use std::process::Command;

use modsync::control::types::{CycleSummary, Outcome, Side, SyncRequest};
use modsync::cycle::{Pair, Syncer as _};

use crate::support::world::{World, assert_synced, rows, sync, text, try_sync};

const SCHEMA: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, v, last_updated TEXT); \
    CREATE TABLE note(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT REFERENCES item(k), body TEXT);";

const SEED: &str = "INSERT INTO item VALUES('a',1,'2026-01-01'),('b',2,'2026-01-01'),('c',3,'2026-01-01'); \
    INSERT INTO note(k,body) VALUES('a','one'),('b','two');";

/// Two databases that have been synced.
pub async fn synced() -> (World, Pair) {
    let world = World::with_schema(&(SCHEMA.to_owned() + SEED));
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    (world, pair)
}

/// A side writes through PHP's PDO, as the site does.
pub fn php(database: &Path, sql: &str) {
    let code = "$d = new PDO('sqlite:' . $argv[1]); $d->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION); \
        $d->exec('PRAGMA busy_timeout=20000'); $d->exec($argv[2]);";
    let done = Command::new("php")
        .args(["-r", code])
        .arg(database)
        .arg(sql)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Runs three cycles more: nothing moves in them.
pub async fn assert_quiet(pair: &mut Pair) {
    for _ in 0..3 {
        let again = sync(pair).await;
        assert_eq!(
            (
                again.outcome,
                again.pulled + again.pushed + again.deleted,
                again.schema.len()
            ),
            (Outcome::Unchanged, 0, 0),
            "{again:?}"
        );
    }
    assert!(pair.verify().await.unwrap().equal);
}

/// The statements of a schema, sorted.
fn schema(world: &World) -> Vec<String> {
    world.both("SELECT type,name,tbl_name,sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
}

fn told(done: &CycleSummary) -> Vec<(Side, String, String)> {
    let told = done.schema.iter();
    told.map(|moved| (moved.side, moved.kind.to_string(), moved.name.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_columns_indexes_and_views_travel_both_ways_with_their_rows() {
    let (world, mut pair) = synced().await;
    world
        .open_local()
        .execute_batch(
            "CREATE TABLE \"odd \"\"name\"\"\"(\"a b\" TEXT NOT NULL COLLATE NOCASE, n INTEGER DEFAULT 7, CHECK(n > 0), PRIMARY KEY(\"a b\")) WITHOUT ROWID;
             INSERT INTO \"odd \"\"name\"\"\" VALUES('x', 1), ('y', 2);
             ALTER TABLE item ADD COLUMN price REAL NOT NULL DEFAULT 1.5; UPDATE item SET price = 9 WHERE k = 'a';
             CREATE INDEX by_price ON item(price DESC, k COLLATE NOCASE) WHERE price > 2; -- why not",
        )
        .unwrap();
    php(
        &world.remote(),
        "CREATE TABLE review(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT NOT NULL UNIQUE REFERENCES item(k), stars INTEGER CHECK(stars BETWEEN 1 AND 5),
             twice INTEGER GENERATED ALWAYS AS (stars * 2) VIRTUAL) STRICT;
         INSERT INTO review(k, stars) VALUES('a', 5), ('b', 4);
         ALTER TABLE item ADD COLUMN seen TEXT COLLATE NOCASE DEFAULT 'never'; UPDATE item SET seen = 'today', v = 20 WHERE k = 'b';
         CREATE VIEW liked AS SELECT i.k, r.stars FROM item i JOIN review r ON r.k = i.k;
         CREATE VIEW liked_most AS SELECT * FROM liked WHERE stars = 5",
    );

    let done = sync(&mut pair).await;

    assert_synced(&done);
    let name = |side, kind: &str, name: &str| (side, kind.to_owned(), name.to_owned());
    let mut moved = told(&done);
    moved.sort_by_key(|(side, kind, name)| (*side, kind.clone(), name.clone()));
    assert_eq!(
        moved,
        [
            name(Side::Local, "column", "item.seen"),
            name(Side::Local, "table", "review"),
            name(Side::Local, "view", "liked"),
            name(Side::Local, "view", "liked_most"),
            name(Side::Server, "column", "item.price"),
            name(Side::Server, "index", "by_price"),
            name(Side::Server, "table", "odd \"name\""),
        ]
    );
    assert!(
        done.backup.is_some(),
        "the server's schema is not touched without a backup"
    );
    world.assert_equal_without(&["item"]);
    let columns = "SELECT k,v,last_updated,price,seen FROM item";
    assert_eq!(world.both(columns).len(), 3);
    assert_eq!(
        world.both("SELECT price,seen,v FROM item WHERE k='a'"),
        [format!("Real(9.0),{},Integer(1)", text("never"))]
    );
    assert_eq!(
        world.both("SELECT price,seen,v FROM item WHERE k='b'"),
        [format!("Real(1.5),{},Integer(20)", text("today"))]
    );
    assert_eq!(world.both("SELECT k FROM liked_most"), [text("a")]);
    assert_eq!(world.both("SELECT type,name,tbl_name,sql FROM sqlite_master WHERE name NOT IN('item') AND name NOT LIKE 'sqlite_%'").len(), 6);
    assert_quiet(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_engine_makes_what_the_laptop_added() {
    for engine in ["sqlite3", "python3", "php"] {
        let mut world = World::with_schema(&(SCHEMA.to_owned() + SEED));
        world.settings.insert("remote", format!("engine = \"{engine}\""));
        let mut pair = world.pair().await;
        sync(&mut pair).await;
        world
            .open_local()
            .execute_batch(
                "CREATE TABLE tag(k TEXT PRIMARY KEY, -- the name; no more\n  n INTEGER /* how often */ DEFAULT 'it''s; \"odd\"'\n);
                 INSERT INTO tag(k) VALUES('x'); ALTER TABLE item ADD COLUMN \"new\ncolumn\" TEXT DEFAULT 'ä';
                 CREATE UNIQUE INDEX \"an index\" ON item(\"new\ncolumn\", k); CREATE VIEW tags AS SELECT k -- all\n FROM tag",
            )
            .unwrap();
        php(
            &world.remote(),
            "CREATE TABLE rating(k TEXT PRIMARY KEY, stars INTEGER); INSERT INTO rating VALUES('a', 5)",
        );
        let done = sync(&mut pair).await;
        assert_eq!(
            (done.outcome, done.schema.len(), done.conflicts),
            (Outcome::Synced, 5, 0),
            "{engine}: {done:?}"
        );
        world.assert_equal();
        assert_eq!(
            schema(&world).len(),
            6,
            "{engine}: both have the same statements, to the letter"
        );
        assert_quiet(&mut pair).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_meeting_takes_over_what_one_side_alone_has_but_what_the_config_leaves_out() {
    let common = "CREATE TABLE item(k TEXT PRIMARY KEY, v); ";
    let mut world = World::with_schemas(
        &format!(
            "{common} CREATE TABLE queue(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT UNIQUE); INSERT INTO queue(k) VALUES('l'); \
                  CREATE TABLE private(k TEXT PRIMARY KEY); INSERT INTO private VALUES('secret')"
        ),
        &format!(
            "{common} CREATE TABLE session(id TEXT PRIMARY KEY, data); INSERT INTO session VALUES('1', x'00'); CREATE TABLE cache(k TEXT PRIMARY KEY)"
        ),
    );
    let out = |name: &str| format!("[[table]]\nname = \"{name}\"\nsync = false\n");
    world.settings.insert("table", out("private") + &out("cache"));
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.pulled, done.pushed, done.schema.len()),
        (Outcome::Synced, 1, 1, 2),
        "{done:?}"
    );
    world.assert_equal_without(&["private", "cache"]);
    assert_eq!(
        rows(
            &world.open_remote(),
            "SELECT name FROM sqlite_master WHERE name='private'"
        ),
        [""; 0]
    );
    assert_eq!(
        rows(&world.open_local(), "SELECT name FROM sqlite_master WHERE name='cache'"),
        [""; 0]
    );
    assert_quiet(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_to_write_nothing_or_one_side_alone_keeps_to_it() {
    let (world, mut pair) = synced().await;
    world
        .open_local()
        .execute_batch(
            "CREATE TABLE here(k TEXT PRIMARY KEY); INSERT INTO here VALUES(1); ALTER TABLE note ADD COLUMN mark",
        )
        .unwrap();
    world
        .open_remote()
        .execute_batch(
            "CREATE TABLE there(k TEXT PRIMARY KEY); INSERT INTO there VALUES(1); UPDATE item SET v=9 WHERE k='a'",
        )
        .unwrap();
    let bytes = || {
        (
            std::fs::read(world.local()).unwrap(),
            std::fs::read(world.remote()).unwrap(),
        )
    };
    let before = bytes();
    let checked = pair.check().await.unwrap();
    assert!(!checked.in_sync && checked.schema.len() == 3, "{checked:?}");
    let plan = pair.diff(None, None).await.unwrap();
    assert_eq!((plan.schema.len(), plan.moves.len()), (3, 1), "{plan:?}");
    let dry = try_sync(
        &mut pair,
        &SyncRequest {
            dry_run: true,
            ..SyncRequest::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(
        (dry.outcome, dry.schema.len(), dry.pulled),
        (Outcome::Planned, 3, 1),
        "{dry:?}"
    );
    assert!(bytes() == before, "not a byte");

    let planned = SyncRequest {
        plan: Some(plan.plan),
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &planned).await.unwrap();
    assert_eq!(
        (done.schema.len(), done.pulled, done.pushed),
        (0, 1, 0),
        "a plan is of rows: {done:?}"
    );
    let pull = SyncRequest {
        pull_only: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &pull).await.unwrap();
    assert_eq!(
        (told(&done), done.pushed),
        (vec![(Side::Local, "table".to_owned(), "there".to_owned())], 0),
        "{done:?}"
    );
    let made = |name: &str| format!("SELECT count(*) FROM sqlite_master WHERE name='{name}'");
    assert_eq!(rows(&world.open_remote(), &made("here")), ["Integer(0)"]);
    world
        .open_remote()
        .execute_batch("CREATE TABLE also_there(k TEXT PRIMARY KEY)")
        .unwrap();
    let push = SyncRequest {
        skip_pull: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &push).await.unwrap();
    assert_eq!((done.schema.len(), done.pulled, done.pushed), (2, 0, 1), "{done:?}");
    assert_eq!(rows(&world.open_local(), &made("also_there")), ["Integer(0)"]);
    sync(&mut pair).await;
    world.assert_equal();
    assert_quiet(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_column_s_values_win_over_the_default_that_the_laptop_s_rows_get() {
    let (world, mut pair) = synced().await;
    // `last_updated` is not touched, so a comparison without the default as base would let the laptop's side win.
    php(
        &world.remote(),
        "ALTER TABLE item ADD COLUMN state TEXT NOT NULL DEFAULT 'new'; UPDATE item SET state='done' WHERE k='a'",
    );
    world
        .open_local()
        .execute_batch("UPDATE item SET v=11 WHERE k='a'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.conflicts, done.pulled, done.pushed), (0, 1, 1), "{done:?}");
    assert_eq!(
        world.both("SELECT v,state FROM item WHERE k='a'"),
        [format!("Integer(11),{}", text("done"))]
    );
    assert_eq!(
        world.both("SELECT count(*) FROM item WHERE state='new'"),
        ["Integer(2)"]
    );
    assert_quiet(&mut pair).await;
}
