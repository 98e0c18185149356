//! The screen at several sizes, as snapshots, and what must hold at any size.

use std::collections::BTreeMap;

use ratatui::style::Color;
use serde_json::json;

use super::*;
use crate::control::types::{ColumnMove, CycleBrief, Move, MovedRows, Outcome, Phase, Recent, Side, Skipped};
use crate::ctl::render_tests::{HOSTILE, at, counts, style, synced};

fn moved(table: &str, to: Side, action: &str, key: &str, columns: &[(&str, &str, &str)]) -> Move {
    let cell = |value: &str| if value == "NULL" { json!(null) } else { json!(value) };
    let column = |(name, old, new): &(&str, &str, &str)| ColumnMove {
        column: (*name).to_owned(),
        old: cell(old),
        new: cell(new),
    };
    Move {
        table: table.to_owned(),
        key: BTreeMap::from([("url".to_owned(), json!(key))]),
        to,
        action: action.to_owned(),
        columns: columns.iter().map(column).collect(),
    }
}

fn recent() -> Recent {
    let outcomes = [
        (Outcome::Synced, 334),
        (Outcome::Unchanged, 0),
        (Outcome::Synced, 3),
        (Outcome::Offline, 0),
        (Outcome::Synced, 40),
        (Outcome::Failed, 0),
        (Outcome::Attention, 2),
        (Outcome::Synced, 12),
    ];
    let cycle = |(index, (outcome, rows)): (usize, (Outcome, u64))| CycleBrief {
        cycle: i64::try_from(index).ok(),
        outcome,
        rows,
        ..CycleBrief::default()
    };
    let address = |end: &str| format!("https://aab.example/collections/new/products/{end}");
    let update = [("status", "pending", "reviewed"), ("review_decision", "NULL", "modest")];
    let insert = [
        ("url", "x", "x"),
        ("retailer", "NULL", "Aab"),
        ("title", "NULL", HOSTILE),
    ];
    Recent {
        cycles: outcomes.into_iter().enumerate().map(cycle).cycle().take(30).collect(),
        moved: Some(MovedRows {
            cycle: Some(42),
            started: Some(at("2026-11-23T10:35:00Z")),
            moves: vec![
                moved(
                    "assessment_queue",
                    Side::Local,
                    "update",
                    &address("dress-285"),
                    &update,
                ),
                moved("products", Side::Server, "insert", &address("dress-290"), &insert),
                moved(
                    "products",
                    Side::Server,
                    "delete",
                    &address("gone"),
                    &[("title", "Old", "NULL")],
                ),
                moved(
                    "products",
                    Side::Local,
                    "update",
                    &address("裙-12"),
                    &[("title", "裙", "Dress")],
                ),
            ],
            more: 8,
        }),
    }
}

fn in_sync() -> Model {
    let status = Status {
        state: State::Idle,
        in_sync: Some(true),
        as_of: Some(at("2026-11-23T10:35:09Z")),
        next_run: Some(at("2026-11-23T10:45:00Z")),
        last_cycle: Some(synced()),
        local: Some(counts(334, 205)),
        server: Some(counts(334, 205)),
        recommendation: "nothing to do: both sides hold the same".to_owned(),
        engine: Some("sqlite3 3.40.1".to_owned()),
        database: "/home/ann/scraper/Shared/products.db".to_owned(),
        remote: "root@assess:/var/www/html/web_assessment/data/products.db".to_owned(),
        version: "0.1.0".to_owned(),
        ..Status::default()
    };
    Model {
        status: Some(status),
        recent: recent(),
        ..Model::default()
    }
}

fn with(change: impl FnOnce(&mut Status)) -> Model {
    let mut model = in_sync();
    change(model.status.as_mut().unwrap());
    model
}

fn pushing() -> Model {
    let model = with(|status| {
        status.state = State::Syncing;
        status.in_sync = Some(false);
        status.server = Some(counts(322, 201));
        status.recommendation = "wait for the cycle that runs".to_owned();
    });
    let phase = PhaseEvent {
        phase: Phase::Push,
        done: Some(120),
        total: Some(340),
    };
    Model {
        phase: Some(phase),
        ..model
    }
}

