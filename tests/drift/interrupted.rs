//! Cut off between a statement and its record, and schemas that change in the middle of a cycle.

use std::sync::Mutex;
use std::time::Duration;

use modsync::control::types::{Outcome, Phase, SyncRequest};
use modsync::cycle::{Syncer as _, Trigger};

use crate::added::{assert_quiet, php, synced};
use crate::support::world::{World, cut_off, rows, sync};

/// The statements of both schemas must be the same, but for the order of a table's columns.
fn assert_same_shape(world: &World) {
    world.both("SELECT type,name,tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'");
    world.both(
        "SELECT m.name,x.name,x.type,x.\"notnull\",x.dflt_value FROM sqlite_master m JOIN pragma_table_xinfo(m.name) x \
         WHERE m.type='table' AND m.name NOT LIKE 'sqlite_%'",
    );
}

/// Rows by named columns: the order of columns may differ.
fn assert_same_rows(world: &World, tables: &[String]) {
    for table in tables {
        let columns: Vec<String> = names(
            &world.open_local(),
            &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name"),
        );
        world.both(&format!("SELECT {} FROM \"{table}\"", columns.join(",")));
    }
}

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY name";

fn names(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_that_is_cut_off_at_any_moment_is_gone_on_with() {
    const CYCLES: usize = 24;
    let (world, mut pair) = synced().await;
    let mut cut = 0;
    for n in 0..CYCLES {
        world
            .open_local()
            .execute_batch(&format!(
                "CREATE TABLE l{n}(k TEXT PRIMARY KEY, v); INSERT INTO l{n} VALUES('x',{n}); ALTER TABLE item ADD COLUMN l{n} DEFAULT {n}; CREATE INDEX il{n} ON item(l{n}); \
                 UPDATE item SET l{n}='laptop' WHERE k='a'"
            ))
            .unwrap();
        world
            .open_remote()
            .execute_batch(&format!(
                "CREATE TABLE s{n}(k TEXT PRIMARY KEY, v); INSERT INTO s{n} VALUES('y',{n}); ALTER TABLE item ADD COLUMN s{n}; CREATE VIEW vs{n} AS SELECT s{n} FROM item; \
                 UPDATE item SET s{n}='server' WHERE k='b'"
            ))
            .unwrap();
        if n % 3 == 0 {
            // Another process takes the state over.
            pair = world.pair().await;
        }
        let moment = Duration::from_millis(20 + (n as u64 * 37) % 500);
        cut += usize::from(cut_off(&world, &mut pair, moment).await);
    }
    assert!(cut > CYCLES / 5, "only {cut} cycles were cut");
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!((done.conflicts, done.held), (0, 0), "{done:?}");
    assert_same_shape(&world);
    let tables = names(&world.open_local(), TABLES);
    assert_eq!(tables.len(), 2 + 2 * CYCLES);
    assert_same_rows(&world, &tables);
    for n in 0..CYCLES {
        assert_eq!(
            world.both(&format!(
                "SELECT count(*) FROM item WHERE l{n}='laptop' AND k='a' OR s{n}='server' AND k='b'"
            )),
            ["Integer(2)"]
        );
    }
    assert_quiet(&mut pair).await;
    // Whatever was cut off, each addition stands in the record once.
    let history = crate::support::world::open(&world.state().join("history.db"));
    let recorded = "SELECT count(*), count(DISTINCT json_extract(j.value,'$.side')||json_extract(j.value,'$.name')) FROM cycle c, json_each(c.summary,'$.schema') j";
    let all = 6 * CYCLES;
    assert_eq!(rows(&history, recorded), [format!("Integer({all}),Integer({all})")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_the_agreement_was_saved_counts_as_equal() {
    let (world, mut pair) = synced().await;
    let state = world.state().join("history.db");
    world
        .open_local()
        .execute_batch("ALTER TABLE item ADD COLUMN extra; CREATE TABLE more(k TEXT PRIMARY KEY)")
        .unwrap();
    sync(&mut pair).await;
    drop(pair);
    // The record of the agreement is lost, as if the daemon had ended before it was saved.
    let facts = crate::support::world::open(&state);
    assert_eq!(facts.execute("DELETE FROM fact WHERE name='schema'", []).unwrap(), 1);
    let mut pair = world.pair().await;
    assert_quiet(&mut pair).await;
    // And what it knew is known again: the column is not taken for a new one.
    world
        .open_remote()
        .execute_batch("ALTER TABLE item DROP COLUMN extra")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.schema.len()), (Outcome::Attention, 0), "{done:?}");
    assert_eq!(
        rows(
            &world.open_remote(),
            "SELECT count(*) FROM pragma_table_info('item') WHERE name='extra'"
        ),
        ["Integer(0)"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_lost_while_a_table_waits_for_a_column_is_begun_anew_for_that_table_too() {
    let (world, pair) = synced().await;
    drop(pair);
    php(
        &world.remote(),
        "ALTER TABLE item ADD COLUMN extra; DELETE FROM item WHERE k='c'",
    );
    for file in std::fs::read_dir(world.remote_state()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    assert_eq!(
        world.both("SELECT k FROM item").len(),
        3,
        "without a base nothing is deleted, and both hold the same"
    );
    assert_same_shape(&world);
    assert_quiet(&mut pair).await;
}

/// Something that a side does to its schema while a cycle is under way.
const MEANWHILE: &[(&str, &str)] = &[
    ("a column", "ALTER TABLE item ADD COLUMN late TEXT DEFAULT 'late'"),
    (
        "a table",
        "CREATE TABLE late(k TEXT PRIMARY KEY, v); INSERT INTO late VALUES('x',1)",
    ),
    ("an index", "CREATE UNIQUE INDEX late ON note(id, body)"),
    ("a view", "CREATE VIEW late AS SELECT * FROM item"),
    (
        "a trigger of another text",
        "DROP TRIGGER known; CREATE TRIGGER known AFTER UPDATE ON item WHEN 0 BEGIN SELECT 'new'; END",
    ),
    (
        "a rebuilt table",
        "PRAGMA foreign_keys=OFF; CREATE TABLE new(v, k TEXT PRIMARY KEY, last_updated TEXT); INSERT INTO new SELECT v,k,last_updated FROM item; DROP TABLE item; ALTER TABLE new RENAME TO item; CREATE TRIGGER known AFTER UPDATE ON item WHEN 0 BEGIN SELECT 'old'; END",
    ),
    ("a dropped column", "ALTER TABLE note DROP COLUMN body"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_changes_in_the_middle_of_a_cycle_costs_no_error_and_no_row() {
    for (what, ddl) in MEANWHILE {
        // The laptop's lock is held from the merge until its rows are written.
        for (on_server, phase) in [
            (true, Phase::Pull),
            (true, Phase::Merge),
            (true, Phase::Backup),
            (false, Phase::Pull),
            (false, Phase::Backup),
        ] {
            if phase == Phase::Pull && *what != "a column" {
                continue;
            }
            {
                let (world, mut pair) = synced().await;
                world.on_both("CREATE TRIGGER known AFTER UPDATE ON item WHEN 0 BEGIN SELECT 'old'; END");
                sync(&mut pair).await;
                world
                    .open_local()
                    .execute_batch("UPDATE item SET v=10 WHERE k='a'; INSERT INTO item(k,v) VALUES('d',4)")
                    .unwrap();
                php(&world.remote(), "UPDATE item SET v=20 WHERE k='b'");
                let database = if on_server { world.remote() } else { world.local() };
                let once = Mutex::new(true);
                let progress = |event: modsync::control::types::PhaseEvent| {
                    if event.phase == phase && std::mem::take(&mut *once.lock().unwrap()) {
                        crate::support::world::open(&database).execute_batch(ddl).unwrap();
                    }
                };
                let place = format!("{what}, on the server: {on_server}, {phase:?}");
                let done = pair.sync(&SyncRequest::default(), Trigger::SyncNow, &progress).await;
                let done = done.unwrap_or_else(|error| panic!("{place}: {error:?}"));
                assert!(!*once.lock().unwrap(), "{place}: the moment never came");
                let held = u64::from(*what == "a dropped column");
                let again = sync(&mut pair).await;
                assert_eq!(
                    (again.held, done.conflicts + again.conflicts),
                    (held, 0),
                    "{place}: {done:?} {again:?}"
                );
                assert_eq!(world.both("SELECT k,v FROM item").len(), 4, "{place}");
                assert_eq!(
                    world.both("SELECT v FROM item WHERE k IN('a','b')"),
                    ["Integer(10)", "Integer(20)"],
                    "{place}"
                );
                if what.starts_with("a trigger") {
                    let text = rows(
                        &crate::support::world::open(&database),
                        "SELECT sql LIKE '%''new''%' FROM sqlite_master WHERE name='known'",
                    );
                    assert_eq!(text, ["Integer(1)"], "{place}: the old trigger has not come back");
                } else if held == 0 {
                    assert_same_shape(&world);
                    assert_quiet(&mut pair).await;
                }
            }
        }
    }
}

/// A small generator of numbers: the same run each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A random addition to a schema, with rows, for one side. Names are shared by both sides, so that some collide.
fn addition(dice: &mut Dice, step: usize, side: &str, tables: &[String]) -> String {
    let table = &tables[usize::try_from(dice.roll(tables.len() as u64)).unwrap()];
    let n = dice.roll(4);
    let default = [
        "",
        " DEFAULT 7",
        " NOT NULL DEFAULT 'x'",
        " DEFAULT -1.5",
        " COLLATE NOCASE DEFAULT ''",
    ][usize::try_from(dice.roll(5)).unwrap()];
    match dice.roll(6) {
        0 => format!(
            "CREATE TABLE IF NOT EXISTS t{step}(k TEXT PRIMARY KEY, c INTEGER); INSERT OR IGNORE INTO t{step} VALUES('{side}',{n});"
        ),
        1 => format!(
            "CREATE TABLE IF NOT EXISTS {side}{step}(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT NOT NULL UNIQUE, c); INSERT INTO {side}{step}(k) VALUES('1'),('2');"
        ),
        2 => format!(
            "ALTER TABLE {table} ADD COLUMN {side}{step} TEXT{default}; UPDATE {table} SET {side}{step}='{side}' WHERE k='1';"
        ),
        3 => format!("ALTER TABLE {table} ADD COLUMN both{step} TEXT DEFAULT 'd';"),
        4 => format!("CREATE INDEX IF NOT EXISTS i{side}{step} ON {table}(k, c) WHERE c<>{step};"),
        _ => format!(
            "CREATE VIEW v{side}{step} AS SELECT k FROM {table}; INSERT OR IGNORE INTO {table}(k) VALUES('{side}{step}');"
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_additions_on_both_sides_converge() {
    const STEPS: usize = 40;
    let schema = "CREATE TABLE t(k TEXT PRIMARY KEY, c INTEGER); INSERT INTO t VALUES('1',1),('2',2);";
    let world = World::with_schema(schema);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    let mut dice = Dice(20_261_123);
    for step in 0..STEPS {
        let there = names(&world.open_remote(), TABLES);
        let tables: Vec<String> = names(&world.open_local(), TABLES)
            .into_iter()
            .filter(|name| there.contains(name))
            .collect();
        for side in ["l", "s"] {
            let sql = addition(&mut dice, step, side, &tables);
            match side {
                "l" => world.open_local().execute_batch(&sql).unwrap(),
                _ => world.open_remote().execute_batch(&sql).unwrap(),
            }
        }
        if dice.roll(3) == 0 {
            continue; // several additions before one cycle
        }
        let done = sync(&mut pair).await;
        assert_eq!((done.conflicts, done.held), (0, 0), "step {step}: {done:?}");
        assert_same_shape(&world);
        let tables = names(&world.open_local(), TABLES);
        assert_same_rows(&world, &tables);
        let again = sync(&mut pair).await;
        assert_eq!(
            (again.outcome, again.schema.len()),
            (Outcome::Unchanged, 0),
            "step {step}: {again:?}"
        );
    }
    sync(&mut pair).await;
    assert_quiet(&mut pair).await;
}
