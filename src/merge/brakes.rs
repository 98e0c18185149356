//! Brakes: what looks like an accident and not like work is held until a person says that it is meant.
//!
//! Pure: each function looks at numbers or at the writes that one side is about to get.

mod words;

use std::collections::HashMap;

use super::TableRules;
use crate::model::{Row, RowOp, Side, Table, Value};

/// A column counts as wiped when one cycle sets at least this share of the table's rows to one value …
pub const WIPED_SHARE: f64 = 0.5;
/// … and at least this many rows: in a small table it is work.
pub const WIPED_ROWS: u64 = 20;

/// A table that a brake holds, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The table.
    pub table: String,
    /// What was seen.
    pub seen: Seen,
}

/// What a brake saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// More rows were deleted than one cycle may delete.
    Deletes {
        /// The side that lost them.
        side: Side,
        /// How many.
        deletes: u64,
        /// Of how many that it held.
        rows: u64,
        /// The share that is allowed, 0.0 to 1.0.
        share: f64,
    },
    /// One side has no row left.
    Emptied {
        /// The side that lost them.
        side: Side,
        /// How many it had when both sides last agreed.
        rows: u64,
        /// Whether no table of that side has a row left.
        everywhere: bool,
    },
    /// Most rows that are gone came again under other keys.
    Renamed {
        /// The side that renamed them.
        side: Side,
        /// The columns of the key.
        key: String,
        /// How many.
        renamed: u64,
        /// Of how many that it held.
        rows: u64,
    },
    /// One value was written over most rows of a column.
    Wiped {
        /// The side that wrote it.
        side: Side,
        /// The column.
        column: String,
        /// The value that it was set to.
        value: Value,
        /// In how many rows.
        changed: u64,
        /// Of how many.
        rows: u64,
    },
    /// Rows without a key of their own.
    Unkeyed {
        /// How many, on both sides.
        rows: u64,
    },
    /// Keys that several rows of one side share.
    Doubled {
        /// How many keys.
        keys: u64,
    },
    /// Rows that the server has newer, while only its older ones may be written.
    Newer {
        /// How many.
        rows: u64,
    },
    /// Rows that refer to a row which is held.
    Dependent {
        /// How many.
        rows: u64,
    },
    /// Rows that a constraint of one side refuses.
    Barred {
        /// The side that refuses them.
        side: Side,
        /// How many.
        rows: u64,
    },
}

/// What one side lost of a table, as the writes for the other side tell.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    /// The table.
    pub table: &'a Table,
    /// The side that lost rows.
    pub side: Side,
    /// How many rows it holds now.
    pub rows: u64,
    /// How many rows of the base it lacks.
    pub deleted: u64,
    /// What the other side would get.
    pub writes: &'a [RowOp],
}

impl Loss<'_> {
    /// How many rows the side held when both last agreed: what it inserted since does not count.
    fn held_before(&self) -> u64 {
        let inserted = self.writes.iter().filter(|op| matches!(op, RowOp::Insert(_))).count() as u64;
        (self.rows + self.deleted).saturating_sub(inserted).max(self.deleted)
    }

    /// How many rows the other side would lose. A laptop's row that only takes another id is deleted under the old one.
    fn deletes(&self) -> u64 {
        let deletes = self.writes.iter().filter(|op| matches!(op, RowOp::Delete(_))).count() as u64;
        deletes.min(self.deleted)
    }

    fn held(&self, seen: Seen) -> Held {
        Held {
            table: self.table.name.clone(),
            seen,
        }
    }
}

/// Holds a table of which more than `share` (0.0 to 1.0) of the rows would be deleted. One row is always allowed. Where
/// most of them came again under other keys, it is these that are named.
#[must_use]
#[allow(clippy::cast_precision_loss)] // no table has 2^52 rows
pub fn max_delete(loss: &Loss<'_>, share: f64) -> Option<Held> {
    let (side, deletes, rows) = (loss.side, loss.deletes(), loss.held_before());
    if deletes <= 1 || deletes as f64 <= rows as f64 * share {
        return None;
    }
    renamed(loss).or_else(|| {
        Some(loss.held(Seen::Deletes {
            side,
            deletes,
            rows,
            share,
        }))
    })
}

