//! One cycle, from top to bottom: pull, merge, push, agree.
//!
//! At every moment each row is either as it was or as it should be. Nothing is written unseen, each side commits at
//! once or not at all, and the base moves only after both did. A cycle that is cut off between any two steps leaves
//! changes that the next one sees again as equal on both sides.

use std::time::Instant;

use jiff::Timestamp;

use super::exchange::{Exchange, Limits, Stopped, is_base_of, touched_keys};
use super::history::Journal;
use super::pair::{Pair, random_name};
use super::{CycleError, Progress, Trigger, report};
use crate::control::types::{CycleSummary, ErrorCode, Outcome, Phase, PhaseEvent, SyncRequest, TableMoves};
use crate::model::{Delta, Row, Side};
use crate::replica::{Advance, Changes, Generation, Head, Push};
use crate::ssh::Traffic;

/// How often rows that another program changed under our hands are met again before the next cycle gets them.
const ROUNDS: u32 = 5;

/// What both sides have changed, seen at one time, and what a merge makes of it.
pub(super) struct Seen {
    pub from: Generation,
    pub exchange: Result<Exchange, Stopped>,
    pub heads: [Head; 2],
    /// What the server changed, for a second merge where the laptop's programs were faster than the first one.
    server: Delta,
}

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

/// Asks both sides at once what they changed, and merges. Begins a new base where the two do not belong together.
pub(super) async fn look(pair: &mut Pair, request: &SyncRequest, progress: &Progress<'_>) -> Result<Seen, CycleError> {
    progress(PhaseEvent {
        phase: Phase::Pull,
        done: None,
        total: None,
    });
    let mut reopened = false;
    loop {
        let (local, server) = match changes(pair).await {
            Ok(changes) => changes,
            // A schema that changed under our statements makes them fail; sessions opened anew read it anew.
            Err(error) if error.code == ErrorCode::Failed && !reopened => {
                tracing::debug!(%error, "reading the changes failed: opening both sides anew");
                reopened = true;
                pair.close();
                pair.connect(progress).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if local.head.moved || server.head.moved {
            // What is open is not what the path names any more.
            pair.close();
            pair.connect(progress).await?;
            continue;
        }
        let (ours, theirs) = pair.both()?;
        if ours.schema_changed(&local.head) || theirs.replica.schema_changed(&server.head) {
            pair.lay_out_again().await?;
            continue;
        }
        let Some(from) = agreed_generation(pair, &local, &server).await? else {
            continue;
        };
        match held_against_base(pair, request, from, local, server).await? {
            Some(seen) => return Ok(seen),
            None => begin_anew(pair).await?,
        }
    }
}

/// Merges what both sides changed since the base of that generation; `None` if the bases turn out not to be one.
async fn held_against_base(
    pair: &mut Pair,
    request: &SyncRequest,
    from: Generation,
    local: Changes,
    server: Changes,
) -> Result<Option<Seen>, CycleError> {
    let keys = touched_keys(&local.delta, &server.delta);
    let (replica, _) = pair.both()?;
    let base = replica
        .base_rows(&keys)
        .await
        .map_err(|error| CycleError::of_sql(Side::Local, error))?;
    if !is_base_of(&base, &pair.layout, &server.delta) || !is_base_of(&base, &pair.layout, &local.delta) {
        return Ok(None);
    }
    let deltas = [local.delta, server.delta.clone()];
    Ok(Some(Seen {
        exchange: merge(pair, request, deltas, base, from.number == 0),
        from,
        heads: [local.head, server.head],
        server: server.delta,
    }))
}

fn writes_to_local(seen: &Seen) -> bool {
    let exchange = seen.exchange.as_ref();
    exchange.is_ok_and(|exchange| exchange.tables.iter().any(|table| !table.to_local.is_empty()))
}

/// Takes the laptop's write lock, and merges anew if a program has written there since it was read: what is written
/// under the lock is made of what is there. Guards alone would not do. A row that yields its id, the server's row that
/// takes its place and the rows that refer to it are written together or not at all, and the free id that it got is
/// the one that the next insert of a busy program takes.
///
/// `None` if the schema has changed as well; then nothing is locked.
async fn under_lock(pair: &mut Pair, request: &SyncRequest, seen: Seen) -> Result<Option<Seen>, CycleError> {
    let fail = |error| CycleError::of_sql(Side::Local, error);
    let (replica, _) = pair.both()?;
    if replica.lock().await.map_err(fail)? == seen.heads[0].data_version {
        return Ok(Some(seen));
    }
    let local = replica.changes().await.map_err(fail)?;
    let Seen {
        from,
        heads: [_, head],
        server: delta,
        ..
    } = seen;
    let again = match replica.schema_changed(&local.head) {
        true => None,
        false => held_against_base(pair, request, from, local, Changes { head, delta }).await?,
    };
    if again.is_none() {
        unlock(pair).await?;
    }
    Ok(again)
}

/// Gives the laptop's write lock back, if it is held, and keeps what was written under it.
async fn unlock(pair: &mut Pair) -> Result<(), CycleError> {
    let (local, _) = pair.both()?;
    local
        .unlock()
        .await
        .map_err(|error| CycleError::of_sql(Side::Local, error))
}

async fn changes(pair: &mut Pair) -> Result<(Changes, Changes), CycleError> {
    let (local, server) = pair.both()?;
    let (ours, theirs) = tokio::join!(local.changes(), server.replica.changes());
    let ours = ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
    let theirs = theirs.map_err(|error| CycleError::of_sql(Side::Server, error))?;
    Ok((ours, theirs))
}

fn merge(
    pair: &Pair,
    request: &SyncRequest,
    deltas: [Delta; 2],
    base: Vec<Vec<Row>>,
    first: bool,
) -> Result<Exchange, Stopped> {
    let limits = Limits {
        request,
        max_delete: pair.config.safety.max_delete,
        first,
    };
    Exchange::new(&pair.layout, deltas, base, &pair.zones(), &limits)
}

/// The generation that both bases have, if they belong together and to these two files. Otherwise the cycle that was
/// cut off is brought to its end, or a new base is begun, and the caller looks again.
async fn agreed_generation(
    pair: &mut Pair,
    local: &Changes,
    server: &Changes,
) -> Result<Option<Generation>, CycleError> {
    let interrupted = pair.history.interrupted().await?;
    let (ours, theirs) = pair.both()?;
    let same_files =
        local.head.file.as_deref() == Some(ours.file()) && server.head.file.as_deref() == Some(theirs.replica.file());
    let generations = local
        .head
        .generation
        .as_ref()
        .zip(server.head.generation.as_ref())
        .filter(|_| same_files);
    if let Some((cycle, journal)) = interrupted {
        let pushed = generations.is_some_and(|(ours, theirs)| *ours == journal.from && *theirs == journal.to);
        pair.end_interrupted(cycle, journal, pushed).await?;
        return Ok(None);
    }
    if let Some((both, _)) = generations.filter(|(ours, theirs)| ours == theirs) {
        return Ok(Some(both.clone()));
    }
    begin_anew(pair).await.map(|()| None)
}

/// Forgets both bases, which do not belong together, and begins a new lineage.
async fn begin_anew(pair: &mut Pair) -> Result<(), CycleError> {
    let begin = Generation {
        lineage: random_name()?,
        number: 0,
    };
    tracing::info!(
        lineage = begin.lineage,
        "the two bases do not belong together: comparing all rows, deleting none"
    );
    let (ours, theirs) = pair.both()?;
    let (ours, theirs) = tokio::join!(ours.begin(&begin), theirs.replica.begin(&begin));
    ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
    theirs.map_err(|error| CycleError::of_sql(Side::Server, error))
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
    let outcome = match (exchange.held_rows + conflicts, exchange.is_empty()) {
        (0, true) => Outcome::Unchanged,
        (0, false) => Outcome::Synced,
        _ => Outcome::Attention,
    };
    CycleSummary {
        outcome,
        reason: exchange.held.first().map(ToString::to_string),
        pulled: sum(|moves| moves.pulled),
        pushed: sum(|moves| moves.pushed),
        deleted: sum(|moves| moves.deleted),
        conflicts,
        held: exchange.held_rows,
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
