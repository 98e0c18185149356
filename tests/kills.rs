//! The line is cut at any moment of a cycle: both databases stay whole, and the next cycle goes on from there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;

use modsync::control::types::{Outcome, SyncRequest};
use support::world::{World, open, rows, sync, text, try_sync};

const SCHEMA: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, laptop, server);
    CREATE TABLE grow(id INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT NOT NULL);
    CREATE TABLE named(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, note);
    CREATE TABLE kid(id INTEGER PRIMARY KEY AUTOINCREMENT, named INTEGER NOT NULL REFERENCES named(id), word TEXT);
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100) INSERT INTO item SELECT 'row '||i,0,0 FROM n;";

/// What one side does before a cycle: updates, inserts under ids that the other side takes too, a delete.
fn edits(side: &str, n: usize) -> String {
    format!(
        "UPDATE item SET {side}={n} WHERE k='row {}'; INSERT INTO grow(word) VALUES('{side} {n}'); INSERT INTO named(name) VALUES('{side} {n}');
         INSERT INTO kid(named,word) VALUES(last_insert_rowid(),'{side} {n}');
         INSERT INTO item VALUES('{side} {n}',0,0); DELETE FROM item WHERE k='{side} {}';",
        n % 100 + 1,
        n.wrapping_sub(2)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_killed_at_any_moment_lose_and_double_nothing() {
    const CYCLES: usize = 40;
    let world = World::with_schema(SCHEMA);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let mut cut = 0;
    for n in 0..CYCLES {
        for (side, connection) in [("laptop", world.open_local()), ("server", world.open_remote())] {
            connection.execute_batch(&edits(side, n)).unwrap();
        }
        if n % 3 == 0 {
            // Another process takes the state over.
            pair = world.pair().await;
        }
        // The moments go through a whole cycle on an open connection and through its beginning on a new one.
        let moment = Duration::from_millis((n as u64 * 13) % 120);
        let killed = async {
            tokio::time::sleep(moment).await;
            world.sshd.kill_sessions();
        };
        let request = SyncRequest {
            no_backup: true,
            ..SyncRequest::default()
        };
        let (done, ()) = tokio::join!(try_sync(&mut pair, &request), killed);
        match done {
            Ok(done) => assert_eq!((done.conflicts, done.held), (0, 0), "{n}: {done:?}"),
            Err(_) => cut += 1,
        }
    }
    assert!(cut > CYCLES / 5, "only {cut} cycles were cut");
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!((done.conflicts, done.held), (0, 0), "{done:?}");
    world.assert_equal();
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    for side in ["laptop", "server"] {
        for (table, column) in [("grow", "word"), ("named", "name")] {
            let sql = format!("SELECT count(*),count(DISTINCT {column}) FROM {table} WHERE {column} LIKE '{side} %'");
            assert_eq!(
                world.both(&sql),
                [format!("Integer({CYCLES}),Integer({CYCLES})")],
                "{table}"
            );
        }
        let kids = format!(
            "SELECT count(*) FROM kid JOIN named ON named.id=kid.named AND name=word WHERE word LIKE '{side} %'"
        );
        assert_eq!(world.both(&kids), [format!("Integer({CYCLES})")]);
        assert_eq!(
            world.both(&format!("SELECT k FROM item WHERE k LIKE '{side} %'")).len(),
            2,
            "deletes"
        );
        assert_eq!(
            world.both(&format!("SELECT max({side}) FROM item")),
            [format!("Integer({})", CYCLES - 1)]
        );
    }
    // What was written stands in the history, once.
    let history = open(&world.path("state/history.db"));
    assert_eq!(rows(&history, "SELECT count(*) FROM journal"), ["Integer(0)"]);
    assert_eq!(rows(&history, "SELECT count(*) FROM conflict"), ["Integer(0)"]);
    for (origin, written) in [("laptop", "server"), ("server", "local")] {
        let moves = format!(
            "SELECT count(*),count(DISTINCT json_extract(after,'$[1]')) FROM move WHERE tbl='named' AND side='{written}' \
             AND json_extract(after,'$[1]') LIKE '{origin} %' AND before IS NULL"
        );
        assert_eq!(
            rows(&history, &moves),
            [format!("Integer({CYCLES}),Integer({CYCLES})")],
            "from the {origin}"
        );
    }
}

/// Brings the state folder back to what it was before a cycle: what the disk holds when the program ends before it settles.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_never_came_is_no_conflict_and_is_written_down_once() {
    let world = World::with_schema(SCHEMA);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    for (side, connection) in [("laptop", world.open_local()), ("server", world.open_remote())] {
        connection.execute_batch(&edits(side, 7)).unwrap();
    }
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
