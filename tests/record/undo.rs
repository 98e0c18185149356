//! `undo`.

use serde_json::json;

use crate::{House, pick};

const SHOPS: &str = "SELECT name||'='||town||'/'||ifnull(note,'-') FROM shop ORDER BY name";
const ITEMS: &str = "SELECT code||'@'||shop FROM item ORDER BY code";

#[test]
fn a_cycle_is_taken_back_on_both_sides_and_the_undo_too() {
    let house = House::open();
    let before = [SHOPS, ITEMS].map(|sql| house.both(sql));
    // Every kind of change, from both sides, with references in both directions.
    house.local(
        "INSERT INTO shop VALUES('e','Essen',NULL); INSERT INTO item VALUES('6','e','60');
         UPDATE shop SET town='Hof' WHERE name='a'; DELETE FROM item WHERE code='5'; DELETE FROM shop WHERE name='c'",
    );
    house.server("UPDATE shop SET note='site' WHERE name='a'; UPDATE shop SET town='Bern' WHERE name='b'");
    let cycle = house.cycle(0);
    let after = [SHOPS, ITEMS].map(|sql| house.both(sql));

    let planned = house.json(0, &["undo", &cycle, "--dry-run"]);
    assert_eq!(
        (planned["rows"].as_array().unwrap().len(), &planned["left"]),
        (6, &json!([])),
        "{planned:#}"
    );
    assert_eq!(
        [SHOPS, ITEMS].map(|sql| house.both(sql)),
        after,
        "a dry run writes nothing"
    );

    let undone = house.json(0, &["undo", &cycle, "--yes"]);
    assert_eq!([SHOPS, ITEMS].map(|sql| house.both(sql)), before, "{undone:#}");
    assert_eq!(undone["rows"], planned["rows"]);
    let summary = &undone["cycle"];
    assert_eq!(
        (&summary["trigger"], summary["undoes"].to_string()),
        (&json!("undo"), cycle.clone())
    );
    assert!(summary["backup"].is_string(), "{undone:#}");
    let undo = summary["cycle"].to_string();
    let history = house.json(0, &["history", "--limit", "2"]);
    assert_eq!(pick(&history["cycles"], "cycle"), [undo.clone(), cycle.clone()]);
    assert_eq!(pick(&history["cycles"], "undone_by"), ["null".to_owned(), undo.clone()]);
    assert_eq!(house.daemon.status()["last_cycle"]["cycle"].to_string(), undo);
    assert_eq!(house.daemon.sync(&[], 0)["outcome"], "unchanged");

    house.json(0, &["undo", &undo, "--yes"]);
    assert_eq!([SHOPS, ITEMS].map(|sql| house.both(sql)), after, "an undo is undone");
    // Undone once more, everything is so already.
    let again = house.json(0, &["undo", &undo, "--yes"]);
    assert_eq!(
        (&again["rows"], &again["left"], &again["cycle"]["cycle"]),
        (&json!([]), &json!([]), &json!(null))
    );
    assert_eq!(house.json(0, &["verify"])["equal"], true);
}

#[test]
fn rows_that_moved_since_are_left_and_named() {
    let house = House::open();
    house.local(
        "UPDATE shop SET town='Hof'; INSERT INTO shop VALUES('e','Essen',NULL); DELETE FROM item WHERE code='5'",
    );
    let cycle = house.cycle(0);
    // Another cell of `a`, the same cell of `b`; the row that came, and a new one under the key that went.
    house.local("UPDATE shop SET note='later' WHERE name IN ('a','e'); UPDATE shop SET town='Rom' WHERE name='b'");
    house.cycle(0);
    house.server("INSERT INTO item VALUES('5','d','55')");
    house.cycle(0);
    // Not even synced yet: nothing of it is overwritten either.
    house.server("UPDATE shop SET town='Oslo' WHERE name='c'");

    let undone = house.json(4, &["undo", &cycle, "--yes"]);
    let left: Vec<_> = undone["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| left["key"].clone())
        .collect();
    let expected = [
        json!({"code": "5"}),
        json!({"name": "b"}),
        json!({"name": "e"}),
        json!({"name": "c"}),
    ];
    assert_eq!(left.len(), expected.len(), "{undone:#}");
    assert!(expected.iter().all(|key| left.contains(key)), "{undone:#}");
    assert!(
        undone["left"].to_string().contains("town has changed since"),
        "{undone:#}"
    );
    assert_eq!(house.both(SHOPS), "a=Ulm/later b=Rom/- c=Oslo/- d=Jena/- e=Essen/later");
    assert_eq!(house.both("SELECT shop FROM item WHERE code='5'"), "d");
}

#[test]
fn a_row_whose_parent_is_gone_stays_away() {
    let house = House::open();
    house.local("DELETE FROM item WHERE code='5'");
    let cycle = house.cycle(0);
    house.local("DELETE FROM shop WHERE name='c'");
    house.cycle(0);
    let undone = house.json(4, &["undo", &cycle, "--yes"]);
    assert!(
        undone["left"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("refers to a row of shop"),
        "{undone:#}"
    );
    house.world.assert_equal();
}

#[test]
fn it_asks_and_says_what_is_not_there() {
    let house = House::open();
    house.local("UPDATE shop SET town='Hof' WHERE name='a'");
    let cycle = house.cycle(0);
    let refused = house.daemon.ctl(&["undo", &cycle]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(house.both("SELECT town FROM shop WHERE name='a'"), "Hof");
    assert_eq!(house.json(1, &["undo", "4711", "--yes"])["code"], "not_found");
    let told = house.daemon.ctl(&["undo", &cycle, "--yes"]);
    assert!(
        told.out.contains("on both sides 1 row changed") && told.out.contains("'Hof' → 'Ulm'"),
        "{told:?}"
    );
}

#[test]
fn a_table_with_ids_of_its_own_gets_its_rows_back_under_them() {
    let house = House::open();
    let sql = "CREATE TABLE queue(id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT UNIQUE, status TEXT);
               INSERT INTO queue(url,status) VALUES('u1','old'),('u2','old'),('u3','old'),('u4','old'),('u5','old')";
    house.world.on_both(sql);
    house.daemon.sync(&[], 0);
    house.local("DELETE FROM queue WHERE url='u2'");
    let cycle = house.cycle(0);
    // Both sides hand out an id meanwhile.
    house.local("INSERT INTO queue(url,status) VALUES('mine','new')");
    house.server("INSERT INTO queue(url,status) VALUES('yours','new')");
    house.cycle(0);
    house.json(0, &["undo", &cycle, "--yes"]);
    assert_eq!(house.both("SELECT CAST(id AS TEXT) FROM queue WHERE url='u2'"), "2");
    assert_eq!(house.json(0, &["verify"])["equal"], true);
}
