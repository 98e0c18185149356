//! Real faults for real processes: killed, stopped, cut off, without disk, behind locks, on a file that is replaced.
//!
//! After each of them both databases are whole, no row is lost or doubled, the next cycle brings them together, and what
//! `status` said meanwhile was true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod disk;
mod gate;
mod kills;
mod locks;
mod quota;
mod replaced;
mod rows;
mod sessions;
mod still;
