//! Brakes: what looks like an accident and not like work is held until a person says that it is meant.
//!
//! Pure: each function looks at numbers or at the writes that one side is about to get.

use std::collections::HashMap;
use std::fmt;

use super::TableRules;
use crate::model::{RowOp, Side, Table, Value};

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
    /// More rows would be deleted than one cycle may.
    Deletes {
        /// How many.
        deletes: u64,
        /// Of how many that the side holds.
        rows: u64,
        /// The share that is allowed, 0.0 to 1.0.
        share: f64,
    },
    /// One side has no row left.
    Emptied {
        /// How many it had when both sides last agreed.
        rows: u64,
    },
    /// One value was written over most rows of a column.
    Wiped {
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

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        match &self.seen {
            Seen::Deletes { deletes, rows, share } => {
                let percent = (share * 10_000.0).round() / 100.0;
                write!(
                    f,
                    "{table}: {deletes} of {rows} rows would be deleted, more than max_delete ({percent}%)"
                )
            }
            Seen::Emptied { rows } => write!(f, "{table}: all {rows} rows are gone on one side"),
            Seen::Wiped {
                column,
                value,
                changed,
                rows,
            } => {
                let shown: String = value.to_string().chars().take(40).collect();
                write!(
                    f,
                    "{table}.{column}: set to {shown:?} in {changed} of {rows} rows at once"
                )
            }
            Seen::Unkeyed { rows } => write!(f, "{table}: {rows} rows with NULL in their key stay where they are"),
            Seen::Doubled { keys } => {
                write!(
                    f,
                    "{table}: {keys} keys belong to more than one row; declare another key in the config"
                )
            }
            Seen::Newer { rows } => {
                write!(
                    f,
                    "{table}: {rows} rows are newer on the server and were left; run a cycle that pulls"
                )
            }
            Seen::Dependent { rows } => {
                write!(f, "{table}: {rows} rows refer to rows that are held, and wait for them")
            }
            Seen::Barred { side, rows } => {
                write!(
                    f,
                    "{table}: a constraint of the {side} database refuses {rows} rows of the other side"
                )
            }
        }
    }
}

/// Holds a table of which more than `share` (0.0 to 1.0) of the rows would be deleted. One row is always allowed.
///
/// `rows` is what the side holds that would lose them.
#[must_use]
#[allow(clippy::cast_precision_loss)] // no table has 2^52 rows
pub fn max_delete(table: &str, rows: u64, deletes: u64, share: f64) -> Option<Held> {
    (deletes > 1 && deletes as f64 > rows as f64 * share).then(|| Held {
        table: table.to_owned(),
        seen: Seen::Deletes { deletes, rows, share },
    })
}

