//! The real pair behind the daemon.

use super::Pairs;
use crate::config::Config;
use crate::cycle::{CycleError, Pair};

/// Opens the pair of databases that a config names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Databases;

impl Pairs for Databases {
    type Syncer = Pair;

    async fn open(&self, config: &Config) -> Result<Pair, CycleError> {
        Pair::open(config.clone()).await
    }
}
