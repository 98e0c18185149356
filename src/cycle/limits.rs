//! What limits a cycle: brakes, rows that no key tells apart, `--pull-only` and `--skip-pull`.

use std::collections::BTreeSet;

use super::exchange::{Exchange, op_keys};
use super::layout::Layout;
use crate::control::types::SyncRequest;
use crate::merge::brakes::{self, Held, Loss, Seen};
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
fn stop_when_empty(layout: &Layout, side: Side, sizes: impl Iterator<Item = Size> + Clone) -> Result<(), Stopped> {
    if sizes.clone().any(|size| size.rows > 0) {
        return Ok(());
    }
    let most = layout.local.iter().zip(sizes).max_by_key(|(_, size)| size.deleted);
    let held = most.and_then(|(table, size)| brakes::emptied(&table.name, side, size.deleted, size.rows));
    match held {
        Some(Held { table, seen }) => Err(Stopped(Held {
            table,
            seen: everywhere(seen),
        })),
        None => Ok(()),
    }
}

fn everywhere(seen: Seen) -> Seen {
    match seen {
        Seen::Emptied { side, rows, .. } => Seen::Emptied {
            side,
            rows,
            everywhere: true,
        },
        other => other,
    }
}

fn too_many_deletes(loss: &Loss<'_>, share: f64) -> Option<Held> {
    if !loss.writes.iter().any(|op| matches!(op, RowOp::Delete(_))) {
        return None;
    }
    brakes::emptied(&loss.table.name, loss.side, loss.rows + loss.deleted, loss.rows)
        .or_else(|| brakes::max_delete(loss, share))
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
        for (index, side) in Side::BOTH.into_iter().enumerate() {
            stop_when_empty(layout, side, sizes.iter().map(|sizes| sizes[index]))?;
        }
        for (index, table) in layout.local.iter().enumerate() {
            // Writes for one side come from the other: its rows are the ones that shrank or were wiped.
            for (to, source) in [(Side::Local, sizes[index][1]), (Side::Server, sizes[index][0])] {
                let exchange = &mut self.tables[index];
                let loss = Loss {
                    table,
                    side: to.other(),
                    rows: source.rows,
                    deleted: source.deleted,
                    writes: exchange.ops(to),
                };
                let held = brakes::wiped_column(&loss, &layout.rules[index])
                    .or_else(|| too_many_deletes(&loss, limits.max_delete));
                let rows = match held.as_ref().map(|held| &held.seen) {
                    None => continue,
                    Some(Seen::Wiped { .. } | Seen::Renamed { .. }) => exchange.hold_all(),
                    Some(_) => exchange.hold_deletes(table, to),
                };
                self.held_rows += rows;
                self.held.extend(held);
            }
        }
        Ok(())
    }

    /// Holds a table of which the laptop refuses rows that cannot be held one by one, and what refers to them.
    pub(super) fn hold_barred(&mut self, layout: &Layout, index: usize, rows: u64) {
        let (Some(table), Some(exchange)) = (layout.local.get(index), self.tables.get_mut(index)) else {
            return;
        };
        exchange.hold_all();
        let side = Side::Local;
        self.hold(table, rows, Seen::Barred { side, rows });
        self.hold_dependents(layout);
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