fn attention() -> Model {
    with(|status| {
        status.state = State::Attention;
        status.in_sync = Some(false);
        status.reason = Some(
            "table products: 180 of 307 rows (58.6%) were deleted on the laptop, more than max_delete (25%) allows; \
             nothing was written"
                .to_owned(),
        );
        status.recommendation =
            "run `modsyncctl diff` to see what is held back; `modsyncctl sync-now --allow-deletes` if it is meant"
                .to_owned();
        status.conflicts = 2;
        status.left_out = vec![Skipped {
            name: "notes".to_owned(),
            reason: "no key".to_owned(),
        }];
        status.next_run = None;
    })
}

fn gone() -> Model {
    Model {
        gone: Some(ErrorBody {
            code: ErrorCode::NotRunning,
            error: "reach the daemon at /run/user/1000/modsync/modsyncd.sock: no daemon listens there".to_owned(),
            hint: None,
        }),
        ..in_sync()
    }
}

fn buffer(model: &Model, style: &Style, (width, height): (u16, u16)) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::filled(area, ratatui::buffer::Cell::new("#"));
    draw(model, style, area, &mut buffer);
    buffer
}

/// The buffer as a person sees it, in a frame so that the edges can be seen.
fn screen(model: &Model, (width, height): (u16, u16)) -> String {
    let buffer = buffer(model, &style(), (width, height));
    let edge = format!("+{}+\n", "-".repeat(usize::from(width)));
    let mut text = edge.clone();
    for y in 0..height {
        text.push('|');
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += u16::try_from(Span::raw(symbol).width().max(1)).unwrap();
        }
        text.push_str("|\n");
    }
    text + &edge
}

#[test]
fn a_usual_terminal() {
    insta::assert_snapshot!("in_sync_80x24", screen(&in_sync(), (80, 24)));
    insta::assert_snapshot!("pushing_80x24", screen(&pushing(), (80, 24)));
    insta::assert_snapshot!("attention_80x24", screen(&attention(), (80, 24)));
    insta::assert_snapshot!("gone_80x24", screen(&gone(), (80, 24)));
}

#[test]
fn a_small_terminal() {
    insta::assert_snapshot!("in_sync_40x12", screen(&in_sync(), (40, 12)));
    insta::assert_snapshot!("attention_40x12", screen(&attention(), (40, 12)));
}

#[test]
fn a_large_terminal() {
    insta::assert_snapshot!("in_sync_140x40", screen(&in_sync(), (140, 40)));
    insta::assert_snapshot!("attention_140x40", screen(&attention(), (140, 40)));
}

#[test]
fn before_the_daemon_said_anything() {
    let never = Model {
        status: None,
        recent: Recent::default(),
        ..gone()
    };
    insta::assert_snapshot!("never_heard_60x8", screen(&never, (60, 8)));
    insta::assert_snapshot!("asking_60x8", screen(&Model::default(), (60, 8)));
}

/// Whatever the window is dragged to: no panic, nothing of what stood there before, the state in the first line.
#[test]
fn any_size_is_drawn_whole() {
    for model in [in_sync(), pushing(), attention(), gone(), Model::default()] {
        for width in (1..20).chain([39, 79, 109, 110, 111, 250]) {
            for height in (1..20).chain([60]) {
                let text = screen(&model, (width, height));
                assert!(!text.contains('#'), "{width}x{height}:\n{text}");
                let state = text.lines().nth(1).unwrap();
                assert!(width < 2 || state.starts_with("|m"), "{width}x{height}:\n{text}");
            }
        }
    }
}

#[test]
fn data_gives_the_terminal_no_orders() {
    for model in [in_sync(), attention()] {
        let buffer = buffer(&model, &style(), (250, 60));
        let symbols: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
        assert!(!symbols.contains(text::is_unsafe));
        assert!(symbols.contains("Dress\\u{1b}[2J"), "it is shown all the same");
    }
}

#[test]
fn colour_says_what_words_say_too_and_can_be_left_out() {
    let plain = buffer(&attention(), &style(), (80, 24));
    let unpainted = ratatui::buffer::Cell::default().style();
    assert!(plain.content().iter().all(|cell| cell.style() == unpainted));
    let color = Style { color: true, ..style() };
    let painted = buffer(&attention(), &color, (80, 24));
    let symbols = |buffer: &Buffer| -> String { buffer.content().iter().map(|cell| cell.symbol()).collect() };
    assert_eq!(symbols(&plain), symbols(&painted));
    assert_eq!(painted[(9, 0)].fg, Color::Red, "attention");
    assert_eq!(buffer(&in_sync(), &color, (80, 24))[(9, 0)].fg, Color::Green, "idle");
}
