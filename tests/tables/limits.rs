//! Brakes, and what a request may ask for.

use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::{Pair, Syncer as _};

use crate::support::world::{World, rows, sync, text, try_sync};

const SCHEMA: &str = "CREATE TABLE a(k INTEGER PRIMARY KEY, v); CREATE TABLE b(k TEXT PRIMARY KEY, v)";

async fn hundred() -> (World, Pair) {
    let world = World::with_schema(SCHEMA);
    let fill: String = (0..100)
        .map(|n| format!("INSERT INTO a VALUES({n},'{n}'); INSERT INTO b VALUES('{n}','{n}');"))
        .collect();
    world.on_both(&format!("BEGIN; {fill} COMMIT;"));
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    (world, pair)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deletes_are_held_and_the_rest_goes_on() {
    for side in ["laptop", "server"] {
        let (world, mut pair) = hundred().await;
        let (one, other) = match side {
            "laptop" => (world.open_local(), world.open_remote()),
            _ => (world.open_remote(), world.open_local()),
        };
        one.execute_batch("DELETE FROM a WHERE k<26; UPDATE a SET v='new' WHERE k=50; DELETE FROM b WHERE k='1'")
            .unwrap();
        other.execute_batch("INSERT INTO b VALUES('other','1')").unwrap();
        let done = sync(&mut pair).await;
        assert_eq!(
            (done.outcome, done.held, done.deleted),
            (Outcome::Attention, 26, 1),
            "{side}: {done:?}"
        );
        let [lost, keeps] = match side {
            "laptop" => ["laptop's", "server's"],
            _ => ["server's", "laptop's"],
        };
        assert_eq!(
            done.reason.unwrap(),
            format!(
                "a: 26 of 100 rows are gone from the {lost} database, more than max_delete (25%); the {keeps} keeps them"
            )
        );
        assert_eq!(rows(&other, "SELECT count(*) FROM a"), ["Integer(100)"]);
        assert_eq!(world.both("SELECT v FROM a WHERE k=50"), [text("new")]);
        assert_eq!(world.both("SELECT count(*) FROM b"), ["Integer(100)"]);
        let again = sync(&mut pair).await;
        assert_eq!(
            (again.outcome, again.held, again.pulled + again.pushed),
            (Outcome::Attention, 26, 0),
            "they stay held"
        );
        let allow = SyncRequest {
            allow_deletes: true,
            ..SyncRequest::default()
        };
        let done = try_sync(&mut pair, &allow).await.unwrap();
        assert_eq!(
            (done.outcome, done.held, done.deleted),
            (Outcome::Synced, 0, 26),
            "{side}: {done:?}"
        );
        world.assert_equal();
        assert_eq!(world.both("SELECT count(*) FROM a"), ["Integer(74)"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_table_is_held_and_an_emptied_database_stops() {
    let (world, mut pair) = hundred().await;
    world
        .open_local()
        .execute_batch("DELETE FROM a; INSERT INTO b VALUES('new',1)")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.held, done.pushed),
        (Outcome::Attention, 100, 1),
        "{done:?}"
    );
    assert_eq!(
        done.reason.as_deref(),
        Some("a: all 100 rows are gone from the laptop's database; the server's keeps them")
    );
    world.open_local().execute_batch("DELETE FROM b").unwrap();
    world
        .open_remote()
        .execute_batch("UPDATE b SET v='s' WHERE k='5'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.pushed, done.pulled),
        (Outcome::Stopped, 0, 0),
        "{done:?}"
    );
    assert_eq!(rows(&world.open_remote(), "SELECT count(*) FROM b"), ["Integer(101)"]);
    assert_eq!(rows(&world.open_local(), "SELECT count(*) FROM b"), ["Integer(0)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_wiped_is_held() {
    let (world, mut pair) = hundred().await;
    world
        .open_remote()
        .execute_batch("UPDATE a SET v=NULL; UPDATE b SET v='s' WHERE k='1'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.held, done.pulled),
        (Outcome::Attention, 100, 1),
        "{done:?}"
    );
    assert_eq!(rows(&world.open_local(), "SELECT count(v) FROM a"), ["Integer(100)"]);
    assert_eq!(world.both("SELECT v FROM b WHERE k='1'"), [text("s")]);
}

/// A row that goes ahead of the held one that it refers to would refer to the site's row, once that has taken the id.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_waits_for_the_held_one_that_it_refers_to() {
    let world = World::with_schema(
        "CREATE TABLE p(id INTEGER PRIMARY KEY AUTOINCREMENT, name, v); \
         CREATE TABLE c(k TEXT PRIMARY KEY, p INTEGER REFERENCES p(id)); \
         CREATE TABLE g(k TEXT PRIMARY KEY, c TEXT REFERENCES c(k))",
    );
    let fill: String = (1..=100)
        .map(|n| format!("INSERT INTO p VALUES({n},'{n}','{n}');"))
        .collect();
    world.on_both(&format!("BEGIN; {fill} COMMIT;"));
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world
        .open_local()
        .execute_batch(
            "UPDATE p SET v=NULL; INSERT INTO p VALUES(101,'mine','x'); INSERT INTO c VALUES('child',101),('free',5); \
             INSERT INTO g VALUES('grandchild','child')",
        )
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.pushed, done.held),
        (Outcome::Attention, 1, 103),
        "{done:?}"
    );
    assert_eq!(rows(&world.open_remote(), "SELECT k FROM c"), [text("free")]);
    assert_eq!(rows(&world.open_remote(), "SELECT count(*) FROM g"), ["Integer(0)"]);
    world
        .open_remote()
        .execute_batch("INSERT INTO p VALUES(101,'theirs','x')")
        .unwrap();
    let allow = SyncRequest {
        allow_deletes: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &allow).await.unwrap();
    assert_eq!((done.outcome, done.held), (Outcome::Synced, 0), "{done:?}");
    world.assert_equal();
    let refers = "SELECT p.name FROM g JOIN c ON c.k=g.c JOIN p ON p.id=c.p";
    assert_eq!(world.both(refers), [text("mine")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_way_cycles_leave_the_other_way_for_later() {
    let (world, mut pair) = hundred().await;
    let edit = |n: i64| {
        world
            .open_local()
            .execute_batch(&format!(
                "UPDATE a SET v='l{n}' WHERE k={n}; INSERT INTO a VALUES({},'laptop')",
                1000 + 10 * n
            ))
            .unwrap();
        world
            .open_remote()
            .execute_batch(&format!(
                "UPDATE b SET v='s{n}' WHERE k='{n}'; INSERT INTO a VALUES({},'server')",
                1000 + 10 * n
            ))
            .unwrap();
    };
    edit(1);
    let pull = SyncRequest {
        pull_only: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &pull).await.unwrap();
    assert_eq!((done.pushed, done.conflicts), (0, 0), "{done:?}");
    assert_eq!(
        rows(&world.open_remote(), "SELECT v FROM a WHERE k=1"),
        [text("1")],
        "nothing is pushed"
    );
    assert_eq!(rows(&world.open_local(), "SELECT v FROM b WHERE k='1'"), [text("s1")]);
    assert!(
        pair.look_server().await.unwrap() && pair.look_local().await.unwrap(),
        "the rest waits"
    );
    assert_eq!(sync(&mut pair).await.conflicts, 0);
    world.assert_equal();
    assert_eq!(world.both("SELECT count(*) FROM a"), ["Integer(102)"]);

    edit(2);
    world
        .open_local()
        .execute_batch("UPDATE b SET v='l2' WHERE k='2'; UPDATE b SET v='alone' WHERE k='3'")
        .unwrap();
    let push = SyncRequest {
        skip_pull: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &push).await.unwrap();
    assert_eq!((done.outcome, done.pulled), (Outcome::Attention, 0), "{done:?}");
    assert_eq!(
        done.held, 2,
        "the row that both changed, and the one whose id the server has used: {done:?}"
    );
    assert!(
        done.reason.as_deref().unwrap().contains("newer on the server"),
        "{done:?}"
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT v FROM b WHERE k='2'"),
        [text("s2")],
        "the newer row stays"
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT v FROM b WHERE k='3'"),
        [text("alone")]
    );
    assert_eq!(rows(&world.open_local(), "SELECT v FROM b WHERE k='2'"), [text("l2")]);
    assert_eq!(sync(&mut pair).await.conflicts, 1);
    world.assert_equal();
    assert_eq!(world.both("SELECT count(*) FROM a"), ["Integer(104)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_a_plan_is_kept_to() {
    let (world, mut pair) = hundred().await;
    world
        .open_local()
        .execute_batch("UPDATE a SET v='l' WHERE k=1")
        .unwrap();
    world
        .open_remote()
        .execute_batch("UPDATE b SET v='s' WHERE k='1'; DELETE FROM b WHERE k='2'")
        .unwrap();
    let (before, there) = (
        std::fs::read(world.local()).unwrap(),
        std::fs::read(world.remote()).unwrap(),
    );
    let dry = SyncRequest {
        dry_run: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &dry).await.unwrap();
    assert_eq!(
        (done.outcome, done.pulled, done.pushed, done.deleted),
        (Outcome::Planned, 1, 1, 1),
        "{done:?}"
    );
    let plan = pair.diff(None, None).await.unwrap();
    assert_eq!(plan.moves.len(), 3, "{plan:?}");
    assert!(
        std::fs::read(world.local()).unwrap() == before && std::fs::read(world.remote()).unwrap() == there,
        "not a byte"
    );

    let planned = SyncRequest {
        plan: Some(plan.plan),
        ..SyncRequest::default()
    };
    world
        .open_remote()
        .execute_batch("UPDATE b SET v='later' WHERE k='1'")
        .unwrap();
    let error = try_sync(&mut pair, &planned).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Attention, "{error:?}");
    assert_eq!(
        rows(&world.open_local(), "SELECT v FROM b WHERE k='1'"),
        [text("1")],
        "a refused plan moves nothing"
    );
    let planned = SyncRequest {
        plan: Some(pair.diff(None, None).await.unwrap().plan),
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &planned).await.unwrap();
    assert_eq!(
        (done.outcome, done.pulled, done.pushed, done.deleted),
        (Outcome::Synced, 1, 1, 1),
        "{done:?}"
    );
    world.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_stand_beside_the_database_and_old_ones_go() {
    let mut world = World::with_schema(SCHEMA);
    world.settings.insert("backup", "keep_last = 2\nkeep_daily = 0".into());
    std::fs::set_permissions(world.remote(), std::os::unix::fs::PermissionsExt::from_mode(0o664)).unwrap();
    let root = std::fs::metadata(world.remote()).unwrap().uid() == 0;
    if root {
        std::os::unix::fs::chown(world.remote(), Some(33), Some(33)).unwrap();
    }
    let owner = |path: &std::path::Path| std::fs::metadata(path).map(|m| (m.mode(), m.uid(), m.gid())).unwrap();
    let expected = owner(&world.remote());
    let mut pair = world.pair().await;
    let backups = || {
        let names = std::fs::read_dir(world.path("site"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("products.db.backup_")).collect();
        names.sort();
        names
    };
    let mut taken = Vec::new();
    for n in 0..4 {
        world
            .open_local()
            .execute("INSERT INTO b VALUES(?1,'v')", [n.to_string()])
            .unwrap();
        let no_backup = SyncRequest {
            no_backup: n == 2,
            ..SyncRequest::default()
        };
        let done = try_sync(&mut pair, &no_backup).await.unwrap();
        assert_eq!(done.backup.is_some(), n != 2, "{done:?}");
        taken.extend(done.backup);
    }
    assert_eq!(taken.len(), 3);
    let stamp = taken[0].strip_prefix("products.db.backup_").unwrap();
    assert!(stamp.len() == 15 && stamp.as_bytes()[8] == b'_', "{stamp}");
    // The cycle does not wait for the tidying up.
    let deadline = Instant::now() + Duration::from_secs(20);
    let right = || {
        backups() == taken[1..]
            && backups()
                .iter()
                .all(|name| owner(&world.path("site").join(name)) == expected)
    };
    while !right() {
        assert!(Instant::now() < deadline, "{:?} of {taken:?}", backups());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last = crate::support::world::open(&world.path("site").join(&taken[2]));
    assert_eq!(
        rows(&last, "SELECT count(*) FROM b"),
        ["Integer(3)"],
        "as it was before the push"
    );
    assert_eq!(owner(&world.remote()), expected);
}
