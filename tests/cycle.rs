//! Cycles between two real databases over a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use modsync::control::types::Outcome;
use modsync::cycle::Syncer as _;
use modsync::demo::data;
use support::world::{World, assert_synced, rows, sync};

#[tokio::test(flavor = "multi_thread")]
async fn the_train_story_ends_with_everything_on_both_sides() {
    let world = World::with_products(40);
    let mut pair = world.pair().await;
    assert_eq!(
        sync(&mut pair).await.outcome,
        Outcome::Synced,
        "the first cycle agrees on the base"
    );

    let reviewed = data::phone_reviews(&mut world.open_remote(), 5).unwrap();
    let added = data::laptop_adds(&mut world.open_local(), 7).unwrap();
    data::same_id_on_both(&mut world.open_local(), &mut world.open_remote()).unwrap();
    let done = sync(&mut pair).await;

    assert_synced(&done);
    world.assert_equal();
    for url in reviewed {
        let sql = format!("SELECT 1 FROM products WHERE url='{url}' AND lifecycle_stage LIKE 'assessed%'");
        assert_eq!(
            rows(&world.open_local(), &sql).len(),
            1,
            "{url} is reviewed on the laptop"
        );
    }
    for url in added {
        let sql = format!("SELECT 1 FROM products WHERE url='{url}'");
        assert_eq!(rows(&world.open_remote(), &sql).len(), 1, "{url} is on the server");
    }
    let again = sync(&mut pair).await;
    assert_eq!(again.outcome, Outcome::Unchanged);
    assert_eq!((again.pulled, again.pushed, again.round_trips), (0, 0, 1));
    assert!(pair.verify().await.unwrap().equal);
}
