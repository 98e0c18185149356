use super::*;
use crate::merge::TableRules;
use crate::model::{Affinity, Collation, Column, ForeignKey, RowOp, Value};

fn table(name: &str, foreign_keys: Vec<ForeignKey>) -> Table {
    let column = |name: &str| Column {
        name: name.to_owned(),
        declared: String::new(),
        affinity: Affinity::Text,
        not_null: false,
        collation: Collation::Binary,
    };
    Table {
        name: name.to_owned(),
        columns: vec![column("k"), column("v")],
        key: vec![0],
        rowid: None,
        autoincrement: false,
        strict: false,
        unique: vec![vec![0]],
        foreign_keys,
        triggers: Vec::new(),
    }
}

/// `shop(k, v)`, and `item(k, v)` of which `v` refers to a shop.
fn layout() -> Layout {
    let reference = ForeignKey {
        columns: vec![1],
        parent: "SHOP".to_owned(),
        parent_columns: vec!["k".to_owned()],
    };
    let tables = vec![table("shop", Vec::new()), table("item", vec![reference])];
    Layout {
        rules: vec![TableRules::default(), TableRules::default()],
        server: tables.clone(),
        local: tables,
        ..Layout::default()
    }
}

fn row(key: &str, value: &str) -> Row {
    vec![Value::text(key), Value::text(value)]
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

/// An exchange without writes over both tables.
fn nothing() -> Exchange {
    Exchange {
        tables: vec![super::super::exchange::TableExchange::default(); 2],
        ..Exchange::default()
    }
}

/// The base's rows: shops and items.
fn base(shops: &[Row], items: &[Row]) -> Vec<Vec<Row>> {
    vec![shops.to_vec(), items.to_vec()]
}

fn reasons(exchange: &Exchange) -> Vec<&str> {
    exchange.left.iter().map(|left| left.reason.as_str()).collect()
}

#[test]
fn one_write_for_each_side_and_one_entry_for_the_base() {
    let (old, new) = (row("a", "1"), row("a", "2"));
    let mut exchange = nothing();
    let wanted = [
        amendment("shop", Some(old.clone()), Some(new.clone())),
        amendment("shop", None, Some(row("b", "1"))),
        amendment("shop", Some(row("c", "1")), None),
    ];
    exchange.amend(&layout(), &base(&[old.clone(), row("c", "1")], &[]), &wanted);
    assert_eq!(exchange.left, []);
    let shop = &exchange.tables[0];
    let expected = [
        RowOp::Delete(row("c", "1")),
        RowOp::Update {
            before: old.clone(),
            after: new.clone(),
        },
        RowOp::Insert(row("b", "1")),
    ];
    assert_eq!(
        (&shop.to_local[..], &shop.to_server[..]),
        (&expected[..], &expected[..])
    );
    let settled: Vec<_> = shop.settled.iter().map(|s| (&s.server, &s.agreed)).collect();
    let (b, c) = (row("b", "1"), row("c", "1"));
    assert_eq!(
        settled,
        [(&Some(old), &Some(new)), (&None, &Some(b)), (&Some(c), &None)]
    );
}

#[test]
fn a_row_that_is_not_as_expected_is_left_and_one_that_is_as_wanted_is_done() {
    let mut exchange = nothing();
    let wanted = [
        amendment("shop", Some(row("a", "1")), Some(row("a", "2"))),
        amendment("shop", None, Some(row("b", "1"))),
        amendment("shop", Some(row("c", "1")), Some(row("c", "9"))),
        amendment("gone", None, Some(row("d", "1"))),
        amendment("shop", None, Some(vec![Value::text("e")])),
    ];
    exchange.amend(
        &layout(),
        &base(&[row("a", "other"), row("b", "new"), row("c", "9")], &[]),
        &wanted,
    );
    assert_eq!(
        reasons(&exchange),
        [
            MOVED,
            MOVED,
            "its table is not synced",
            "its table has other columns by now"
        ]
    );
    assert!(exchange.is_empty(), "{exchange:?}");
}

#[test]
fn a_row_that_the_cycle_itself_moves_is_left() {
    let (old, new) = (row("a", "1"), row("a", "2"));
    let mut exchange = nothing();
    exchange.tables[0].to_local.push(RowOp::Update {
        before: old.clone(),
        after: new.clone(),
    });
    exchange.tables[0].settled.push(Settled {
        key: vec![Value::text("a")],
        server: Some(new.clone()),
        agreed: Some(new.clone()),
    });
    let before = exchange.clone();
    let wanted = [
        amendment("shop", Some(old.clone()), Some(row("a", "3"))),
        // As the row will be, but not yet is.
        amendment("shop", Some(new), Some(row("a", "3"))),
    ];
    exchange.amend(&layout(), &base(&[old], &[]), &wanted);
    assert_eq!(reasons(&exchange), [MOVED, MOVED]);
    assert_eq!(exchange.tables[0].to_local, before.tables[0].to_local);
    assert_eq!(exchange.tables[0].to_server, []);
}

#[test]
fn a_row_that_both_sides_came_to_by_themselves_is_amended() {
    let mut exchange = nothing();
    exchange.tables[0].settled.push(Settled {
        key: vec![Value::text("a")],
        server: Some(row("a", "2")),
        agreed: Some(row("a", "2")),
    });
    let wanted = [amendment("shop", Some(row("a", "2")), None)];
    exchange.amend(&layout(), &base(&[], &[]), &wanted);
    assert_eq!(exchange.left, []);
    assert_eq!(exchange.tables[0].settled.len(), 1);
    assert_eq!(exchange.tables[0].settled[0].agreed, None);
    assert_eq!(exchange.tables[0].to_server, [RowOp::Delete(row("a", "2"))]);
}

#[test]
fn a_row_that_is_held_waits_and_so_does_its_whole_table() {
    let wanted = [amendment("shop", Some(row("a", "1")), None)];
    let base = base(&[row("a", "1")], &[]);
    let mut exchange = nothing();
    exchange.tables[0].keep_out.insert(vec![Value::text("a")]);
    exchange.amend(&layout(), &base, &wanted);
    assert_eq!(reasons(&exchange), [HELD]);

    let mut exchange = nothing();
    exchange.hold(&layout().local[0], 3, Seen::Doubled { keys: 3 });
    exchange.amend(&layout(), &base, &wanted);
    assert_eq!((exchange.left.len(), exchange.tables[0].to_local.len()), (1, 0));
}

#[test]
fn no_row_comes_that_refers_to_one_that_is_not_there() {
    let item = |to: &str| amendment("item", None, Some(row("i", to)));
    let shop = |from, to| amendment("shop", from, to);
    let there = base(&[row("a", "1")], &[]);
    let amended = |wanted: &[Amendment]| {
        let mut exchange = nothing();
        exchange.amend(&layout(), &there, wanted);
        let writes = exchange.tables[1].to_local.len();
        assert_eq!(exchange.tables[1].to_server.len(), writes);
        (writes, exchange.left.len())
    };
    assert_eq!(amended(&[item("a")]), (1, 0), "the shop is there");
    assert_eq!(amended(&[item("b")]), (0, 1), "no such shop");
    assert_eq!(
        amended(&[item("b"), shop(None, Some(row("b", "1")))]),
        (1, 0),
        "the shop comes too"
    );
    assert_eq!(
        amended(&[item("b"), shop(Some(row("b", "1")), None)]),
        (0, 1),
        "a shop that is gone already"
    );
    assert_eq!(
        amended(&[item("a"), shop(Some(row("a", "1")), None)]),
        (0, 1),
        "the shop goes"
    );
}

#[test]
fn what_the_server_refused_is_nobodys_change() {
    let mut exchange = nothing();
    let wanted = [
        amendment("shop", Some(row("a", "1")), Some(row("a", "2"))),
        amendment("shop", Some(row("b", "1")), Some(row("b", "2"))),
        amendment("shop", Some(row("c", "1")), Some(row("c", "2"))),
    ];
    exchange.amend(
        &layout(),
        &base(&[row("a", "1"), row("b", "1"), row("c", "1")], &[]),
        &wanted,
    );
    let refused = |of: &[usize]| crate::replica::Pushed {
        refused: vec![of.to_vec(), Vec::new()],
        barred: vec![Vec::new(); 2],
        ..crate::replica::Pushed::default()
    };
    exchange.refuse(&layout(), Side::Local, &refused(&[0]));
    exchange.refuse(&layout(), Side::Server, &refused(&[0]));
    let mut ancestors = Ancestors::default();
    let left = exchange.not_amended(&layout(), &mut ancestors);
    let left: Vec<_> = left.iter().map(|left| (&left.key[0], left.reason.as_str())).collect();
    let [a, b] = ["a", "b"].map(Value::text);
    assert_eq!(left, [(&a, OVERTAKEN), (&b, OVERTAKEN_THERE)]);
    let known: Vec<_> = ancestors
        .iter()
        .map(|(_, _, key, row)| (&key[0], row.cloned()))
        .collect();
    assert_eq!(
        known,
        [(&b, Some(row("b", "2")))],
        "the laptop holds it, and nobody meant it"
    );
}
