//! Rows as a person wants them on both sides: what `undo`, `conflicts resolve`, a restored backup and the cleaning up after a
//! self-test are made of.
//!
//! An amendment rides on an ordinary cycle. What the two sides changed is pulled, merged and braked as ever; then the
//! exchange is extended by one guarded write for each side and one entry for the base. So amendments go through the
//! journal, the guards, the read-back, the base's move and the record like any other row.
//!
//! Only a row that both sides hold as the amendment expects it is amended. Any other is left as it is, and named.

use std::collections::{BTreeMap, BTreeSet};

use super::ancestors::Ancestors;
use super::exchange::{Exchange, op_keys};
use super::layout::Layout;
use super::{CycleError, Pair, Progress, Trigger};
use crate::control::types::{CycleSummary, SyncRequest};
use crate::merge::brakes::Seen;
use crate::merge::{self, Settled};
use crate::model::{Key, Row, Side, Table, pick_not_null};

/// A row as a person wants it on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The table, as the laptop's schema spells it.
    pub table: String,
    /// The row's key. It stays: a row under another key is a row that goes and one that comes.
    pub key: Key,
    /// The whole row that both sides must hold, in the laptop's order of columns; `None`: neither has such a row.
    pub from: Option<Row>,
    /// The row that both shall hold; `None`: it goes.
    pub to: Option<Row>,
}

/// An amendment that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The table.
    pub table: String,
    /// The row's key.
    pub key: Key,
    /// Why, for people.
    pub reason: String,
}

/// What came of amendments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amended {
    /// The cycle that made them.
    pub cycle: CycleSummary,
    /// Those that were not made. All others were, or the rows were already as they were wanted.
    pub left: Vec<Left>,
}

/// What a cycle is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The cycle's limits.
    pub request: &'a SyncRequest,
    /// What it shall write besides.
    pub amendments: &'a [Amendment],
}

const MOVED: &str = "it has changed since";
const HELD: &str = "the row is held back: `modsyncctl status` says why";
const OVERTAKEN: &str = "it was changed on the laptop, or another row stands in its way";
const OVERTAKEN_THERE: &str = "it was changed on the server, or another row stands in its way there";

pub(super) mod wanted;

impl Pair {
    /// Runs a cycle that brings these rows to both sides besides. The brakes look at what the sides did themselves; when
    /// one stops the cycle, all amendments are left.
    ///
    /// # Errors
    /// As a cycle's. What of the amendments the laptop had taken by then counts as its change: the next cycle brings it to
    /// the server, or merges it with what changed there.
    pub async fn amend(
        &mut self,
        amendments: &[Amendment],
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<Amended, CycleError> {
        self.cycle(&SyncRequest::default(), amendments, trigger, progress).await
    }

    /// What [`amend`](Self::amend) would do; writes nothing.
    ///
    /// # Errors
    /// As a cycle's.
    pub async fn would_amend(
        &mut self,
        amendments: &[Amendment],
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<Amended, CycleError> {
        let request = SyncRequest {
            dry_run: true,
            ..SyncRequest::default()
        };
        self.cycle(&request, amendments, trigger, progress).await
    }
}

impl Amendment {
    /// The same amendment, which was not made.
    pub(super) fn left(&self, reason: impl Into<String>) -> Left {
        Left {
            table: self.table.clone(),
            key: self.key.clone(),
            reason: reason.into(),
        }
    }

    /// Whether both rows have the table's columns and the key.
    fn fits(&self, table: &Table) -> bool {
        let fits = |row: &Row| row.len() == table.columns.len() && table.key_of(row) == self.key;
        self.from.iter().chain(&self.to).all(fits)
    }
}

/// The keys that the base is asked for because of amendments, by table: their own, and those of the rows that they would
/// refer to.
pub(super) fn keys_of(layout: &Layout, amendments: &[Amendment]) -> Vec<BTreeSet<Key>> {
    let mut keys = vec![BTreeSet::new(); layout.local.len()];
    for amendment in amendments {
        let Some(index) = place(layout, &amendment.table) else {
            continue;
        };
        keys[index].insert(amendment.key.clone());
        for (parent, key) in parents(layout, &layout.local[index], amendment) {
            keys[parent].insert(key);
        }
    }
    keys
}

fn place(layout: &Layout, name: &str) -> Option<usize> {
    layout.local.iter().position(|table| table.name == name)
}

/// The rows that the amended row will refer to by their key, and did not before: their tables and keys.
fn parents<'a>(
    layout: &'a Layout,
    table: &'a Table,
    amendment: &'a Amendment,
) -> impl Iterator<Item = (usize, Key)> + 'a {
    table.foreign_keys.iter().filter_map(|foreign| {
        let values = pick_not_null(amendment.to.as_ref()?, &foreign.columns)?;
        let before = amendment
            .from
            .as_ref()
            .and_then(|row| pick_not_null(row, &foreign.columns));
        let index = layout
            .local
            .iter()
            .position(|parent| parent.name.eq_ignore_ascii_case(&foreign.parent))?;
        let parent = &layout.local[index];
        let columns: Option<Vec<usize>> = foreign.parent_columns.iter().map(|name| parent.column(name)).collect();
        (before.as_ref() != Some(&values) && columns? == parent.key).then_some((index, values))
    })
}

