//! Deletions against references.

use super::*;
use crate::merge::Reason;

/// Merges parents (`name`, `note`), children (`name`, `parent`) and grandchildren (`name`, `parent`).
fn family(parents: &[[&str; 3]], children: &[[&str; 3]], grandchildren: &[[&str; 3]]) -> (Vec<usize>, Plan) {
    let tables = [
        table("parents", "name* note"),
        table("children", "name* parent>Parents.Name"),
        table("grandchildren", "name* parent>children.name"),
    ];
    let rules = TableRules::default();
    let rows = [parents, children, grandchildren];
    let inputs = tables
        .iter()
        .zip(rows)
        .map(|(table, rows)| input(table, &rules, rows))
        .collect();
    let (outcome, plan) = converge(inputs);
    (outcome.iter().map(Vec::len).collect(), plan)
}

const DELETED_LOCALLY: [&str; 3] = ["p|1", "", "p|1"];

#[test]
fn a_new_row_keeps_the_row_that_it_refers_to() {
    let (rows, plan) = family(&[DELETED_LOCALLY], &[["", "", "c|p"]], &[]);
    assert_eq!(rows, [1, 1, 0]);
    let conflict = &plan.tables[0].conflicts[0];
    assert_eq!(
        (conflict.winner, conflict.reason),
        (Side::Server, Reason::StillReferenced)
    );
    assert_eq!((conflict.columns.as_slice(), &conflict.local), (&[0, 1][..], &None));
    // And the other way round.
    let (rows, plan) = family(&[["p|1", "p|1", ""]], &[["", "c|p", ""]], &[]);
    assert_eq!(rows, [1, 1, 0]);
    assert_eq!(plan.tables[0].conflicts[0].winner, Side::Local);
}

#[test]
fn a_row_that_now_refers_elsewhere_keeps_nothing() {
    let (rows, _) = family(&[DELETED_LOCALLY], &[["c|p", "c|p", "c|-"]], &[]);
    assert_eq!(rows, [0, 1, 0]);
}

#[test]
fn a_cascade_goes_through_where_nothing_changed() {
    let (rows, plan) = family(&[DELETED_LOCALLY], &[["c|p", "", "c|p"]], &[["g|c", "", "g|c"]]);
    assert_eq!(rows, [0, 0, 0]);
    assert!(plan.tables.iter().all(|table| table.conflicts.is_empty()));
}

#[test]
fn a_change_below_a_cascade_keeps_all_that_it_needs_and_no_more() {
    let cascade = [["c|p", "", "c|p"], ["d|p", "", "d|p"]];
    let (rows, plan) = family(&[DELETED_LOCALLY], &cascade, &[["", "", "g|c"]]);
    assert_eq!(rows, [1, 1, 1]);
    let reasons = plan
        .tables
        .iter()
        .map(|table| table.conflicts.iter().map(|conflict| conflict.reason).collect());
    let still = vec![Reason::StillReferenced];
    assert_eq!(reasons.collect::<Vec<Vec<_>>>(), [still.clone(), still, vec![]]);
}

#[test]
fn the_side_that_deletes_may_refer_into_the_void() {
    // The laptop, with foreign keys off, deletes a row and inserts one that refers to it.
    let (rows, _) = family(&[DELETED_LOCALLY], &[["", "c|p", ""]], &[]);
    assert_eq!(rows, [0, 1, 0]);
}

#[test]
fn a_row_in_the_place_of_the_deleted_one_will_do() {
    let tables = [
        table("parents", "name* id!"),
        table("children", "name* parent>parents.id"),
    ];
    let rules = TableRules::default();
    let (outcome, _) = converge(vec![
        input(&tables[0], &rules, &[["old|5", "", "old|5"], ["", "new|5", ""]]),
        input(&tables[1], &rules, &[["", "", "c|5"]]),
    ]);
    assert_eq!(outcome[0], [row("new|5")]);
}
