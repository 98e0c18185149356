//! What people read, as snapshots (`snapshots/`), from one set of sample data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use serde_json::{Value as Json, json};

use super::style::Style;
use super::{check, cycle, diff, pause, status, text, verify};
use crate::control::types::{
    CheckReport, ColumnMove, ConflictColumn, ConflictRecord, CycleSummary, DiffReport, Move, ObjectKind, Outcome,
    Pending, RecentAssessment, SchemaMove, Side, SideCounts, Skipped, State, Status, TableCheck, TableMoves,
    TableVerify, VerifyReport,
};

/// A title as a hostile server could send it: it would clear the screen and name the window.
pub(super) const HOSTILE: &str = "Dress\x1b[2J\x1b]0;owned\x07\u{9b}31m\r\nfake line\u{202e}";

pub(super) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub(super) fn style() -> Style {
    Style {
        color: false,
        now: at("2026-11-23T10:35:12Z"),
        zone: TimeZone::fixed(offset(1)),
    }
}

fn counts(rows: u64, assessed: u64) -> SideCounts {
    SideCounts {
        pending_reviews: Some(12),
        pending_by_retailer: BTreeMap::from([("mango".to_owned(), 4), ("zara".to_owned(), 8)]),
        assessed: Some(assessed),
        recent: vec![
            RecentAssessment {
                url: "https://shop.example/a".to_owned(),
                title: Some("Blue dress".to_owned()),
                lifecycle_stage: Some("assessed_approved".to_owned()),
                assessed_at: Some("2026-11-23 10:30:12".to_owned()),
            },
            RecentAssessment {
                url: "https://shop.example/b".to_owned(),
                title: Some(HOSTILE.to_owned()),
                lifecycle_stage: Some("assessed_rejected".to_owned()),
                assessed_at: Some("2026-11-23 10:29:58".to_owned()),
            },
        ],
        rows,
        tables: BTreeMap::from([("assessment_queue".to_owned(), 40), ("products".to_owned(), rows - 40)]),
    }
}

pub(super) fn synced() -> CycleSummary {
    CycleSummary {
        cycle: Some(42),
        outcome: Outcome::Synced,
        trigger: "watch".to_owned(),
        started: Some(at("2026-11-23T10:35:00Z")),
        pulled: 5,
        pushed: 7,
        backup: Some("products.db.backup_20261123_103500".to_owned()),
        duration_ms: 154,
        bytes_sent: 4_096,
        bytes_received: 812,
        round_trips: 2,
        tables: vec![
            TableMoves {
                table: "products".to_owned(),
                pulled: 5,
                pushed: 7,
                deleted: 0,
            },
            TableMoves {
                table: "assessment_queue".to_owned(),
                ..TableMoves::default()
            },
        ],
        ..CycleSummary::default()
    }
}

fn idle() -> Status {
    Status {
        state: State::Idle,
        in_sync: Some(true),
        as_of: Some(at("2026-11-23T10:35:10Z")),
        pending: Pending {
            pull: Some(0),
            push: Some(0),
        },
        last_cycle: Some(synced()),
        next_run: Some(at("2026-11-23T10:45:00Z")),
        local: Some(counts(1204, 800)),
        server: Some(counts(1204, 800)),
        recommendation: "Nothing to do.".to_owned(),
        engine: Some("sqlite3 3.40.1".to_owned()),
        database: "/home/ana/scraper/Shared/products.db".to_owned(),
        remote: "root@assess:/var/www/html/data/products.db".to_owned(),
        ..Status::default()
    }
}

pub(super) fn moved(to: Side, action: &str, columns: &[(&str, Json, Json)]) -> Move {
    Move {
        table: "products".to_owned(),
        key: BTreeMap::from([("url".to_owned(), json!("https://shop.example/a"))]),
        to,
        action: action.to_owned(),
        columns: columns
            .iter()
            .map(|(column, old, new)| ColumnMove {
                column: (*column).to_owned(),
                old: old.clone(),
                new: new.clone(),
            })
            .collect(),
    }
}

