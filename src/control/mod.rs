//! The control socket: HTTP over a Unix socket that only its owner may open.

pub mod addressed;
mod backups;
pub mod client;
pub mod doctor;
mod error;
mod event;
pub mod handler;
pub mod metrics;
mod record;
mod reply;
mod routes;
mod self_test;
pub mod server;
mod socket;
mod stall;
mod stream;
pub mod types;
mod words;
