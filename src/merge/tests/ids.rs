//! Integer ids that both sides hand out.

use super::*;
use crate::merge::Reason;

fn merge_one(table: &Table, rows: &[[&str; 3]]) -> (Vec<Row>, Plan) {
    let rules = TableRules::default();
    let (mut outcome, plan) = converge(vec![input(table, &rules, rows)]);
    (outcome.remove(0), plan)
}

fn rows(rows: &[&str]) -> Vec<Row> {
    rows.iter().map(|cells| row(cells)).collect()
}

#[test]
fn a_new_row_yields_its_id_to_the_servers() {
    let queue = table("queue", "id# url* status");
    let (outcome, plan) = merge_one(&queue, &[["", "5|a|pending", ""], ["", "", "5|b|pending"]]);
    assert_eq!(outcome, rows(&["6|a|pending", "5|b|pending"]));
    let plan = &plan.tables[0];
    assert_eq!(plan.to_server, [RowOp::Insert(row("6|a|pending"))]);
    let replace = RowOp::Replace {
        before: row("5|a|pending"),
        after: row("6|a|pending"),
    };
    assert_eq!(plan.to_local, [replace, RowOp::Insert(row("5|b|pending"))]);
    assert_eq!(plan.conflicts, []);
}

#[test]
fn the_servers_id_stands_for_a_row_that_both_inserted() {
    let queue = table("queue", "id# url* status");
    let (outcome, plan) = merge_one(
        &queue,
        &[["", "5|a|pending", "7|a|pending"], ["", "7|b|new", "5|b|new"]],
    );
    assert_eq!(outcome, rows(&["7|a|pending", "5|b|new"]));
    assert_eq!(plan.tables[0].to_server, []);
    assert!(
        plan.tables[0]
            .to_local
            .iter()
            .all(|op| matches!(op, RowOp::Replace { .. }))
    );
    assert_eq!(plan.tables[0].conflicts, []);
}

#[test]
fn a_row_may_take_the_id_of_one_that_goes() {
    let queue = table("queue", "id# url* status");
    let (outcome, plan) = merge_one(&queue, &[["5|a|x", "", "5|a|x"], ["", "5|b|x", ""]]);
    assert_eq!(outcome, rows(&["5|b|x"]));
    assert_eq!(plan.tables[0].to_local, []);
    assert_eq!(
        plan.tables[0].to_server,
        [RowOp::Delete(row("5|a|x")), RowOp::Insert(row("5|b|x"))]
    );
    // The server changed the row that the laptop deleted: it stays, with its id.
    let (outcome, _) = merge_one(&queue, &[["5|a|x", "", "5|a|y"], ["", "5|b|x", ""]]);
    assert_eq!(outcome, rows(&["5|a|y", "6|b|x"]));
    // The server handed the id out again, and the laptop changed the row that had it.
    let (outcome, _) = merge_one(&queue, &[["5|a|x", "5|a|y", ""], ["", "", "5|b|x"]]);
    assert_eq!(outcome, rows(&["6|a|y", "5|b|x"]));
}

#[test]
fn rows_known_by_their_id_alone_are_two_where_they_differ() {
    let updates = table("updates", "id#* url what");
    let (outcome, plan) = merge_one(
        &updates,
        &[["", "5|a|price", "5|b|price"], ["", "6|c|title", "6|c|title"]],
    );
    assert_eq!(outcome, rows(&["5|b|price", "6|c|title", "7|a|price"]));
    let plan = &plan.tables[0];
    let update = RowOp::Update {
        before: row("5|a|price"),
        after: row("5|b|price"),
    };
    assert_eq!(plan.to_local, [update, RowOp::Insert(row("7|a|price"))]);
    assert_eq!(plan.to_server, [RowOp::Insert(row("7|a|price"))]);
    assert_eq!(plan.conflicts, []);
}

#[test]
fn rows_known_by_their_id_alone_are_one_where_a_unique_value_says_so() {
    let queue = table("queue", "id#* url! status");
    // Under one id, and under two; there the laptop's row takes the server's id.
    let (outcome, _) = merge_one(&queue, &[["", "5|a|local", "5|a|server"]]);
    assert_eq!(outcome, rows(&["5|a|local"]));
    let (outcome, plan) = merge_one(&queue, &[["", "5|a|same", "5|b|x"], ["", "", "6|a|same"]]);
    assert_eq!(outcome, rows(&["5|b|x", "6|a|same"]));
    assert_eq!(plan.tables[0].to_server, []);
    assert_eq!(plan.tables[0].conflicts, []);
}

