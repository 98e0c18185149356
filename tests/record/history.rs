//! `history` and `show`.

use serde_json::json;

use crate::support::daemon::until;
use crate::{House, pick};

#[test]
fn one_finds_out_why_a_row_is_as_it_is() {
    let house = House::open();
    house.local("UPDATE shop SET town='Hof' WHERE name='a'; DELETE FROM item WHERE code='5'");
    let first = house.cycle(0);
    house.server("UPDATE shop SET note='seen' WHERE name='a'; INSERT INTO shop VALUES('e','Essen',NULL)");
    let second = house.cycle(0);
    house.local("UPDATE shop SET note='x' WHERE name='b'");
    let third = house.cycle(0);

    let all = house.json(0, &["history"]);
    let newest = pick(&all["cycles"], "cycle");
    assert_eq!(newest[..3], [third.clone(), second.clone(), first.clone()], "{all:#}");
    assert_eq!(all["cycles"][0]["trigger"], "sync-now");
    let page = house.json(0, &["history", "--limit", "1", "--before", &third]);
    assert_eq!(
        (pick(&page["cycles"], "cycle"), &page["more"]),
        (vec![second.clone()], &json!(true))
    );

    let row = house.json(0, &["history", "--table", "SHOP", "--key", "a"]);
    assert_eq!(
        pick(&row["cycles"], "cycle"),
        [second.clone(), first.clone()],
        "{row:#}"
    );
    let [note, town] = [0, 1].map(|cycle| &row["cycles"][cycle]["moves"]);
    assert_eq!(
        note[0]["columns"],
        json!([{"column": "note", "old": null, "new": "seen"}]),
        "{row:#}"
    );
    assert_eq!(
        (&note[0]["to"], &note[0]["key"]),
        (&json!("local"), &json!({"name": "a"}))
    );
    assert_eq!(
        town[0]["columns"],
        json!([{"column": "town", "old": "Ulm", "new": "Hof"}])
    );
    let text = house.daemon.ctl(&["history", "--table", "shop", "--key", "a"]);
    assert!(
        text.out.contains("'Ulm' → 'Hof'") && text.out.contains("to the laptop"),
        "{text:?}"
    );

    let shown = house.json(0, &["show", &first]);
    assert_eq!(
        (&shown["total"], &shown["undone_by"]),
        (&json!(2), &json!(null)),
        "{shown:#}"
    );
    assert_eq!(pick(&shown["moves"], "action"), ["delete", "update"].map(str::to_owned));
    let old = json!({"column": "price", "old": "50", "new": null});
    let columns = shown["moves"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|moved| moved["columns"].as_array().unwrap());
    assert!(columns.into_iter().any(|column| *column == old), "{shown:#}");
    let some = house.json(0, &["show", &first, "--limit", "1"]);
    assert_eq!((pick(&some["moves"], "action").len(), &some["total"]), (1, &json!(2)));

    assert_eq!(house.json(1, &["show", "4711"])["code"], "not_found");
    assert_eq!(
        house.daemon.ctl(&["history", "--key", "a"]).code,
        2,
        "a key of no table"
    );
}

#[test]
fn the_record_answers_while_the_server_does_not() {
    let mut house = House::open();
    house.local("UPDATE shop SET town='Hof' WHERE name='a'");
    let cycle = house.cycle(0);
    house.world.sshd.stop();
    house.world.sshd.kill_sessions();
    house.daemon.sync(&[], 5);
    let history = house.json(0, &["history"]);
    assert_eq!(history["cycles"][0]["cycle"].to_string(), cycle);
    house.json(0, &["show", &cycle]);
    house.json(0, &["conflicts"]);
    assert_eq!(house.json(5, &["undo", &cycle, "--yes"])["code"], "offline");
}

#[test]
fn the_record_answers_while_a_cycle_runs() {
    let house = House::open();
    house.local("UPDATE shop SET town='Hof' WHERE name='a'");
    let cycle = house.cycle(0);
    // A cycle that waits for the lock of another program, for seconds.
    let writer = house.world.open_local();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    house.server("UPDATE shop SET town='Bern' WHERE name='a'");
    house.daemon.ctl(&["sync-now", "--no-wait"]);
    until("a cycle runs", || {
        (house.daemon.status()["state"] == "syncing").then_some(())
    });
    house.json(0, &["history"]);
    house.json(0, &["show", &cycle]);
    house.json(0, &["conflicts"]);
    assert_eq!(house.daemon.status()["state"], "syncing", "the answers came meanwhile");
    writer.execute_batch("ROLLBACK").unwrap();
}
