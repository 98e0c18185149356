//! Rows that refer to rows which are held wait with them.
//!
//! A new row may still have to yield its integer id. The rows that refer to it follow, but only as long as they are
//! new to the other side themselves: gone ahead, they would one day refer to whatever row got that id instead.

use std::collections::BTreeSet;

use super::exchange::{Exchange, op_keys};
use super::layout::Layout;
use crate::merge::brakes::Seen;
use crate::model::{ForeignKey, RowOp, Side, Table, Value, pick_not_null};

impl Exchange {
    /// Holds the writes that refer to a row which is held and has yet to come to that side, and those that refer to
    /// these, and so on.
    pub(super) fn hold_dependents(&mut self, layout: &Layout) {
        for side in Side::BOTH {
            let mut waiting: Vec<usize> = (0..self.tables.len()).collect();
            while let Some(parent) = waiting.pop() {
                if self.tables[parent].withheld[side.index()].is_empty() {
                    continue;
                }
                for child in 0..self.tables.len() {
                    if self.hold_children(layout, side, parent, child) {
                        waiting.push(child);
                    }
                }
            }
        }
    }

    /// Whether any write of `child` had to be held because of one of `parent`.
    fn hold_children(&mut self, layout: &Layout, side: Side, parent: usize, child: usize) -> bool {
        let (from, to) = (&layout.local[child], &layout.local[parent]);
        let mut rows = 0;
        for foreign_key in from
            .foreign_keys
            .iter()
            .filter(|key| key.parent.eq_ignore_ascii_case(&to.name))
        {
            let held = arrivals(&self.tables[parent].withheld[side.index()], foreign_key, to);
            let refers = |op: &mut RowOp| {
                let row = op.after();
                row.is_some_and(|row| {
                    pick_not_null(row, &foreign_key.columns).is_some_and(|values| held.contains(&values))
                })
            };
            let exchange = &mut self.tables[child];
            let waits: Vec<RowOp> = exchange.ops_mut(side).extract_if(.., refers).collect();
            rows += waits.len() as u64;
            exchange.keep_out.extend(waits.iter().flat_map(|op| op_keys(from, op)));
            // They are told when they are written.
            exchange
                .conflicts
                .retain(|conflict| !exchange.keep_out.contains(&conflict.key));
            exchange.withheld[side.index()].extend(waits);
        }
        if rows > 0 {
            self.hold(from, rows, Seen::Dependent { rows });
        }
        rows > 0
    }
}

/// What the held writes would have brought for others to refer to.
fn arrivals(withheld: &[RowOp], foreign_key: &ForeignKey, parent: &Table) -> BTreeSet<Vec<Value>> {
    let columns = foreign_key.parent_columns.iter().map(|name| parent.column(name));
    let Some(columns) = columns.collect::<Option<Vec<usize>>>() else {
        return BTreeSet::new();
    };
    let brings = withheld.iter().filter_map(|op| {
        let after = pick_not_null(op.after()?, &columns)?;
        let before = op.before().and_then(|row| pick_not_null(row, &columns));
        (before.as_ref() != Some(&after)).then_some(after)
    });
    brings.collect()
}
