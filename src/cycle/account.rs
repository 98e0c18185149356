//! What a cycle tells of itself: when and why it began, what moved, what went over the line.

use std::time::Instant;

use jiff::Timestamp;

use super::exchange::Exchange;
use super::pair::Pair;
use super::{Trigger, advice, report};
use crate::control::types::{CycleSummary, Outcome, TableMoves};
use crate::ssh::Traffic;

/// The account of one round, opened when it begins.
pub(super) struct Account {
    /// What started the cycle.
    pub trigger: Trigger,
    started: Timestamp,
    since: Instant,
    line: Line,
}

impl Account {
    pub(super) fn open(pair: &Pair, trigger: Trigger, since: Instant) -> Self {
        Self {
            trigger,
            started: Timestamp::now(),
            since,
            line: Line::of(pair),
        }
    }

    /// What went over the line since the round began.
    pub(super) fn line(&self, pair: &Pair) -> Line {
        self.line.until_now(pair)
    }

    /// The round so far, with what an exchange moves.
    pub(super) fn tell(&self, pair: &Pair, exchange: &Exchange) -> CycleSummary {
        count(pair, self.summary(pair), exchange)
    }

    /// The round so far, before anything moved.
    pub(super) fn summary(&self, pair: &Pair) -> CycleSummary {
        self.line(pair).put_into(CycleSummary {
            trigger: self.trigger.as_str().to_owned(),
            undoes: self.trigger.undoes(),
            started: Some(self.started),
            duration_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..CycleSummary::default()
        })
    }
}

/// What an exchange moves, put into a summary.
fn count(pair: &Pair, summary: CycleSummary, exchange: &Exchange) -> CycleSummary {
    let tables = report::count_moves(&pair.layout, exchange);
    let sum = |read: fn(&TableMoves) -> u64| tables.iter().map(read).sum();
    let conflicts = exchange.tables.iter().map(|table| table.conflicts.len() as u64).sum();
    let held_table = pair.layout.held.first();
    let stuck = pair.drift.stuck_notes().next();
    let (reason, hint) = match (held_table, exchange.held.first(), stuck) {
        (Some(table), _, _) => (
            Some(format!("table {} is not synced any more: {}", table.name, table.reason)),
            Some(advice::unlike_schemas(&table.name)),
        ),
        (None, Some(held), _) => (Some(held.to_string()), Some(held.hint(&pair.start_over()))),
        (None, None, Some(index)) => (
            Some(format!("index {}: {}", index.name, index.reason)),
            Some(advice::REPEATED.to_owned()),
        ),
        (None, None, None) => (None, None),
    };
    let reason = join(&pair.notes, reason.as_deref());
    let schema = pair.carried();
    let held = exchange.held_rows + (pair.layout.held.len() + pair.drift.stuck.len()) as u64;
    let outcome = match (held + conflicts, exchange.is_empty() && schema.is_empty()) {
        (0, true) => Outcome::Unchanged,
        (0, false) => Outcome::Synced,
        _ => Outcome::Attention,
    };
    CycleSummary {
        outcome,
        reason,
        hint,
        pulled: sum(|moves| moves.pulled),
        pushed: sum(|moves| moves.pushed),
        deleted: sum(|moves| moves.deleted),
        conflicts,
        held,
        tables,
        schema,
        ..summary
    }
}

/// What the record has to tell besides, and why the cycle ended as it did.
pub(super) fn join(notes: &[String], reason: Option<&str>) -> Option<String> {
    let told: Vec<&str> = notes.iter().map(String::as_str).chain(reason).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Two rounds of one cycle told as one.
pub(super) fn add_round(mut total: CycleSummary, round: CycleSummary) -> CycleSummary {
    for moves in &round.tables {
        match total.tables.iter_mut().find(|table| table.table == moves.table) {
            Some(table) => add(table, moves),
            None => total.tables.push(moves.clone()),
        }
    }
    let outcome = match (total.outcome, round.outcome) {
        (before, Outcome::Unchanged) => before,
        (Outcome::Attention, Outcome::Synced) => Outcome::Attention,
        (_, now) => now,
    };
    CycleSummary {
        cycle: round.cycle.or(total.cycle),
        outcome,
        reason: round.reason.or(total.reason),
        hint: round.hint.or(total.hint),
        pulled: total.pulled + round.pulled,
        pushed: total.pushed + round.pushed,
        deleted: total.deleted + round.deleted,
        conflicts: total.conflicts + round.conflicts,
        held: round.held,
        backup: round.backup.or(total.backup),
        schema: [total.schema, round.schema].concat(),
        duration_ms: total.duration_ms + round.duration_ms,
        bytes_sent: total.bytes_sent + round.bytes_sent,
        bytes_received: total.bytes_received + round.bytes_received,
        round_trips: total.round_trips + round.round_trips,
        ..total
    }
}

fn add(table: &mut TableMoves, moves: &TableMoves) {
    table.pulled += moves.pulled;
    table.pushed += moves.pushed;
    table.deleted += moves.deleted;
}

/// What went over the line: up to some moment, or between two.
pub(super) struct Line {
    sent: u64,
    received: u64,
    round_trips: u64,
}

impl Line {
    fn of(pair: &Pair) -> Self {
        let traffic = pair.traffic();
        let count = |read: fn(&Traffic) -> u64| traffic.as_deref().map_or(0, read);
        Self {
            sent: count(Traffic::sent),
            received: count(Traffic::received),
            round_trips: count(Traffic::round_trips),
        }
    }

    fn until_now(&self, pair: &Pair) -> Self {
        let now = Self::of(pair);
        Self {
            sent: now.sent.saturating_sub(self.sent),
            received: now.received.saturating_sub(self.received),
            round_trips: now.round_trips.saturating_sub(self.round_trips),
        }
    }

    pub(super) fn put_into(self, summary: CycleSummary) -> CycleSummary {
        CycleSummary {
            bytes_sent: self.sent,
            bytes_received: self.received,
            round_trips: self.round_trips,
            ..summary
        }
    }
}