pub(super) fn moves() -> Vec<Move> {
    vec![
        moved(
            Side::Local,
            "update",
            &[
                (
                    "lifecycle_stage",
                    json!("pending_assessment"),
                    json!("assessed_approved"),
                ),
                ("assessed_at", Json::Null, json!("2026-11-23 10:30:12")),
            ],
        ),
        moved(
            Side::Server,
            "insert",
            &[
                ("title", Json::Null, json!(HOSTILE)),
                ("price", Json::Null, json!(42.5)),
            ],
        ),
        moved(
            Side::Server,
            "delete",
            &[("picture", json!({"blob": "00ff"}), Json::Null)],
        ),
    ]
}

#[test]
fn status_in_sync() {
    insta::assert_snapshot!(status::render(&idle(), &style()));
}

#[test]
fn status_of_a_daemon_that_knows_nothing_yet() {
    insta::assert_snapshot!(status::render(&Status::default(), &style()));
}

#[test]
fn status_offline_with_rows_waiting() {
    let offline = Status {
        state: State::Offline,
        reason: Some("reach root@assess: connection timed out".to_owned()),
        in_sync: Some(false),
        as_of: Some(at("2026-11-22T21:00:00Z")),
        pending: Pending {
            pull: None,
            push: Some(7),
        },
        next_try: Some(at("2026-11-23T10:36:00Z")),
        next_run: None,
        server: None,
        recommendation: "Check the network; the daemon goes on trying.".to_owned(),
        engine: None,
        ..idle()
    };
    insta::assert_snapshot!(status::render(&offline, &style()));
}

#[test]
fn status_that_needs_a_person() {
    let attention = Status {
        state: State::Attention,
        reason: Some("products: 400 of 1164 rows were deleted on the laptop, more than 25%".to_owned()),
        in_sync: Some(false),
        pending: Pending {
            pull: Some(3),
            push: Some(400),
        },
        last_cycle: Some(CycleSummary {
            outcome: Outcome::Stopped,
            reason: Some("too many deletions".to_owned()),
            pulled: 0,
            pushed: 0,
            ..synced()
        }),
        conflicts: 2,
        left_out: vec![Skipped {
            name: "v_recent".to_owned(),
            reason: "a view".to_owned(),
        }],
        recommendation: "If they are meant: `modsyncctl sync-now --allow-deletes`.".to_owned(),
        ..idle()
    };
    insta::assert_snapshot!(status::render(&attention, &style()));
}

#[test]
fn status_in_colour() {
    let colour = Style { color: true, ..style() };
    insta::assert_snapshot!(status::render(&idle(), &colour).replace('\x1b', "<ESC>"));
}

#[test]
fn a_pause_in_one_line() {
    let paused = |until: Option<&str>| Status {
        state: State::Paused,
        paused_until: until.map(at),
        ..idle()
    };
    assert_eq!(
        pause::render(&paused(None), &style()),
        "paused until `modsyncctl resume`\n"
    );
    assert_eq!(
        pause::render(&paused(Some("2026-11-23T12:35:00Z")), &style()),
        "paused until 13:35:00\n"
    );
    assert_eq!(
        pause::render(&paused(Some("2026-11-24T12:35:00Z")), &style()),
        "paused until 2026-11-24 13:35:00\n"
    );
    assert_eq!(pause::render(&idle(), &style()), "not paused, idle\n");
}

#[test]
fn summaries_of_cycles() {
    let unchanged = CycleSummary {
        outcome: Outcome::Unchanged,
        cycle: None,
        duration_ms: 48,
        round_trips: 1,
        ..CycleSummary::default()
    };
    let planned = CycleSummary {
        outcome: Outcome::Planned,
        cycle: None,
        backup: None,
        ..synced()
    };
    let attention = CycleSummary {
        outcome: Outcome::Attention,
        reason: Some("the schemas of retailer_url_patterns differ".to_owned()),
        conflicts: 1,
        held: 3,
        deleted: 2,
        duration_ms: 75_000,
        bytes_sent: 4_400_000,
        ..synced()
    };
    let all = [synced(), unchanged, planned, attention];
    insta::assert_snapshot!(all.map(|each| cycle::render(&each, &style())).join("--\n"));
}

