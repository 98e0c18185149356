//! Rows of the record held against the rows of today, and what a person wants of them.

use std::collections::BTreeMap;

use super::{Amended, Amendment, Left, place};
use crate::control::types::{AmendReport, CycleSummary, LeftRow, Outcome, RowChange, Side};
use crate::cycle::layout::Layout;
use crate::cycle::{CycleError, Pair, Progress, Trigger, report};
use crate::model::{Key, Row, Table};

/// A row of the synced tables: the table's number and the key.
pub(in crate::cycle) type Place = (usize, Key);

/// The laptop's rows as they are, and as they are wanted.
#[derive(Debug)]
pub(in crate::cycle) struct Wanted {
    now: BTreeMap<Place, Row>,
    to: BTreeMap<Place, Option<Row>>,
    /// What cannot be had.
    left: Vec<(Left, Option<i64>)>,
}

impl Wanted {
    /// With these rows as they are.
    pub fn new(now: BTreeMap<Place, Row>) -> Self {
        Self {
            now,
            to: BTreeMap::new(),
            left: Vec::new(),
        }
    }

    /// The row as it is wanted so far, `None` for no row.
    pub fn row(&self, place: &Place) -> Option<&Row> {
        match self.to.get(place) {
            Some(row) => row.as_ref(),
            None => self.now.get(place),
        }
    }

    /// It shall be this.
    pub fn want(&mut self, place: Place, row: Option<Row>) {
        self.to.insert(place, row);
    }

    /// It is left, with the conflict that was to be resolved.
    pub fn leave(&mut self, table: &str, key: Key, conflict: Option<i64>, reason: String) {
        let table = table.to_owned();
        self.left.push((Left { table, key, reason }, conflict));
    }

    /// What has to be written.
    pub fn amendments(&self, layout: &Layout) -> Vec<Amendment> {
        let changed = self.to.iter().filter(|(place, to)| self.now.get(place) != to.as_ref());
        let amendment = |((index, key), to): (&Place, &Option<Row>)| {
            Some(Amendment {
                table: layout.local.get(*index)?.name.clone(),
                key: key.clone(),
                from: self.now.get(&(*index, key.clone())).cloned(),
                to: to.clone(),
            })
        };
        changed.filter_map(amendment).collect()
    }
}

/// Why a row of the record has no place among those of today.
const NOT_SYNCED: &str = "its table is not synced";

/// A row of the record in today's columns: one that has come since holds what it gave to the rows that were there.
pub(in crate::cycle) fn today(
    layout: &Layout,
    table: &str,
    columns: &[String],
    row: &Row,
) -> Result<(Place, Row), String> {
    let index = place(layout, table).ok_or(NOT_SYNCED)?;
    let (table, defaults) = (&layout.local[index], layout.defaults.get(index));
    let cell = |number: usize, name: &str| {
        let then = column(columns, name).and_then(|then| row.get(then));
        then.or_else(|| defaults.and_then(|defaults| defaults.get(number)))
            .cloned()
    };
    let cells = table.columns.iter().enumerate();
    let row: Option<Row> = cells.map(|(number, column)| cell(number, &column.name)).collect();
    let row = row.ok_or("its table has other columns by now")?;
    Ok(((index, table.key_of(&row)), row))
}

/// The place of a column among those of the record.
pub(in crate::cycle) fn column(columns: &[String], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.eq_ignore_ascii_case(name))
}

/// A key of the record without its row, for people.
fn key_of(layout: &Layout, left: &Left) -> BTreeMap<String, serde_json::Value> {
    let table = layout.local.iter().find(|table| table.name == left.table);
    table.map_or_else(
        || {
            let cells = left.key.iter().enumerate();
            cells
                .map(|(number, value)| ((number + 1).to_string(), report::to_json(value)))
                .collect()
        },
        |table| report::key_json(table, &left.key),
    )
}

impl Pair {
    /// The laptop's rows of these places.
    pub(in crate::cycle) async fn rows_now(
        &mut self,
        places: impl Iterator<Item = Place>,
    ) -> Result<BTreeMap<Place, Row>, CycleError> {
        let mut keys = vec![Vec::new(); self.layout.local.len()];
        for (index, key) in places {
            if let Some(keys) = keys.get_mut(index) {
                keys.push(key);
            }
        }
        for keys in &mut keys {
            keys.sort_unstable();
            keys.dedup();
        }
        let (local, _) = self.both()?;
        let rows = local.live_rows(&keys).await;
        let rows = rows.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        let tables = self.layout.local.iter().zip(rows).enumerate();
        let placed = |(index, (table, rows)): (usize, (&Table, Vec<Row>))| {
            let placed: Vec<_> = rows.into_iter().map(|row| ((index, table.key_of(&row)), row)).collect();
            placed
        };
        Ok(tables.flat_map(placed).collect())
    }

    /// Brings what is wanted to both sides, and tells what came of it. Where nothing has to be written no cycle is run.
    pub(in crate::cycle) async fn bring(
        &mut self,
        wanted: Wanted,
        dry_run: bool,
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<AmendReport, CycleError> {
        let amendments = wanted.amendments(&self.layout);
        let changes: Vec<RowChange> = amendments
            .iter()
            .filter_map(|amendment| self.describe(amendment))
            .collect();
        let Amended { cycle, left } = match (amendments.is_empty(), dry_run) {
            (true, _) => Amended {
                cycle: CycleSummary {
                    outcome: Outcome::Unchanged,
                    ..CycleSummary::default()
                },
                left: Vec::new(),
            },
            (false, true) => self.would_amend(&amendments, trigger, progress).await?,
            (false, false) => self.amend(&amendments, trigger, progress).await?,
        };
        let is_left = |amendment: &Amendment| {
            let mut left = left.iter();
            left.any(|left| left.table == amendment.table && left.key == amendment.key)
        };
        let rows = amendments
            .iter()
            .zip(changes)
            .filter(|(amendment, _)| !is_left(amendment));
        let rows = rows.map(|(_, change)| change).collect();
        let left = wanted.left.into_iter().chain(left.into_iter().map(|left| (left, None)));
        Ok(AmendReport {
            rows,
            left: left
                .map(|(left, conflict)| LeftRow {
                    key: key_of(&self.layout, &left),
                    table: left.table,
                    conflict,
                    reason: left.reason,
                })
                .collect(),
            resolved: Vec::new(),
            cycle,
        })
    }

    fn describe(&self, amendment: &Amendment) -> Option<RowChange> {
        let table = self.layout.local.get(place(&self.layout, &amendment.table)?)?;
        let (columns, key) = report::names(table);
        let (from, to) = (amendment.from.as_ref(), amendment.to.as_ref());
        Some(report::describe_change(&table.name, [&columns, &key], from, to))
    }
}
