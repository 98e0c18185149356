//! From what both sides changed to what a cycle will write: pure, so that a dry run and a cycle share it.

use std::collections::{BTreeMap, BTreeSet};

use super::amend::Left;
use super::ancestors::{self, Ancestors};
use super::layout::Layout;
use super::limits::Size;
pub use super::limits::{Limits, Stopped};
use crate::merge::brakes::{Held, Seen};
use crate::merge::{self, Conflict, Plan, Settled, TableInput, Triple, Zones};
use crate::model::{Delta, Key, Row, RowOp, Side, Table, TableDelta};
use crate::replica::Pushed;

/// What a cycle will do, table by table in the layout's order.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// By table.
    pub tables: Vec<TableExchange>,
    /// Rows that a brake holds back.
    pub held: Vec<Held>,
    /// How many rows are held back.
    pub held_rows: u64,
    /// Amendments that are not part of it.
    pub left: Vec<Left>,
}

/// What a cycle will do in one table.
#[derive(Clone, Debug, Default)]
pub struct TableExchange {
    /// Writes for the laptop.
    pub to_local: Vec<RowOp>,
    /// Writes for the server.
    pub to_server: Vec<RowOp>,
    /// What both sides had changed at once.
    pub conflicts: Vec<Conflict>,
    /// What each key comes to.
    pub settled: Vec<Settled>,
    /// Keys that rows of the laptop leave without having been deleted ([`TablePlan::vacated`](crate::merge::TablePlan::vacated)).
    pub(super) vacated: BTreeSet<Key>,
    /// Keys whose base stays as it is: the next cycle meets them again.
    pub keep_out: BTreeSet<Key>,
    /// Keys that the server has not taken: its own row is what both sides agree on so far.
    pub unpushed: BTreeSet<Key>,
    /// Whether another program changed a row between our reading it and writing it.
    pub moved_on: bool,
    /// What the rows shall be that are amended, by key.
    pub(super) amended: BTreeMap<Key, Option<Row>>,
    /// The writes for the laptop and for the server that hold back with the whole table.
    pub(super) withheld: [Vec<RowOp>; 2],
}

/// The keys that either side changed, by table: the base rows that a merge needs.
#[must_use]
pub fn touched_keys(local: &Delta, server: &Delta) -> Vec<Vec<Key>> {
    let keys = |delta: &TableDelta| {
        delta
            .changed
            .iter()
            .map(|row| row.key.clone())
            .chain(delta.deleted.iter().cloned())
            .collect::<BTreeSet<_>>()
    };
    let tables = local.tables.iter().zip(&server.tables);
    tables
        .map(|(ours, theirs)| keys(ours).union(&keys(theirs)).cloned().collect())
        .collect()
}

/// What a merge goes out from.
pub struct Origin<'a> {
    /// The base's rows of the touched keys, by table.
    pub base: Vec<Vec<Row>>,
    /// Rows that stand in for the base's.
    pub ancestors: &'a Ancestors,
}

/// Puts base, local and server side by side for each row that either side changed.
fn triples(table: &Table, local: TableDelta, server: TableDelta, base: Vec<Row>) -> Vec<Triple> {
    let mut base: BTreeMap<Key, Row> = base.into_iter().map(|row| (table.key_of(&row), row)).collect();
    let side = |delta: TableDelta| -> BTreeMap<Key, Option<Row>> {
        let deleted = delta.deleted.into_iter().map(|key| (key, None));
        let changed = delta.changed.into_iter().map(|row| {
            let key = row.key.clone();
            let complete = row.complete(base.get(&key));
            (key, complete)
        });
        deleted.chain(changed).collect()
    };
    let (mut local, mut server) = (side(local), side(server));
    let keys: BTreeSet<Key> = local.keys().chain(server.keys()).cloned().collect();
    let mut triples = Vec::with_capacity(keys.len());
    for key in keys {
        let before = base.remove(&key);
        let local = local.remove(&key).unwrap_or_else(|| before.clone());
        let server = server.remove(&key).unwrap_or_else(|| before.clone());
        triples.push(Triple {
            key,
            base: before,
            local,
            server,
        });
    }
    triples
}

