//! What a first cycle will make of two schemas, told before there is a pair.

use super::layout::Layout;
use super::schema::{Agreed, Drift};
use crate::config::{TableConfig, rules_for};
use crate::control::types::{SchemaMove, Skipped};
use crate::merge::TableRules;
use crate::model::{Schema, Table};

/// What a first cycle syncs, makes and leaves out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foresight {
    /// The tables that are synced, with their keys and how their rows merge.
    pub tables: Vec<(Table, TableRules)>,
    /// What one side has alone and the other gets.
    pub carried: Vec<SchemaMove>,
    /// What is left out, with the reason.
    pub left_out: Vec<Skipped>,
}

impl Foresight {
    /// Holds the laptop's schema against the server's as a first cycle does, which has agreed on nothing yet.
    #[must_use]
    pub fn new(local: &Schema, server: &Schema, declared: &[TableConfig]) -> Self {
        let drift = Drift::new([local, server], Agreed::default(), declared);
        let layout = Layout::new(local, server, &drift, |table| rules_for(table, declared));
        let is_carried = |name: &str| {
            drift
                .changes
                .iter()
                .any(|change| change.name.eq_ignore_ascii_case(name))
        };
        Self {
            tables: layout.local.into_iter().zip(layout.rules).collect(),
            carried: drift.changes.iter().map(super::schema::Change::told).collect(),
            left_out: layout
                .left_out
                .into_iter()
                .filter(|skipped| !is_carried(&skipped.name))
                .collect(),
        }
    }
}
