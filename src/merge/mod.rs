//! The three-way merge: pure functions from (base, local, server) to what each side shall become.
//!
//! No I/O, no clock, no SQL: the same inputs give the same plan, so a dry run and a real cycle share it. The rules are
//! told in `docs/merge.md`. One merge goes through the rooms in this order:
//!
//! 1. `work`: the rows of a table while they merge.
//! 2. `ids`: integer ids that both sides handed out; the laptop's row gives way and its references follow. `identity` says
//!    whether two rows under one id are one.
//! 3. `rows`: row by row, cell by cell, with the times of `newest`.
//! 4. `references`: a row that a kept row refers to is kept as well.
//! 5. `unique`: no two rows end up with one unique value; rows that go for it take those that refer to them along.
//! 6. `ops`: what has to be written on each side to get there.
//!
//! [`brakes`] look at the outcome before anything is written.

use std::collections::HashSet;

pub mod brakes;
mod identity;
mod ids;
mod input;
mod newest;
mod ops;
mod plan;
mod references;
mod rows;
#[cfg(test)]
mod tests;
mod unique;
mod work;

pub use input::{Group, TableInput, TableRules, Triple, Zones};
pub use ops::{put_in_order, write};
pub use plan::{Conflict, Plan, Reason, Settled, TablePlan};

use work::Work;

/// Merges every table of a cycle.
///
/// Foreign keys are followed across the tables of the input: when a laptop row yields its integer id, the laptop's
/// changed rows that refer to it follow; a row is not deleted while the other side's changed rows refer to it.
#[must_use]
pub fn merge(inputs: Vec<TableInput<'_>>, zones: &Zones) -> Plan {
    let mut tables: Vec<Work<'_>> = inputs.into_iter().map(Work::new).collect();
    ids::give_way(&mut tables);
    for table in &mut tables {
        rows::merge_rows(table, zones);
    }
    references::keep_referenced(&mut tables);
    let mut gone = HashSet::new();
    for (number, table) in tables.iter_mut().enumerate() {
        gone.extend(unique::separate(table).into_iter().map(|row| (number, row)));
    }
    references::go_with_parents(&mut tables, gone);
    Plan {
        tables: tables.into_iter().map(ops::plan).collect(),
    }
}
