//! What limits a cycle: brakes, rows that no key tells apart, `--pull-only` and `--skip-pull`.

use std::collections::BTreeSet;

use super::exchange::{Exchange, op_keys};
use super::layout::Layout;
use crate::control::types::SyncRequest;
use crate::merge::brakes::{self, Held, Seen};
use crate::model::{Key, RowOp, Side, Table, TableDelta};

/// Why a cycle must not write anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopped(pub Held);

/// What limits a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// What was asked for.
    pub request: &'a SyncRequest,
    /// The share of a table that may be deleted unasked.
    pub max_delete: f64,
    /// Whether there is no base yet, so that nothing can have been deleted.
    pub first: bool,
}

/// What one side tells of the size of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    rows: u64,
    deleted: u64,
    unkeyed: u64,
    doubled: u64,
}

impl Size {
    pub fn of(delta: &TableDelta) -> Self {
        Self {
            rows: delta.rows,
            deleted: delta.deleted.len() as u64,
            unkeyed: delta.unkeyed,
            doubled: delta.doubled,
        }
    }
}

/// A side that has no row left in any table is no side that somebody worked on.
fn stop_when_empty(layout: &Layout, sizes: impl Iterator<Item = Size> + Clone) -> Result<(), Stopped> {
    if sizes.clone().any(|size| size.rows > 0) {
        return Ok(());
    }
    let mut tables = layout.local.iter().zip(sizes);
    match tables.find_map(|(table, size)| brakes::emptied(&table.name, size.deleted, size.rows)) {
        Some(held) => Err(Stopped(held)),
        None => Ok(()),
    }
}

/// `source` is what the side holds that deleted the rows, `writes` go to the other one.
fn too_many_deletes(table: &Table, source: Size, writes: &[RowOp], share: f64) -> Option<Held> {
    let deletes = writes.iter().filter(|op| matches!(op, RowOp::Delete(_))).count() as u64;
    if deletes == 0 {
        return None;
    }
    let rows = source.rows + source.deleted;
    brakes::emptied(&table.name, rows, source.rows).or_else(|| brakes::max_delete(&table.name, rows, deletes, share))
}

impl Exchange {
    pub(super) fn hold(&mut self, table: &Table, rows: u64, seen: Seen) {
        self.held_rows += rows;
        self.held.push(Held {
            table: table.name.clone(),
            seen,
        });
    }

    /// Rows that their key does not tell from others stay where they are.
    pub(super) fn hold_keyless(&mut self, layout: &Layout, sizes: &[[Size; 2]]) {
        for (index, (table, [local, server])) in layout.local.iter().zip(sizes).enumerate() {
            let keys = local.doubled.max(server.doubled);
            if keys > 0 {
                let rows = self.tables[index].hold_all();
                self.hold(table, rows.max(1), Seen::Doubled { keys });
            }
            let rows = local.unkeyed + server.unkeyed;
            if rows > 0 {
                self.hold(table, rows, Seen::Unkeyed { rows });
            }
        }
    }

    pub(super) fn brake(&mut self, layout: &Layout, sizes: &[[Size; 2]], limits: &Limits<'_>) -> Result<(), Stopped> {
        if limits.request.allow_deletes {
            return Ok(());
        }
        for side in 0..2 {
            stop_when_empty(layout, sizes.iter().map(|sizes| sizes[side]))?;
        }
        for (index, table) in layout.local.iter().enumerate() {
            // Writes for one side come from the other: its rows are the ones that shrank or were wiped.
            for (side, source) in [(Side::Local, sizes[index][1]), (Side::Server, sizes[index][0])] {
                let exchange = &mut self.tables[index];
                let writes = exchange.ops_mut(side);
                if let Some(held) = brakes::wiped_column(table, source.rows, writes, &layout.rules[index]) {
                    let rows = exchange.hold_all();
                    self.hold(table, rows, held.seen);
                } else if let Some(held) = too_many_deletes(table, source, writes, limits.max_delete) {
                    let rows = exchange.hold_deletes(table, side);
                    self.hold(table, rows, held.seen);
                }
            }
        }
        Ok(())
    }

    /// `--pull-only` and `--skip-pull`.
    pub(super) fn limit(&mut self, layout: &Layout, request: &SyncRequest, server_keys: &[BTreeSet<Key>]) {
        for (index, (table, changed)) in layout.local.iter().zip(server_keys).enumerate() {
            let exchange = &mut self.tables[index];
            if request.pull_only {
                let ops = std::mem::take(&mut exchange.to_server);
                exchange.unpushed.extend(ops.iter().flat_map(|op| op_keys(table, op)));
            }
            if request.skip_pull {
                let ops = std::mem::take(&mut exchange.to_local);
                exchange.keep_out.extend(changed.iter().cloned());
                exchange.keep_out.extend(ops.iter().flat_map(|op| op_keys(table, op)));
                exchange.conflicts.clear();
            }
            let before = exchange.to_server.len();
            exchange.drop_kept_out(table);
            let rows = (before - exchange.to_server.len()) as u64;
            if rows > 0 {
                self.hold(table, rows, Seen::Newer { rows });
            }
        }
    }
}
