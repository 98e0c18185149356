//! What is done when the server read back something else than it was given.

use std::collections::{BTreeMap, BTreeSet};

use super::CycleError;
use super::exchange::Exchange;
use super::look::new_lineage;
use super::pair::Pair;
use crate::model::{Key, Row, RowOp, Side, Table};
use crate::replica::{Pushed, holds};

/// Looks for the rows of a push of which the server read back something else than it was given. If they are not there
/// the server's base tells of rows that it does not have, so neither base is of use: the laptop's is begun anew, and the
/// next cycle compares all rows and deletes none.
pub(super) async fn look_again(pair: &mut Pair, exchange: &Exchange, pushed: &Pushed) -> Result<(), CycleError> {
    let left_out = pushed.refused.iter().zip(&pushed.barred);
    let written: Vec<Vec<&RowOp>> = exchange
        .tables
        .iter()
        .zip(left_out)
        .map(|(table, (refused, barred))| {
            let left_out: BTreeSet<&usize> = refused.iter().chain(barred).collect();
            let ops = table.to_server.iter().enumerate();
            let done = ops.filter(|(seq, op)| op.after().is_some() && !left_out.contains(seq));
            done.map(|(_, op)| op).collect()
        })
        .collect();
    let tables = pair.layout.local.clone();
    let key = |table: &Table, op: &RowOp| op.after().map(|row| table.key_of(row));
    let keys: Vec<Vec<Key>> = tables
        .iter()
        .zip(&written)
        .map(|(table, ops)| ops.iter().filter_map(|op| key(table, op)).collect())
        .collect();
    let (_, server) = pair.both()?;
    let there = server.replica.live_rows(&keys).await;
    let there = there.map_err(|error| CycleError::of_sql(Side::Server, error))?;
    for ((table, ops), rows) in tables.iter().zip(&written).zip(there) {
        let rows: BTreeMap<Key, Row> = rows.into_iter().map(|row| (table.key_of(&row), row)).collect();
        let row = |op: &RowOp| key(table, op).and_then(|key| rows.get(&key));
        if !ops.iter().all(|op| row(op).is_some_and(|row| holds(op, row))) {
            let (local, _) = pair.both()?;
            let begun = local.begin(&new_lineage()?).await;
            begun.map_err(|error| CycleError::of_sql(Side::Local, error))?;
            return Err(CycleError::attention(
                format!(
                    "write to the server's table {}: the server says that it wrote rows which are not there",
                    table.name
                ),
                "see what runs SQL there (`modsyncctl status` names it) and whether its disk keeps what is written; \
                 then `modsyncctl sync-now`, which compares all rows and deletes none",
            ));
        }
    }
    Ok(())
}
