//! The control socket: HTTP over a Unix socket that only its owner may open.

pub mod client;
pub mod handler;
pub mod metrics;
mod reply;
mod routes;
pub mod server;
mod socket;
mod stream;
pub mod types;
mod words;
