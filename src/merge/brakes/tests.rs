use super::*;
use crate::merge::Group;
use crate::model::{Affinity, Collation, Column};

/// A table of these columns, the first of them its key.
fn table(columns: &[&str]) -> Table {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        declared: String::new(),
        affinity: Affinity::Blob,
        not_null: false,
        collation: Collation::Binary,
    };
    Table {
        name: "t".to_owned(),
        columns: columns.iter().map(column).collect(),
        key: vec![0],
        rowid: None,
        autoincrement: false,
        strict: false,
        unique: vec![vec![0]],
        foreign_keys: vec![],
        triggers: vec![],
    }
}

fn stages() -> Table {
    table(&["id", "stage"])
}

fn loss<'a>(table: &'a Table, rows: u64, writes: &'a [RowOp]) -> Loss<'a> {
    Loss {
        table,
        side: Side::Local,
        rows,
        deleted: writes.iter().filter(|op| matches!(op, RowOp::Delete(_))).count() as u64,
        writes,
    }
}

/// Rows (key, "stage" and its number) of these keys.
fn rows(keys: std::ops::Range<i64>, stage: &str) -> impl Iterator<Item = Row> {
    keys.map(move |key| vec![Value::Integer(key), Value::text(format!("{stage}{}", key % 1000))])
}

#[test]
fn a_share_of_the_rows_may_go_and_always_one() {
    let table = stages();
    for (before, deletes, share, held) in [
        (100, 25, 0.25, false),
        (100, 26, 0.25, true),
        (2, 1, 0.25, false),
        (1, 1, 0.0, false),
        (3, 2, 0.25, true),
        (10, 10, 1.0, false),
        (0, 0, 0.25, false),
    ] {
        let writes: Vec<RowOp> = rows(0..deletes, "s").map(RowOp::Delete).collect();
        let answer = max_delete(&loss(&table, before - deletes.unsigned_abs(), &writes), share);
        assert_eq!(answer.is_some(), held, "{deletes} of {before}, allowed {share}");
    }
    let writes: Vec<RowOp> = rows(0..26, "s").map(RowOp::Delete).collect();
    assert_eq!(
        max_delete(&loss(&table, 74, &writes), 0.25).unwrap().to_string(),
        "t: 26 of 100 rows are gone from the laptop's database, more than max_delete (25%); the server's keeps them"
    );
}

#[test]
fn new_rows_do_not_make_up_for_those_that_went() {
    let table = stages();
    let gone = rows(0..40, "old").map(RowOp::Delete);
    let writes: Vec<RowOp> = gone.chain(rows(1000..1100, "new").map(RowOp::Insert)).collect();
    let held = max_delete(&loss(&table, 160, &writes), 0.25).unwrap();
    assert!(
        matches!(
            held.seen,
            Seen::Deletes {
                deletes: 40,
                rows: 100,
                ..
            }
        ),
        "{held:?}"
    );
}

#[test]
fn rows_that_come_again_under_other_keys_are_named_so() {
    let table = stages();
    let moved = |share: i64| -> Vec<RowOp> {
        let gone = rows(0..60, "s").map(RowOp::Delete);
        let same = rows(1000..1000 + share, "s").map(RowOp::Insert);
        let other = rows(1000 + share..1060, "x").map(RowOp::Insert);
        gone.chain(same).chain(other).collect()
    };
    let held = |share| max_delete(&loss(&table, 60, &moved(share)), 0.25).unwrap();
    assert_eq!(
        held(60).to_string(),
        "t: 60 of 60 rows stand under another key (id) in the laptop's database, and are otherwise as before; \
         the table is held"
    );
    assert!(matches!(held(31).seen, Seen::Renamed { renamed: 31, .. }));
    assert!(matches!(held(30).seen, Seen::Deletes { .. }), "no more than half");
    let keys_alone = Table {
        key: vec![0, 1],
        ..stages()
    };
    let answer = max_delete(&loss(&keys_alone, 60, &moved(60)), 0.25).unwrap();
    assert!(
        matches!(answer.seen, Seen::Deletes { .. }),
        "nothing tells which row became which"
    );
}

