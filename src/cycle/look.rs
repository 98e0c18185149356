//! What both sides changed, read at one time and merged: what a cycle writes, and what `check` and `diff` show.

use super::amend::{self, Asked};
use super::ancestors::Ancestors;
use super::exchange::{Exchange, Limits, Origin, Stopped, is_base_of, touched_keys};
use super::pair::{Pair, random_name};
use super::recover::CutOff;
use super::{CycleError, Progress};
use crate::control::types::{ErrorCode, Phase, PhaseEvent, SyncRequest};
use crate::model::{Delta, Side};
use crate::replica::{Changes, Generation, Head};

/// How often both sides are asked before a look is given up. A file that was exchanged, a schema that was changed, a cycle
/// that was cut off and bases that do not belong together can come together; a VACUUM counts as a change of the schema.
const MAX_LOOKS: usize = 10;

/// What both sides have changed, seen at one time, and what a merge makes of it.
pub(super) struct Seen {
    pub from: Generation,
    pub exchange: Result<Exchange, Stopped>,
    pub heads: [Head; 2],
    /// What the merge went out from where the base is older.
    pub ancestors: Ancestors,
    /// What the server changed, for a second merge where the laptop's programs were faster than the first one.
    pub server: Delta,
}

/// Asks both sides at once what they changed, and merges. Begins a new base where the two do not belong together.
pub(super) async fn look(pair: &mut Pair, asked: Asked<'_>, progress: &Progress<'_>) -> Result<Seen, CycleError> {
    progress(PhaseEvent {
        phase: Phase::Pull,
        done: None,
        total: None,
    });
    let mut reopened = false;
    for _ in 0..MAX_LOOKS {
        let (local, server) = match changes(pair).await {
            Ok(changes) => changes,
            // A schema that changed under our statements makes them fail; sessions opened anew read it anew.
            Err(error) if error.code == ErrorCode::Failed && !reopened => {
                tracing::debug!(%error, "reading the changes failed: opening both sides anew");
                reopened = true;
                pair.reopen(progress).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if local.head.moved || server.head.moved {
            pair.reopen(progress).await?;
            continue;
        }
        let (ours, theirs) = pair.both()?;
        if ours.schema_changed(&local.head) || theirs.replica.schema_changed(&server.head) {
            pair.lay_out_again().await?;
            continue;
        }
        let Some(from) = agreed_generation(pair, asked.request, &local, &server).await? else {
            continue;
        };
        match held_against_base(pair, asked, from, local, server).await? {
            Some(seen) => return Ok(seen),
            None => begin_anew(pair, "a base lacks rows that it should have").await?,
        }
    }
    Err(CycleError {
        hint: Some(
            "see whether a program exchanges a database's file or changes its schema again and again; \
             the cycle is tried again"
                .to_owned(),
        ),
        ..CycleError::failed(format!(
            "read the changes: asked {MAX_LOOKS} times, and each time a side was another one than before; nothing was written"
        ))
    })
}

/// Merges what both sides changed since the base of that generation; `None` if the bases turn out not to be one.
async fn held_against_base(
    pair: &mut Pair,
    asked: Asked<'_>,
    from: Generation,
    local: Changes,
    server: Changes,
) -> Result<Option<Seen>, CycleError> {
    let mut keys = touched_keys(&local.delta, &server.delta);
    for (keys, besides) in keys.iter_mut().zip(amend::keys_of(&pair.layout, asked.amendments)) {
        keys.extend(besides);
        keys.sort_unstable();
        keys.dedup();
    }
    let (replica, _) = pair.both()?;
    let base = replica
        .base_rows(&keys)
        .await
        .map_err(|error| CycleError::of_sql(Side::Local, error))?;
    if !is_base_of(&base, &pair.layout, &server.delta) || !is_base_of(&base, &pair.layout, &local.delta) {
        return Ok(None);
    }
    let deltas = [local.delta, server.delta.clone()];
    let known = match asked.amendments {
        [] => Vec::new(),
        _ => base.clone(),
    };
    let ancestors = pair.history.ancestors().await?;
    let origin = Origin {
        base,
        ancestors: &ancestors,
    };
    let mut exchange = merge(pair, asked.request, deltas, origin, from.number == 0);
    if let Ok(exchange) = &mut exchange {
        exchange.amend(&pair.layout, &known, asked.amendments);
    }
    Ok(Some(Seen {
        exchange,
        from,
        heads: [local.head, server.head],
        ancestors,
        server: server.delta,
    }))
}

pub(super) fn writes_to_local(seen: &Seen) -> bool {
    let exchange = seen.exchange.as_ref();
    exchange.is_ok_and(|exchange| exchange.tables.iter().any(|table| !table.to_local.is_empty()))
}

/// Takes the laptop's write lock, and merges anew if a program has written there since it was read: what is written
/// under the lock is made of what is there. Guards alone would not do. A row that yields its id, the server's row that
/// takes its place and the rows that refer to it are written together or not at all, and the free id that it got is
/// the one that the next insert of a busy program takes.
///
/// `None` if the schema has changed as well; then nothing is locked.
pub(super) async fn under_lock(pair: &mut Pair, asked: Asked<'_>, seen: Seen) -> Result<Option<Seen>, CycleError> {
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
        false => held_against_base(pair, asked, from, local, Changes { head, delta }).await?,
    };
    if again.is_none() {
        unlock(pair).await?;
    }
    Ok(again)
}

/// Gives the laptop's write lock back, if it is held, and keeps what was written under it.
pub(super) async fn unlock(pair: &mut Pair) -> Result<(), CycleError> {
    let (local, _) = pair.both()?;
    local
        .unlock(None)
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
    origin: Origin<'_>,
    first: bool,
) -> Result<Exchange, Stopped> {
    let limits = Limits {
        request,
        max_delete: pair.config.safety.max_delete,
        first,
    };
    Exchange::new(&pair.layout, deltas, origin, &pair.zones(), &limits)
}

/// The generation that both bases have, if they belong together and to these two files. Otherwise the cycle that was
/// cut off is brought to its end, or a new base is begun, and the caller looks again.
async fn agreed_generation(
    pair: &mut Pair,
    request: &SyncRequest,
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
    if let Some(interrupted) = interrupted {
        let journal = &interrupted.journal;
        let cut = match generations {
            Some((ours, theirs)) if *theirs == journal.to && *ours == journal.to => CutOff::AfterAgreeing,
            Some((ours, theirs)) if *theirs == journal.to && *ours == journal.from => CutOff::BeforeAgreeing,
            _ => CutOff::BeforePushing,
        };
        pair.end_interrupted(interrupted, cut).await?;
        return Ok(None);
    }
    if let Some((both, _)) = generations.filter(|(ours, theirs)| ours == theirs) {
        return Ok(Some(both.clone()));
    }
    let why = why_anew(pair, request, [local, server]).await?;
    begin_anew(pair, &why).await.map(|()| None)
}

/// Why the bases do not belong together, in words; empty where none was ever begun. A file that hardly holds what was
/// synced stops the cycle.
async fn why_anew(pair: &mut Pair, request: &SyncRequest, sides: [&Changes; 2]) -> Result<String, CycleError> {
    let [local, server] = sides;
    let Some(ours) = local.head.generation.as_ref().filter(|ours| ours.number > 0) else {
        return Ok(match &server.head.generation {
            Some(theirs) if theirs.number > 0 => "the laptop's base was not there".to_owned(),
            _ => String::new(),
        });
    };
    let (here, there) = pair.both()?;
    let files = [here.file().to_owned(), there.replica.file().to_owned()];
    for (side, (changes, file)) in Side::BOTH.into_iter().zip(sides.into_iter().zip(files)) {
        if changes.head.generation.is_some() && changes.head.file.as_deref() != Some(&file) {
            if !request.allow_deletes {
                pair.must_hold_what_was_synced(side, &changes.delta)?;
            }
            return Ok(format!(
                "the {} database is another file than at the last sync",
                side.whose()
            ));
        }
    }
    Ok(match &server.head.generation {
        None => "the server's base was not there".to_owned(),
        Some(theirs) if theirs.lineage == ours.lineage => "the two bases are not of one cycle".to_owned(),
        Some(_) => "the two bases are not of one lineage".to_owned(),
    })
}

/// A base of which nobody has heard.
pub(super) fn new_lineage() -> Result<Generation, CycleError> {
    Ok(Generation {
        lineage: random_name()?,
        number: 0,
    })
}

/// Forgets both bases, which do not belong together, and begins a new lineage.
async fn begin_anew(pair: &mut Pair, why: &str) -> Result<(), CycleError> {
    let begin = new_lineage()?;
    tracing::info!(
        lineage = begin.lineage,
        why,
        "the two bases do not belong together: comparing all rows, deleting none"
    );
    pair.history.keep_ancestors(Ancestors::default()).await?;
    if !why.is_empty() {
        pair.note(format!("{why}: all rows were compared, and none deleted"));
    }
    let (ours, theirs) = pair.both()?;
    let (ours, theirs) = tokio::join!(ours.begin(&begin), theirs.replica.begin(&begin));
    ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
    theirs.map_err(|error| CycleError::of_sql(Side::Server, error))
}
