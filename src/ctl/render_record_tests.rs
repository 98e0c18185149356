//! What people read of the record, as snapshots (`snapshots/`).

use std::collections::BTreeMap;

use serde_json::json;

use super::exit::Exit;
use super::render_tests::{HOSTILE, at, moved, moves, style, synced};
use super::{amended, conflicts, history, show, text};
use crate::control::types::{
    AmendReport, ConflictColumn, ConflictRecord, ConflictsReport, CycleReport, CycleSummary, HistoryReport, LeftRow,
    Outcome, RecordedCycle, Resolution, RowChange, Side,
};

fn undo() -> CycleSummary {
    CycleSummary {
        cycle: Some(43),
        trigger: "undo".to_owned(),
        undoes: Some(41),
        pulled: 1,
        pushed: 1,
        backup: None,
        tables: Vec::new(),
        ..synced()
    }
}

fn recorded(summary: CycleSummary, undone_by: Option<i64>) -> RecordedCycle {
    RecordedCycle {
        summary,
        undone_by,
        moves: Vec::new(),
    }
}

fn conflict(id: i64, resolved: Option<Resolution>) -> ConflictRecord {
    ConflictRecord {
        id: Some(id),
        cycle: Some(42),
        table: "products".to_owned(),
        key: BTreeMap::from([("url".to_owned(), json!("https://shop.example/a"))]),
        winner: Side::Server,
        reason: "its decision is the newer one".to_owned(),
        columns: vec![ConflictColumn {
            column: "title".to_owned(),
            base: json!("Dress"),
            local: json!("Blue dress"),
            server: json!(HOSTILE),
        }],
        at: Some(at("2026-11-23T10:35:00Z")),
        seen: resolved.is_some(),
        resolved,
    }
}

fn report() -> AmendReport {
    let key = |url: &str| BTreeMap::from([("url".to_owned(), json!(url))]);
    let change = moved(Side::Local, "update", &[("title", json!(HOSTILE), json!("Dress"))]);
    AmendReport {
        rows: vec![RowChange {
            table: change.table,
            key: change.key,
            action: change.action,
            columns: change.columns,
        }],
        left: vec![LeftRow {
            table: "products".to_owned(),
            key: key("https://shop.example/b"),
            conflict: None,
            reason: "title has changed since".to_owned(),
        }],
        resolved: Vec::new(),
        cycle: CycleSummary {
            backup: Some("products.db.backup_20261123_103500".to_owned()),
            ..undo()
        },
    }
}

#[test]
fn the_history_and_one_of_a_row() {
    let all = HistoryReport {
        cycles: vec![
            recorded(undo(), None),
            recorded(
                CycleSummary {
                    outcome: Outcome::Interrupted,
                    reason: Some("it was cut off; the next cycle went on from there".to_owned()),
                    ..synced()
                },
                None,
            ),
            recorded(
                CycleSummary {
                    cycle: Some(41),
                    started: Some(at("2026-11-22T09:00:00Z")),
                    deleted: 2,
                    ..synced()
                },
                Some(43),
            ),
        ],
        more: true,
    };
    let of_a_row = HistoryReport {
        cycles: vec![RecordedCycle {
            moves: moves().into_iter().take(2).collect(),
            ..recorded(synced(), None)
        }],
        more: false,
    };
    let texts = [all, of_a_row, HistoryReport::default()].map(|report| history::render(&report, &style()));
    insta::assert_snapshot!(texts.join("--\n"));
}

#[test]
fn one_cycle_row_by_row() {
    let report = CycleReport {
        summary: CycleSummary {
            conflicts: 1,
            outcome: Outcome::Attention,
            ..synced()
        },
        undone_by: Some(43),
        moves: moves(),
        total: 1200,
        conflicts: vec![conflict(7, None)],
    };
    insta::assert_snapshot!(show::render(&report, &style()));
}

#[test]
fn what_an_undo_wrote_and_left() {
    let done = report();
    let planned = AmendReport {
        cycle: CycleSummary {
            cycle: None,
            outcome: Outcome::Planned,
            ..undo()
        },
        ..report()
    };
    let stopped = AmendReport {
        rows: Vec::new(),
        cycle: CycleSummary {
            cycle: None,
            outcome: Outcome::Stopped,
            reason: Some("products is empty on the laptop".to_owned()),
            hint: Some("put the right file back".to_owned()),
            ..undo()
        },
        ..report()
    };
    let nothing = AmendReport {
        cycle: CycleSummary {
            outcome: Outcome::Unchanged,
            ..CycleSummary::default()
        },
        ..AmendReport::default()
    };
    let resolved = AmendReport {
        resolved: vec![7, 9],
        ..nothing.clone()
    };
    let exits = [&done, &planned, &stopped, &nothing].map(amended::exit);
    assert_eq!(exits, [Exit::Attention, Exit::Attention, Exit::Attention, Exit::Done]);
    let texts = [done, planned, stopped, nothing, resolved].map(|report| amended::render(&report, &style()));
    insta::assert_snapshot!(texts.join("--\n"));
}

#[test]
fn conflicts_that_wait_and_that_were_resolved() {
    let resolution = |cycle| Resolution {
        take: Side::Local,
        at: at("2026-11-23T10:35:09Z"),
        cycle,
    };
    let listed = ConflictsReport {
        conflicts: vec![
            conflict(9, None),
            conflict(8, Some(resolution(Some(43)))),
            conflict(7, Some(resolution(None))),
        ],
        more: true,
        unseen: 1,
    };
    let texts = [listed, ConflictsReport::default()].map(|report| conflicts::render(&report, &style()));
    insta::assert_snapshot!(texts.join("--\n"));
}

#[test]
fn nothing_of_the_record_holds_a_terminal_control() {
    let texts = [
        amended::render(&report(), &style()),
        conflicts::render_one(&conflict(7, None), &style()),
    ];
    for text in texts {
        assert!(text.contains("Dress\\u{1b}[2J"), "{text}");
        assert!(!text.replace('\n', "").contains(text::is_unsafe), "{text:?}");
    }
}