#[test]
fn a_table_does_not_become_empty_by_itself() {
    assert_eq!(
        emptied("t", Side::Server, 2, 0).unwrap().to_string(),
        "t: all 2 rows are gone from the server's database; the laptop's keeps them"
    );
    assert_eq!(emptied("t", Side::Server, 1, 0), None);
    assert_eq!(emptied("t", Side::Server, 0, 0), None);
    assert_eq!(emptied("t", Side::Server, 2, 1), None);
}

/// Updates of (key, stage): `changed` rows go from `from` to `to`.
fn updates(changed: i64, from: &Value, to: &Value) -> Vec<RowOp> {
    let update = |key| RowOp::Update {
        before: vec![Value::Integer(key), from.clone()],
        after: vec![Value::Integer(key), to.clone()],
    };
    (0..changed).map(update).collect()
}

#[test]
fn one_value_over_most_rows_is_held() {
    let (old, new) = (Value::text("approved"), Value::Null);
    let table = stages();
    let held = |rows, writes: &[RowOp]| wiped_column(&loss(&table, rows, writes), &TableRules::default());
    let text = held(100, &updates(50, &old, &new)).unwrap().to_string();
    assert_eq!(
        text,
        "t.stage: set to \"NULL\" in 50 of 100 rows of the laptop's database at once; the table is held"
    );
    assert_eq!(held(100, &updates(49, &old, &new)), None, "less than half of the rows");
    assert!(held(20, &updates(20, &old, &new)).is_some());
    assert_eq!(held(19, &updates(19, &old, &new)), None, "a small table");
    assert_eq!(
        held(100, &updates(90, &Value::Null, &old)),
        None,
        "filling what was empty"
    );
    let mixed = [
        updates(40, &old, &Value::Integer(1)),
        updates(40, &old, &Value::Integer(2)),
    ]
    .concat();
    assert_eq!(held(100, &mixed), None, "two values");
    let updated = TableRules {
        last_updated: Some(1),
        ..TableRules::default()
    };
    assert_eq!(
        wiped_column(&loss(&table, 100, &updates(90, &old, &new)), &updated),
        None,
        "the time itself"
    );
}

#[test]
fn work_that_was_done_row_by_row_is_not_held() {
    let table = table(&["id", "stage", "decided_at"]);
    let group = Group {
        columns: vec![1, 2],
        newest_by: 2,
    };
    let grouped = TableRules {
        groups: vec![group],
        last_updated: None,
    };
    let dated = TableRules {
        groups: vec![],
        last_updated: Some(2),
    };
    let decided = |time: &dyn Fn(i64) -> i64| -> Vec<RowOp> {
        let row = |key, stage: &str, time| vec![Value::Integer(key), Value::text(stage), Value::Integer(time)];
        let update = |key| RowOp::Update {
            before: row(key, "pending", -key),
            after: row(key, "reviewed", time(key)),
        };
        (0..90).map(update).collect()
    };
    for rules in [grouped, dated] {
        let held = |time: &dyn Fn(i64) -> i64| wiped_column(&loss(&table, 100, &decided(time)), &rules).is_some();
        assert!(!held(&|key| 1000 + key), "each at its own time");
        assert!(held(&|_| 1000), "all at one time");
        assert!(held(&|key| -key), "no time of their own");
    }
}

#[test]
fn every_brake_says_how_to_go_on() {
    let side = Side::Server;
    for seen in [
        Seen::Deletes {
            side,
            deletes: 2,
            rows: 3,
            share: 0.25,
        },
        Seen::Emptied {
            side,
            rows: 3,
            everywhere: true,
        },
        Seen::Renamed {
            side,
            key: "a".into(),
            renamed: 3,
            rows: 3,
        },
        Seen::Wiped {
            side,
            column: "a".into(),
            value: Value::Null,
            changed: 20,
            rows: 20,
        },
    ] {
        let held = Held {
            table: "t".into(),
            seen,
        };
        let hint = held.hint("start over");
        assert!(hint.contains("`modsyncctl sync-now --allow-deletes`"), "{hint}");
        assert!(held.to_string().contains("server's database"), "{held}");
    }
}