#[test]
fn a_lost_base_takes_similar_rows_for_one() {
    let (table, rules) = (
        table("updates", "id#* url>products.url what when who"),
        TableRules::default(),
    );
    let merged = |first, local, server| {
        let input = TableInput {
            first,
            ..input(&table, &rules, &[["", local, server]])
        };
        converge(vec![input]).0.remove(0).len()
    };
    assert_eq!(merged(true, "1|a|price|9|x", "1|a|price|9|y"), 1);
    assert_eq!(merged(true, "1|a|price|9|x", "1|a|title|8|x"), 1, "half of the cells");
    assert_eq!(merged(true, "1|a|price|9|x", "1|a|title|8|y"), 2, "less than half");
    assert_eq!(merged(true, "1|a|price|9|x", "1|b|price|9|x"), 2, "another reference");
    assert_eq!(
        merged(false, "1|a|price|9|x", "1|a|price|9|y"),
        2,
        "with a base, both were inserted"
    );
}

#[test]
fn references_follow_from_table_to_table() {
    let parents = table("parents", "id# name*");
    let children = table("children", "id#* parent>parents.id what");
    let toys = table("toys", "child*>children.id label*");
    let rules = TableRules::default();
    let (outcome, plan) = converge(vec![
        input(&toys, &rules, &[["", "1|ball", ""]]),
        input(&children, &rules, &[["", "1|5|x", "1|5|x"]]),
        input(&parents, &rules, &[["", "5|local", ""], ["", "", "5|server"]]),
    ]);
    // The children look the same, but belong to two parents; so they are two, and the toy goes with the laptop's.
    assert_eq!(outcome[2], rows(&["6|local", "5|server"]));
    assert_eq!(outcome[1], rows(&["1|5|x", "2|6|x"]));
    assert_eq!(outcome[0], rows(&["2|ball"]));
    assert_eq!(
        plan.tables[0].to_local,
        [RowOp::Delete(row("1|ball")), RowOp::Insert(row("2|ball"))]
    );
}

#[test]
fn children_of_parents_that_swap_ids_stay_with_them() {
    let parents = table("parents", "id# name*");
    let children = table("children", "parent*>parents.id what*  note");
    let rules = TableRules::default();
    let (outcome, plan) = converge(vec![
        input(&parents, &rules, &[["", "1|a", "2|a"], ["", "2|b", "1|b"]]),
        input(
            &children,
            &rules,
            &[["", "1|x|of a", "1|x|of b"], ["", "2|x|of b", "2|x|of a"]],
        ),
    ]);
    assert_eq!(outcome[1], rows(&["1|x|of b", "2|x|of a"]));
    assert_eq!(plan.tables[1].to_server, []);
    assert_eq!(plan.tables[1].conflicts, []);
}

#[test]
fn a_tree_in_one_table_follows_its_roots() {
    let tree = table("tree", "id#* parent>tree.id name");
    let (outcome, plan) = merge_one(
        &tree,
        &[
            ["", "1|-|local", "1|-|server"],
            ["", "2|1|leaf", "2|1|leaf"],
            ["", "3|2|leaf", "3|2|leaf"],
        ],
    );
    assert_eq!(
        outcome,
        rows(&[
            "1|-|server",
            "2|1|leaf",
            "3|2|leaf",
            "4|-|local",
            "5|4|leaf",
            "6|5|leaf"
        ])
    );
    assert_eq!(plan.tables[0].conflicts, []);
}

#[test]
fn an_unchanged_reference_stays() {
    let parents = table("parents", "id# name*");
    let children = table("children", "id#* parent>parents.id what");
    let rules = TableRules::default();
    let (outcome, _) = converge(vec![
        input(&parents, &rules, &[["", "5|local", ""], ["", "", "5|server"]]),
        input(&children, &rules, &[["1|5|x", "1|5|x", "1|5|y"]]),
    ]);
    assert_eq!(outcome[1], rows(&["1|5|y"]));
}

#[test]
fn a_table_without_a_free_id_keeps_the_row_for_the_guards() {
    let queue = table("queue", "id# url* status");
    let rules = TableRules::default();
    let input = TableInput {
        next_id: None,
        ..input(&queue, &rules, &[["", "5|a|x", ""], ["", "", "5|b|x"]])
    };
    let plan = merge(vec![input], &zones());
    // The laptop's row yields to the server's and is kept in the record.
    assert_eq!(plan.tables[0].conflicts.len(), 1);
    assert_eq!(plan.tables[0].conflicts[0].reason, Reason::UniqueTaken);
    assert_eq!(plan.tables[0].to_server, []);
}

