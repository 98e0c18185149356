//! One cycle, from top to bottom: pull, merge, push, agree.
//!
//! At every moment each row is either as it was or as it should be. Nothing is written unseen, each side commits at
//! once or not at all, and the base moves only after both did. A cycle that is cut off between any two steps leaves
//! changes that the next one sees again as equal on both sides.

use std::time::Instant;

use super::account::{Account, add_round, join};
use super::amend::{Amended, Amendment, Asked, Left};
use super::ancestors::Ancestors;
use super::exchange::{Exchange, Stopped};
use super::history::Journal;
use super::layout::Layout;
use super::look::{Seen, look, under_lock, unlock, writes_to_local};
use super::pair::Pair;
use super::readback::look_again;
use super::{CycleError, Progress, Trigger, mark, report};
use crate::control::types::{CycleSummary, ErrorCode, MovedRows, Outcome, Phase, PhaseEvent, SyncRequest};
use crate::model::{RowOp, Side};
use crate::replica::{Advance, Generation, Push, Pushed};

/// How often rows that another program changed under our hands are met again before the next cycle gets them.
const ROUNDS: u32 = 5;

/// What came of one round.
struct Round {
    summary: CycleSummary,
    /// Whether rows are left that another program changed meanwhile.
    moved_on: bool,
    /// The amendments that it did not make; `None` when it did not come to them.
    left: Option<Vec<Left>>,
}

/// Runs one cycle: a round, and more of them while other programs change rows under our hands. Amendments are tried once.
pub(super) async fn run(
    pair: &mut Pair,
    request: &SyncRequest,
    mut amendments: &[Amendment],
    trigger: Trigger,
    progress: &Progress<'_>,
) -> Result<Amended, CycleError> {
    let mut total: Option<CycleSummary> = None;
    let mut left = Vec::new();
    pair.counted = None;
    pair.backed_up = None;
    pair.moved = MovedRows::default();
    for round in 0..ROUNDS {
        let since = Instant::now();
        pair.connect(progress).await?;
        let account = Account::open(pair, trigger, since);
        let plan = request.plan.as_ref().filter(|_| total.is_none());
        if round == 0 {
            pair.try_schema_again(trigger).await?;
        }
        let schemas = pair.schema_versions();
        let asked = Asked { request, amendments };
        let done = match one_round(pair, asked, plan, &account, progress).await {
            Ok(done) => done,
            Err(error) if error.code == ErrorCode::Failed && round + 1 < ROUNDS => {
                // A schema that changed under our statements makes them fail, and nothing of them is written.
                pair.reopen(progress).await?;
                if pair.schema_versions() == schemas {
                    return Err(error);
                }
                tracing::info!(%error, "a schema changed in the middle of the cycle: going on with the new one");
                continue;
            }
            Err(error) => return Err(error),
        };
        total = Some(match total {
            Some(total) => add_round(total, done.summary),
            None => done.summary,
        });
        if let Some(not_made) = done.left {
            left.extend(not_made);
            amendments = &[];
        }
        if !done.moved_on {
            break;
        }
    }
    if !request.dry_run {
        pair.notes.clear();
    }
    left.extend(amendments.iter().map(|amendment| amendment.left(NO_REST)));
    let cycle = total.ok_or_else(|| CycleError::failed("run a cycle: no round was run"))?;
    Ok(Amended { cycle, left })
}

/// Why an amendment was left that no round came to.
const NO_REST: &str = "the schema of a database went on changing";

