//! Amendments: rows as a person wants them on both sides, over a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use modsync::control::types::{Outcome, Phase, PhaseEvent};
use modsync::cycle::{Amended, Amendment, Pair, Trigger};
use modsync::model::{Row, Value};
use support::world::{World, assert_synced, open, sync, text};

const SHOPS: &str = "CREATE TABLE shop(name TEXT PRIMARY KEY, town TEXT, note TEXT);
    CREATE TABLE item(code TEXT PRIMARY KEY, shop TEXT REFERENCES shop(name), price TEXT);
    INSERT INTO shop VALUES('a','Ulm',NULL),('b','Bonn',NULL),('c','Kiel',NULL),('d','Jena',NULL);
    INSERT INTO item VALUES('1','a','10'),('2','a','20'),('3','b','30');";

const SHOP_ROWS: &str = "SELECT name||' '||town||' '||ifnull(note,'-') x FROM shop";

fn row(cells: [&str; 3]) -> Option<Row> {
    let cell = |cell: &str| if cell == "NULL" { Value::Null } else { Value::text(cell) };
    Some(cells.map(cell).to_vec())
}

fn amendment(table: &str, from: Option<Row>, to: Option<Row>) -> Amendment {
    let key = from.iter().chain(&to).map(|row| vec![row[0].clone()]).next().unwrap();
    Amendment {
        table: table.to_owned(),
        key,
        from,
        to,
    }
}

async fn in_sync() -> (World, Pair) {
    let world = World::with_schema(SHOPS);
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    (world, pair)
}

async fn amend(pair: &mut Pair, wanted: &[Amendment]) -> Amended {
    pair.amend(wanted, Trigger::Restore, &|_| ()).await.unwrap()
}

/// The first column of a query's rows, in order, which must be the same on both sides.
fn both(world: &World, sql: &str) -> String {
    let [all] = &world.both(&format!("SELECT group_concat(x, '; ') FROM ({sql} ORDER BY 1)"))[..] else {
        panic!("{sql}")
    };
    all.clone()
}

fn left(amended: &Amended) -> Vec<&str> {
    let keys = amended.left.iter().map(|left| left.key[0].as_str().unwrap());
    keys.collect()
}

async fn assert_nothing_to_do(world: &World, pair: &mut Pair) {
    let after = sync(pair).await;
    assert_eq!((after.outcome, after.conflicts), (Outcome::Unchanged, 0), "{after:?}");
    world.assert_equal();
}

#[tokio::test]
async fn rows_come_change_and_go_on_both_sides_in_one_cycle() {
    let (world, mut pair) = in_sync().await;
    let wanted = [
        // A parent before its child in neither order of the tables: both go, both come.
        amendment("item", row(["3", "b", "30"]), None),
        amendment("shop", row(["b", "Bonn", "NULL"]), None),
        amendment("item", None, row(["4", "e", "40"])),
        amendment("shop", None, row(["e", "Trier", "new"])),
        amendment("shop", row(["a", "Ulm", "NULL"]), row(["a", "Ulm", "seen"])),
    ];
    let done = amend(&mut pair, &wanted).await;

    assert_eq!(done.left, []);
    assert_synced(&done.cycle);
    assert_eq!((done.cycle.pulled, done.cycle.pushed, done.cycle.deleted), (3, 3, 4));
    assert_eq!(done.cycle.trigger, "restore");
    assert!(done.cycle.backup.is_some(), "{:?}", done.cycle);
    assert_eq!(pair.history().last().await.unwrap().unwrap(), done.cycle);
    assert_eq!(both(&world, "SELECT name x FROM shop"), text("a; c; d; e"));
    assert_eq!(both(&world, "SELECT code x FROM item"), text("1; 2; 4"));
    assert_eq!(both(&world, "SELECT note x FROM shop WHERE name='a'"), text("seen"));
    assert_nothing_to_do(&world, &mut pair).await;
}

#[tokio::test]
async fn rows_that_moved_are_left_and_named_and_what_moved_them_goes_its_way() {
    let (world, mut pair) = in_sync().await;
    world
        .open_local()
        .execute_batch("UPDATE shop SET town='Köln' WHERE name='a'")
        .unwrap();
    world
        .open_remote()
        .execute_batch("UPDATE shop SET note='late' WHERE name='b'; DELETE FROM shop WHERE name='d'")
        .unwrap();
    let wanted = [
        amendment("shop", row(["a", "Ulm", "NULL"]), row(["a", "Ulm", "wanted"])),
        amendment("shop", row(["b", "Bonn", "NULL"]), row(["b", "Bonn", "wanted"])),
        amendment("shop", row(["c", "Kiel", "NULL"]), row(["c", "Kiel", "wanted"])),
        amendment("shop", row(["d", "Jena", "NULL"]), row(["d", "Jena", "wanted"])),
        amendment("item", None, row(["9", "d", "1"])),
    ];
    let done = amend(&mut pair, &wanted).await;

    assert_eq!(left(&done), ["a", "b", "d", "9"], "{done:?}");
    assert!(done.left[3].reason.contains("refers to a row of shop"), "{done:?}");
    let shops = both(&world, SHOP_ROWS);
    assert_eq!(shops, text("a Köln -; b Bonn late; c Kiel wanted"));
    assert_nothing_to_do(&world, &mut pair).await;
}

