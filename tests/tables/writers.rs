//! Programs that write all the time, on both sides, while cycles run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use modsync::control::types::Outcome;
use modsync::cycle::Syncer as _;

use crate::support::world::{World, assert_synced, open, sync};

const SCHEMA: &str = "CREATE TABLE own(k TEXT PRIMARY KEY, laptop INTEGER DEFAULT 0, server INTEGER DEFAULT 0);
    CREATE TABLE grow(id INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT NOT NULL);
    CREATE TABLE named(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
    CREATE TABLE kid(id INTEGER PRIMARY KEY AUTOINCREMENT, named INTEGER NOT NULL REFERENCES named(id), word TEXT);
    CREATE TABLE fleeting(k TEXT PRIMARY KEY, v);
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<400) INSERT INTO own(k) SELECT 'row '||i FROM n;
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200) INSERT INTO fleeting SELECT 'row '||i,0 FROM n;
    PRAGMA journal_mode=WAL;";

/// Writes until it is told to stop; says how often.
fn write(path: &Path, side: &'static str, stop: &Arc<AtomicBool>) -> JoinHandle<i64> {
    let (path, stop) = (path.to_owned(), Arc::clone(stop));
    std::thread::spawn(move || {
        let connection = open(&path);
        connection.execute_batch("PRAGMA foreign_keys=ON").unwrap();
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            n += 1;
            let word = format!("{side} {n}");
            connection
                .execute_batch(&format!(
                    "BEGIN IMMEDIATE;
                     UPDATE own SET {side}={side}+1 WHERE k='row '||{};
                     INSERT INTO grow(word) VALUES('{word}');
                     INSERT INTO named(name) VALUES('{word}');
                     INSERT INTO kid(named,word) VALUES(last_insert_rowid(),'{word}');
                     INSERT INTO fleeting VALUES('{word}',{n}); DELETE FROM fleeting WHERE k='{side} '||{};
                     COMMIT",
                    n % 400 + 1,
                    n - 3
                ))
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(12));
        }
        n
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_both_sides_write_all_the_time() {
    let world = World::with_schema(SCHEMA);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [
        write(&world.local(), "laptop", &stop),
        write(&world.remote(), "server", &stop),
    ];
    for _ in 0..30 {
        let done = sync(&mut pair).await;
        assert_eq!(done.conflicts, 0, "no two programs write one cell: {done:?}");
    }
    stop.store(true, Ordering::Relaxed);
    let [laptop, server] = writers.map(|writer| writer.join().unwrap());
    let done = sync(&mut pair).await;
    assert_synced(&done);
    world.assert_equal();
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    assert!(laptop > 30 && server > 30, "{laptop} and {server} writes");
    for (side, writes) in [("laptop", laptop), ("server", server)] {
        assert_eq!(
            world.both(&format!("SELECT sum({side}) FROM own")),
            [format!("Integer({writes})")],
            "updates of the {side}"
        );
        for table in ["grow.word", "named.name"] {
            let (table, column) = table.split_once('.').unwrap();
            let counts =
                format!("SELECT count(*),count(DISTINCT {column}) FROM {table} WHERE {column} LIKE '{side} %'");
            assert_eq!(
                world.both(&counts),
                [format!("Integer({writes}),Integer({writes})")],
                "{table} of the {side}"
            );
        }
        let kids = format!(
            "SELECT count(*) FROM kid JOIN named ON named.id=kid.named AND kid.word=name WHERE word LIKE '{side} %'"
        );
        assert_eq!(
            world.both(&kids),
            [format!("Integer({writes})")],
            "children of the {side}"
        );
    }
    assert_eq!(
        world.both("SELECT count(*) FROM fleeting"),
        ["Integer(206)"],
        "what was deleted stays deleted"
    );
    assert!(pair.verify().await.unwrap().equal);
}