/// One pull, merge and push.
async fn one_round(
    pair: &mut Pair,
    asked: Asked<'_>,
    plan: Option<&String>,
    account: &Account,
    progress: &Progress<'_>,
) -> Result<Round, CycleError> {
    let request = asked.request;
    let mut seen = look_at_both(pair, asked, account, progress).await?;
    if !request.dry_run {
        may_write(pair, request, account.trigger, &seen).await?;
    }
    if !request.dry_run && writes_to_local(&seen) {
        let Some(locked) = under_lock(pair, asked, seen).await? else {
            return Ok(Round {
                summary: account.summary(pair),
                moved_on: true,
                left: None,
            });
        };
        seen = locked;
    }
    let exchange = match seen.exchange {
        Ok(exchange) => exchange,
        Err(Stopped(held)) => {
            unlock(pair).await?;
            if !request.dry_run {
                // Only another change makes it worth another try.
                pair.acknowledge_unless_limited(request, &seen.heads);
            }
            let why = held.to_string();
            let summary = CycleSummary {
                outcome: Outcome::Stopped,
                reason: join(&pair.notes, Some(&why)),
                hint: Some(held.hint(&pair.start_over())),
                ..account.summary(pair)
            };
            let left = asked.amendments.iter().map(|amendment| amendment.left(&*why));
            return Ok(Round {
                summary,
                moved_on: false,
                left: Some(left.collect()),
            });
        }
    };
    // From here on nothing is merged a second time.
    drop(seen.server);
    if let Some(plan) = plan {
        must_be(plan, &plan_id(&seen.from, &exchange))?;
    }
    if request.dry_run {
        let planned = CycleSummary {
            outcome: Outcome::Planned,
            schema: pair.waiting_for_schema(),
            ..account.tell(pair, &exchange)
        };
        return Ok(Round {
            summary: planned,
            moved_on: false,
            left: Some(exchange.left),
        });
    }
    let done = match exchange.is_empty() && pair.carried.is_empty() {
        true => {
            unlock(pair).await?;
            if !seen.ancestors.is_empty() {
                let left = seen.ancestors.left_by(&pair.layout, &exchange.kept_out());
                pair.history.keep_ancestors(left).await?;
            }
            Round {
                summary: account.tell(pair, &exchange),
                moved_on: false,
                left: Some(exchange.left),
            }
        }
        false => carry_out(pair, request, account, &seen.from, exchange, seen.ancestors, progress).await?,
    };
    if !done.moved_on {
        pair.acknowledge_unless_limited(request, &seen.heads);
    }
    Ok(done)
}

/// Asks both sides what they changed, once what was added to one schema is in the other.
async fn look_at_both(
    pair: &mut Pair,
    asked: Asked<'_>,
    account: &Account,
    progress: &Progress<'_>,
) -> Result<Seen, CycleError> {
    for _ in 0..ROUNDS {
        // The look comes first: into or out of a database that is not the right one nothing is carried.
        let seen = look(pair, asked, progress).await?;
        if seen.exchange.is_err() || !pair.has_to_carry(asked.request) {
            return Ok(seen);
        }
        pair.carry_over(asked.request, account.trigger, progress).await?;
    }
    Err(CycleError::failed(
        "read both schemas: a program goes on changing one of them; the next cycle tries again",
    ))
}

/// What is looked at before anything is locked or written. Damage can look like rows that were deleted, so a side whose
/// deletions are to be carried over is looked through; and there must be room for what will be written.
async fn may_write(pair: &mut Pair, request: &SyncRequest, trigger: Trigger, seen: &Seen) -> Result<(), CycleError> {
    let Ok(exchange) = &seen.exchange else { return Ok(()) };
    for side in Side::BOTH {
        let mut writes = exchange.tables.iter().flat_map(|table| table.ops(side.other()));
        if writes.any(|op| matches!(op, RowOp::Delete(_))) {
            pair.must_be_whole(side).await?;
        }
    }
    match exchange.is_empty() {
        true => Ok(()),
        false => pair.must_have_room(exchange, request, trigger).await,
    }
}

