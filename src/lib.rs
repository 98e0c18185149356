//! modsync keeps a SQLite database on a laptop and its sibling on a server in two-way, row-level sync over plain SSH.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod config;
pub mod control;
pub mod ctl;
pub mod cycle;
pub mod daemon;
pub mod demo;
pub mod merge;
pub mod model;
pub mod replica;
pub mod service;
pub mod setup;
pub mod ssh;
