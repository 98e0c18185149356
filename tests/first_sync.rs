//! The first meeting of two databases, and meetings after one of them, or what modsync knows of it, was lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::Syncer as _;
use support::world::{World, open, rows, sync, text, try_sync};

const SCHEMA: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, v, last_updated TEXT);
    CREATE TABLE queue(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT NOT NULL, kind TEXT NOT NULL, status, UNIQUE(k,kind));
    CREATE TABLE todo(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT REFERENCES item(k), what TEXT);";

/// The same rows for both sides.
fn seed() -> String {
    (1..=40)
        .map(|n| {
            format!(
                "INSERT INTO item VALUES('k{n}',{n},'2026-01-01 00:00:00'); INSERT INTO queue(k,kind,status) VALUES('k{n}','a','pending');
                 INSERT INTO todo(k,what) VALUES('k{n}','what {n}');"
            )
        })
        .collect()
}

fn counts(world: &World) -> Vec<String> {
    world.both("SELECT (SELECT count(*) FROM item),(SELECT count(*) FROM queue),(SELECT count(*) FROM todo)")
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_databases_agree_and_move_nothing() {
    let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.pulled, done.pushed, done.deleted, done.conflicts),
        (0, 0, 0, 0),
        "{done:?}"
    );
    assert_eq!(counts(&world), ["Integer(40),Integer(40),Integer(40)"]);
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_and_disjoint_databases_are_joined_and_nothing_is_deleted() {
    let world = World::with_schema(SCHEMA);
    world.open_local().execute_batch(&(seed() + "DELETE FROM todo WHERE id=1; DELETE FROM item WHERE k='k1'; UPDATE item SET v='l',last_updated='2026-02-01 00:00:00' WHERE k='k2';
        INSERT INTO item VALUES('only laptop',1,NULL); INSERT INTO todo(k,what) VALUES('only laptop','of laptop'); INSERT INTO queue(k,kind) VALUES('only laptop','a');")).unwrap();
    world.open_remote().execute_batch(&(seed() + "DELETE FROM todo WHERE id=3; DELETE FROM item WHERE k='k3'; UPDATE item SET v='s',last_updated='2026-01-15T00:00:00' WHERE k='k2';
        INSERT INTO item VALUES('only server',1,NULL); INSERT INTO todo(k,what) VALUES('only server','of server'); INSERT INTO queue(k,kind) VALUES('only server','a');")).unwrap();
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!((done.deleted, done.conflicts, done.held), (0, 1, 0), "{done:?}");
    world.assert_equal();
    assert_eq!(counts(&world), ["Integer(42),Integer(42),Integer(42)"]);
    assert_eq!(world.both("SELECT v FROM item WHERE k='k2'"), [text("l")]);
    assert_eq!(
        world.both("SELECT what FROM todo WHERE k='only laptop'"),
        [text("of laptop")]
    );
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_server_database_is_sent() {
    let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
    std::fs::remove_file(world.remote()).unwrap();
    let folder = world.path("site");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o2775)).unwrap();
    if std::fs::metadata(&folder).unwrap().uid() == 0 {
        std::os::unix::fs::chown(&folder, Some(33), Some(33)).unwrap();
    }
    // A journal without its database would be taken for the new one's.
    let orphan = world.path("site/products.db-wal");
    std::fs::write(&orphan, "frames of another database").unwrap();
    let mut pair = world.pair().await;
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert!(
        error.code == ErrorCode::Attention && error.message.contains("products.db-wal"),
        "{error:?}"
    );
    assert!(!world.remote().exists());
    std::fs::remove_file(&orphan).unwrap();

    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(counts(&world), ["Integer(40),Integer(40),Integer(40)"]);
    let (file, folder) = (
        std::fs::metadata(world.remote()).unwrap(),
        std::fs::metadata(folder).unwrap(),
    );
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o777),
        (folder.uid(), folder.gid(), 0o664)
    );
    assert_eq!(names(&world.path("site")), ["products.db"], "no copy is left behind");
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_laptop_database_is_fetched() {
    let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
    std::fs::remove_file(world.local()).unwrap();
    let orphan = world.path("laptop/products.db-journal");
    std::fs::write(&orphan, "pages of another database").unwrap();
    let mut pair = world.pair().await;
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert!(error.message.contains("products.db-journal"), "{error:?}");
    std::fs::remove_file(&orphan).unwrap();
    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(names(&world.path("laptop")), ["products.db"]);
    assert_eq!(std::fs::metadata(world.local()).unwrap().mode() & 0o777, 0o600);
    world
        .open_local()
        .execute_batch("UPDATE item SET v='l' WHERE k='k1'")
        .unwrap();
    sync(&mut pair).await;
    assert_eq!(world.both("SELECT v FROM item WHERE k='k1'"), [text("l")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_missing_databases_are_an_error_in_words() {
    let world = World::empty();
    let mut pair = world.pair().await;
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert!(
        error.code == ErrorCode::Attention && error.message.contains("neither"),
        "{error:?}"
    );
    assert_eq!(
        (names(&world.path("laptop")), names(&world.path("site"))),
        (vec![], vec![]),
        "nothing is made"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_there_is_not_made_anew() {
    for side in ["laptop", "site"] {
        let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
        let mut pair = world.pair().await;
        sync(&mut pair).await;
        let path = world.path(side).join("products.db");
        let aside = world.path("aside.db");
        std::fs::rename(&path, &aside).unwrap();
        for _ in 0..2 {
            let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
            assert!(
                error.code == ErrorCode::Attention && error.message.contains("is gone"),
                "{side}: {error:?}"
            );
            assert!(!path.exists(), "{side}");
        }
        std::fs::rename(&aside, &path).unwrap();
        assert_eq!(
            sync(&mut pair).await.outcome,
            Outcome::Unchanged,
            "{side}: nothing was lost"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_or_empty_database_stops_the_cycle() {
    for side in ["laptop", "site"] {
        let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
        let other = if side == "laptop" {
            world.remote()
        } else {
            world.local()
        };
        let mut pair = world.pair().await;
        sync(&mut pair).await;
        let path = world.path(side).join("products.db");
        for content in [&b""[..], &b"no database at all, but a text of some length"[..]] {
            std::fs::rename(&path, world.path("aside.db")).unwrap();
            std::fs::write(&path, content).unwrap();
            let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Attention, "{side}: {error:?}");
            assert_eq!(std::fs::read(&path).unwrap(), content, "{side}: nothing is written");
            assert_eq!(rows(&open(&other), "SELECT count(*) FROM item"), ["Integer(40)"]);
            std::fs::rename(world.path("aside.db"), &path).unwrap();
        }
        sync(&mut pair).await;
        world.assert_equal();
        assert_eq!(counts(&world), ["Integer(40),Integer(40),Integer(40)"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_base_deletes_nothing_and_doubles_nothing() {
    for lost in ["state folder", "server's sidecar"] {
        let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
        let mut pair = world.pair().await;
        sync(&mut pair).await;
        let hello_sidecars = sidecars(&world);
        drop(pair);
        world.open_local().execute_batch("DELETE FROM todo WHERE id=5; INSERT INTO todo(k,what) VALUES('k1','of laptop'); UPDATE item SET v='l' WHERE k='k7'; UPDATE todo SET what='edited' WHERE id=9").unwrap();
        world
            .open_remote()
            .execute_batch(
                "INSERT INTO todo(k,what) VALUES('k2','of server'); INSERT INTO queue(k,kind) VALUES('k1','b')",
            )
            .unwrap();
        match lost {
            "state folder" => std::fs::remove_dir_all(world.state()).unwrap(),
            _ => {
                let client = rows(
                    &open(&world.path("state/history.db")),
                    "SELECT value FROM fact WHERE name='client'",
                );
                let mine = hello_sidecars
                    .iter()
                    .find(|path| client[0] == text(&stem(path)))
                    .unwrap();
                std::fs::remove_file(mine).unwrap();
            }
        }
        let mut pair = world.pair().await;
        let done = sync(&mut pair).await;
        assert_eq!((done.deleted, done.held), (0, 0), "{lost}: {done:?}");
        world.assert_equal();
        assert_eq!(
            counts(&world),
            ["Integer(40),Integer(41),Integer(42)"],
            "{lost}: the deleted row is back, none is double"
        );
        assert_eq!(world.both("SELECT what FROM todo WHERE id=9").len(), 1);
        assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged, "{lost}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_is_noticed() {
    for side in ["laptop", "site"] {
        for between_sessions in [false, true] {
            let world = World::with_schema(&(SCHEMA.to_owned() + &seed()));
            let mut pair = world.pair().await;
            sync(&mut pair).await;
            if between_sessions {
                pair.disconnect();
            }
            // An older copy comes back: without some of the rows, with one of its own.
            let path = world.path(side).join("products.db");
            let restored = world.path("restored.db");
            std::fs::copy(&path, &restored).unwrap();
            open(&restored).execute_batch("DELETE FROM todo WHERE id>30 OR k LIKE 'k1%'; DELETE FROM item WHERE k LIKE 'k1%'; INSERT INTO item VALUES('restored',1,NULL)").unwrap();
            std::fs::rename(&restored, &path).unwrap();
            let done = sync(&mut pair).await;
            assert_eq!(
                (done.deleted, done.held),
                (0, 0),
                "{side}, {between_sessions}: {done:?}"
            );
            world.assert_equal();
            assert_eq!(
                counts(&world),
                ["Integer(41),Integer(40),Integer(40)"],
                "{side}, {between_sessions}"
            );
            assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The bases that the server keeps.
fn sidecars(world: &World) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(world.remote_state()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
