//! `modsyncctl doctor` on a real sshd: each thing that can go wrong is broken once, named with its fix, and where the fix
//! can be pasted, healed by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod broken_here;
mod broken_there;
mod clinic;
mod healthy;
mod self_test;
