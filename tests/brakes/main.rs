//! What stops a cycle before it writes: one golden scenario for each damage and side, played against the built programs and
//! a real sshd. Each says what was seen and how to go on, writes nothing, and goes on once the person did what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod disks;
mod files;
mod lineage;
mod ours;
mod rows;
mod schemas;
mod stage;