/// A row that goes and one that comes are one row under another key where nothing but the key differs (and what the key
/// does not say: the integer id, and the time of the last update).
fn renamed(loss: &Loss<'_>) -> Option<Held> {
    let table = loss.table;
    let last_updated = table.column("last_updated");
    let says_nothing =
        |column: &usize| table.key.contains(column) || table.rowid == Some(*column) || last_updated == Some(*column);
    let rest: Vec<usize> = (0..table.columns.len())
        .filter(|column| !says_nothing(column))
        .collect();
    if rest.is_empty() {
        return None;
    }
    let cells = |row: &Row| -> Vec<Value> { rest.iter().filter_map(|&column| row.get(column).cloned()).collect() };
    let mut gone: HashMap<Vec<Value>, u64> = HashMap::new();
    for op in loss.writes {
        if let RowOp::Delete(row) = op {
            *gone.entry(cells(row)).or_default() += 1;
        }
    }
    let mut came_again = 0;
    for op in loss.writes {
        if let RowOp::Insert(row) = op
            && let Some(left) = gone.get_mut(&cells(row)).filter(|left| **left > 0)
        {
            *left -= 1;
            came_again += 1;
        }
    }
    let key = table.key.iter().filter_map(|&index| table.columns.get(index));
    (came_again * 2 > loss.deletes()).then(|| {
        loss.held(Seen::Renamed {
            side: loss.side,
            key: key.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
            renamed: came_again,
            rows: loss.held_before(),
        })
    })
}

/// Holds a table that had rows when both sides last agreed, and has none on one side now. One row may go.
#[must_use]
pub fn emptied(table: &str, side: Side, agreed_rows: u64, rows_now: u64) -> Option<Held> {
    (agreed_rows > 1 && rows_now == 0).then(|| Held {
        table: table.to_owned(),
        seen: Seen::Emptied {
            side,
            rows: agreed_rows,
            everywhere: false,
        },
    })
}

/// Holds a table of which the writes for one side set a column to one value, or to NULL, in most of its `rows`
/// (see [`WIPED_SHARE`] and [`WIPED_ROWS`]).
///
/// Counted are cells that held something else, so filling an empty column is no accident. Rows that moved their own
/// time, each to another instant, are work that was done row by row: a person who goes through the whole queue, or a
/// workflow that looks at every product. One statement gives all its rows one time, or leaves their times alone.
#[must_use]
#[allow(clippy::cast_precision_loss)] // no table has 2^52 rows
pub fn wiped_column(loss: &Loss<'_>, rules: &TableRules) -> Option<Held> {
    let Loss {
        table, rows, writes, ..
    } = *loss;
    let least = (rows as f64 * WIPED_SHARE).max(WIPED_ROWS as f64);
    if (writes.len() as f64) < least {
        return None;
    }
    (0..table.columns.len())
        .filter(|column| rules.last_updated != Some(*column))
        .find_map(|column| {
            let (value, changed) = commonest_new_value(writes, column, time_of(rules, column))?;
            (changed as f64 >= least).then(|| {
                loss.held(Seen::Wiped {
                    side: loss.side,
                    column: table.columns[column].name.clone(),
                    value: value.clone(),
                    changed,
                    rows,
                })
            })
        })
}

/// The column that says when a column's value was decided on.
fn time_of(rules: &TableRules, column: usize) -> Option<usize> {
    let group = rules.groups.iter().find(|group| group.columns.contains(&column));
    group.map(|group| group.newest_by).or(rules.last_updated)
}

/// The value that most writes put in the place of another one at one time, and how many do.
fn commonest_new_value(writes: &[RowOp], column: usize, time: Option<usize>) -> Option<(&Value, u64)> {
    let mut counts: HashMap<(&Value, Option<&Value>), u64> = HashMap::new();
    for write in writes {
        let (Some(before), Some(after)) = (write.before(), write.after()) else {
            continue;
        };
        let (Some(old), Some(new)) = (before.get(column), after.get(column)) else {
            continue;
        };
        if !old.is_null() && old != new {
            let moved = time.and_then(|time| after.get(time).filter(|after| before.get(time) != Some(*after)));
            *counts.entry((new, moved)).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .max_by(|(a, x), (b, y)| x.cmp(y).then_with(|| b.cmp(a)))
        .map(|((value, _), count)| (value, count))
}

#[cfg(test)]
mod tests;