/// The rows of one table as they stand before amendments are put in.
struct Standing<'a> {
    base: BTreeMap<Key, &'a Row>,
    /// Where a key stands among the settled ones.
    settled: BTreeMap<Key, usize>,
    /// The keys that the cycle itself writes.
    written: BTreeSet<Key>,
}

impl Exchange {
    /// Puts amendments in. `base` has the base's rows of at least [`keys_of`] them.
    pub(super) fn amend(&mut self, layout: &Layout, base: &[Vec<Row>], amendments: &[Amendment]) {
        if amendments.is_empty() {
            return;
        }
        let standing: Vec<Standing<'_>> = (layout.local.iter().zip(&self.tables).zip(base))
            .map(|((table, exchange), base)| Standing {
                base: base.iter().map(|row| (table.key_of(row), row)).collect(),
                settled: (exchange.settled.iter().enumerate())
                    .map(|(index, settled)| (settled.key.clone(), index))
                    .collect(),
                written: Side::BOTH
                    .into_iter()
                    .flat_map(|side| exchange.ops(side).iter().flat_map(|op| op_keys(table, op)))
                    .collect(),
            })
            .collect();
        for amendment in amendments {
            if let Err(reason) = self.put_in(layout, &standing, amendment) {
                self.left.push(amendment.left(reason));
            }
        }
        self.leave_orphans(layout, &standing, amendments);
        for table in &mut self.tables {
            merge::put_in_order(&mut table.to_local);
            merge::put_in_order(&mut table.to_server);
        }
    }

