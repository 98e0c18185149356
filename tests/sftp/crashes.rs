//! The daemon is killed, and the line cut, between any two steps; two laptops meet.

use std::time::Duration;

use modsync::control::types::{Outcome, SyncRequest};
use modsync::cycle::{Pair, Syncer as _};

use crate::support::daemon::{Daemon, until};
use crate::support::proxy::{Line, Proxy};
use crate::support::world::{cut_off, open, rows, sync, try_sync};
use crate::{ITEMS, beside, world};

/// What one side does before a cycle.
fn edits(side: &str, n: usize) -> String {
    format!(
        "UPDATE item SET {side}={n} WHERE k='row {}'; INSERT INTO item VALUES('{side} {n}',0,0); INSERT INTO grow(word) VALUES('{side} {n}');",
        n % 40 + 1
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_cut_at_any_moment_lose_and_double_nothing() {
    const CYCLES: usize = 24;
    let world = world(ITEMS);
    world.on_both("DROP TRIGGER touched");
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let mut cut = 0;
    for n in 0..CYCLES {
        world.open_local().execute_batch(&edits("laptop", n)).unwrap();
        if n % 4 == 0 {
            world.open_remote().execute_batch(&edits("server", n)).unwrap();
        }
        if n % 3 == 0 {
            pair = world.pair().await;
        }
        let moment = Duration::from_millis((n as u64 * 17) % 150 + if n % 4 == 0 { 1200 } else { 20 });
        cut += usize::from(cut_off(&world, &mut pair, moment).await);
    }
    assert!(cut > CYCLES / 6, "only {cut} cycles were cut");
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!((done.conflicts, done.held), (0, 0), "{done:?}");
    world.assert_equal();
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    let count = |side: &str| {
        world.both(&format!(
            "SELECT count(*),count(DISTINCT word) FROM grow WHERE word LIKE '{side} %'"
        ))
    };
    assert_eq!(count("laptop"), [format!("Integer({CYCLES}),Integer({CYCLES})")]);
    assert_eq!(
        count("server"),
        [format!("Integer({0}),Integer({0})", CYCLES.div_ceil(4))]
    );
}

/// What can be seen at the server of a cycle that goes on.
#[derive(Clone, Copy, Debug)]
enum Step {
    Uploading,
    Uploaded,
    Locked,
    Exchanged,
}

#[test]
fn a_daemon_that_is_killed_at_any_step_goes_on_and_cleans_up() {
    let mut world = world(&format!(
        "{ITEMS} DROP TRIGGER touched; WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500) INSERT INTO item SELECT 'big '||i,zeroblob(2000),0 FROM n;"
    ));
    // A line so long that each step can be seen.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let line = Line {
        delay: Duration::from_millis(30),
        ..Line::default()
    };
    let proxy = runtime.block_on(Proxy::to(world.port, line));
    world.port = proxy.port();
    world.settings.insert(
        "sync",
        "poll = \"300ms\"\ndebounce = \"50ms\"\nschedule = \"off\"".to_owned(),
    );
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let mut n = 0;
    for step in [
        Step::Uploading,
        Step::Uploaded,
        Step::Locked,
        Step::Exchanged,
        Step::Exchanged,
    ] {
        n += 1;
        use std::os::unix::fs::MetadataExt as _;
        let inode = || std::fs::metadata(world.remote()).unwrap().ino();
        let size = std::fs::metadata(world.remote()).unwrap().len();
        let before = inode();
        world.open_local().execute_batch(&edits("laptop", n)).unwrap();
        until(&format!("{step:?}"), || {
            let found = beside(&world);
            let den = found
                .iter()
                .find(|name| name.starts_with(".products.db.modsync-") && !name.ends_with("-lock"));
            let mut names = den
                .into_iter()
                .filter_map(|den| std::fs::read_dir(world.path("site").join(den)).ok())
                .flatten()
                .flatten();
            let new = names.find(|entry| entry.file_name().to_string_lossy().ends_with(".new"));
            let length = new.and_then(|entry| Some(entry.metadata().ok()?.len()));
            let seen = match step {
                Step::Uploading => length.is_some_and(|length| length < size),
                Step::Uploaded => length.is_some_and(|length| length >= size),
                Step::Locked => found.iter().any(|name| name.ends_with("-lock")),
                Step::Exchanged => inode() != before,
            };
            seen.then_some(())
        });
        daemon.kill();
        // The site works on, whatever was left.
        world.open_remote().execute_batch(&edits("server", n)).unwrap();
        daemon.again();
        daemon.until_status(&format!("in sync after {step:?}"), |status| {
            let there = |side: &str, connection: &rusqlite::Connection| {
                !rows(connection, &format!("SELECT 1 FROM grow WHERE word='{side} {n}'")).is_empty()
            };
            status["in_sync"] == true && there("server", &world.open_local()) && there("laptop", &world.open_remote())
        });
        world.assert_equal();
    }
    assert_eq!(
        world.both("SELECT count(*),count(DISTINCT word) FROM grow"),
        ["Integer(10),Integer(10)"]
    );
    until("nothing is left but the den", || {
        let left = beside(&world);
        (left.len() == 1).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_a_lock_that_were_left_at_the_gate_are_cleared() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    world.open_local().execute_batch(&edits("laptop", 1)).unwrap();
    sync(&mut pair).await;
    let site = world.path("site");
    let den = site.join(&beside(&world)[0]);
    for ours in [true, false] {
        // What a server that lost its power in the midst of an exchange has.
        if !ours {
            let another = site.join(".products.db.modsync-another");
            std::fs::create_dir(&another).unwrap();
            std::fs::write(another.join("another.den"), "").unwrap();
            std::fs::rename(&another, site.join("products.db-journal")).unwrap();
        } else {
            std::fs::rename(&den, site.join("products.db-journal")).unwrap();
        }
        std::fs::write(site.join(".products.db.modsync-lock"), "").unwrap();
        // Another laptop's is found by a poll, which has nothing else to do.
        if !ours {
            pair.look_server().await.unwrap();
            assert!(!site.join("products.db-journal").exists());
        }
        let mut pair = world.pair().await;
        world
            .open_local()
            .execute_batch(&edits("laptop", 2 + usize::from(ours)))
            .unwrap();
        sync(&mut pair).await;
        world.assert_equal();
        assert!(!site.join("products.db-journal").exists() && den.exists());
    }
    assert!(site.join(".products.db.modsync-another/another.den").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_laptops_with_one_server_lose_nothing() {
    let world = world(ITEMS);
    world.on_both("DROP TRIGGER touched");
    let mut second = world.config();
    second.local.database = world.path("laptop/second.db");
    second.daemon.state_dir = world.path("second");
    std::fs::copy(world.local(), world.path("laptop/second.db")).unwrap();
    let (mut ours, mut theirs) = (world.pair().await, Pair::open(second).await.unwrap());
    sync(&mut ours).await;
    sync(&mut theirs).await;
    const ROUNDS: usize = 6;
    for n in 0..ROUNDS {
        world.open_local().execute_batch(&edits("laptop", n)).unwrap();
        open(&world.path("laptop/second.db"))
            .execute_batch(&edits("server", n))
            .unwrap();
        let request = SyncRequest {
            no_backup: true,
            ..SyncRequest::default()
        };
        let (one, other) = tokio::join!(try_sync(&mut ours, &request), try_sync(&mut theirs, &request));
        for done in [one, other].into_iter().flatten() {
            assert_eq!(done.held, 0, "{done:?}");
        }
    }
    for _ in 0..2 {
        sync(&mut ours).await;
        sync(&mut theirs).await;
    }
    world.assert_equal();
    let words = |connection: rusqlite::Connection| rows(&connection, "SELECT word FROM grow");
    let all = words(world.open_remote());
    assert_eq!(all.len(), 2 * ROUNDS, "{all:?}");
    assert_eq!(words(open(&world.path("laptop/second.db"))), all);
}
