//! Schemas that do not go together: what cannot be synced is held with its reason, the rest goes on.

use modsync::model::Side;
use rstest::rstest;

use crate::stage::WayOn::PutRight;
use crate::stage::{Stage, in_sync, products, stops};
use crate::support::world::{World, rows};

/// Runs SQL on the side that was not changed.
fn other(stage: &mut Stage, sql: &str) {
    let database = crate::support::world::open(&stage.path_of(stage.side.other()));
    database.execute_batch(sql).unwrap();
}

#[rstest]
fn a_table_that_one_side_dropped_stops_the_cycle(#[values(Side::Local, Side::Server)] side: Side) {
    const DROP: &str = "DROP TABLE assessment_queue";
    let way_on = PutRight(|stage| other(stage, DROP));
    stops(products(side), |stage| stage.run(DROP), &["assessment_queue"], &way_on);
}

#[rstest]
fn a_column_that_one_side_dropped_holds_its_table(#[values(Side::Local, Side::Server)] side: Side) {
    const DROP: &str = "ALTER TABLE products DROP COLUMN description";
    let way_on = PutRight(|stage| other(stage, DROP));
    stops(
        products(side),
        |stage| stage.run(DROP),
        &["products", "description"],
        &way_on,
    );
}

#[rstest]
fn a_column_that_one_side_retyped_holds_its_table(#[values(Side::Local, Side::Server)] side: Side) {
    const RETYPE: &str = "CREATE TABLE anew(retailer TEXT PRIMARY KEY, url_pattern TEXT NOT NULL, code_pattern TEXT, confidence TEXT, \
         last_updated TEXT); INSERT INTO anew SELECT * FROM retailer_url_patterns; DROP TABLE retailer_url_patterns; \
         ALTER TABLE anew RENAME TO retailer_url_patterns";
    let way_on = PutRight(|stage| other(stage, RETYPE));
    stops(
        products(side),
        |stage| stage.run(RETYPE),
        &["retailer_url_patterns", "confidence"],
        &way_on,
    );
}

const STRICT: &str = "CREATE TABLE typed(id TEXT PRIMARY KEY, n INTEGER) STRICT;";
const LOOSE: &str = "CREATE TABLE typed(id TEXT PRIMARY KEY, n INTEGER);";
const FREE: &str = "CREATE TABLE free(id TEXT PRIMARY KEY, n INTEGER); INSERT INTO free VALUES('a', 1);";

#[rstest]
fn a_table_that_is_strict_on_one_side_alone_is_held_and_the_rest_goes_on(
    #[values(Side::Local, Side::Server)] side: Side,
) {
    let (stage, daemon) = in_sync(World::with_schema(&format!("{LOOSE}{FREE}")), side);
    stage.run(&format!("DROP TABLE typed;{STRICT}"));
    stage.world.open_remote().execute_batch("UPDATE free SET n=2").unwrap();
    if side == Side::Local {
        stage
            .world
            .open_remote()
            .execute_batch("INSERT INTO typed VALUES('x', 'no number')")
            .unwrap();
    }

    let held = daemon.sync(&[], 4);

    assert_eq!(
        (&held["outcome"], &held["pulled"]),
        (&"attention".into(), &1.into()),
        "{held:#}"
    );
    let reason = held["reason"].as_str().unwrap();
    let whose = if side == Side::Local { "laptop" } else { "server" };
    assert!(
        reason.contains("typed") && reason.contains(&format!("STRICT on the {whose} alone")),
        "{reason}"
    );
    stage.world.assert_equal_without(&["typed"]);
}

/// Rows that meet by nothing but an id may have to move; a row that the laptop refuses must not leave half of that behind.
#[test]
fn a_table_keyed_by_id_of_which_the_laptop_refuses_a_row_is_held_and_the_rest_goes_on() {
    let item = |check: &str| {
        format!(
            "CREATE TABLE item(id INTEGER PRIMARY KEY, n INTEGER{check});
             CREATE TABLE part(id INTEGER PRIMARY KEY, item_id REFERENCES item(id), name TEXT); {FREE}"
        )
    };
    let world = World::with_schemas(&item(" CHECK(n<100)"), &item(""));
    let (stage, daemon) = in_sync(world, Side::Server);
    stage
        .world
        .open_local()
        .execute_batch("INSERT INTO item VALUES(1, 7); INSERT INTO part VALUES(1, 1, 'of seven')")
        .unwrap();
    stage.run("INSERT INTO item VALUES(1, 500),(2, 8); INSERT INTO part VALUES(9, 2, 'of eight'); UPDATE free SET n=2");
    let before = ["item", "part"].map(|table| rows(&stage.world.open_local(), &format!("SELECT * FROM {table}")));

    let held = daemon.sync(&[], 4);

    assert_eq!(held["outcome"], "attention", "{held:#}");
    let reason = held["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("item: a constraint of the laptop's database refuses 1 rows"),
        "{reason}"
    );
    assert_eq!(stage.world.both("SELECT n FROM free"), ["Integer(2)"]);
    assert_eq!(
        rows(&stage.world.open_local(), "SELECT * FROM item"),
        before[0],
        "nothing of it is left behind"
    );
    assert!(
        rows(&stage.world.open_local(), "SELECT 1 FROM part WHERE item_id=2").is_empty(),
        "it would refer to nothing"
    );

    stage.run("UPDATE item SET n=50 WHERE id=1");
    daemon.sync(&[], 0);
    stage.world.assert_equal();
    assert_eq!(stage.world.both("SELECT n FROM item").len(), 3);
    assert_eq!(
        stage
            .world
            .both("SELECT part.name FROM part JOIN item ON item.id=item_id WHERE n=7")
            .len(),
        1,
        "the reference followed its row"
    );
}
