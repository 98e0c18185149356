//! One function for each kind of bytes that modsync reads from outside: what the fuzz targets and `tests/fuzz_corpus.rs`
//! both run. They go through the library's public interface alone, so nothing in the product is there for them.
//!
//! Whatever comes in, an entry point must return. It panics when the library does, or when a property does not hold
//! that its own documentation names.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // each target uses its own

pub mod answers;
pub mod config;
pub mod instant;
pub mod journal;
pub mod known_hosts;
pub mod replica;
pub mod requests;
pub mod session;
pub mod ssh_config;
pub mod values;

use std::cell::OnceCell;
use std::future::Future;
use std::time::Duration;

/// Takes whatever comes.
pub type Entry = fn(&[u8]);

/// All of them, by the names of their targets.
pub const ENTRIES: [(&str, Entry); 10] = [
    ("answers", answers::run),
    ("config", config::run),
    ("instant", instant::run),
    ("journal", journal::run),
    ("known_hosts", known_hosts::run),
    ("replica", replica::run),
    ("requests", requests::run),
    ("session", session::run),
    ("ssh_config", ssh_config::run),
    ("values", values::run),
];

/// Nothing that is read from memory takes as long as this: a future that does waits for something that never comes.
const LIMIT: Duration = Duration::from_secs(20);

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
}

/// Runs a future on this thread's runtime, tasks that it spawned included.
fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|cell| {
        let runtime = cell.get_or_init(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        });
        runtime.block_on(async {
            let done = tokio::time::timeout(LIMIT, future).await;
            done.expect("it hangs")
        })
    })
}

/// The first byte, as a choice of one of `count`, and the rest.
fn choice(data: &[u8], count: u8) -> Option<(u8, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((first % count, rest))
}

/// A message for people: something, and not the whole input again.
fn assert_message(message: &str) {
    assert!(!message.trim().is_empty(), "an error without words");
    assert!(message.len() < 100_000, "an error of {} bytes", message.len());
}
