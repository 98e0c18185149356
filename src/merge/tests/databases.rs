//! Whole databases under random work on both sides: three tables with ids, unique values and foreign keys, each side
//! sound in itself at every moment. After the merge both are the same, sound, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::assert_settled;
use super::*;
use crate::model::Key;

const PARENTS: usize = 0;
const CHILDREN: usize = 1;
const TAGS: usize = 2;

fn tables() -> [Table; 3] {
    [
        table("parents", "id# name* code!"),
        table("children", "id#* parent>parents.id note"),
        table("tags", "name*>parents.name label* note"),
    ]
}

/// One statement: what it does, and three small numbers to do it with.
type Work = (u8, usize, i64, i64);

fn work() -> impl Strategy<Value = Vec<Work>> {
    vec((0u8..10, 0usize..4, 0i64..4, 0i64..1_000_000), 0..12)
}

#[derive(Clone, Default)]
struct Database {
    rows: [BTreeMap<Key, Row>; 3],
    last_id: [i64; 2],
}

impl Database {
    fn nth(&self, table: usize, n: usize) -> Option<Row> {
        let rows = &self.rows[table];
        rows.values().nth(n % rows.len().max(1)).cloned()
    }

    fn put(&mut self, table: usize, row: Row) {
        self.rows[table].insert(tables()[table].key_of(&row), row);
    }

    fn new_id(&mut self, table: usize) -> Value {
        self.last_id[table] += 1;
        Value::Integer(self.last_id[table])
    }

    fn set(&mut self, table: usize, n: usize, column: usize, value: Value) {
        if let Some(mut row) = self.nth(table, n) {
            row[column] = value;
            self.put(table, row);
        }
    }

    /// Carries out one statement, as far as the constraints let it.
    fn run(&mut self, (what, n, small, note): Work) {
        let (small, note) = (Value::Integer(small), Value::Integer(note));
        let code_is_free = self.rows[PARENTS].values().all(|row| row[2] != small);
        match what {
            0 if code_is_free && !self.rows[PARENTS].contains_key(&vec![Value::Integer(n as i64)]) => {
                let id = self.new_id(PARENTS);
                self.put(PARENTS, vec![id, Value::Integer(n as i64), small]);
            }
            1 if code_is_free => self.set(PARENTS, n, 2, small),
            2 => {
                if let Some(parent) = self.nth(PARENTS, n) {
                    self.rows[PARENTS].retain(|_, row| *row != parent);
                    self.rows[CHILDREN].retain(|_, row| row[1] != parent[0]);
                    self.rows[TAGS].retain(|_, row| row[0] != parent[1]);
                }
            }
            3 => {
                if let Some(parent) = self.nth(PARENTS, n) {
                    let id = self.new_id(CHILDREN);
                    self.put(CHILDREN, vec![id, parent[0].clone(), note]);
                }
            }
            4 => self.set(CHILDREN, n, 2, note),
            5 => {
                if let Some(parent) = self.nth(PARENTS, n) {
                    self.set(CHILDREN, n, 1, parent[0].clone());
                }
            }
            6 | 7 => {
                if let Some(parent) = self.nth(PARENTS, n) {
                    self.put(TAGS, vec![parent[1].clone(), small, note]);
                }
            }
            8 => {
                let row = self.nth(CHILDREN, n);
                self.rows[CHILDREN].retain(|_, other| Some(&*other) != row.as_ref());
            }
            _ => {
                let row = self.nth(TAGS, n);
                self.rows[TAGS].retain(|_, other| Some(&*other) != row.as_ref());
            }
        }
    }

    fn after(mut self, work: Vec<Work>) -> Self {
        for statement in work {
            self.run(statement);
        }
        self
    }
}

/// The rows that either side changed.
fn changes(table: usize, base: &Database, local: &Database, server: &Database) -> Vec<Triple> {
    let keys: BTreeSet<&Key> = [base, local, server]
        .iter()
        .flat_map(|side| side.rows[table].keys())
        .collect();
    let row = |side: &Database, key: &Key| side.rows[table].get(key).cloned();
    let triple = |key: &Key| Triple {
        key: key.clone(),
        base: row(base, key),
        local: row(local, key),
        server: row(server, key),
    };
    keys.into_iter()
        .map(triple)
        .filter(|t| t.local != t.base || t.server != t.base)
        .collect()
}

/// Whether every reference meets a row and every unique value is there once.
fn assert_sound(rows: &[BTreeMap<Key, Row>]) {
    for (table, rows_of_table) in tables().iter().zip(rows) {
        for set in &table.unique {
            let distinct: BTreeSet<_> = rows_of_table
                .values()
                .map(|row| super::super::work::pick(row, set))
                .collect();
            assert_eq!(
                distinct.len(),
                rows_of_table.len(),
                "{}: unique {set:?} in {rows_of_table:?}",
                table.name
            );
        }
    }
    for child in rows[CHILDREN].values() {
        assert!(
            rows[PARENTS].values().any(|parent| parent[0] == child[1]),
            "{child:?} has no parent"
        );
    }
    for tag in rows[TAGS].values() {
        assert!(
            rows[PARENTS].values().any(|parent| parent[1] == tag[0]),
            "{tag:?} has no parent"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn both_sides_end_up_the_same_and_sound(before in work(), at_home in work(), on_server in work()) {
        let base = Database::default().after(before);
        let (local, server) = (base.clone().after(at_home), base.clone().after(on_server));
        let (tables, rules) = (tables(), TableRules::default());
        let inputs: Vec<_> = tables.iter().enumerate().map(|(number, table)| TableInput {
            table,
            rules: &rules,
            triples: changes(number, &base, &local, &server),
            first: false,
            next_id: table.rowid.map(|_| local.last_id[number].max(server.last_id[number]) + 1),
            used_below: table.rowid.map(|_| server.last_id[number] + 1),
        }).collect();
        let triples: Vec<_> = inputs.iter().map(|input| input.triples.clone()).collect();
        let (_, plan) = converge(inputs);

        let mut merged = base.rows.clone();
        for (number, plan) in plan.tables.iter().enumerate() {
            for settled in &plan.settled {
                merged[number].remove(&settled.key);
                merged[number].extend(settled.agreed.clone().map(|row| (settled.key.clone(), row)));
            }
            assert_settled(&tables[number], &rules, &triples[number], plan);
        }
        assert_sound(&merged);

        // Notes are all different: each one that a side holds is still there, in the base, or in a record.
        for (number, plan) in plan.tables.iter().enumerate().skip(1) {
            let records = plan.conflicts.iter().flat_map(|conflict| [&conflict.local, &conflict.server]).flatten();
            let known = merged[number].values().chain(base.rows[number].values()).chain(records);
            let kept: BTreeSet<&Value> = known.map(|row| &row[2]).collect();
            for row in local.rows[number].values().chain(server.rows[number].values()) {
                prop_assert!(kept.contains(&row[2]), "{:?} is lost", row);
            }
        }
    }
}
