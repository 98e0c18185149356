//! The control socket: HTTP over a Unix socket that only its owner may open.

pub mod handler;
pub mod metrics;
pub mod types;
mod words;
