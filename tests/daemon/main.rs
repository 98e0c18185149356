//! The daemon against a scripted pair, most of it on a clock that jumps to the next thing to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cycles;
mod life;
mod process;
mod requests;
mod script;
mod trouble;
