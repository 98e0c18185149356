//! One cycle, from top to bottom: pull, merge, push, agree.
//!
//! At every moment each row is either as it was or as it should be. Nothing is written unseen, each side commits at
//! once or not at all, and the base moves only after both did. A cycle that is cut off between any two steps leaves
//! changes that the next one sees again as equal on both sides.

use std::time::Instant;

use jiff::Timestamp;

use super::exchange::{Exchange, Stopped};
use super::history::Journal;
use super::look::{look, under_lock, unlock, writes_to_local};
use super::pair::Pair;
use super::{CycleError, Progress, Trigger, report};
use crate::control::types::{CycleSummary, Outcome, Phase, PhaseEvent, SyncRequest, TableMoves};
use crate::model::Side;
use crate::replica::{Advance, Generation, Push};
use crate::ssh::Traffic;

/// How often rows that another program changed under our hands are met again before the next cycle gets them.
const ROUNDS: u32 = 5;

/// Runs one cycle: a round, and more of them while other programs change rows under our hands.
pub(super) async fn run(
    pair: &mut Pair,
    request: &SyncRequest,
    trigger: Trigger,
    progress: &Progress<'_>,
) -> Result<CycleSummary, CycleError> {
    let mut total: Option<CycleSummary> = None;
    pair.counted = None;
    for _ in 0..ROUNDS {
        let clock = Clock::start(trigger);
        pair.connect(progress).await?;
        let plan = request.plan.as_ref().filter(|_| total.is_none());
        let (summary, moved_on) = one_round(pair, request, plan, &clock, progress).await?;
        total = Some(match total {
            Some(total) => add_round(total, summary),
            None => summary,
        });
        if !moved_on {
            break;
        }
    }
    total.ok_or_else(|| CycleError::failed("run a cycle: no round was run"))
}

/// One pull, merge and push; and whether rows are left that another program changed meanwhile.
async fn one_round(
    pair: &mut Pair,
    request: &SyncRequest,
    plan: Option<&String>,
    clock: &Clock,
    progress: &Progress<'_>,
) -> Result<(CycleSummary, bool), CycleError> {
    let start = Counters::of(pair);
    let mut seen = look(pair, request, progress).await?;
    if !request.dry_run && writes_to_local(&seen) {
        let Some(locked) = under_lock(pair, request, seen).await? else {
            return Ok((start.until_now(pair).put_into(clock.summary()), true));
        };
        seen = locked;
    }
    let mut exchange = match seen.exchange {
        Ok(exchange) => exchange,
        Err(Stopped(held)) => {
            unlock(pair).await?;
            if !request.dry_run {
                // Only another change makes it worth another try.
                pair.acknowledge_unless_limited(request, &seen.heads);
            }
            let stopped = CycleSummary {
                outcome: Outcome::Stopped,
                reason: Some(held.to_string()),
                ..clock.summary()
            };
            return Ok((start.until_now(pair).put_into(stopped), false));
        }
    };
    if let Some(plan) = plan {
        must_be(plan, &plan_id(&seen.from, &exchange))?;
    }
    if request.dry_run {
        let planned = CycleSummary {
            outcome: Outcome::Planned,
            ..count(pair, clock.summary(), &exchange)
        };
        return Ok((start.until_now(pair).put_into(planned), false));
    }
    if exchange.is_empty() {
        unlock(pair).await?;
        pair.acknowledge_unless_limited(request, &seen.heads);
        return Ok((
            start.until_now(pair).put_into(count(pair, clock.summary(), &exchange)),
            false,
        ));
    }
    let to = Generation {
        lineage: seen.from.lineage.clone(),
        number: seen.from.number + 1,
    };
    let journal = |pair: &Pair, exchange: &Exchange, summary: CycleSummary| Journal {
        from: seen.from.clone(),
        to: to.clone(),
        summary,
        tables: report::journal_tables(&pair.layout, exchange),
    };
    let cycle = pair
        .history
        .begin(&journal(pair, &exchange, count(pair, clock.summary(), &exchange)))
        .await?;

    progress(PhaseEvent {
        phase: Phase::Merge,
        done: None,
        total: None,
    });
    merge_into_local(pair, request, &mut exchange).await?;
    let backup = push_to_server(pair, request, clock, &mut exchange, [&seen.from, &to], progress).await?;
    // What follows a backup goes over the line behind the cycle's back, and counts for no cycle.
    let line = start.until_now(pair);
    let backup = match backup {
        Some(path) => Some(pair.backup_taken(path).await?),
        None => None,
    };
    progress(PhaseEvent {
        phase: Phase::Agree,
        done: None,
        total: None,
    });
    let (local, _) = pair.both()?;
    local
        .settle(&exchange.settled(), &seen.from, &to)
        .await
        .map_err(|error| CycleError::of_sql(Side::Local, error))?;

    let summary = CycleSummary {
        cycle: Some(cycle),
        backup,
        ..count(pair, clock.summary(), &exchange)
    };
    let summary = line.put_into(summary);
    pair.history
        .end(cycle, journal(pair, &exchange, summary.clone()))
        .await?;
    pair.acknowledge_unless_limited(request, &seen.heads);
    Ok((summary, exchange.tables.iter().any(|table| table.moved_on)))
}

fn must_be(plan: &str, now: &str) -> Result<(), CycleError> {
    if plan == now {
        return Ok(());
    }
    Err(CycleError::attention(
        format!("carry out plan {plan}: a side has changed since it was made; the plan is now {now}"),
        "look at it with `modsyncctl diff`, then run `modsyncctl sync-now --plan` with the new plan id",
    ))
}

