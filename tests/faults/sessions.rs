//! The line is cut at any moment of a cycle: both databases stay whole, and the next cycle goes on from there.

use std::time::Duration;

use modsync::control::types::Outcome;

use crate::rows::{SCHEMA, assert_all_there, edit_both};
use crate::support::world::{World, cut_off, open, rows, sync, text};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_killed_at_any_moment_lose_and_double_nothing() {
    const CYCLES: usize = 40;
    let world = World::with_schema(SCHEMA);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let mut cut = 0;
    for n in 0..CYCLES {
        edit_both(&world, n);
        if n % 3 == 0 {
            // Another process takes the state over.
            pair = world.pair().await;
        }
        // The moments go through a whole cycle on an open connection and through its beginning on a new one.
        let moment = Duration::from_millis((n as u64 * 13) % 120);
        cut += usize::from(cut_off(&world, &mut pair, moment).await);
    }
    assert!(cut > CYCLES / 5, "only {cut} cycles were cut");
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!((done.conflicts, done.held), (0, 0), "{done:?}");
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    assert_all_there(&world, CYCLES);
}

/// Brings the state folder back to what it was before a cycle: what the disk holds when the program ends before it settles.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_never_came_is_no_conflict_and_is_written_down_once() {
    let world = World::with_schema(SCHEMA);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    edit_both(&world, 7);
    drop(pair);
    let (base, kept) = (world.path("state/base.db"), world.path("base.kept"));
    std::fs::copy(&base, &kept).unwrap();
    let history = open(&world.path("state/history.db"));
    history
        .execute_batch("CREATE TABLE kept(cycle, body); CREATE TRIGGER keep AFTER DELETE ON journal BEGIN INSERT INTO kept VALUES(old.cycle,old.body); END")
        .unwrap();
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!(done.outcome, Outcome::Synced, "{done:?}");
    drop(pair);
    // As if it had ended between the server's commit and its own: base and journal as they were, no record yet.
    std::fs::copy(&kept, &base).unwrap();
    let cycle = done.cycle.unwrap();
    history
        .execute_batch(&format!(
            "DROP TRIGGER keep; INSERT INTO journal SELECT * FROM kept; DROP TABLE kept; DELETE FROM move WHERE cycle={cycle}; DELETE FROM conflict WHERE cycle={cycle}"
        ))
        .unwrap();
    world
        .open_local()
        .execute_batch("UPDATE item SET laptop='later' WHERE k='row 8'")
        .unwrap();
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.pulled, done.pushed, done.conflicts),
        (Outcome::Synced, 0, 1, 0),
        "{done:?}"
    );
    world.assert_equal();
    assert_eq!(
        world.both("SELECT laptop,server FROM item WHERE k='row 8'"),
        [format!("{},Integer(7)", text("later"))]
    );
    for (origin, written) in [("laptop", "server"), ("server", "local")] {
        let moves = format!(
            "SELECT count(*) FROM move WHERE tbl='named' AND side='{written}' AND after LIKE '%\"{origin} 7\"%' AND before IS NULL"
        );
        assert_eq!(rows(&history, &moves), ["Integer(1)"], "from the {origin}");
    }
    let interrupted = format!("SELECT json_extract(summary,'$.outcome') FROM cycle WHERE cycle={cycle}");
    assert_eq!(rows(&history, &interrupted), [text("interrupted")]);
}
