//! What of two schemas is not synced, told from the schemas alone: for a look that is no cycle.

use super::super::layout::{BY_CONFIG, Layout};
use super::agreed::Agreed;
use super::plan::Drift;
use super::proof;
use crate::config::{self, TableConfig};
use crate::model::{Schema, Skipped};

/// Two schemas, held against each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// How many tables are synced.
    pub synced: usize,
    /// Tables that were to be synced and cannot be: a person is needed.
    pub held: Vec<Skipped>,
    /// What else is not synced: views, virtual tables, what stays on one side.
    pub left: Vec<Skipped>,
    /// What a cycle carries over, by name.
    pub carried: Vec<String>,
}

/// Holds the laptop's schema and the server's against each other. `agreed` is the record's fact of what both sides agreed
/// on, if there is one.
#[must_use]
pub fn schemas_apart(schemas: [&Schema; 2], agreed: Option<&str>, tables: &[TableConfig]) -> Apart {
    let agreed: Agreed = agreed
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut drift = Drift::new(schemas, agreed, tables);
    proof::prove(&mut drift, schemas);
    let layout = Layout::new(schemas[0], schemas[1], &drift, |table| config::rules_for(table, tables));
    let on_both = |name: &str| schemas.iter().all(|schema| schema.table(name).is_some());
    let is_held = |skipped: &Skipped| match drift.bar(&skipped.name) {
        Some(barred) => barred.held,
        None => skipped.reason != BY_CONFIG && on_both(&skipped.name),
    };
    let carried: Vec<String> = drift.changes.iter().map(|change| change.told().name).collect();
    let is_carried = |skipped: &Skipped| drift.changes.iter().any(|change| change.table == skipped.name);
    let left_out = layout
        .left_out
        .iter()
        .filter(|skipped| is_held(skipped) || !is_carried(skipped));
    let (held, left) = left_out.cloned().partition(is_held);
    Apart {
        synced: layout.local.len(),
        held,
        left,
        carried,
    }
}
