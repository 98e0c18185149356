//! What people read of backups, as snapshots.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use serde_json::json;

use super::super::style::Style;
use super::{list, prune, restore};
use crate::control::types::{
    BackupInfo, BackupList, BackupRule, ColumnMove, CycleSummary, Outcome, PruneReport, RestoreLeft, RestoreReport,
    RestoreRow, RestoreTable, Skipped, Take,
};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn style() -> Style {
    Style {
        color: false,
        now: at("2026-11-23T10:35:12Z"),
        zone: TimeZone::fixed(offset(1)),
    }
}

fn backup(stamp: &str, time: &str) -> BackupInfo {
    BackupInfo {
        name: format!("products.db.backup_{stamp}"),
        time: Some(at(time)),
        size: 4_412_416,
        whole: true,
        kept: Some("last".to_owned()),
        ..BackupInfo::default()
    }
}

fn backups() -> BackupList {
    BackupList {
        as_of: Some(at("2026-11-23T10:35:12Z")),
        rule: BackupRule {
            enabled: true,
            min_interval_ms: 900_000,
            keep_last: 10,
            keep_daily: 7,
        },
        backups: vec![
            BackupInfo {
                whole: false,
                size: 0,
                kept: Some("unfinished".to_owned()),
                ..backup("20261123_103510", "2026-11-23T10:35:10Z")
            },
            BackupInfo {
                verified: Some(at("2026-11-23T10:00:00Z")),
                ..backup("20261123_090000", "2026-11-23T09:00:00Z")
            },
            BackupInfo {
                damage: Some(
                    "*** in database backup ***\nTree 4 page 4: btreeInitPage() returns error code 11\u{1b}[2J"
                        .to_owned(),
                ),
                kept: Some("daily".to_owned()),
                ..backup("20261122_090000", "2026-11-22T09:00:00Z")
            },
            BackupInfo {
                kept: None,
                ..backup("20261101_090000", "2026-11-01T09:00:00Z")
            },
        ],
    }
}

#[test]
fn the_list_of_backups() {
    insta::assert_snapshot!(list::render(&backups(), &style()));
    let none = BackupList {
        backups: Vec::new(),
        rule: BackupRule {
            keep_last: 10,
            ..BackupRule::default()
        },
        ..backups()
    };
    insta::assert_snapshot!("no_backups", list::render(&none, &style()));
}

#[test]
fn what_goes() {
    let report = PruneReport {
        dry_run: true,
        removed: vec![backups().backups.remove(3)],
        freed: 4_412_416,
        kept: 3,
    };
    insta::assert_snapshot!(prune::render(&report, &style()));
}

fn report() -> RestoreReport {
    let key = |url: &str| BTreeMap::from([("url".to_owned(), json!(url))]);
    RestoreReport {
        name: "products.db.backup_20261123_090000".to_owned(),
        take: Some(Take::Backup),
        plan: "0123456789ab".to_owned(),
        as_of: Some(at("2026-11-23T10:35:12Z")),
        tables: vec![
            RestoreTable {
                table: "products".to_owned(),
                now: 1760,
                backup: 1758,
                missing: 1,
                changed: 1,
                added: 3,
                kept_columns: vec!["stock".to_owned()],
            },
            RestoreTable {
                table: "assessment_queue".to_owned(),
                now: 40,
                backup: 40,
                ..RestoreTable::default()
            },
        ],
        left_out: vec![Skipped {
            name: "notes".to_owned(),
            reason: "the backup has no such table".to_owned(),
        }],
        inserts: 1,
        updates: 1,
        deletes: 3,
        rows: vec![RestoreRow {
            table: "products".to_owned(),
            key: key("https://shop.example/a"),
            action: "update".to_owned(),
            columns: vec![ColumnMove {
                column: "title".to_owned(),
                old: json!("Dress"),
                new: json!("Blue dress"),
            }],
        }],
        cycle: None,
        left: Vec::new(),
    }
}

#[test]
fn what_a_restore_would_do_and_did() {
    insta::assert_snapshot!("restore_planned", restore::render(&report(), &style()));
    let done = RestoreReport {
        rows: Vec::new(),
        updates: 0,
        left: vec![RestoreLeft {
            table: "products".to_owned(),
            key: BTreeMap::from([("url".to_owned(), json!("https://shop.example/a"))]),
            reason: "it was changed on the server, or another row stands in its way there".to_owned(),
        }],
        cycle: Some(CycleSummary {
            cycle: Some(43),
            outcome: Outcome::Synced,
            pulled: 1,
            pushed: 1,
            deleted: 6,
            backup: Some("products.db.backup_20261123_103512".to_owned()),
            ..CycleSummary::default()
        }),
        ..report()
    };
    insta::assert_snapshot!("restore_done", restore::render(&done, &style()));
    let nothing = RestoreReport {
        name: report().name,
        take: Some(Take::Local),
        ..RestoreReport::default()
    };
    insta::assert_snapshot!("restore_of_nothing", restore::render(&nothing, &style()));
}
