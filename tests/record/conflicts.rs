//! `conflicts`, `conflicts show` and `conflicts resolve`.

use serde_json::{Value as Json, json};

use crate::{House, pick};

/// Both sides name another town for shop `a` and `b`; the laptop's stand.
fn disagreed() -> (House, Vec<String>) {
    let house = House::open();
    house.local("UPDATE shop SET town='Hof' WHERE name IN ('a','b')");
    house.server("UPDATE shop SET town='Bern' WHERE name IN ('a','b')");
    house.cycle(4);
    assert_eq!(towns(&house), "Hof Hof Kiel Jena");
    let ids = pick(&house.json(4, &["conflicts"])["conflicts"], "id");
    (house, ids.into_iter().rev().collect())
}

fn towns(house: &House) -> String {
    house.both("SELECT town FROM shop ORDER BY name")
}

fn waiting(house: &House) -> (i32, Json) {
    let (code, status) = house.daemon.json(&["status"]);
    (code, status["conflicts"].clone())
}

#[test]
fn they_are_listed_until_seen_and_kept_until_resolved() {
    let (house, ids) = disagreed();
    assert_eq!(ids.len(), 2);
    assert_eq!(waiting(&house), (4, json!(2)));
    let listed = house.json(4, &["conflicts", "--table", "shop", "--key", "a"]);
    let conflict = &listed["conflicts"][0];
    assert_eq!(
        (&conflict["winner"], &conflict["seen"], &conflict["resolved"]),
        (&json!("local"), &json!(false), &json!(null))
    );
    assert_eq!(
        conflict["columns"],
        json!([{"column": "town", "base": "Ulm", "local": "Hof", "server": "Bern"}])
    );
    assert!(
        conflict["at"].is_string() && conflict["cycle"].is_number(),
        "{conflict:#}"
    );
    assert_eq!(waiting(&house), (4, json!(2)), "a list for a script marks nothing");

    assert_eq!(
        house.json(0, &["conflicts", "show", &ids[0], "--seen"])["id"].to_string(),
        ids[0]
    );
    assert_eq!(waiting(&house), (4, json!(1)));
    let text = house.daemon.ctl(&["conflicts"]);
    assert!(
        text.out.contains("local 'Hof', server 'Bern', before 'Ulm'"),
        "{text:?}"
    );
    assert_eq!(
        (text.code, waiting(&house)),
        (4, (4, json!(1))),
        "neither does one into a pipe"
    );
    let seen = house.json(0, &["conflicts", "--seen"]);
    assert_eq!(pick(&seen["conflicts"], "id").len(), 2, "seen ones are listed still");
    assert_eq!(waiting(&house), (0, json!(0)));
    assert_eq!(house.json(1, &["conflicts", "show", "4711"])["code"], "not_found");
}

#[test]
fn the_version_that_a_person_takes_comes_to_both_sides() {
    let (house, ids) = disagreed();
    let planned = house.json(0, &["conflicts", "resolve", &ids[0], "--take", "server", "--dry-run"]);
    assert_eq!(pick(&planned["rows"], "action"), ["update"]);
    assert_eq!(
        (towns(&house), waiting(&house).1),
        ("Hof Hof Kiel Jena".to_owned(), json!(2))
    );

    let taken = house.json(0, &["conflicts", "resolve", &ids[0], "--take", "server"]);
    assert_eq!(towns(&house), "Bern Hof Kiel Jena", "{taken:#}");
    assert_eq!(
        (taken["resolved"].to_string(), &taken["cycle"]["trigger"]),
        (format!("[{}]", ids[0]), &json!("resolve"))
    );
    assert_eq!(waiting(&house), (4, json!(1)));
    assert_eq!(
        pick(&house.json(4, &["conflicts"])["conflicts"], "id"),
        [ids[1].clone()]
    );
    let all = house.json(4, &["conflicts", "--all"]);
    let resolved = &all["conflicts"][1]["resolved"];
    assert_eq!(
        (&resolved["take"], &resolved["cycle"]),
        (&json!("server"), &taken["cycle"]["cycle"]),
        "{all:#}"
    );

    // What stands already is only marked; the last one resolved, nothing waits.
    let marked = house.json(0, &["conflicts", "resolve", "--all", "--take", "local"]);
    assert_eq!(
        (&marked["rows"], &marked["cycle"]["cycle"]),
        (&json!([]), &json!(null)),
        "{marked:#}"
    );
    assert_eq!(
        (towns(&house), waiting(&house)),
        ("Bern Hof Kiel Jena".to_owned(), (0, json!(0)))
    );
    // It is taken back as any cycle is.
    house.json(0, &["undo", &taken["cycle"]["cycle"].to_string(), "--yes"]);
    assert_eq!(towns(&house), "Hof Hof Kiel Jena");
}

#[test]
fn a_cell_that_moved_since_is_left_and_named() {
    let (house, ids) = disagreed();
    house.local("UPDATE shop SET town='Rom' WHERE name='a'");
    house.cycle(0);
    let taken = house.json(4, &["conflicts", "resolve", "--table", "SHOP", "--take", "server"]);
    assert_eq!(towns(&house), "Rom Bern Kiel Jena", "{taken:#}");
    let left = &taken["left"][0];
    assert_eq!(
        (left["conflict"].to_string(), &left["key"]),
        (ids[0].clone(), &json!({"name": "a"}))
    );
    assert!(
        left["reason"].as_str().unwrap().contains("town has changed since"),
        "{left:#}"
    );
    assert_eq!(taken["resolved"].to_string(), format!("[{}]", ids[1]));
    // The same on the server, where no cycle has seen it yet.
    house.server("UPDATE shop SET town='Oslo' WHERE name='b'");
    let taken = house.json(4, &["conflicts", "resolve", &ids[1], "--take", "local"]);
    assert_eq!(
        (towns(&house).as_str(), taken["left"][0]["conflict"].to_string()),
        ("Rom Oslo Kiel Jena", ids[1].clone())
    );
    assert_eq!(
        house.daemon.ctl(&["conflicts", "resolve", "--take", "local"]).code,
        2,
        "which ones?"
    );
}

#[test]
fn a_row_that_one_side_had_deleted_goes_or_stays_as_the_person_says() {
    let house = House::open();
    house.local("DELETE FROM item WHERE code IN ('4','5')");
    house.server("UPDATE item SET price='99' WHERE code IN ('4','5')");
    house.cycle(4);
    let codes = || house.both("SELECT code FROM item ORDER BY code");
    assert_eq!(codes(), "1 2 3 4 5", "a change beats a deletion");
    let ids = pick(&house.json(4, &["conflicts"])["conflicts"], "id");
    house.json(0, &["conflicts", "resolve", &ids[0], "--take", "local"]);
    assert_eq!(codes(), "1 2 3 4");
    house.json(0, &["conflicts", "resolve", &ids[0], "--take", "server"]);
    assert_eq!(codes(), "1 2 3 4 5", "on second thoughts");
    assert_eq!(house.both("SELECT price FROM item WHERE code='5'"), "99");
}
