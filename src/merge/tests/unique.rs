//! Unique columns beside the key.

use super::*;
use crate::merge::Reason;

/// Merges a table of `name` (the key), `code` (unique) and `note`.
fn merged(rows: &[[&str; 3]]) -> (Vec<Row>, Plan) {
    let (table, rules) = (table("t", "name* code! note"), TableRules::default());
    let (mut outcome, plan) = converge(vec![input(&table, &rules, rows)]);
    (outcome.remove(0), plan)
}

fn rows(rows: &[&str]) -> Vec<Row> {
    rows.iter().map(|cells| row(cells)).collect()
}

#[test]
fn a_new_row_with_a_value_that_the_server_gave_away_yields() {
    let (outcome, plan) = merged(&[["", "a|1|mine", ""], ["", "", "b|1|theirs"]]);
    assert_eq!(outcome, rows(&["b|1|theirs"]));
    let conflict = &plan.tables[0].conflicts[0];
    assert_eq!((conflict.winner, conflict.reason), (Side::Server, Reason::UniqueTaken));
    assert_eq!((conflict.local.clone(), conflict.columns.len()), (maybe("a|1|mine"), 3));
    assert_eq!(plan.tables[0].to_local[0], RowOp::Delete(row("a|1|mine")));
}

#[test]
fn a_changed_row_keeps_its_other_changes() {
    let (outcome, plan) = merged(&[["a|0|-", "a|1|mine", "a|0|-"], ["b|2|-", "b|2|-", "b|1|-"]]);
    assert_eq!(outcome, rows(&["a|0|mine", "b|1|-"]));
    let conflict = &plan.tables[0].conflicts[0];
    assert_eq!(
        (conflict.columns.as_slice(), conflict.reason),
        (&[1][..], Reason::UniqueTaken)
    );
    assert!(matches!(plan.tables[0].to_local[0], RowOp::Replace { .. }));
}

#[test]
fn values_that_move_on_one_side_collide_with_nothing() {
    let (outcome, plan) = merged(&[["a|1|-", "a|2|-", "a|1|-"], ["b|2|-", "b|1|-", "b|2|-"]]);
    assert_eq!(outcome, rows(&["a|2|-", "b|1|-"]));
    assert!(
        plan.tables[0]
            .to_server
            .iter()
            .all(|op| matches!(op, RowOp::Replace { .. }))
    );
    assert_eq!(plan.tables[0].conflicts, []);
    // A value that the server's row gave up, and one of a row that goes.
    let (outcome, _) = merged(&[
        ["a|1|-", "a|1|-", "a|3|-"],
        ["", "b|1|-", ""],
        ["c|2|-", "", "c|2|-"],
        ["", "d|2|-", ""],
    ]);
    assert_eq!(outcome, rows(&["a|3|-", "b|1|-", "d|2|-"]));
}

#[test]
fn yielding_goes_on_until_all_values_are_apart() {
    // The laptop hands 1 → 2 → 3 on, the server gives 3 to a new row.
    let rows_in = [
        ["a|1|-", "a|2|-", "a|1|-"],
        ["b|2|-", "b|3|-", "b|2|-"],
        ["", "", "c|3|-"],
    ];
    let (outcome, plan) = merged(&rows_in);
    assert_eq!(outcome, rows(&["a|1|-", "b|2|-", "c|3|-"]));
    assert_eq!(plan.tables[0].conflicts.len(), 2);
    assert_eq!(plan.tables[0].to_server, []);
}

#[test]
fn null_is_never_taken() {
    let (outcome, _) = merged(&[["", "a|-|-", ""], ["", "", "b|-|-"]]);
    assert_eq!(outcome.len(), 2);
}

#[test]
fn an_id_that_a_kept_row_needs_again_is_handed_out_anew() {
    // `old` gives its id to `new` on the laptop, but is kept for a reference by name.
    let tables = [
        table("parents", "id# name*"),
        table("children", "name* parent>parents.name"),
    ];
    let rules = TableRules::default();
    let (outcome, _) = converge(vec![
        input(&tables[0], &rules, &[["5|old", "", "5|old"], ["", "5|new", ""]]),
        input(&tables[1], &rules, &[["", "", "c|old"]]),
    ]);
    assert_eq!(outcome[0], rows(&["6|new", "5|old"]));
}

#[test]
fn new_rows_that_refer_to_a_row_that_yields_go_with_it() {
    let tables = [
        table("parents", "name* code!"),
        table("children", "name* parent>parents.name"),
        table("toys", "name* child>children.name"),
    ];
    let rules = TableRules::default();
    let (outcome, plan) = converge(vec![
        input(&tables[2], &rules, &[["", "t|c", ""], ["", "u|-", ""]]),
        input(&tables[1], &rules, &[["", "c|a", ""], ["d|b", "d|a", "d|b"]]),
        input(&tables[0], &rules, &[["", "a|1", ""], ["", "", "b|1"]]),
    ]);
    assert_eq!(outcome, [rows(&["u|-"]), rows(&["d|b"]), rows(&["b|1"])]);
    let lost = plan
        .tables
        .iter()
        .flat_map(|table| &table.conflicts)
        .map(|conflict| conflict.local.clone().unwrap());
    assert_eq!(lost.collect::<Vec<_>>(), rows(&["t|c", "c|a", "d|a", "a|1"]));
}

#[test]
fn a_server_that_holds_a_value_twice_does_not_stall_the_merge() {
    let (table, rules) = (table("t", "name* code! note"), TableRules::default());
    let rows = [
        ["", "", "a|1|-"],
        ["", "", "b|1|-"],
        ["c|0|-", "c|5|-", "c|1|-"],
        ["", "", "e|5|-"],
    ];
    let plan = merge(vec![input(&table, &rules, &rows)], &zones());
    assert_eq!(plan.tables[0].to_server, []);
}

#[test]
fn a_row_that_yields_frees_all_its_values() {
    // Two unique columns. `a` yields both values to `b`; then `c` gets one of them, and `d` has to yield to `c`.
    let (table, rules) = (table("t", "name* first! second!"), TableRules::default());
    let given = [
        ["a|0|0", "a|1|2", "a|0|0"],
        ["b|3|4", "b|50|4", "b|3|2"],
        ["c|5|7", "c|60|7", "c|1|6"],
        ["d|8|8", "d|8|6", "d|8|8"],
        ["", "", "e|60|61"],
    ];
    let (outcome, _) = converge(vec![input(&table, &rules, &given)]);
    assert_eq!(outcome[0], rows(&["a|0|0", "b|3|2", "c|1|6", "d|8|8", "e|60|61"]));
}
