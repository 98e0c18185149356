//! The built programs against a real sshd, with real PHP on the server's side and Python on the laptop's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod crash;
mod guards;
mod line;
mod load;
mod quiet;
mod story;
