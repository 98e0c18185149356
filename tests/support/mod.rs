//! What the integration tests share. Each test file uses a part of it.
#![allow(dead_code, clippy::print_stderr)]

pub mod daemon;
pub mod local_transport;
pub mod moved;
pub mod proxy;
pub mod sshd;
pub mod world;