/// Writes the merge's result into the laptop's database, under the lock, and gives the lock back. A row that a constraint
/// bars stays as it is, and waits on both sides.
async fn merge_into_local(pair: &mut Pair, request: &SyncRequest, exchange: &mut Exchange) -> Result<(), CycleError> {
    let ops = exchange.ops(Side::Local);
    if ops.iter().all(Vec::is_empty) {
        return unlock(pair).await;
    }
    let push = Push {
        ops,
        read_back: !request.no_verify,
        ..Push::default()
    };
    let (local, _) = pair.both()?;
    let pushed = local
        .push(&push)
        .await
        .map_err(|error| CycleError::of_sql(Side::Local, error))?;
    // Where the id is the key, a row that yields is copied to its new id and overwritten at the old one: if that is
    // barred nothing of it may stay.
    let mut tables = pair.layout.local.iter().zip(&pushed.barred);
    if let Some((table, _)) = tables.find(|(table, barred)| table.keyed_by_rowid() && !barred.is_empty()) {
        return Err(CycleError::attention(
            format!(
                "write to the local table {}: one of its constraints refuses a row of the server",
                table.name
            ),
            "give both databases the same constraints",
        ));
    }
    exchange.refuse(&pair.layout, Side::Local, &pushed);
    unlock(pair).await
}

/// Writes the merge's result into the server's database and moves the base there, in one request. The backup, when one
/// is due, goes before it in the same request: an error ends the request, so no write goes without its backup.
async fn push_to_server(
    pair: &mut Pair,
    request: &SyncRequest,
    clock: &Clock,
    exchange: &mut Exchange,
    [from, to]: [&Generation; 2],
    progress: &Progress<'_>,
) -> Result<Option<String>, CycleError> {
    let keep_out = exchange.kept_out();
    let ops = exchange.ops(Side::Server);
    let backup = match ops.iter().all(Vec::is_empty) {
        true => None,
        false => pair.due_backup(request, clock.trigger).await?,
    };
    let phase = if backup.is_some() { Phase::Backup } else { Phase::Push };
    progress(PhaseEvent {
        phase,
        done: None,
        total: None,
    });
    let push = Push {
        ops,
        read_back: !request.no_verify,
        backup: backup.as_deref(),
        advance: Some(Advance {
            from,
            to,
            keep_out: &keep_out,
        }),
        count: true,
    };
    let (_, server) = pair.both()?;
    let pushed = server
        .replica
        .push(&push)
        .await
        .map_err(|error| CycleError::of_sql(Side::Server, error))?;
    exchange.refuse(&pair.layout, Side::Server, &pushed);
    pair.counted = pushed.counts;
    Ok(backup)
}

/// What an exchange moves, put into a summary.
fn count(pair: &Pair, summary: CycleSummary, exchange: &Exchange) -> CycleSummary {
    let tables = report::count_moves(&pair.layout, exchange);
    let sum = |read: fn(&TableMoves) -> u64| tables.iter().map(read).sum();
    let conflicts = exchange.tables.iter().map(|table| table.conflicts.len() as u64).sum();
    let held_table = pair
        .layout
        .held
        .first()
        .map(|table| format!("table {} is not synced any more: {}", table.name, table.reason));
    let held = exchange.held_rows + pair.layout.held.len() as u64;
    let outcome = match (held + conflicts, exchange.is_empty()) {
        (0, true) => Outcome::Unchanged,
        (0, false) => Outcome::Synced,
        _ => Outcome::Attention,
    };
    CycleSummary {
        outcome,
        reason: held_table.or_else(|| exchange.held.first().map(ToString::to_string)),
        pulled: sum(|moves| moves.pulled),
        pushed: sum(|moves| moves.pushed),
        deleted: sum(|moves| moves.deleted),
        conflicts,
        held,
        tables,
        ..summary
    }
}

/// Two rounds of one cycle told as one.
fn add_round(mut total: CycleSummary, round: CycleSummary) -> CycleSummary {
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
        pulled: total.pulled + round.pulled,
        pushed: total.pushed + round.pushed,
        deleted: total.deleted + round.deleted,
        conflicts: total.conflicts + round.conflicts,
        held: round.held,
        backup: round.backup.or(total.backup),
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

/// Names exactly these writes on exactly this base.
pub(super) fn plan_id(from: &Generation, exchange: &Exchange) -> String {
    let writes = exchange
        .tables
        .iter()
        .flat_map(|table| [&table.to_local, &table.to_server]);
    let writes: Vec<Vec<_>> = writes
        .map(|ops| ops.iter().map(|op| (op.before(), op.after())).collect())
        .collect();
    let text = serde_json::to_string(&(from, writes)).unwrap_or_default();
    blake3::hash(text.as_bytes())
        .to_hex()
        .as_str()
        .get(..12)
        .unwrap_or_default()
        .to_owned()
}

/// When and why a round began.
struct Clock {
    trigger: Trigger,
    started: Timestamp,
    since: Instant,
}

impl Clock {
    fn start(trigger: Trigger) -> Self {
        Self {
            trigger,
            started: Timestamp::now(),
            since: Instant::now(),
        }
    }

    fn summary(&self) -> CycleSummary {
        CycleSummary {
            trigger: self.trigger.as_str().to_owned(),
            started: Some(self.started),
            duration_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..CycleSummary::default()
        }
    }
}

/// What went over the line: up to some moment, or between two.
struct Counters {
    sent: u64,
    received: u64,
    round_trips: u64,
}

impl Counters {
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

    fn put_into(self, summary: CycleSummary) -> CycleSummary {
        CycleSummary {
            bytes_sent: self.sent,
            bytes_received: self.received,
            round_trips: self.round_trips,
            ..summary
        }
    }
}
