//! daemon.
mod backoff;
mod plan;
mod schedule;
mod surroundings;
mod worker;
