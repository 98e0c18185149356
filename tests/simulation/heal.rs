//! One run from the beginning to the verdict.

use std::path::Path;
use std::sync::Arc;

use modsync::control::types::{CycleSummary, SyncRequest};

use super::judge::judge;
use super::scenario::{Kind, Scenario};
use super::world::{Tally, World};

/// What came of a run.
pub struct Verdict {
    pub wrong: Vec<String>,
    pub tally: Tally,
}

/// Runs a scenario in a folder of its own below `parent`.
pub fn run(scenario: &Scenario, parent: &Path) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(scenario.clone(), parent);
        if scenario.agreed {
            for laptop in 0..scenario.laptops {
                world.cycle(laptop, Kind::Whole, &[]).await;
            }
        }
        for (number, event) in scenario.events.iter().enumerate() {
            world.carry_out(event).await;
            trace(&world, &number.to_string());
        }
        if scenario.seed.is_multiple_of(2) {
            world.end_daemons().await;
        }
        let mut wrong = heal(&world).await;
        trace(&world, "at the end");
        world.end_daemons().await;
        wrong.extend(judge(&world));
        Verdict {
            wrong,
            tally: world.tally(),
        }
    })
}

/// Tells what all databases hold, where `MODSYNC_TRACE` asks for it.
fn trace(world: &World, when: &str) {
    if std::env::var_os("MODSYNC_TRACE").is_none() {
        return;
    }
    for place in world.places() {
        println!("{when}: {place:?}: {:?}", world.content(place));
    }
}

/// Lets every laptop run until nothing moves any more. With the brakes on, held deletions stay until they are allowed.
async fn heal(world: &Arc<World>) -> Vec<String> {
    let mut wrong = Vec::new();
    if world.scenario.brakes {
        wrong.extend(come_to_rest(world, &SyncRequest::default()).await.1);
    }
    let allowed = SyncRequest {
        allow_deletes: true,
        ..SyncRequest::default()
    };
    let (last, unrest) = come_to_rest(world, &allowed).await;
    wrong.extend(unrest);
    let held = last.iter().filter(|summary| summary.held > 0);
    wrong.extend(held.map(|summary| format!("HELD although nothing is to be held: {:?}", summary.reason)));
    wrong
}

/// Runs cycles until a whole round of all laptops has moved nothing; says what the last of them told.
async fn come_to_rest(world: &Arc<World>, request: &SyncRequest) -> (Vec<CycleSummary>, Option<String>) {
    let rounds = 3 + 2 * world.scenario.laptops;
    let mut last = Vec::new();
    for _ in 0..rounds {
        last.clear();
        let mut whole = true;
        for laptop in 0..world.scenario.laptops {
            match world.cycle_as(laptop, Kind::Whole, request, &[]).await {
                Some(summary) => last.push(summary),
                None => whole = false,
            }
        }
        let moved = |summary: &CycleSummary| {
            summary.pulled + summary.pushed + summary.deleted + summary.conflicts > 0 || !summary.schema.is_empty()
        };
        if whole && !last.iter().any(moved) {
            return (last, None);
        }
    }
    let words = format!("NO REST: after {rounds} rounds the last cycles say {last:?}");
    (last, Some(words))
}
