//! What stops a cycle before it writes: nothing is lost, and the message says how to go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::Syncer as _;
use support::world::{World, dump, sync, try_sync};

/// A pair that has synced once.
async fn synced() -> (World, modsync::cycle::Pair) {
    let world = World::with_products(30);
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    (world, pair)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laptop_database_that_went_away_is_not_fetched_anew_unasked() {
    let (world, mut pair) = synced().await;
    let before = dump(&world.open_remote());
    pair.disconnect();
    std::fs::remove_file(world.local()).unwrap();

    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();

    assert_eq!(error.code, ErrorCode::Attention);
    assert!(error.message.contains("is gone"), "{error}");
    assert!(!world.local().exists(), "nothing is put in its place");
    assert_eq!(dump(&world.open_remote()), before);

    // The hint's way on works.
    let base = world.state().join("base.db");
    assert!(error.hint.unwrap().contains(base.to_str().unwrap()));
    std::fs::rename(&base, world.path("base.away")).unwrap();
    sync(&mut pair).await;
    world.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_database_that_went_away_is_not_made_anew_unasked() {
    let (world, mut pair) = synced().await;
    let before = dump(&world.open_local());
    pair.disconnect();
    std::fs::remove_file(world.remote()).unwrap();

    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();

    assert_eq!(error.code, ErrorCode::Attention);
    assert!(
        error.message.contains("the server's database") && error.message.contains("is gone"),
        "{error}"
    );
    assert!(!world.remote().exists(), "nothing is put in its place");
    assert_eq!(dump(&world.open_local()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_one_side_dropped_stops_the_cycle() {
    let (world, mut pair) = synced().await;
    world.open_local().execute_batch("DROP TABLE assessment_queue").unwrap();
    let before = dump(&world.open_remote());

    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();

    assert_eq!(error.code, ErrorCode::Attention);
    assert!(
        error.message.contains("\"assessment_queue\"") && error.message.contains("gone from the local"),
        "{error}"
    );
    assert_eq!(dump(&world.open_remote()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_database_file_stops_the_cycle() {
    let (world, mut pair) = synced().await;
    let before = dump(&world.open_remote());
    pair.disconnect();
    std::fs::write(world.local(), "").unwrap();

    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();

    assert_eq!(error.code, ErrorCode::Attention, "{error}");
    assert_eq!(dump(&world.open_remote()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_stops_the_cycle() {
    let (world, mut pair) = synced().await;
    let before = dump(&world.open_remote());
    pair.disconnect();
    std::fs::write(
        world.local(),
        "this is not a database, whatever its name says".repeat(100),
    )
    .unwrap();

    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();

    assert_eq!(error.code, ErrorCode::Attention, "{error}");
    assert!(error.message.contains("not a database"), "{error}");
    assert_eq!(dump(&world.open_remote()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_dropped_on_one_side_holds_that_table_aloud_and_lets_the_others_go_on() {
    let (world, mut pair) = synced().await;
    world
        .open_remote()
        .execute_batch("ALTER TABLE products DROP COLUMN title")
        .unwrap();
    world
        .open_local()
        .execute_batch("UPDATE retailer_url_patterns SET rowid=rowid; DELETE FROM product_update_queue WHERE id=1")
        .unwrap();

    let done = sync(&mut pair).await;

    assert_eq!(done.outcome, Outcome::Attention, "{done:?}");
    assert!(done.held > 0 && done.reason.unwrap().contains("\"title\" is only on the laptop"));
    let proof = pair.verify().await.unwrap();
    assert!(!proof.equal && proof.held.iter().any(|table| table.name == "products"));
    let queue = |connection| support::world::rows(connection, "SELECT count(*) FROM product_update_queue");
    assert_eq!(
        queue(&world.open_local()),
        queue(&world.open_remote()),
        "the others go on"
    );
}