/// Puts ancestors in the base's place. Where there is no base yet nothing counts as deleted, here neither.
fn go_out_from(triples: &mut [Triple], ancestors: &ancestors::Rows, first: bool) {
    for triple in triples {
        let one_sided = triple.local.is_none() || triple.server.is_none();
        if let Some(row) = ancestors.get(&triple.key).filter(|_| !(first && one_sided)) {
            triple.base.clone_from(row);
        }
    }
}

/// Whether every cell that a side calls unchanged is in the base that it is held against. If not, the two bases are
/// not one, whatever they say: a missing cell must never pass for a deleted row.
#[must_use]
pub fn is_base_of(base: &[Vec<Row>], layout: &Layout, delta: &Delta) -> bool {
    let tables = layout.local.iter().zip(base).zip(&delta.tables);
    tables.into_iter().all(|((table, rows), delta)| {
        let known: BTreeSet<Key> = rows.iter().map(|row| table.key_of(row)).collect();
        let mut changed = delta.changed.iter();
        changed.all(|row| row.cells.iter().all(Option::is_some) || known.contains(&row.key))
    })
}

impl Exchange {
    /// Merges, and applies the brakes and the request's limits.
    ///
    /// # Errors
    /// When a brake stops the whole cycle.
    pub fn new(
        layout: &Layout,
        [local, server]: [Delta; 2],
        origin: Origin<'_>,
        zones: &Zones,
        limits: &Limits<'_>,
    ) -> Result<Self, Stopped> {
        let sizes: Vec<[Size; 2]> = local
            .tables
            .iter()
            .zip(&server.tables)
            .map(|(l, s)| [Size::of(l), Size::of(s)])
            .collect();
        let server_keys: Vec<BTreeSet<Key>> = server.tables.iter().map(changed_keys).collect();
        let tables = layout.local.iter().zip(&layout.rules);
        let deltas = local.tables.into_iter().zip(server.tables).zip(origin.base);
        let inputs = tables
            .zip(deltas)
            .map(|((table, rules), ((local, server), base))| TableInput {
                table,
                rules,
                first: limits.first,
                next_id: local.next_id.max(server.next_id),
                used_below: server.next_id.filter(|_| table.autoincrement && !limits.first),
                triples: {
                    let mut triples = triples(table, local, server, base);
                    if let Some(ancestors) = origin.ancestors.of(table) {
                        go_out_from(&mut triples, ancestors, limits.first);
                    }
                    triples
                },
            });
        let plan = merge::merge(inputs.collect(), zones);
        let mut exchange = Self::from_plan(plan);
        exchange.hold_keyless(layout, &sizes);
        if !limits.first {
            exchange.brake(layout, &sizes, limits)?;
        }
        exchange.hold_dependents(layout);
        exchange.limit(layout, limits.request, &server_keys);
        Ok(exchange)
    }

    fn from_plan(plan: Plan) -> Self {
        let tables = plan.tables.into_iter().map(|plan| TableExchange {
            to_local: plan.to_local,
            to_server: plan.to_server,
            conflicts: plan.conflicts,
            settled: plan.settled,
            vacated: plan.vacated.into_iter().collect(),
            ..TableExchange::default()
        });
        Self {
            tables: tables.collect(),
            ..Self::default()
        }
    }

    /// Whether there is nothing to write and nothing to agree on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| {
            table
                .settled
                .iter()
                .all(|settled| table.keep_out.contains(&settled.key))
        })
    }

    /// The writes for one side, by table.
    #[must_use]
    pub fn ops(&self, side: Side) -> Vec<Vec<&RowOp>> {
        self.tables
            .iter()
            .map(|table| table.ops(side).iter().collect())
            .collect()
    }

    /// Takes note of writes that were not carried out.
    pub fn refuse(&mut self, layout: &Layout, side: Side, pushed: &Pushed) {
        let tables = layout.local.iter().zip(&pushed.refused).zip(&pushed.barred);
        for (index, ((table, refused), barred)) in tables.enumerate() {
            self.tables[index].moved_on |= !refused.is_empty();
            self.tables[index].refuse(table, side, &[refused.as_slice(), barred].concat());
            if !barred.is_empty() {
                let rows = barred.len() as u64;
                self.hold(table, rows, Seen::Barred { side, rows });
            }
        }
    }

    /// Keys that stay out of the base's move, by table.
    #[must_use]
    pub fn kept_out(&self) -> Vec<Vec<Key>> {
        self.tables
            .iter()
            .map(|table| table.keep_out.iter().cloned().collect())
            .collect()
    }

    /// What the base shall hold for each key that it moves.
    #[must_use]
    pub fn settled(&self) -> Vec<Vec<(&Key, Option<&Row>)>> {
        self.tables.iter().map(TableExchange::outcome).collect()
    }
}

