//! Rows go both ways, at the cost that is promised, with values unchanged.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use modsync::control::types::Outcome;
use modsync::cycle::Syncer as _;

use crate::site::Php;
use crate::support::daemon::Daemon;
use crate::support::world::{open, rows, sync, text};
use crate::{Counted, ITEMS, backups, beside, empty_world, world};

const CREATE: &str = "CREATE TABLE v(k INTEGER PRIMARY KEY, x);";
const VALUES: &str =
    "INSERT INTO v VALUES(1,NULL),(2,9223372036854775807),(3,-9223372036854775808),(4,-0.0),(5,9e999),(6,-9e999),
    (7,'line'||char(10)||'tab'||char(9)||char(0)||'end'),(8,CAST(x'fffe00' AS TEXT)),(9,x''),(10,zeroblob(3000)),
    (11,5e-324),(12,1.7976931348623157e308),(13,'größe'),(14,'');";

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_both_ways_and_leave_nothing_behind() {
    let world = world(ITEMS);
    let mode = std::fs::Permissions::from_mode(0o664);
    std::fs::set_permissions(world.remote(), mode).unwrap();
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    for n in 1..=3 {
        world.open_local().execute_batch(&format!("UPDATE item SET laptop={n} WHERE k='row {n}'; INSERT INTO item VALUES('laptop {n}',1,1); DELETE FROM item WHERE k='row {}'", n + 20)).unwrap();
        let sql = format!(
            "UPDATE item SET server={n} WHERE k='row {n}'; INSERT INTO item VALUES('site {n}',1,1); DELETE FROM item WHERE k='row {}'",
            n + 30
        );
        assert_eq!(Php::open(&world).run(&sql), "ok");
        let done = sync(&mut pair).await;
        assert_eq!((done.deleted, done.conflicts, done.held), (2, 0, 0), "{done:?}");
        world.assert_equal();
        assert_eq!(
            world.both(&format!("SELECT laptop,server FROM item WHERE k='row {n}'")),
            [format!("Integer({n}),Integer({n})")]
        );
    }
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    // What the site may do with the file has not changed, and what is ours nobody else may enter.
    let file = std::fs::metadata(world.remote()).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o664);
    let left = beside(&world);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        std::fs::metadata(world.path("site").join(&left[0])).unwrap().mode() & 0o7777,
        0o700
    );
    // Each cycle took a backup: the database as it was before.
    let taken = backups(&world);
    assert_eq!(taken.len(), 3);
    let last = open(&world.path("site").join(&taken[2]));
    assert_eq!(
        rows(&last, "SELECT k FROM item WHERE k IN ('laptop 2','laptop 3','site 3')").len(),
        2
    );
    assert_eq!(rows(&last, "PRAGMA integrity_check"), [text("ok")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_carried_to_the_bit() {
    let world = world(CREATE);
    let mut pair = world.pair().await;
    world.open_local().execute_batch(VALUES).unwrap();
    sync(&mut pair).await;
    world.assert_equal();
    let theirs = "DELETE FROM v;".to_owned() + &VALUES.replace("(1,", "(101,");
    world.open_remote().execute_batch(&theirs).unwrap();
    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(world.both("SELECT count(*) FROM v"), ["Integer(14)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_brings_nothing_and_nothing_comes_twice() {
    let world = world(&format!(
        "{ITEMS} WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) INSERT INTO item SELECT 'big '||i,hex(randomblob(1000)),0 FROM n;"
    ));
    // The two were made apart: each with blobs of its own.
    std::fs::copy(world.local(), world.remote()).unwrap();
    assert!(std::fs::metadata(world.remote()).unwrap().len() > 10_000_000);
    let counted = Counted::default();
    let mut pair = counted.pair(&world).await;
    sync(&mut pair).await;
    assert!(!pair.look_server().await.unwrap());
    let before = counted.so_far();
    for _ in 0..10 {
        assert!(!pair.look_server().await.unwrap());
    }
    let after = counted.so_far();
    let [trips, sent, received] = [0, 1, 2].map(|n| after[n] - before[n]);
    assert_eq!(trips, 20, "two round trips for each look");
    assert!(
        sent < 10 * 1000 && received < 10 * 1500,
        "{sent} bytes sent, {received} received"
    );

    // A change is told by a look, which brings nothing; then the file comes once (hexadecimal digits, compressed to half).
    assert_eq!(Php::open(&world).run("UPDATE item SET server=7 WHERE k='row 7'"), "ok");
    // A write in the very second in which the file is read could hide behind its time; this one is an hour old.
    let written = std::fs::File::options().write(true).open(world.remote()).unwrap();
    written
        .set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600))
        .unwrap();
    let before = counted.so_far();
    assert!(pair.look_server().await.unwrap());
    assert!(!pair.look_server().await.unwrap(), "each change is told once");
    assert!(counted.so_far()[2] - before[2] < 5000);
    let done = sync(&mut pair).await;
    assert_eq!((done.pulled, done.pushed), (2, 0), "{done:?}");
    assert!((5_000_000..12_000_000).contains(&done.bytes_received), "{done:?}");
    assert!(!pair.look_server().await.unwrap());
    // What the laptop writes goes up once, and does not come back.
    world
        .open_local()
        .execute_batch("UPDATE item SET laptop=8 WHERE k='row 8'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.pulled, done.pushed), (0, 2), "{done:?}");
    assert!(
        (5_000_000..12_000_000).contains(&done.bytes_sent) && done.bytes_received < 100_000,
        "{done:?}"
    );
    assert!(done.round_trips < 60, "{done:?}");
    world.assert_equal();
    // Another process finds the copy that this one left.
    drop(pair);
    let mut pair = counted.pair(&world).await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    assert!(counted.so_far()[2] < 100_000, "{:?}", counted.so_far());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_is_missing_is_made_from_the_other() {
    for missing in ["server", "laptop"] {
        let world = empty_world();
        let there = if missing == "server" {
            world.local()
        } else {
            world.remote()
        };
        open(&there).execute_batch(ITEMS).unwrap();
        let mut pair = world.pair().await;
        let done = sync(&mut pair).await;
        assert_eq!((done.pulled, done.pushed), (0, 0), "{missing}: {done:?}");
        world.assert_equal();
        assert_eq!(beside(&world), [""; 0], "{missing}");
        world
            .open_local()
            .execute_batch("INSERT INTO item VALUES('after',1,1)")
            .unwrap();
        sync(&mut pair).await;
        world.assert_equal();
        // One that was there and is gone is not made anew.
        std::fs::remove_file(world.remote()).unwrap();
        let error = crate::support::world::try_sync(&mut pair, &Default::default())
            .await
            .unwrap_err();
        let error = match error.message.contains("gone") {
            true => error,
            false => crate::support::world::try_sync(&mut pair, &Default::default())
                .await
                .unwrap_err(),
        };
        assert!(error.message.contains("is gone"), "{error}");
        assert!(!world.remote().exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backups_go() {
    let mut world = world(ITEMS);
    world
        .settings
        .insert("backup", "keep_last = 2\nkeep_daily = 1".to_owned());
    let mut pair = world.pair().await;
    for n in 1..=4 {
        world
            .open_local()
            .execute_batch(&format!("UPDATE item SET laptop={n} WHERE k='row 1'"))
            .unwrap();
        let done = sync(&mut pair).await;
        assert!(done.backup.is_some(), "{done:?}");
    }
    crate::support::daemon::until("two backups are left", || (backups(&world).len() == 2).then_some(()));
}

#[test]
fn init_tries_the_server_by_files() {
    let world = world(ITEMS);
    let database = world.settings["remote"].split('"').nth(3).unwrap().to_owned();
    let known_hosts = world.path("home/known_hosts");
    std::fs::write(
        &known_hosts,
        format!("[127.0.0.1]:{} {}\n", world.port, world.sshd.host_key("ed25519")),
    )
    .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_modsyncd"))
        .args([
            "init",
            "--host",
            "127.0.0.1",
            "--port",
            &world.port.to_string(),
            "--user",
            &crate::user(),
        ])
        .args(["--remote", &database, "--engine", "sftp", "--config"])
        .arg(world.path("init.toml"))
        .arg("--known-hosts")
        .arg(known_hosts)
        .arg("--local")
        .arg(world.local())
        .arg("--identity-file")
        .arg(world.sshd.user_key())
        .env("XDG_STATE_HOME", world.path("init-state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("second best"), "{said}");
    assert_eq!(beside(&world), [""; 0]);
}

#[test]
fn the_daemon_and_its_client_work_and_say_that_it_is_the_second_best() {
    let world = world(ITEMS);
    let daemon = Daemon::start(&world);
    let status = daemon.until_in_sync();
    assert!(status["engine"].as_str().unwrap().contains("second best"), "{status:#}");
    assert!(daemon.ctl(&["status"]).out.contains("second best"));
    assert!(daemon.ctl(&["logs"]).out.contains("second best"));
    // A row of the site's is polled for.
    assert_eq!(Php::open(&world).run("INSERT INTO item VALUES('site',1,1)"), "ok");
    crate::support::daemon::until("the site's row is here", || {
        (!rows(&world.open_local(), "SELECT 1 FROM item WHERE k='site'").is_empty()).then_some(())
    });
    daemon.until_in_sync();
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
    assert_eq!(Php::open(&world).run("UPDATE item SET server=5 WHERE k='row 5'"), "ok");
    daemon.ctl(&["pause"]);
    let (_, check) = daemon.json(&["check"]);
    assert_eq!(check["server"]["tables"]["item"], 41, "{check:#}");
    assert_eq!(Php::open(&world).run("UPDATE item SET server=6 WHERE k='row 6'"), "ok");
    let (_, diff) = daemon.json(&["diff"]);
    assert!(diff.to_string().contains("row 6"), "{diff:#}");
    assert_ne!(daemon.ctl(&["verify"]).code, 0);
    daemon.sync(&[], 0);
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
    world.assert_equal();
}
