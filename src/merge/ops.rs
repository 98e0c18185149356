//! What has to be written on each side, so that both hold the outcome.

use super::work::{Entry, Work};
use super::{Settled, TablePlan};
use crate::model::{Row, RowOp, Table};

/// Turns the outcomes of a table into its plan, in the order of the keys.
pub(super) fn plan(mut work: Work<'_>) -> TablePlan {
    work.entries.sort_by(|a, b| a.key.cmp(&b.key));
    work.conflicts.sort_by(|a, b| a.key.cmp(&b.key));
    let mut plan = TablePlan {
        conflicts: work.conflicts,
        ..TablePlan::default()
    };
    for entry in work.entries {
        let agreed = entry.agreed();
        plan.to_local.extend(write(work.table, entry.held(), agreed));
        plan.to_server.extend(write(work.table, entry.server.as_ref(), agreed));
        if agreed.is_none() && entry.base.is_none() && entry.held().is_some() {
            plan.vacated.push(entry.key.clone());
        }
        plan.settled.push(settle(entry));
    }
    put_in_order(&mut plan.to_local);
    put_in_order(&mut plan.to_server);
    plan
}

/// Puts writes into the order in which they are carried out. Stable: within one kind their order remains. Deletes make
/// room for values that others take over.
pub fn put_in_order(ops: &mut [RowOp]) {
    ops.sort_by_key(order);
}

fn settle(entry: Entry) -> Settled {
    Settled {
        agreed: entry.agreed().cloned(),
        key: entry.key,
        server: entry.server,
    }
}

/// The write that turns what a side holds under a key into what it shall hold; `None` when they are the same.
#[must_use]
pub fn write(table: &Table, before: Option<&Row>, after: Option<&Row>) -> Option<RowOp> {
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => Some(RowOp::Insert(after.clone())),
        (Some(before), None) => Some(RowOp::Delete(before.clone())),
        (Some(before), Some(after)) if before == after => None,
        (Some(before), Some(after)) => {
            let (replaces, before, after) = (changes_unique(table, before, after), before.clone(), after.clone());
            Some(if replaces {
                RowOp::Replace { before, after }
            } else {
                RowOp::Update { before, after }
            })
        }
    }
}

/// Whether the id or a value that must be unique changes. The key does not: both rows have the same.
fn changes_unique(table: &Table, before: &Row, after: &Row) -> bool {
    let unique = table.unique.iter().flatten().chain(&table.rowid);
    unique
        .into_iter()
        .any(|&column| before.get(column) != after.get(column))
}

fn order(op: &RowOp) -> u8 {
    match op {
        RowOp::Delete(_) => 0,
        RowOp::Replace { .. } | RowOp::Update { .. } => 1,
        RowOp::Insert(_) => 2,
    }
}
