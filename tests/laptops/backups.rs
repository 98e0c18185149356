//! Backups are named by the second, and two laptops may be about to take one in the same.

use jiff::{SignedDuration, Timestamp};
use modsync::control::types::Outcome;

use crate::support::world::{World, open, rows, sync};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_the_same_second_is_left_alone_and_the_cycle_goes_on() {
    let world = World::with_schema("CREATE TABLE item(k TEXT PRIMARY KEY, v)");
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world
        .open_local()
        .execute_batch("INSERT INTO item VALUES('a',1)")
        .unwrap();
    let now = Timestamp::now();
    let others = (0..2).map(|seconds| {
        let time = now + SignedDuration::from_secs(seconds);
        world.path(&format!("site/products.db.backup_{}", time.strftime("%Y%m%d_%H%M%S")))
    });
    let others: Vec<_> = others.collect();
    for other in &others {
        std::fs::copy(world.remote(), other).unwrap();
    }
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.pushed), (Outcome::Synced, 1), "{done:?}");
    let ours = world.path("site").join(done.backup.unwrap());
    assert!(!others.contains(&ours) && ours.exists());
    for other in &others {
        assert_eq!(rows(&open(other), "SELECT * FROM item"), [""; 0]);
    }
    world.assert_equal();
}