/// Writes what was merged: journal, laptop, server, agreement, record.
async fn carry_out(
    pair: &mut Pair,
    request: &SyncRequest,
    account: &Account,
    from: &Generation,
    mut exchange: Exchange,
    ancestors: Ancestors,
    progress: &Progress<'_>,
) -> Result<Round, CycleError> {
    let phase = |phase| {
        progress(PhaseEvent {
            phase,
            done: None,
            total: None,
        });
    };
    let to = from.next();
    let journal = |pair: &Pair, exchange: &Exchange, summary: CycleSummary| Journal {
        from: from.clone(),
        to: to.clone(),
        summary,
        tables: report::journal_tables(&pair.layout, exchange),
    };
    let begun = journal(pair, &exchange, account.tell(pair, &exchange));
    let cycle = pair.history.begin(begun).await?;

    phase(Phase::Merge);
    merge_into_local(pair, request, (cycle, &to), &mut exchange).await?;
    let backup = push_to_server(pair, request, account.trigger, &mut exchange, [from, &to], &phase).await?;
    // What follows a backup goes over the line behind the cycle's back, and counts for no cycle.
    let line = account.line(pair);
    if let Some(path) = backup {
        pair.backup_taken(path).await?;
    }
    phase(Phase::Agree);
    let (local, _) = pair.both()?;
    let settled = local.settle(&exchange.settled(), from, &to).await;
    settled.map_err(|error| CycleError::of_sql(Side::Local, error))?;

    let summary = line.put_into(CycleSummary {
        cycle: Some(cycle),
        backup: pair.backed_up.clone(),
        ..account.tell(pair, &exchange)
    });
    let ended = journal(pair, &exchange, summary.clone());
    let mut ancestors = ancestors.left_by(&pair.layout, &exchange.kept_out());
    let left = exchange.not_amended(&pair.layout, &mut ancestors);
    pair.history.end(cycle, ended, ancestors).await?;
    pair.carried_is_recorded(&summary.schema).await?;
    report::tell_moves(&pair.layout, &exchange, &mut pair.moved);
    Ok(Round {
        summary,
        moved_on: exchange.tables.iter().any(|table| table.moved_on),
        left: Some(left),
    })
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
async fn merge_into_local(
    pair: &mut Pair,
    request: &SyncRequest,
    (cycle, to): (i64, &Generation),
    exchange: &mut Exchange,
) -> Result<(), CycleError> {
    let fail = |error| CycleError::of_sql(Side::Local, error);
    loop {
        let ops = exchange.ops(Side::Local);
        if ops.iter().all(Vec::is_empty) {
            return unlock(pair).await;
        }
        let push = Push {
            ops,
            read_back: !request.no_verify,
            ..Push::default()
        };
        let pushed = pair.both()?.0.push(&push).await.map_err(fail)?;
        let Some((index, rows)) = barred_by_id(&pair.layout, &pushed) else {
            exchange.refuse(&pair.layout, Side::Local, &pushed);
            let kept_out = mark::by_name(&pair.layout, exchange.kept_out());
            return pair.commit_here(cycle, to, &kept_out).await;
        };
        pair.both()?.0.undo().await.map_err(fail)?;
        exchange.hold_barred(&pair.layout, index, rows);
    }
}

/// A table of which a row was barred where the id is the key: its number, and how many rows. A row that yields its id is
/// copied to the new one and overwritten at the old one, so nothing of what was to be written may stay.
fn barred_by_id(layout: &Layout, pushed: &Pushed) -> Option<(usize, u64)> {
    let mut tables = layout.local.iter().zip(&pushed.barred).enumerate();
    tables.find_map(|(index, (table, barred))| {
        (table.keyed_by_rowid() && !barred.is_empty()).then_some((index, barred.len() as u64))
    })
}

/// Writes the merge's result into the server's database and moves the base there, in one request. The backup, when one
/// is due, goes before it in the same request: an error ends the request, so no write goes without its backup.
async fn push_to_server(
    pair: &mut Pair,
    request: &SyncRequest,
    trigger: Trigger,
    exchange: &mut Exchange,
    [from, to]: [&Generation; 2],
    phase: &(dyn Fn(Phase) + Send + Sync),
) -> Result<Option<String>, CycleError> {
    let keep_out = exchange.kept_out();
    let ops = exchange.ops(Side::Server);
    let backup = match ops.iter().all(Vec::is_empty) {
        true => None,
        false => pair.due_backup(request, trigger).await?,
    };
    phase(if backup.is_some() { Phase::Backup } else { Phase::Push });
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
    let pushed = match server.replica.push(&push).await {
        Ok(pushed) => pushed,
        Err(error) => {
            pair.backup_refused(&error);
            return Err(CycleError::of_sql(Side::Server, error));
        }
    };
    if pushed.proven.contains(&false) {
        look_again(pair, exchange, &pushed).await?;
    }
    exchange.refuse(&pair.layout, Side::Server, &pushed);
    pair.counted = pushed.counts;
    Ok(backup)
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
