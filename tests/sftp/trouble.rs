//! What cannot be done safely is not done, and said.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::Syncer as _;

use crate::site::Php;
use crate::support::world::{World, open, rows, sync, text, try_sync};
use crate::{ITEMS, beside, world};

async fn refused(world: &World) -> modsync::cycle::CycleError {
    let mut pair = world.pair().await;
    try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn wal_mode_is_refused_with_what_to_do() {
    let world = world(ITEMS);
    let site = world.open_remote();
    site.pragma_update(None, "journal_mode", "WAL").unwrap();
    site.execute_batch("INSERT INTO item VALUES('in the wal',1,1)").unwrap();
    let before = std::fs::read(world.remote()).unwrap();
    let error = refused(&world).await;
    assert_eq!(error.code, ErrorCode::Attention, "{error}");
    for word in ["products.db-wal", "PRAGMA journal_mode=DELETE", "another engine"] {
        assert!(error.message.contains(word), "{error}");
    }
    assert_eq!(std::fs::read(world.remote()).unwrap(), before);
    // Also where it is switched on later, under an open session.
    drop(site);
    world
        .open_remote()
        .pragma_update(None, "journal_mode", "DELETE")
        .unwrap();
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world.assert_equal();
    world.open_remote().pragma_update(None, "journal_mode", "WAL").unwrap();
    assert!(pair.look_server().await.unwrap());
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert!(error.message.contains("WAL mode"), "{error}");
}

/// A program in a transaction so large that its pages are in the file before it ends.
fn half_done(world: &World) -> Php {
    let mut php = Php::open(world);
    for sql in [
        "PRAGMA cache_size=5",
        "BEGIN IMMEDIATE",
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO item SELECT 'half '||i,zeroblob(200),0 FROM n",
    ] {
        assert_eq!(php.run(sql), "ok");
    }
    php
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_under_way_is_waited_for_and_a_journal_that_stays_is_named() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let mut php = half_done(&world);
    assert!(std::fs::metadata(world.path("site/products.db-journal")).unwrap().len() > 0);
    world
        .open_local()
        .execute_batch("UPDATE item SET laptop=1 WHERE k='row 1'")
        .unwrap();
    let began = Instant::now();
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(error.message.contains("products.db-journal"), "{error}");
    assert_eq!(error.code, ErrorCode::Failed, "{error}");
    // It ends while the next cycle waits for it: nothing of it was seen.
    let ends = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(php.run("ROLLBACK"), "ok");
    };
    let (done, ()) = tokio::join!(sync(&mut pair), ends);
    // The row, and what its trigger wrote.
    assert_eq!((done.pulled, done.pushed), (0, 2), "{done:?}");
    world.assert_equal();
    assert_eq!(world.both("SELECT count(*) FROM item"), ["Integer(40)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_a_killed_program_is_left_to_the_site() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let php = half_done(&world);
    drop(php);
    let error = try_sync(&mut pair, &SyncRequest::default()).await;
    if let Err(error) = &error {
        assert!(error.message.contains("products.db-journal"), "{error}");
    }
    assert!(
        world.path("site/products.db-journal").exists(),
        "it is hot, and nobody's but SQLite's"
    );
    assert_eq!(rows(&world.open_local(), "SELECT count(*) FROM item"), ["Integer(40)"]);
    // The site's next request undoes it.
    assert_eq!(rows(&world.open_remote(), "SELECT count(*) FROM item"), ["Integer(40)"]);
    world
        .open_local()
        .execute_batch("UPDATE item SET laptop=1 WHERE k='row 1'")
        .unwrap();
    sync(&mut pair).await;
    world.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_a_program_keeps_bars_the_exchange() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let mut php = Php::open(&world);
    assert_eq!(
        php.run("PRAGMA journal_mode=TRUNCATE; UPDATE item SET server=3 WHERE k='row 3'"),
        "ok"
    );
    world
        .open_local()
        .execute_batch("UPDATE item SET laptop=1 WHERE k='row 1'")
        .unwrap();
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert!(error.message.contains("journal_mode"), "{error}");
    // What the site wrote came here nevertheless.
    assert_eq!(
        rows(&world.open_local(), "SELECT server FROM item WHERE k='row 3'"),
        ["Integer(3)"]
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT laptop FROM item WHERE k='row 1'"),
        ["Integer(0)"]
    );
    drop(php);
    std::fs::remove_file(world.path("site/products.db-journal")).unwrap();
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brakes_work() {
    let empty = |path: &std::path::Path| std::fs::write(path, "").unwrap();
    let foreign = |path: &std::path::Path| std::fs::write(path, vec![7; 20_000]).unwrap();
    let truncated = |path: &std::path::Path| {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 4096).unwrap();
    };
    type Damage<'a> = &'a dyn Fn(&std::path::Path);
    let cases: [(&str, Damage<'_>); 3] = [("empty", &empty), ("foreign", &foreign), ("truncated", &truncated)];
    for (what, damage) in cases {
        let world = world(ITEMS);
        let mut pair = world.pair().await;
        sync(&mut pair).await;
        damage(&world.remote());
        let damaged = std::fs::read(world.remote()).unwrap();
        for _ in 0..2 {
            match try_sync(&mut pair, &SyncRequest::default()).await {
                Ok(done) => assert_eq!(done.outcome, Outcome::Stopped, "{what}: {done:?}"),
                Err(error) => assert_eq!(error.code, ErrorCode::Attention, "{what}: {error}"),
            }
        }
        assert_eq!(std::fs::read(world.remote()).unwrap(), damaged, "{what}");
        assert_eq!(
            rows(&world.open_local(), "SELECT count(*) FROM item"),
            ["Integer(40)"],
            "{what}"
        );
        assert_eq!(beside(&world), [""; 0], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_moved_into_place_deletes_nothing() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let kept = std::fs::read(world.remote()).unwrap();
    world
        .open_local()
        .execute_batch("INSERT INTO item VALUES('new',1,1)")
        .unwrap();
    sync(&mut pair).await;
    let put_back = world.path("site/restored");
    std::fs::write(&put_back, kept).unwrap();
    std::fs::rename(put_back, world.remote()).unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.deleted, done.pushed), (0, 1), "{done:?}");
    world.assert_equal();
    assert_eq!(world.both("SELECT count(*) FROM item"), ["Integer(41)"]);
}

/// Needs root, which may give files away; others cannot even make such a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_stays_its_owners_or_is_not_exchanged() {
    let other = crate::support::sshd::SystemUser::with_password("unused");
    let (nobody_else, everybody) = (0o644, 0o666);
    for (user, mode, refusal) in [
        ("root", nobody_else, None),
        (&*other.name, nobody_else, Some("second name")),
        (&*other.name, everybody, Some("belongs to user 33")),
    ] {
        let mut world = world(ITEMS);
        world.user = user.to_owned();
        for (path, mode) in [(".", 0o755), ("site", 0o777), ("site/products.db", mode)] {
            std::fs::set_permissions(world.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::chown(world.remote(), Some(33), Some(33)).unwrap();
        let mut pair = world.pair().await;
        world
            .open_local()
            .execute_batch("INSERT INTO item VALUES('new',1,1)")
            .unwrap();
        world
            .open_remote()
            .execute_batch("INSERT INTO item VALUES('site',1,1)")
            .unwrap();
        let done = try_sync(&mut pair, &SyncRequest::default()).await;
        let file = std::fs::metadata(world.remote()).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (33, 33, mode), "{user}");
        let Some(refusal) = refusal else {
            done.unwrap();
            world.assert_equal();
            continue;
        };
        let error = done.unwrap_err();
        assert_eq!(error.code, ErrorCode::Attention, "{error}");
        assert!(error.message.contains(refusal), "{error}");
        // What the site wrote has come here.
        assert_eq!(
            rows(&world.open_local(), "SELECT k FROM item WHERE k='site'"),
            [text("site")]
        );
        assert_eq!(rows(&world.open_remote(), "SELECT k FROM item WHERE k='new'"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_are_damaged_are_made_anew() {
    let world = world(ITEMS);
    sync(&mut world.pair().await).await;
    for damaged in ["server/agreed.db", "server/seen.db", "server/record.json"] {
        std::fs::write(world.path("state").join(damaged), vec![7; 9000]).unwrap();
        world
            .open_local()
            .execute_batch("DELETE FROM item WHERE k='row 1'; INSERT INTO item VALUES('row 1',1,1)")
            .unwrap();
        world
            .open_remote()
            .execute_batch("UPDATE item SET server=coalesce(server,0)+1 WHERE k='row 2'")
            .unwrap();
        let mut pair = world.pair().await;
        let done = sync(&mut pair).await;
        assert_eq!(done.deleted, 0, "{damaged}: {done:?}");
        world.assert_equal();
        assert_eq!(world.both("SELECT count(*) FROM item"), ["Integer(40)"]);
        // It takes note of what it did.
        drop(pair);
        assert!(
            std::fs::metadata(world.path("state").join(damaged)).unwrap().len() != 9000,
            "{damaged}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_names_the_engine_that_would_do_and_does_not_take_it() {
    let mut world = world(ITEMS);
    let remote = world.settings["remote"].replace("engine = \"sftp\"", "engine = \"auto\"");
    world.settings.insert("remote", remote);
    let error = refused(&world).await;
    assert_eq!(error.code, ErrorCode::Attention, "{error}");
    assert!(error.message.contains("engine = \"sftp\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_the_database_stays_a_link() {
    let mut world = world(ITEMS);
    std::os::unix::fs::symlink("products.db", world.path("site/link.db")).unwrap();
    let remote = world.settings["remote"].replace("products.db", "link.db");
    world.settings.insert("remote", remote);
    let mut pair = world.pair().await;
    world
        .open_local()
        .execute_batch("INSERT INTO item VALUES('new',1,1)")
        .unwrap();
    sync(&mut pair).await;
    world.assert_equal();
    assert!(
        std::fs::symlink_metadata(world.path("site/link.db"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        rows(&open(&world.path("site/link.db")), "SELECT k FROM item WHERE k='new'"),
        [text("new")]
    );
}