impl TableExchange {
    /// The writes for one side.
    #[must_use]
    pub fn ops(&self, side: Side) -> &[RowOp] {
        match side {
            Side::Local => &self.to_local,
            Side::Server => &self.to_server,
        }
    }

    pub(super) fn ops_mut(&mut self, side: Side) -> &mut Vec<RowOp> {
        match side {
            Side::Local => &mut self.to_local,
            Side::Server => &mut self.to_server,
        }
    }

    /// Holds the whole table; says how many writes that stops.
    pub(super) fn hold_all(&mut self) -> u64 {
        let rows = self.to_local.len() + self.to_server.len();
        self.keep_out
            .extend(self.settled.iter().map(|settled| settled.key.clone()));
        self.withheld[0].append(&mut self.to_local);
        self.withheld[1].append(&mut self.to_server);
        self.conflicts.clear();
        rows as u64
    }

    /// Holds the deletes for one side; says how many they are.
    pub(super) fn hold_deletes(&mut self, table: &Table, side: Side) -> u64 {
        let (ops, vacated) = match side {
            Side::Local => (&mut self.to_local, &self.vacated),
            Side::Server => (&mut self.to_server, &BTreeSet::new()),
        };
        let deletes = |op: &mut RowOp| matches!(op, RowOp::Delete(row) if !vacated.contains(&table.key_of(row)));
        let gone = ops.extract_if(.., deletes);
        let keys: Vec<Key> = gone.flat_map(|op| op_keys(table, &op)).collect();
        let rows = keys.len() as u64;
        self.keep_out.extend(keys);
        rows
    }

    fn refuse(&mut self, table: &Table, side: Side, seqs: &[usize]) {
        let seqs: BTreeSet<usize> = seqs.iter().copied().collect();
        let mut index = 0;
        let refused = self.ops_mut(side).extract_if(.., |_| {
            index += 1;
            seqs.contains(&(index - 1))
        });
        let keys: Vec<Key> = refused.flat_map(|op| op_keys(table, &op)).collect();
        match side {
            // The laptop's row moved on before the merge got there: the whole key waits for the next round.
            Side::Local => {
                self.keep_out.extend(keys);
                self.drop_kept_out(table);
            }
            Side::Server => self.unpushed.extend(keys),
        }
    }

    pub(super) fn drop_kept_out(&mut self, table: &Table) {
        let keep_out = &self.keep_out;
        let waits = |op: &RowOp| op_keys(table, op).iter().any(|key| keep_out.contains(key));
        let dropped: Vec<Key> = self
            .to_server
            .extract_if(.., |op| waits(op))
            .flat_map(|op| op_keys(table, &op))
            .collect();
        self.keep_out.extend(dropped);
    }

    fn outcome(&self) -> Vec<(&Key, Option<&Row>)> {
        let moves = self
            .settled
            .iter()
            .filter(|settled| !self.keep_out.contains(&settled.key));
        moves
            .map(|settled| match self.unpushed.contains(&settled.key) {
                true => (&settled.key, settled.server.as_ref()),
                false => (&settled.key, settled.agreed.as_ref()),
            })
            .collect()
    }
}

fn changed_keys(delta: &TableDelta) -> BTreeSet<Key> {
    delta
        .changed
        .iter()
        .map(|row| row.key.clone())
        .chain(delta.deleted.iter().cloned())
        .collect()
}

/// The keys of a write: two where it moves an id.
pub(super) fn op_keys(table: &Table, op: &RowOp) -> Vec<Key> {
    let mut keys: Vec<Key> = [op.before(), op.after()]
        .into_iter()
        .flatten()
        .map(|row| table.key_of(row))
        .collect();
    keys.dedup();
    keys
}
