//! Programs that have the file open while it is exchanged.

use std::time::Duration;

use modsync::control::types::SyncRequest;
use modsync::cycle::Syncer as _;

use crate::site::{Php, Writer};
use crate::support::proxy::{Line, Proxy};
use crate::support::world::{open, rows, sync, text, try_sync};
use crate::{ITEMS, backups, beside, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_has_the_replaced_file_open_is_told_or_saved() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let [mut ordinary, mut begun, mut reckless] = [(); 3].map(|()| Php::open(&world));
    // Each reads, as a page does before it writes.
    for php in [&mut ordinary, &mut reckless] {
        assert_eq!(php.run("UPDATE item SET server=1 WHERE k='row 1'"), "ok");
    }
    assert_eq!(reckless.run("PRAGMA journal_mode=MEMORY"), "ok");
    sync(&mut pair).await;
    assert_eq!(begun.run("BEGIN IMMEDIATE"), "ok");
    world
        .open_local()
        .execute_batch("UPDATE item SET laptop=1 WHERE k='row 2'")
        .unwrap();
    sync(&mut pair).await;
    // SQLite sees that the file under its name is another one before it writes a journal.
    for php in [&mut begun, &mut ordinary] {
        let said = php.run("UPDATE item SET server='lost' WHERE k='row 4'");
        assert!(said.contains("readonly"), "{said}");
        php.run("ROLLBACK");
    }
    // Without a journal it does not look, and writes where no one reads.
    assert_eq!(reckless.run("UPDATE item SET server='late' WHERE k IN ('row 2','row 3'); INSERT INTO item VALUES('late',1,1); DELETE FROM item WHERE k='row 9'"), "ok");
    assert_eq!(
        rows(&world.open_remote(), "SELECT 1 FROM item WHERE server='late'"),
        [""; 0]
    );
    assert!(
        pair.look_server().await.unwrap(),
        "a late write is a change of the server's"
    );
    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(
        world.both("SELECT laptop,server FROM item WHERE k='row 2'"),
        [format!("Integer(1),{}", text("late"))]
    );
    assert_eq!(
        world.both("SELECT k FROM item WHERE k IN ('late','row 9')"),
        [text("late")]
    );
    // And once more, by another process of ours, which knows of the file by its record.
    drop(pair);
    assert_eq!(reckless.run("UPDATE item SET server='later' WHERE k='row 5'"), "ok");
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(world.both("SELECT server FROM item WHERE k='row 5'"), [text("later")]);
    assert!(!pair.look_server().await.unwrap());
}

/// The site writes all the time, and so do laptop and cycles: what was committed is there in the end.
#[tokio::test(flavor = "multi_thread")]
async fn no_write_that_was_committed_is_lost_under_a_busy_site() {
    let world = world(ITEMS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let writer = Writer::start(&world, 1000);
    let (mut pushed, mut given_up) = (0, 0);
    let ends = std::time::Instant::now() + Duration::from_secs(15);
    let mut n = 0;
    while std::time::Instant::now() < ends {
        n += 1;
        world
            .open_local()
            .execute_batch(&format!(
                "UPDATE item SET laptop={n} WHERE k='row {}'; INSERT INTO grow(word) VALUES('laptop {n}')",
                n % 10 + 20
            ))
            .unwrap();
        let request = SyncRequest {
            no_backup: true,
            ..SyncRequest::default()
        };
        match try_sync(&mut pair, &request).await {
            Ok(done) => pushed += u32::from(done.pushed > 0),
            Err(_) => given_up += 1,
        }
    }
    let (written, errors) = writer.stop(&world);
    sync(&mut pair).await;
    world.assert_equal();
    let there = world.both("SELECT count(DISTINCT word) FROM grow WHERE word LIKE 'php %'");
    assert_eq!(
        there,
        [format!("Integer({})", written.len())],
        "{} errors: {errors:?}",
        errors.len()
    );
    assert_eq!(
        world.both("SELECT count(DISTINCT word) FROM grow WHERE word LIKE 'laptop %'"),
        [format!("Integer({n})")]
    );
    eprintln!(
        "{} rows of the site's, {} refused; {pushed} exchanges, {given_up} cycles gave up",
        written.len(),
        errors.len()
    );
    assert!(pushed > 0 && written.len() > 5, "{pushed} {given_up} {}", written.len());
}

/// Has the site write at a moment of an exchange over a long line, told in round trips since the lock was taken: then
/// the lock's file is closed, at 1, the database is looked at in two steps, at 2 and 3, and exchanged, at 4. What was
/// written has to be there at once, and `saved` tells whether by another exchange that followed the first.
async fn write_in_an_exchange(moment: f64, saved: bool) {
    const ROUND_TRIP: f64 = 0.4;
    let mut world = world(ITEMS);
    world.on_both("DROP TRIGGER touched");
    let proxy = Proxy::to(world.port, Line::default()).await;
    world.port = proxy.port();
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let push = "UPDATE item SET laptop='pushed' WHERE k IN ('row 1','row 2')";
    world.open_local().execute_batch(push).unwrap();
    proxy.set(Line {
        delay: Duration::from_secs_f64(ROUND_TRIP / 2.0),
        ..Line::default()
    });
    let lock = world.path("site/.products.db.modsync-lock");
    let site = world.remote();
    let writer = std::thread::spawn(move || {
        let connection = open(&site);
        crate::support::daemon::until("the lock is taken", || lock.exists().then_some(()));
        std::thread::sleep(Duration::from_secs_f64(ROUND_TRIP * moment));
        connection
            .execute_batch("UPDATE item SET server='late' WHERE k IN ('row 2','row 3')")
            .unwrap();
    });
    let done = sync(&mut pair).await;
    writer.join().unwrap();
    let den = beside(&world)
        .into_iter()
        .find(|name| !name.ends_with("-lock"))
        .unwrap();
    let mut names = std::fs::read_dir(world.path("site").join(den)).unwrap().flatten();
    // The first replaced file is the backup by now, a second one is watched.
    let again = names.any(|entry| entry.file_name().to_string_lossy().contains(".old-"));
    assert_eq!(again, saved, "{done:?}");
    assert_eq!(backups(&world).len(), 1);
    let late = "SELECT laptop,server FROM item WHERE k IN ('row 1','row 2','row 3')";
    let [pushed, written] = ["pushed", "late"].map(text);
    let expected = [
        format!("Integer(0),{written}"),
        format!("{pushed},Integer(0)"),
        format!("{pushed},{written}"),
    ];
    assert_eq!(rows(&world.open_remote(), late), expected, "on the server at once");
    proxy.set(Line::default());
    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(world.both(late), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_before_the_last_look_is_met_before_anything_is_exchanged() {
    write_in_an_exchange(0.5, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_between_the_last_look_and_the_exchange_is_saved() {
    write_in_an_exchange(3.5, true).await;
}