    fn put_in(&mut self, layout: &Layout, standing: &[Standing<'_>], amendment: &Amendment) -> Result<(), String> {
        let Some(index) = place(layout, &amendment.table) else {
            return Err("its table is not synced".to_owned());
        };
        let table = &layout.local[index];
        if !amendment.fits(table) {
            return Err("its table has other columns by now".to_owned());
        }
        if let Some(held) = self.held.iter().find(|held| {
            let whole = matches!(
                held.seen,
                Seen::Doubled { .. } | Seen::Wiped { .. } | Seen::Renamed { .. }
            );
            whole && held.table == table.name
        }) {
            return Err(held.to_string());
        }
        let exchange = &mut self.tables[index];
        if exchange.keep_out.contains(&amendment.key) {
            return Err(HELD.to_owned());
        }
        let standing = &standing[index];
        let place = standing.settled.get(&amendment.key).copied();
        let held = match place {
            Some(place) => exchange.settled[place].agreed.clone(),
            None => standing.base.get(&amendment.key).map(|row| (*row).clone()),
        };
        if held == amendment.to {
            return Ok(()); // it is so already, or will be after this cycle
        }
        if held != amendment.from || standing.written.contains(&amendment.key) {
            return Err(MOVED.to_owned());
        }
        let Some(op) = merge::write(table, amendment.from.as_ref(), amendment.to.as_ref()) else {
            return Ok(());
        };
        if exchange
            .amended
            .insert(amendment.key.clone(), amendment.to.clone())
            .is_some()
        {
            return Err("it is amended twice".to_owned());
        }
        exchange.to_local.push(op.clone());
        exchange.to_server.push(op);
        let settled = Settled {
            key: amendment.key.clone(),
            server: held,
            agreed: amendment.to.clone(),
        };
        match place {
            Some(place) => exchange.settled[place] = settled,
            None => exchange.settled.push(settled),
        }
        Ok(())
    }

    /// Takes amendments out again that would refer to a row that is not there, and those that refer to these, and so on.
    fn leave_orphans(&mut self, layout: &Layout, standing: &[Standing<'_>], amendments: &[Amendment]) {
        loop {
            let mut gone = None;
            for amendment in amendments {
                let Some(index) = place(layout, &amendment.table) else {
                    continue;
                };
                if !self.tables[index].amended.contains_key(&amendment.key) {
                    continue;
                }
                let mut parents = parents(layout, &layout.local[index], amendment);
                if let Some((parent, _)) = parents.find(|(parent, key)| !self.will_have(*parent, key, standing)) {
                    gone = Some((index, amendment, &layout.local[parent].name));
                    break;
                }
            }
            let Some((index, amendment, parent)) = gone else { return };
            self.take_out(&layout.local[index], index, amendment);
            let reason = format!("it refers to a row of {parent} that is not there any more");
            self.left.push(amendment.left(reason));
        }
    }

    /// Whether both sides will have a row of that key.
    fn will_have(&self, table: usize, key: &Key, standing: &[Standing<'_>]) -> bool {
        let exchange = &self.tables[table];
        if let Some(to) = exchange.amended.get(key) {
            return to.is_some();
        }
        match standing[table].settled.get(key) {
            Some(&place) => exchange.settled[place].agreed.is_some(),
            None => standing[table].base.contains_key(key),
        }
    }

    fn take_out(&mut self, table: &Table, index: usize, amendment: &Amendment) {
        let exchange = &mut self.tables[index];
        exchange.amended.remove(&amendment.key);
        for side in Side::BOTH {
            let ops = exchange.ops_mut(side);
            ops.retain(|op| !op_keys(table, op).contains(&amendment.key));
        }
        // Both sides hold it and nothing is written: the base takes what it has already.
        for settled in exchange
            .settled
            .iter_mut()
            .filter(|settled| settled.key == amendment.key)
        {
            settled.agreed.clone_from(&amendment.from);
        }
    }

    /// After the writes: the amendments that were not made on both sides. Where the laptop has taken one that the server
    /// refused, the laptop's row is nobody's change: the next round takes back what it wrote, or brings what the server
    /// has by now.
    pub(super) fn not_amended(&mut self, layout: &Layout, ancestors: &mut Ancestors) -> Vec<Left> {
        let mut left = std::mem::take(&mut self.left);
        for (table, exchange) in layout.local.iter().zip(&mut self.tables) {
            let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
            for (key, to) in std::mem::take(&mut exchange.amended) {
                let reason = match (exchange.keep_out.contains(&key), exchange.unpushed.contains(&key)) {
                    (true, _) => OVERTAKEN,
                    (false, true) => {
                        ancestors.insert(&table.name, &columns, key.clone(), to);
                        exchange.moved_on = true;
                        OVERTAKEN_THERE
                    }
                    (false, false) => continue,
                };
                left.push(Left {
                    table: table.name.clone(),
                    key,
                    reason: reason.to_owned(),
                });
            }
        }
        left
    }
}

#[cfg(test)]
mod tests;