/// Holds a table that had rows when both sides last agreed, and has none on one side now. One row may go.
#[must_use]
pub fn emptied(table: &str, agreed_rows: u64, rows_now: u64) -> Option<Held> {
    (agreed_rows > 1 && rows_now == 0).then(|| Held {
        table: table.to_owned(),
        seen: Seen::Emptied { rows: agreed_rows },
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
pub fn wiped_column(table: &Table, rows: u64, writes: &[RowOp], rules: &TableRules) -> Option<Held> {
    let least = (rows as f64 * WIPED_SHARE).max(WIPED_ROWS as f64);
    if (writes.len() as f64) < least {
        return None;
    }
    (0..table.columns.len())
        .filter(|column| rules.last_updated != Some(*column))
        .find_map(|column| {
            let (value, changed) = commonest_new_value(writes, column, time_of(rules, column))?;
            (changed as f64 >= least).then(|| Held {
                table: table.name.clone(),
                seen: Seen::Wiped {
                    column: table.columns[column].name.clone(),
                    value: value.clone(),
                    changed,
                    rows,
                },
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
mod tests {
    use super::*;
    use crate::merge::Group;
    use crate::model::{Affinity, Column};

    #[test]
    fn a_share_of_the_rows_may_go_and_always_one() {
        for (rows, deletes, share, held) in [
            (100, 25, 0.25, false),
            (100, 26, 0.25, true),
            (2, 1, 0.25, false),
            (1, 1, 0.0, false),
            (3, 2, 0.25, true),
            (10, 10, 1.0, false),
            (0, 0, 0.25, false),
        ] {
            let answer = max_delete("t", rows, deletes, share);
            assert_eq!(answer.is_some(), held, "{deletes} of {rows}, allowed {share}");
        }
        let text = max_delete("products", 100, 26, 0.25).unwrap().to_string();
        assert_eq!(
            text,
            "products: 26 of 100 rows would be deleted, more than max_delete (25%)"
        );
    }

    #[test]
    fn a_table_does_not_become_empty_by_itself() {
        assert_eq!(
            emptied("t", 2, 0).unwrap().to_string(),
            "t: all 2 rows are gone on one side"
        );
        assert_eq!(emptied("t", 1, 0), None);
        assert_eq!(emptied("t", 0, 0), None);
        assert_eq!(emptied("t", 2, 1), None);
    }

    /// Updates of (key, stage): `changed` rows go from `from` to `to`.
    fn updates(changed: i64, from: &Value, to: &Value) -> Vec<RowOp> {
        let update = |key| RowOp::Update {
            before: vec![Value::Integer(key), from.clone()],
            after: vec![Value::Integer(key), to.clone()],
        };
        (0..changed).map(update).collect()
    }

    fn stages() -> Table {
        let column = |name: &str| Column {
            name: name.to_owned(),
            declared: String::new(),
            affinity: Affinity::Blob,
            not_null: false,
            collation: crate::model::Collation::Binary,
        };
        Table {
            name: "t".to_owned(),
            columns: vec![column("id"), column("stage")],
            key: vec![0],
            rowid: None,
            autoincrement: false,
            unique: vec![vec![0]],
            foreign_keys: vec![],
            triggers: vec![],
        }
    }

    #[test]
    fn one_value_over_most_rows_is_held() {
        let (old, new) = (Value::text("approved"), Value::Null);
        let held = |rows, writes: &[RowOp]| wiped_column(&stages(), rows, writes, &TableRules::default());
        let text = held(100, &updates(50, &old, &new)).unwrap().to_string();
        assert_eq!(text, "t.stage: set to \"NULL\" in 50 of 100 rows at once");
        assert_eq!(held(100, &updates(49, &old, &new)), None, "less than half of the rows");
        assert!(held(20, &updates(20, &old, &new)).is_some());
        assert_eq!(held(19, &updates(19, &old, &new)), None, "a small table");
        assert_eq!(
            held(100, &updates(90, &Value::Null, &old)),
            None,
            "filling what was empty"
        );
        let mixed = [
            updates(40, &old, &Value::Integer(1)),
            updates(40, &old, &Value::Integer(2)),
        ]
        .concat();
        assert_eq!(held(100, &mixed), None, "two values");
        let updated = TableRules {
            last_updated: Some(1),
            ..TableRules::default()
        };
        assert_eq!(
            wiped_column(&stages(), 100, &updates(90, &old, &new), &updated),
            None,
            "the time itself"
        );
    }

    #[test]
    fn work_that_was_done_row_by_row_is_not_held() {
        // Columns: id, stage, decided_at.
        let mut table = stages();
        table.columns.push(table.columns[1].clone());
        let group = Group {
            columns: vec![1, 2],
            newest_by: 2,
        };
        let grouped = TableRules {
            groups: vec![group],
            last_updated: None,
        };
        let dated = TableRules {
            groups: vec![],
            last_updated: Some(2),
        };
        let decided = |time: &dyn Fn(i64) -> i64| -> Vec<RowOp> {
            let row = |key, stage: &str, time| vec![Value::Integer(key), Value::text(stage), Value::Integer(time)];
            let update = |key| RowOp::Update {
                before: row(key, "pending", -key),
                after: row(key, "reviewed", time(key)),
            };
            (0..90).map(update).collect()
        };
        for rules in [grouped, dated] {
            let held = |time: &dyn Fn(i64) -> i64| wiped_column(&table, 100, &decided(time), &rules).is_some();
            assert!(!held(&|key| 1000 + key), "each at its own time");
            assert!(held(&|_| 1000), "all at one time");
            assert!(held(&|key| -key), "no time of their own");
        }
    }
}
