//! The rules for single rows, one case a line.

use super::*;
use crate::merge::Reason::{self, *};
use crate::model::Side::{Local, Server};

const GONE: &str = "";

/// What a case expects: the row on both sides, and the conflicts as winner, reason and column names.
struct Case {
    what: &'static str,
    base: &'static str,
    local: &'static str,
    server: &'static str,
    expected: &'static str,
    conflicts: &'static [(Side, Reason, &'static str)],
}

const fn case(
    what: &'static str,
    [base, local, server]: [&'static str; 3],
    expected: &'static str,
    conflicts: &'static [(Side, Reason, &'static str)],
) -> Case {
    Case {
        what,
        base,
        local,
        server,
        expected,
        conflicts,
    }
}

const ALL: &str = "url title price stage at last_updated";

/// Columns: url, title, price, stage and at (a group), last_updated.
#[rustfmt::skip]
const CASES: &[Case] = &[
    // One side alone.
    case("changed on the laptop", ["u|t|1|-|-|-", "u|T|1|-|-|-", "u|t|1|-|-|-"], "u|T|1|-|-|-", &[]),
    case("changed on the server", ["u|t|1|-|-|-", "u|t|1|-|-|-", "u|t|2|-|-|-"], "u|t|2|-|-|-", &[]),
    case("set to NULL on one side", ["u|t|1|-|-|-", "u|t|-|-|-|-", "u|t|1|-|-|-"], "u|t|-|-|-|-", &[]),
    case("inserted on the laptop", [GONE, "u|t|1|-|-|-", GONE], "u|t|1|-|-|-", &[]),
    case("inserted on the server", [GONE, GONE, "u|t|1|-|-|-"], "u|t|1|-|-|-", &[]),
    // Both sides, no conflict.
    case("both, the same value", ["u|t|1|-|-|-", "u|T|1|-|-|-", "u|T|1|-|-|-"], "u|T|1|-|-|-", &[]),
    case("both, different columns", ["u|t|1|-|-|-", "u|T|1|-|-|-", "u|t|2|-|-|-"], "u|T|2|-|-|-", &[]),
    case("both, a column and the group", ["u|t|1|-|-|-", "u|T|1|-|-|-", "u|t|1|ok|2025-01-01|-"], "u|T|1|ok|2025-01-01|-", &[]),
    case("both inserted the same", [GONE, "u|t|1|-|-|-", "u|t|1|-|-|-"], "u|t|1|-|-|-", &[]),
    // The group.
    case("group: the later time, whole", ["u|t|1|-|-|-", "u|t|1|no|2025-01-02|-", "u|t|1|ok|2025-01-01|-"],
        "u|t|1|no|2025-01-02|-", &[(Local, NewerGroup, "stage at")]),
    case("group: not mixed cell by cell", ["u|t|1|a|2025-01-01|-", "u|t|1|a|2025-01-03|-", "u|t|1|b|2025-01-02|-"],
        "u|t|1|a|2025-01-03|-", &[(Local, NewerGroup, "stage at")]),
    case("group: decided beats undecided", ["u|t|1|a|2025-01-01|-", "u|t|1|-|-|-", "u|t|1|ok|2024-01-01|-"],
        "u|t|1|ok|2024-01-01|-", &[(Server, DecidedBeatsUndecided, "stage at")]),
    case("group: decided on the laptop", ["u|t|1|a|-|-", "u|t|1|ok|2024-01-01|-", "u|t|1|b|-|-"],
        "u|t|1|ok|2024-01-01|-", &[(Local, DecidedBeatsUndecided, "stage at")]),
    case("group: equal times, the server", ["u|t|1|-|-|-", "u|t|1|no|2025-01-01|-", "u|t|1|ok|2025-01-01|-"],
        "u|t|1|ok|2025-01-01|-", &[(Server, EqualTimesServer, "stage at")]),
    case("group: no times, the server", ["u|t|1|-|-|-", "u|t|1|no|-|-", "u|t|1|ok|-|-"],
        "u|t|1|ok|-|-", &[(Server, EqualTimesServer, "stage at")]),
    case("group: unreadable loses", ["u|t|1|-|-|-", "u|t|1|no|soon|-", "u|t|1|ok|2020-01-01|-"],
        "u|t|1|ok|2020-01-01|-", &[(Server, UnreadableTime, "stage at")]),
    case("group: readable on the laptop", ["u|t|1|-|-|-", "u|t|1|no|2020-01-01|-", "u|t|1|ok|soon|-"],
        "u|t|1|no|2020-01-01|-", &[(Local, UnreadableTime, "stage at")]),
    case("group: both unreadable, the server", ["u|t|1|-|-|-", "u|t|1|no|soon|-", "u|t|1|ok|later|-"],
        "u|t|1|ok|later|-", &[(Server, UnreadableTime, "stage at")]),
    // Times are instants: the laptop is in UTC, the server an hour ahead.
    case("a 'T' does not sort after a space", ["u|t|1|-|-|-", "u|t|1|no|2025-11-23T10:35:00.123456|-", "u|t|1|ok|2025-11-23 11:36:00|-"],
        "u|t|1|ok|2025-11-23 11:36:00|-", &[(Server, NewerGroup, "stage at")]),
    case("a fraction counts", ["u|t|1|-|-|-", "u|t|1|no|2025-11-23T10:35:00.123456|-", "u|t|1|ok|2025-11-23 11:35:00|-"],
        "u|t|1|no|2025-11-23T10:35:00.123456|-", &[(Local, NewerGroup, "stage at")]),
    case("naive times are in the zone of their side", ["u|t|1|-|-|-", "u|t|1|no|2025-11-23T10:35:00|-", "u|t|1|ok|2025-11-23 11:34:00|-"],
        "u|t|1|no|2025-11-23T10:35:00|-", &[(Local, NewerGroup, "stage at")]),
    case("Z and a naive time, the same instant", ["u|t|1|-|-|-", "u|t|1|no|2025-11-23T10:35:00Z|-", "u|t|1|ok|2025-11-23 11:35:00|-"],
        "u|t|1|ok|2025-11-23 11:35:00|-", &[(Server, EqualTimesServer, "stage at")]),
    case("an offset and a naive time", ["u|t|1|-|-|-", "u|t|1|no|2025-11-23T12:35:01+02:00|-", "u|t|1|ok|2025-11-23 11:35:00|-"],
        "u|t|1|no|2025-11-23T12:35:01+02:00|-", &[(Local, NewerGroup, "stage at")]),
    case("a copied time is the same time in any zone", ["u|t|1|-|-|-", "u|t|1|no|2025-11-23 10:35:00|-", "u|t|1|ok|2025-11-23 10:35:00|-"],
        "u|t|1|ok|2025-11-23 10:35:00|-", &[(Server, EqualTimesServer, "stage at")]),
    case("an epoch number and a text", ["u|t|1|-|-|-", "u|t|1|no|1763894101|-", "u|t|1|ok|2025-11-23 11:35:00|-"],
        "u|t|1|no|1763894101|-", &[(Local, NewerGroup, "stage at")]),
    // last_updated.
    case("last_updated: the later one, no conflict", ["u|t|1|-|-|2025-01-01", "u|t|1|-|-|2025-01-03", "u|t|1|-|-|2025-01-02"],
        "u|t|1|-|-|2025-01-03", &[]),
    case("last_updated: one spelling of an instant", ["u|t|1|-|-|-", "u|t|1|-|-|2025-11-23T10:35:00", "u|t|1|-|-|2025-11-23 11:35:00"],
        "u|t|1|-|-|2025-11-23 11:35:00", &[]),
    // Other columns.
    case("the row that was updated later", ["u|t|1|-|-|2025-01-01", "u|T|1|-|-|2025-01-02", "u|tt|1|-|-|2025-01-03"],
        "u|tt|1|-|-|2025-01-03", &[(Server, NewerRow, "title")]),
    case("the row that has a time at all", ["u|t|1|-|-|-", "u|T|1|-|-|-", "u|tt|1|-|-|2025-01-03"],
        "u|tt|1|-|-|2025-01-03", &[(Server, NewerRow, "title")]),
    case("equal times, the laptop", ["u|t|1|-|-|2025-01-01", "u|T|2|-|-|2025-01-01", "u|tt|3|-|-|2025-01-01"],
        "u|T|2|-|-|2025-01-01", &[(Local, EqualTimesLocal, "title price")]),
    case("only the contested column", ["u|t|1|-|-|-", "u|T|1|-|-|-", "u|tt|3|-|-|-"],
        "u|T|3|-|-|-", &[(Local, EqualTimesLocal, "title")]),
    case("an unreadable last_updated loses", ["u|t|1|-|-|-", "u|T|1|-|-|soon", "u|tt|1|-|-|2025-01-01"],
        "u|tt|1|-|-|2025-01-01", &[(Server, UnreadableTime, "title")]),
    case("a group and a column, two conflicts", ["u|t|1|-|-|-", "u|T|1|no|2025-01-01|-", "u|tt|1|ok|2025-01-02|-"],
        "u|T|1|ok|2025-01-02|-", &[(Server, NewerGroup, "stage at"), (Local, EqualTimesLocal, "title")]),
    // Deletions.
    case("deleted on the laptop, unchanged", ["u|t|1|-|-|-", GONE, "u|t|1|-|-|-"], GONE, &[]),
    case("deleted on the server, unchanged", ["u|t|1|-|-|-", "u|t|1|-|-|-", GONE], GONE, &[]),
    case("deleted on both", ["u|t|1|-|-|-", GONE, GONE], GONE, &[]),
    case("deleted on the laptop, changed", ["u|t|1|-|-|-", GONE, "u|T|1|-|-|-"], "u|T|1|-|-|-", &[(Server, ChangeBeatsDelete, ALL)]),
    case("deleted on the server, changed", ["u|t|1|-|-|-", "u|T|1|-|-|-", GONE], "u|T|1|-|-|-", &[(Local, ChangeBeatsDelete, ALL)]),
    // No base.
    case("no base, a NULL is nobody's change", [GONE, "u|t|1|-|-|-", "u|t|1|ok|2025-01-01|-"], "u|t|1|ok|2025-01-01|-", &[]),
    case("no base, a losing value is kept", [GONE, "u|t|1|pending|-|-", "u|t|1|ok|2025-01-01|-"],
        "u|t|1|ok|2025-01-01|-", &[(Server, DecidedBeatsUndecided, "stage at")]),
    case("no base, another column", [GONE, "u|t|1|-|-|-", "u|T|1|-|-|-"], "u|t|1|-|-|-", &[(Local, EqualTimesLocal, "title")]),
];

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

