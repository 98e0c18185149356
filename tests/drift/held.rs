//! What is not carried over: it is held or left, with the reason, and the rest goes on.

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::{Pair, Syncer as _};

use crate::added::{assert_quiet, php, synced};
use crate::support::world::{World, rows, sync, text, try_sync};

async fn reason(pair: &mut Pair, name: &str) -> String {
    let left_out = pair.check().await.unwrap().left_out;
    let found = left_out.iter().find(|known| known.name == name);
    found
        .unwrap_or_else(|| panic!("{name} is not named in {left_out:?}"))
        .reason
        .clone()
}

/// Both sides change a row of a table that nothing is wrong with; it must arrive.
async fn others_go_on(world: &World, pair: &mut Pair) -> modsync::control::types::CycleSummary {
    world
        .open_local()
        .execute_batch("INSERT INTO note(k,body) VALUES('a','of the laptop')")
        .unwrap();
    php(&world.remote(), "INSERT INTO note(k,body) VALUES('a','of the server')");
    let before = rows(&world.open_local(), "SELECT count(*) FROM note");
    let done = sync(pair).await;
    assert_ne!(world.both("SELECT count(*) FROM note"), before);
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_stays_where_it_is_and_its_statement_is_told() {
    let (world, mut pair) = synced().await;
    let trigger = "CREATE TRIGGER count_up AFTER INSERT ON note BEGIN UPDATE item SET v=v+1 WHERE k=new.k; END";
    world.open_local().execute_batch(trigger).unwrap();
    let done = others_go_on(&world, &mut pair).await;
    assert_eq!(
        (done.outcome, done.held, done.schema.len()),
        (Outcome::Synced, 0, 0),
        "{done:?}"
    );
    assert!(reason(&mut pair, "count_up").await.ends_with(trigger));
    assert_eq!(
        rows(
            &world.open_remote(),
            "SELECT count(*) FROM sqlite_master WHERE type='trigger'"
        ),
        ["Integer(0)"]
    );
    world.assert_equal();
    assert_quiet(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_column_holds_its_table_until_a_person_decides() {
    // Dropped on either side, and the person decides either way.
    for (dropped_here, meant) in [(true, true), (true, false), (false, true), (false, false)] {
        let (world, mut pair) = synced().await;
        let (one, other, place) = match dropped_here {
            true => (world.open_local(), world.open_remote(), "laptop"),
            false => (world.open_remote(), world.open_local(), "server"),
        };
        one.execute_batch("ALTER TABLE item DROP COLUMN v").unwrap();
        let done = others_go_on(&world, &mut pair).await;
        assert_eq!(
            (done.outcome, done.held, done.schema.len()),
            (Outcome::Attention, 1, 0),
            "{done:?}"
        );
        let told = done.reason.unwrap();
        assert!(
            told.contains(&format!("on the {place} it was dropped or renamed")),
            "{told}"
        );
        assert!(
            told.contains("ALTER TABLE \"item\" DROP COLUMN \"v\"") && told.contains("ADD COLUMN \"v\""),
            "{told}"
        );
        assert!(!pair.verify().await.unwrap().equal);
        assert_eq!(
            rows(&other, "SELECT v FROM item ORDER BY k").len(),
            3,
            "nothing is dropped on the other side"
        );

        if meant {
            other
                .execute_batch("ALTER TABLE item DROP COLUMN v; INSERT INTO item(k) VALUES('d')")
                .unwrap();
        } else {
            other.execute_batch("UPDATE item SET v=30 WHERE k='c'").unwrap();
            one.execute_batch("ALTER TABLE item ADD COLUMN v; INSERT INTO item(k) VALUES('d')")
                .unwrap();
        }
        let done = sync(&mut pair).await;
        assert_eq!(
            (done.outcome, done.conflicts, done.held),
            (Outcome::Synced, 0, 0),
            "{place} {meant}: {done:?}"
        );
        assert_eq!(world.both("SELECT count(*) FROM item"), ["Integer(4)"]);
        if !meant {
            let values = "SELECT k,v FROM item WHERE v IS NOT NULL";
            assert_eq!(
                world.both(values),
                [("a", 1), ("b", 2), ("c", 30)].map(|(k, v)| format!("{},Integer({v})", text(k))),
                "the values come back"
            );
        }
        assert_quiet(&mut pair).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_or_renamed_table_stops_the_cycle_and_what_both_dropped_may_come_anew() {
    let (world, mut pair) = synced().await;
    world
        .open_remote()
        .execute_batch("ALTER TABLE note RENAME TO notes; CREATE TABLE more(k TEXT PRIMARY KEY)")
        .unwrap();
    let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Attention, "{error:?}");
    assert!(
        error
            .message
            .contains("table \"note\" was synced before and is gone from the server database"),
        "{error}"
    );
    let made = "SELECT count(*) FROM sqlite_master WHERE name IN('notes','more')";
    assert_eq!(
        rows(&world.open_local(), made),
        ["Integer(0)"],
        "nothing is carried over before it is clear what happened"
    );

    world.open_local().execute_batch("DROP TABLE note").unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.schema.len(), done.pulled),
        (Outcome::Synced, 2, 2),
        "{done:?}"
    );
    world.assert_equal();
    world
        .open_local()
        .execute_batch("CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT); INSERT INTO note VALUES(1,'anew')")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.deleted), (Outcome::Synced, 0), "{done:?}");
    world.assert_equal();
    assert_eq!(world.both("SELECT body FROM note"), [text("anew")]);
    assert_quiet(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_addition_on_both_sides_is_one_and_another_one_is_held() {
    let (world, mut pair) = synced().await;
    world
        .open_local()
        .execute_batch(
            "ALTER TABLE item ADD COLUMN same TEXT DEFAULT 'd'; UPDATE item SET same='l' WHERE k='a';
             CREATE TABLE wide(k TEXT PRIMARY KEY, here TEXT); INSERT INTO wide VALUES('x','l');
             CREATE TABLE odd(k TEXT PRIMARY KEY, v TEXT); INSERT INTO odd VALUES('x','l');
             ALTER TABLE note ADD COLUMN other TEXT; CREATE INDEX twice ON item(same); CREATE VIEW seen AS SELECT k FROM item",
        )
        .unwrap();
    php(
        &world.remote(),
        "ALTER TABLE item ADD COLUMN extra; ALTER TABLE item ADD COLUMN same TEXT DEFAULT 'd'; UPDATE item SET same='s' WHERE k='b';
         CREATE TABLE wide(there INTEGER DEFAULT 3, k TEXT PRIMARY KEY); INSERT INTO wide(k) VALUES('x'),('y');
         CREATE TABLE odd(k TEXT PRIMARY KEY, v INTEGER); INSERT INTO odd VALUES('y',1);
         ALTER TABLE note ADD COLUMN other INTEGER; CREATE INDEX twice ON item(same, k); CREATE VIEW seen AS SELECT v FROM item",
    );
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.conflicts, done.held),
        (Outcome::Attention, 0, 1),
        "{done:?}"
    );
    assert_eq!(
        world.both("SELECT k,same FROM item"),
        [("a", "l"), ("b", "s"), ("c", "d")].map(|(k, same)| format!("{},{}", text(k), text(same)))
    );
    assert_eq!(
        world.both("SELECT k,here,there FROM wide"),
        [
            format!("{},{},Integer(3)", text("x"), text("l")),
            format!("{},Null,Integer(3)", text("y"))
        ],
        "tables of one name and another shape become one with the columns of both"
    );
    assert!(
        reason(&mut pair, "note")
            .await
            .starts_with("column \"other\" is TEXT on the laptop and INTEGER on the server")
    );
    assert!(
        reason(&mut pair, "odd")
            .await
            .contains("column \"v\" is TEXT on the laptop and INTEGER on the server")
    );
    assert!(reason(&mut pair, "twice").await.contains("not the same on both sides"));
    assert!(reason(&mut pair, "seen").await.contains("not the same on both sides"));
    assert_eq!(
        rows(&world.open_local(), "SELECT k FROM odd"),
        [text("x")],
        "what is held is not touched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retyped_column_holds_its_table_and_says_who_did_it() {
    let (world, mut pair) = synced().await;
    php(
        &world.remote(),
        "BEGIN; CREATE TABLE new(k TEXT PRIMARY KEY, v INTEGER NOT NULL, last_updated TEXT); INSERT INTO new SELECT * FROM item;
         DROP TABLE item; ALTER TABLE new RENAME TO item; COMMIT",
    );
    let done = others_go_on(&world, &mut pair).await;
    assert_eq!((done.outcome, done.held), (Outcome::Attention, 1), "{done:?}");
    let told = done.reason.unwrap();
    assert!(
        told.contains(
            "column \"v\" is without a type on the laptop and INTEGER NOT NULL on the server; the server changed it"
        ),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_index_waits_for_rows_that_stand_against_it() {
    let (world, mut pair) = synced().await;
    php(
        &world.remote(),
        "UPDATE note SET body='same'; UPDATE item SET v=5 WHERE k='c'",
    );
    world
        .open_local()
        .execute_batch("CREATE UNIQUE INDEX one_body ON note(body COLLATE NOCASE); CREATE INDEX plain ON note(k)")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.schema.len()), (Outcome::Attention, 1), "{done:?}");
    assert!(done.held > 0 && done.reason.is_some(), "{done:?}");
    assert!(
        reason(&mut pair, "one_body")
            .await
            .contains("1 of its values stand in several rows of \"note\" on the server")
    );
    assert_eq!(
        world.both("SELECT v FROM item WHERE k='c'"),
        ["Integer(5)"],
        "the rest goes on"
    );
    // The site puts its rows right. No person and no change of a schema is needed any more.
    php(&world.remote(), "UPDATE note SET body='two' WHERE id=2");
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.held), (Outcome::Synced, 0), "{done:?}");
    assert_eq!(
        world
            .both("SELECT name FROM sqlite_master WHERE type='index' AND sql IS NOT NULL")
            .len(),
        2
    );
    world.assert_equal();
    assert_quiet(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_only_the_far_sqlite_refuses_is_held_and_the_rest_goes_on() {
    let (world, mut pair) = synced().await;
    // Unique over an expression: no question to the rows beforehand.
    php(
        &world.remote(),
        "UPDATE item SET v='Same' WHERE k='a'; UPDATE item SET v='same' WHERE k='b'",
    );
    world
        .open_local()
        .execute_batch(
            "UPDATE note SET k='c' WHERE id=1; CREATE UNIQUE INDEX folded ON item(lower(v));
             CREATE TABLE later(k TEXT PRIMARY KEY); CREATE INDEX fine ON note(body)",
        )
        .unwrap();
    let done = sync(&mut pair).await;
    let told: Vec<&str> = done.schema.iter().map(|moved| moved.name.as_str()).collect();
    assert_eq!(told, ["later", "fine"], "{done:?}");
    let why = reason(&mut pair, "folded").await;
    assert!(
        why.contains("cannot be made on the server") && why.contains("UNIQUE"),
        "{why}"
    );
    assert_eq!(
        world
            .both("SELECT name FROM sqlite_master WHERE name IN('later','fine')")
            .len(),
        2
    );
    assert_eq!(world.both("SELECT k FROM note WHERE id=1"), [text("c")]);
    php(&world.remote(), "UPDATE item SET v='other' WHERE k='b'");
    sync(&mut pair).await;
    sync(&mut pair).await;
    assert_eq!(
        world.both("SELECT name FROM sqlite_master WHERE name='folded'").len(),
        1
    );
    world.assert_equal();
    assert_quiet(&mut pair).await;
}

/// A server that is not what it seems: what its schema says is run nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn text_in_the_server_s_schema_that_is_no_single_harmless_statement_is_not_run() {
    let (world, mut pair) = synced().await;
    let remote = world.open_remote();
    remote
        .execute_batch(
            "CREATE VIEW evil AS SELECT 1; CREATE VIEW sly AS SELECT 2; PRAGMA writable_schema=ON;
             UPDATE sqlite_master SET sql='CREATE VIEW evil AS SELECT 1 /* '';DELETE FROM item; */' WHERE name='evil';
             UPDATE sqlite_master SET sql='CREATE VIEW sly AS SELECT load_extension(''/tmp/x'')' WHERE name='sly';
             PRAGMA writable_schema=RESET",
        )
        .unwrap();
    let done = others_go_on(&world, &mut pair).await;
    assert_eq!(done.outcome, Outcome::Synced, "{done:?}");
    assert_eq!(rows(&world.open_local(), "SELECT count(*) FROM item"), ["Integer(3)"]);
    let views = rows(&world.open_local(), "SELECT name FROM sqlite_master WHERE type='view'");
    assert!(!views.contains(&text("sly")), "{views:?}");
    assert!(reason(&mut pair, "sly").await.contains("cannot be made on the laptop"));
}
