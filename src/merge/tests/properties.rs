//! Laws that hold for any input: against a naive model of the rules, and for whole databases under random work.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::merge::{Conflict, Settled, TablePlan};

/// Columns: url (the key), title, price, stage and at (a group), last_updated.
fn products() -> (Table, TableRules) {
    let rules = TableRules {
        groups: vec![Group {
            columns: vec![3, 4],
            newest_by: 4,
        }],
        last_updated: Some(5),
    };
    (table("products", "url* title price stage at last_updated"), rules)
}

/// Few values, so that rows often meet. Times are epoch seconds, one is unreadable.
fn cells() -> impl Strategy<Value = Row> {
    let cell = || {
        prop::sample::select(vec![
            Value::Null,
            Value::Integer(1),
            Value::Integer(2),
            Value::text("x"),
        ])
    };
    vec(cell(), 5)
}

/// A row as a side has it: untouched, deleted, or with some cells set.
fn edit(base: Option<Row>) -> impl Strategy<Value = Option<Row>> {
    (0..4, cells(), vec(any::<bool>(), 5)).prop_map(move |(what, cells, mask)| match (what, &base) {
        (0, _) => base.clone(),
        (1, _) => None,
        (_, None) => Some(cells),
        (_, Some(base)) => Some(
            (0..5)
                .map(|i| if mask[i] { cells[i].clone() } else { base[i].clone() })
                .collect(),
        ),
    })
}

fn triple(key: i64) -> impl Strategy<Value = Triple> {
    let with_key = move |row: Row| [vec![Value::Integer(key)], row].concat();
    prop::option::of(cells())
        .prop_flat_map(|base| (Just(base.clone()), edit(base.clone()), edit(base)))
        .prop_map(move |(base, local, server)| Triple {
            key: vec![Value::Integer(key)],
            base: base.map(with_key),
            local: local.map(with_key),
            server: server.map(with_key),
        })
}

fn table_of_triples() -> impl Strategy<Value = Vec<Triple>> {
    (triple(0), triple(1), triple(2)).prop_map(|(a, b, c)| vec![c, a, b])
}

/// The rules once more, as naively as they can be told: rank each time, then choose.
fn model(triple: &Triple) -> Option<Row> {
    let (base, local, server) = (&triple.base, &triple.local, &triple.server);
    let (Some(l), Some(s)) = (local, server) else {
        let left = local.as_ref().or(server.as_ref());
        return left
            .filter(|row| base.is_none() || Some(*row) != base.as_ref())
            .cloned();
    };
    let rank = |value: &Value| match value {
        Value::Null => -2,
        Value::Text(_) => -1,
        value => value.as_integer().unwrap(),
    };
    let mut row = l.clone();
    for columns in [vec![1], vec![2], vec![3, 4], vec![5]] {
        let part = |row: &Row| columns.iter().map(|&c| row[c].clone()).collect::<Vec<_>>();
        let was = base.as_ref().map(part);
        let of_server = if was.as_ref() == Some(&part(s)) {
            false
        } else if was.as_ref() == Some(&part(l)) {
            true
        } else {
            match columns[0] {
                3 => rank(&s[4]) >= rank(&l[4]),
                5 => rank(&s[5]) >= rank(&l[5]),
                _ => rank(&s[5]) > rank(&l[5]),
            }
        };
        for &column in columns.iter().filter(|_| of_server) {
            row[column] = s[column].clone();
        }
    }
    Some(row)
}

fn again(table: &Table, rules: &TableRules, triples: Vec<Triple>) {
    let next_id = table.rowid.map(|_| 1000);
    let plan = merge(
        vec![TableInput {
            table,
            rules,
            triples,
            first: false,
            next_id,
            used_below: None,
        }],
        &zones(),
    );
    let plan = &plan.tables[0];
    assert_eq!(
        (&plan.to_local, &plan.to_server, &plan.conflicts),
        (&vec![], &vec![], &vec![])
    );
}

/// Merged once, there is nothing left to merge: neither with the base that is agreed now, nor with the old one,
/// as after a crash.
pub(super) fn assert_settled(table: &Table, rules: &TableRules, before: &[Triple], plan: &TablePlan) {
    let old: BTreeMap<_, _> = before.iter().map(|triple| (&triple.key, &triple.base)).collect();
    let merged = |base: &dyn Fn(&Settled) -> Option<Row>| {
        let triple = |settled: &Settled| Triple {
            key: settled.key.clone(),
            base: base(settled),
            local: settled.agreed.clone(),
            server: settled.agreed.clone(),
        };
        plan.settled.iter().map(triple).collect()
    };
    again(table, rules, merged(&|settled| settled.agreed.clone()));
    again(
        table,
        rules,
        merged(&|settled| old.get(&settled.key).copied().cloned().flatten()),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_merge_is_the_model(triples in table_of_triples()) {
        let (table, rules) = products();
        let input = TableInput { table: &table, rules: &rules, triples: triples.clone(), first: false, next_id: None, used_below: None };
        let (outcome, plan) = converge(vec![input]);
        let mut expected: Vec<Row> = triples.iter().filter_map(model).collect();
        expected.sort();
        prop_assert_eq!(&outcome[0], &expected);
        assert_settled(&table, &rules, &triples, &plan.tables[0]);
    }

    #[test]
    fn no_value_is_lost_unrecorded(triples in table_of_triples()) {
        let (table, rules) = products();
        let input = TableInput { table: &table, rules: &rules, triples: triples.clone(), first: false, next_id: None, used_below: None };
        let (_, plan) = converge(vec![input]);
        let plan = &plan.tables[0];
        for triple in &triples {
            let agreed = plan.settled.iter().find(|settled| settled.key == triple.key).unwrap().agreed.as_ref();
            let conflicts = || plan.conflicts.iter().filter(|conflict| conflict.key == triple.key);
            // last_updated is bookkeeping; a NULL without a base is nobody's value.
            let held = [&triple.local, &triple.server].into_iter().flatten();
            for (row, column) in held.flat_map(|row| (0..5).map(move |column| (row, column))) {
                let known = |other: Option<&Row>| other.is_some_and(|other| other[column] == row[column]);
                let nobodys = triple.base.is_none() && row[column].is_null();
                let kept = nobodys || known(agreed) || known(triple.base.as_ref());
                let in_record = |c: &Conflict| known(c.local.as_ref()) || known(c.server.as_ref());
                let recorded = conflicts().any(|c| c.columns.contains(&column) && in_record(c));
                prop_assert!(kept || recorded, "column {} of {:?}", column, row);
            }
            if triple.base.is_none() {
                prop_assert!(agreed.is_some() || triple.local.is_none() && triple.server.is_none());
            }
            if let (Some(base), Some(local), Some(server)) = (&triple.base, &triple.local, &triple.server) {
                let units = || [vec![1], vec![2], vec![3, 4]].into_iter();
                let differs = |row: &Row, unit: &[usize]| unit.iter().any(|&column| row[column] != base[column]);
                let changed = |row: &Row| units().filter(|unit| differs(row, unit)).collect::<BTreeSet<_>>();
                if changed(local).is_disjoint(&changed(server)) {
                    prop_assert_eq!(conflicts().count(), 0);
                }
            }
        }
    }
}