#[tokio::test]
async fn a_row_that_moves_on_the_server_between_look_and_push_is_not_overwritten() {
    let (world, mut pair) = in_sync().await;
    let remote = world.remote();
    let moves = |event: PhaseEvent| {
        if event.phase == Phase::Backup {
            // All three are what the amendments are about to write; the laptop has them already.
            let sql = "UPDATE shop SET town='Bremen', note='site' WHERE name='a';
                       DELETE FROM shop WHERE name='c'; INSERT INTO shop VALUES('e','Essen','site');";
            let already = open(&remote).query_row("SELECT count(*) FROM shop WHERE note='site'", [], |row| row.get(0));
            if already == Ok(0_i64) {
                open(&remote).execute_batch(sql).unwrap();
            }
        }
    };
    let wanted = [
        amendment("shop", row(["a", "Ulm", "NULL"]), row(["a", "Hof", "wanted"])),
        amendment("shop", row(["c", "Kiel", "NULL"]), row(["c", "Hof", "wanted"])),
        amendment("shop", row(["d", "Jena", "NULL"]), row(["d", "Hof", "wanted"])),
        amendment("shop", None, row(["e", "Hof", "wanted"])),
    ];
    let done = pair.amend(&wanted, Trigger::Restore, &moves).await.unwrap();

    assert_eq!(left(&done), ["a", "c", "e"], "{done:?}");
    assert_eq!(done.cycle.conflicts, 0, "nobody but the amendment disagreed: {done:?}");
    let shops = both(&world, SHOP_ROWS);
    assert_eq!(shops, text("a Bremen site; b Bonn -; d Hof wanted; e Essen site"));
    assert_nothing_to_do(&world, &mut pair).await;
}

#[tokio::test]
async fn a_row_that_others_refer_to_does_not_go() {
    let (world, mut pair) = in_sync().await;
    let wanted = [amendment("shop", row(["a", "Ulm", "NULL"]), None)];
    let done = amend(&mut pair, &wanted).await;
    assert_eq!(left(&done), ["a"], "{done:?}");
    assert_nothing_to_do(&world, &mut pair).await;
}

#[tokio::test]
async fn a_brake_that_stops_the_cycle_stops_the_amendments_and_they_never_pull_it_themselves() {
    let (world, mut pair) = in_sync().await;
    // All items and most shops go: what nobody asked for would be held.
    let gone: Vec<Amendment> = [["1", "a", "10"], ["2", "a", "20"], ["3", "b", "30"]]
        .map(|cells| amendment("item", row(cells), None))
        .into();
    let done = amend(&mut pair, &gone).await;
    assert_eq!((done.cycle.held, &done.left[..]), (0, &[][..]), "{done:?}");
    assert_eq!(world.both("SELECT * FROM item"), [""; 0]);

    world.open_remote().execute_batch("DELETE FROM shop").unwrap();
    let wanted = [amendment(
        "shop",
        row(["c", "Kiel", "NULL"]),
        row(["c", "Kiel", "wanted"]),
    )];
    let done = amend(&mut pair, &wanted).await;
    assert_eq!(
        (done.cycle.outcome, left(&done)),
        (Outcome::Stopped, vec!["c"]),
        "{done:?}"
    );
    let notes: i64 = world
        .open_local()
        .query_row("SELECT count(note) FROM shop", [], |row| row.get(0))
        .unwrap();
    assert_eq!(notes, 0);
}

#[tokio::test]
async fn a_line_that_is_cut_leaves_no_half_amendment_behind() {
    let (world, mut pair) = in_sync().await;
    let wanted = [
        amendment("shop", row(["a", "Ulm", "NULL"]), row(["a", "Ulm", "wanted"])),
        amendment("shop", None, row(["e", "Trier", "wanted"])),
    ];
    let cut = |event: PhaseEvent| {
        if event.phase == Phase::Backup {
            world.sshd.kill_sessions();
        }
    };
    pair.amend(&wanted, Trigger::Restore, &cut).await.unwrap_err();
    let after = sync(&mut pair).await;
    assert_synced(&after);
    assert_eq!(
        both(&world, "SELECT name x FROM shop WHERE note='wanted'"),
        text("a; e")
    );
    // Asked again, all is as it was wanted.
    let again = amend(&mut pair, &wanted).await;
    assert_eq!(
        (again.left.len(), again.cycle.outcome),
        (0, Outcome::Unchanged),
        "{again:?}"
    );
    assert_nothing_to_do(&world, &mut pair).await;
}

#[tokio::test]
async fn a_dry_run_tells_and_writes_nothing() {
    let (world, mut pair) = in_sync().await;
    let wanted = [
        amendment("shop", row(["a", "Ulm", "NULL"]), row(["a", "Ulm", "wanted"])),
        amendment("shop", row(["b", "Rom", "NULL"]), None),
    ];
    let told = pair.would_amend(&wanted, Trigger::Restore, &|_| ()).await.unwrap();
    assert_eq!(
        (told.cycle.outcome, left(&told)),
        (Outcome::Planned, vec!["b"]),
        "{told:?}"
    );
    assert_eq!((told.cycle.pulled, told.cycle.pushed), (1, 1));
    assert_nothing_to_do(&world, &mut pair).await;
}
