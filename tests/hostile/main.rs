//! A server that is broken, or means harm: whatever it answers, memory stays bounded, nothing is written, the message
//! says what is wrong, and the daemon goes on as soon as the server is honest again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod answers;
mod floods;
mod host;
mod liar;

mod names;

mod sftp;
mod stage;
mod success;

#[path = "../support/mod.rs"]
mod support;
