//! One side's schema changes while the other side writes: additions are carried over within the cycle, the rest is held.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod added;
mod held;
mod interrupted;
#[path = "../support/mod.rs"]
mod support;
