//! demo.

mod content;
pub mod data;
pub mod server;
mod shell;