#[test]
fn check_of_two_sides_apart() {
    let report = CheckReport {
        in_sync: false,
        as_of: Some(at("2026-11-23T10:35:12Z")),
        tables: vec![
            TableCheck {
                table: "products".to_owned(),
                to_push: 7,
                to_pull: 3,
                conflicts: 1,
                ..TableCheck::default()
            },
            TableCheck {
                table: "catalog_products".to_owned(),
                ..TableCheck::default()
            },
        ],
        local: counts(1211, 797),
        server: counts(1204, 800),
        left_out: vec![],
        schema: vec![],
        recommendation: "Run `modsyncctl sync-now`.".to_owned(),
    };
    insta::assert_snapshot!(check::render(&report, &style()));
}

#[test]
fn a_plan_with_moves_each_way_and_a_conflict() {
    let report = DiffReport {
        plan: "3f9a1c".to_owned(),
        as_of: Some(at("2026-11-23T10:35:12Z")),
        moves: moves(),
        conflicts: vec![ConflictRecord {
            id: None,
            cycle: None,
            table: "products".to_owned(),
            key: BTreeMap::from([("url".to_owned(), json!(HOSTILE))]),
            winner: Side::Server,
            reason: "newer_group".to_owned(),
            columns: vec![ConflictColumn {
                column: "modesty_status".to_owned(),
                base: Json::Null,
                local: json!("modest"),
                server: json!("not_modest"),
            }],
            at: None,
            seen: false,
            resolved: None,
        }],
        stopped: None,
        schema: vec![],
    };
    insta::assert_snapshot!(diff::render(&report, &style()));
}

#[test]
fn additions_to_a_schema_have_a_line_each() {
    let schema = vec![
        SchemaMove {
            side: Side::Server,
            kind: ObjectKind::Column,
            name: format!("products.{HOSTILE}"),
            sql: "ALTER TABLE".to_owned(),
        },
        SchemaMove {
            side: Side::Local,
            kind: ObjectKind::Table,
            name: "reviews".to_owned(),
            sql: "CREATE TABLE".to_owned(),
        },
    ];
    let cycle = CycleSummary {
        schema: schema.clone(),
        ..synced()
    };
    let report = DiffReport {
        schema: schema.clone(),
        ..DiffReport::default()
    };
    let checked = CheckReport {
        schema,
        ..CheckReport::default()
    };
    for text in [
        cycle::render(&cycle, &style()),
        diff::render(&report, &style()),
        check::render(&checked, &style()),
    ] {
        assert!(text.contains("  table reviews, on the laptop\n"), "{text}");
        assert!(text.contains("  column products."), "{text}");
        assert!(!text.replace('\n', "").contains(text::is_unsafe), "{text:?}");
        assert!(!text.contains("nothing to move"), "{text}");
    }
}

#[test]
fn an_empty_plan_and_one_that_would_stop() {
    let empty = DiffReport {
        plan: "000000".to_owned(),
        as_of: Some(at("2026-11-23T10:35:12Z")),
        ..DiffReport::default()
    };
    let stopped = DiffReport {
        stopped: Some("products is empty on the laptop".to_owned()),
        ..empty.clone()
    };
    insta::assert_snapshot!([empty, stopped].map(|each| diff::render(&each, &style())).join("--\n"));
}

#[test]
fn a_proof_and_its_failure() {
    let same = TableVerify {
        table: "assessment_queue".to_owned(),
        local_rows: 40,
        server_rows: 40,
        equal: true,
        ..TableVerify::default()
    };
    let equal = VerifyReport {
        equal: true,
        as_of: Some(at("2026-11-23T10:35:12Z")),
        tables: vec![same.clone()],
        held: Vec::new(),
    };
    let apart = VerifyReport {
        equal: false,
        tables: vec![
            same,
            TableVerify {
                table: "products".to_owned(),
                local_rows: 1164,
                server_rows: 1164,
                equal: false,
                differences: moves().into_iter().take(1).collect(),
                differing: 3,
            },
        ],
        ..equal.clone()
    };
    insta::assert_snapshot!([equal, apart].map(|each| verify::render(&each, &style())).join("--\n"));
}

#[test]
fn nothing_rendered_holds_a_terminal_control() {
    let report = DiffReport {
        moves: moves(),
        ..DiffReport::default()
    };
    for text in [diff::render(&report, &style()), status::render(&idle(), &style())] {
        assert!(text.contains("Dress\\u{1b}[2J"), "{text}");
        assert!(!text.replace('\n', "").contains(text::is_unsafe), "{text:?}");
    }
}