#[test]
fn the_rules_of_a_row() {
    let (table, rules) = products();
    for case in CASES {
        let (outcome, plan) = converge(vec![input(&table, &rules, &[[case.base, case.local, case.server]])]);
        assert_eq!(
            outcome[0],
            maybe(case.expected).into_iter().collect::<Vec<_>>(),
            "{}",
            case.what
        );
        let conflicts = plan.tables[0].conflicts.iter().map(|conflict| {
            let names: Vec<&str> = conflict
                .columns
                .iter()
                .map(|&c| table.columns[c].name.as_str())
                .collect();
            assert_eq!(conflict.base, maybe(case.base), "{}: the base in the record", case.what);
            assert_eq!(
                conflict.local,
                maybe(case.local),
                "{}: the laptop's row in the record",
                case.what
            );
            assert_eq!(
                conflict.server,
                maybe(case.server),
                "{}: the server's row in the record",
                case.what
            );
            (conflict.winner, conflict.reason, names.join(" "))
        });
        let expected = case
            .conflicts
            .iter()
            .map(|(side, reason, columns)| (*side, *reason, (*columns).to_owned()));
        assert_eq!(
            conflicts.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{}",
            case.what
        );
    }
}

#[test]
fn a_side_that_has_the_outcome_is_not_written() {
    let (table, rules) = products();
    let rows = [
        ["a|t|1|-|-|-", "a|T|1|-|-|-", "a|t|1|-|-|-"],
        ["b|t|1|-|-|-", "b|T|1|-|-|-", "b|T|1|-|-|-"],
        ["c|t|1|-|-|-", "c|t|1|-|-|-", "c|t|2|-|-|-"],
    ];
    let (_, plan) = converge(vec![input(&table, &rules, &rows)]);
    let update = |before, after| RowOp::Update {
        before: row(before),
        after: row(after),
    };
    assert_eq!(plan.tables[0].to_server, [update("a|t|1|-|-|-", "a|T|1|-|-|-")]);
    assert_eq!(plan.tables[0].to_local, [update("c|t|1|-|-|-", "c|t|2|-|-|-")]);
}

#[test]
fn deletes_come_first_and_inserts_last() {
    let (table, rules) = products();
    let rows = [
        ["", "a|t|1|-|-|-", ""],
        ["b|t|1|-|-|-", "b|T|1|-|-|-", "b|t|1|-|-|-"],
        ["c|t|1|-|-|-", "", "c|t|1|-|-|-"],
    ];
    let (_, plan) = converge(vec![input(&table, &rules, &rows)]);
    assert!(matches!(
        plan.tables[0].to_server.as_slice(),
        [RowOp::Delete(_), RowOp::Update { .. }, RowOp::Insert(_)]
    ));
}