#[test]
fn an_id_that_was_handed_out_again_does_not_mix_two_rows() {
    let queue = table("queue", "id#* url why status");
    let ten = |local, server| merge_one(&queue, &[["5|a|price|-", local, server]]);
    // The site deleted entry 5 and added another, which got the same id, while the laptop worked on the first.
    let (outcome, plan) = ten("5|a|price|done", "5|b|title|-");
    assert_eq!(outcome, rows(&["5|b|title|-", "6|a|price|done"]));
    assert_eq!(
        plan.tables[0].to_server,
        [RowOp::Insert(row("6|a|price|done"))],
        "the server's row is left alone"
    );
    // The same on the laptop, whose row yields.
    let (outcome, _) = ten("5|b|title|-", "5|a|price|done");
    assert_eq!(outcome, rows(&["5|a|price|done", "6|b|title|-"]));
    // An edit of less than that is an edit, and so is one that the other side knows nothing about.
    let (outcome, _) = ten("5|a|price|done", "5|a|title|-");
    assert_eq!(outcome, rows(&["5|a|title|done"]));
    let (outcome, _) = ten("5|a|price|-", "5|b|title|-");
    assert_eq!(outcome, rows(&["5|b|title|-"]));
    // Filling in what was empty replaces nothing.
    let (outcome, _) = merge_one(&queue, &[["5|a|-|-", "5|a|price|-", "5|a|-|done"]]);
    assert_eq!(outcome, rows(&["5|a|price|done"]));
}

#[test]
fn a_new_row_that_has_nothing_but_an_id_does_not_get_one_that_is_used_up() {
    // The server has had a row under 5, which is gone; another laptop may still hold it.
    let merged_as = |columns, used_below, base: &str, local: &str| {
        let queue = Table {
            autoincrement: true,
            ..table("queue", columns)
        };
        let rules = TableRules::default();
        let input = TableInput {
            next_id: Some(8),
            used_below,
            ..input(&queue, &rules, &[[base, local, ""]])
        };
        converge(vec![input]).0.remove(0)
    };
    let merged = |columns, used_below, base| merged_as(columns, used_below, base, "5|a|x");
    let keyless = "id#* url status";
    assert_eq!(merged(keyless, Some(6), ""), rows(&["8|a|x"]));
    assert_eq!(merged(keyless, Some(5), ""), rows(&["5|a|x"]));
    assert_eq!(
        merged(keyless, Some(6), "5|a|y"),
        rows(&["5|a|x"]),
        "kept: changed here"
    );
    assert_eq!(merged(keyless, None, ""), rows(&["5|a|x"]), "the first sync");
    assert_eq!(merged("id# url* status", Some(6), ""), rows(&["5|a|x"]), "put back");
    assert_eq!(
        merged_as(keyless, Some(6), "", "-5|a|x"),
        rows(&["-5|a|x"]),
        "never handed out"
    );
}

#[test]
fn a_new_reference_stays_with_the_row_that_it_was_made_to() {
    let parents = table("parents", "id# name*");
    let children = table("children", "id#* parent>parents.id what");
    let rules = TableRules::default();
    let merged = |of_parents: &[[&str; 3]], of_children: &[[&str; 3]]| {
        let inputs = vec![
            input(&parents, &rules, of_parents),
            input(&children, &rules, of_children),
        ];
        converge(inputs).0
    };
    // One side replaced the parent under its id; the other one wrote about the old one.
    let outcome = merged(&[["5|a", "5|a", ""], ["", "", "5|b"]], &[["", "1|5|of a", ""]]);
    assert_eq!(outcome, [rows(&["6|a", "5|b"]), rows(&["1|6|of a"])]);
    let outcome = merged(&[["5|a", "", "5|a"], ["", "5|b", ""]], &[["", "", "1|5|of a"]]);
    assert_eq!(outcome, [rows(&["5|a", "6|b"]), rows(&["1|5|of a"])]);
}

#[test]
fn a_new_reference_stays_also_where_the_parent_is_known_by_its_id_alone() {
    let parents = table("parents", "id#* name grade");
    let children = table("children", "id#* parent>parents.id what");
    let rules = TableRules::default();
    for (parent, child, expected) in [
        (
            ["5|a|1", "5|a|1", "5|b|2"],
            ["", "1|5|of a", ""],
            ["5|b|2", "6|a|1", "1|6|of a"],
        ),
        (
            ["5|a|1", "5|b|2", "5|a|1"],
            ["", "", "1|5|of a"],
            ["5|a|1", "6|b|2", "1|5|of a"],
        ),
    ] {
        let inputs = vec![input(&parents, &rules, &[parent]), input(&children, &rules, &[child])];
        let (outcome, _) = converge(inputs);
        assert_eq!(outcome, [rows(&expected[..2]), rows(&expected[2..])]);
    }
}
