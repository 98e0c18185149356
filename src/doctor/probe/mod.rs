//! The probes: thin, each with its limit, each writing nothing that stays.

mod database;
pub(super) mod facts;
mod files;
pub(super) mod home;
pub(super) mod server;

pub(super) use database::local;
