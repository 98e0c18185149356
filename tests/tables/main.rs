//! Every kind of table, through real cycles between two real databases over a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod limits;
mod rules;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
mod triggers;
mod values;
mod writers;
