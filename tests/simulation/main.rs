//! The real cycle between real SQLite files, with everything that can go wrong, against an oracle that knows nothing
//! of how it is done.
//!
//! A run is made from a seed: one server, one to three laptops, programs that write on all of them, cycles, and
//! faults between any two steps of a cycle. When all faults are off and nothing moves any more, the oracle looks at the
//! databases and at the laptops' records. The same seed always gives the same run.
//!
//! `MODSYNC_RUNS=N` runs N seeds (2,000 by itself), from `MODSYNC_SEED=S` on (0 by itself), on `MODSYNC_THREADS` threads.
//!
//! | file | idea |
//! |---|---|
//! | `scenario`, `generate`, `shrink` | what happens in a run, made of a seed, made short |
//! | `schema`, `cell`, `values`, `operations`, `additions` | the databases, and what programs do to them |
//! | `regressions` | what was found, as small scenarios |
//! | `world`, `files`, `carrier`, `heal` | the run: files, daemons, faults |
//! | `snapshot`, `ledger`, `record`, `judge`, `conflicts` | the oracle |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod additions;
mod carrier;
mod cell;
mod conflicts;
mod files;
mod generate;
mod heal;
mod judge;
mod ledger;
mod operations;
mod random;
mod record;
mod regressions;
mod scenario;
mod schema;
mod shrink;
mod snapshot;
mod values;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use heal::{Verdict, run};
use scenario::Scenario;
use world::Tally;

/// A number of this process's environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} must be a number"))
    })
}

/// Where the files of all runs go: into memory where there is such a place.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn try_run(scenario: &Scenario, parent: &Path) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| run(scenario, parent))).unwrap_or_else(|_| Verdict {
        wrong: vec!["PANIC: see above".to_owned()],
        tally: Tally::new(),
    })
}

/// What went wrong, without what differs from run to run.
fn kind(wrong: &[String]) -> Vec<&str> {
    let mut kinds: Vec<&str> = wrong
        .iter()
        .map(|words| words.split([':', '(']).next().unwrap_or_default())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// A failure made short, for people.
fn report(seed: u64, wrong: &[String], parent: &Path) -> String {
    let first = kind(wrong)[0].to_owned();
    let fails = |scenario: &Scenario| kind(&try_run(scenario, parent).wrong).contains(&first.as_str());
    let short = shrink::shrink(generate::scenario(seed), &fails);
    println!("seed {seed}, made short:");
    let wrong = try_run(&short, parent).wrong;
    format!("MODSYNC_SEED={seed} MODSYNC_RUNS=1\n{short}{}\n", wrong.join("\n"))
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let (first, runs) = (number("MODSYNC_SEED", 0), number("MODSYNC_RUNS", 2000));
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let threads = number("MODSYNC_THREADS", cores).min(runs);
    let folder = tempfile::Builder::new()
        .prefix("modsync-simulation-")
        .tempdir_in(scratch())
        .unwrap();
    let next = AtomicU64::new(first);
    let total = Mutex::new(Tally::new());
    let failures: Mutex<Vec<(u64, Vec<String>)>> = Mutex::default();
    let most = number("MODSYNC_FAILURES", 3) as usize;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs || failures.lock().unwrap().len() >= most {
                        return;
                    }
                    let verdict = try_run(&generate::scenario(seed), folder.path());
                    let mut total = total.lock().unwrap();
                    for (what, count) in verdict.tally {
                        *total.entry(what).or_default() += count;
                    }
                    if !verdict.wrong.is_empty() {
                        println!("seed {seed}: {}", verdict.wrong.join("; "));
                        failures.lock().unwrap().push((seed, verdict.wrong));
                    }
                }
            });
        }
    });
    println!("{runs} runs from seed {first}: {:#?}", total.into_inner().unwrap());
    let failures = failures.into_inner().unwrap();
    let shown = failures.iter().map(|(seed, wrong)| report(*seed, wrong, folder.path()));
    let shown: Vec<String> = shown.collect();
    assert!(shown.is_empty(), "{} failures\n{}", shown.len(), shown.join("\n"));
}
