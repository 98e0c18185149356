//! How a brake tells what it saw, and what to do about it.

use std::fmt;

use super::{Held, Seen};
use crate::model::Side;

/// How much of a value is quoted, in characters.
const QUOTED: usize = 40;

/// What was seen, in one line.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        match &self.seen {
            Seen::Deletes {
                side,
                deletes,
                rows,
                share,
            } => {
                let percent = (share * 10_000.0).round() / 100.0;
                write!(
                    f,
                    "{table}: {deletes} of {rows} rows are gone from the {} database, more than max_delete ({percent}%); \
                     the {} keeps them",
                    side.whose(),
                    side.other().whose()
                )
            }
            Seen::Emptied { side, rows, everywhere } => emptied(f, table, *side, *rows, *everywhere),
            Seen::Renamed {
                side,
                key,
                renamed,
                rows,
            } => write!(
                f,
                "{table}: {renamed} of {rows} rows stand under another key ({key}) in the {} database, and are otherwise \
                 as before; the table is held",
                side.whose()
            ),
            Seen::Wiped {
                side,
                column,
                value,
                changed,
                rows,
            } => {
                let shown: String = value.to_string().chars().take(QUOTED).collect();
                write!(
                    f,
                    "{table}.{column}: set to {shown:?} in {changed} of {rows} rows of the {} database at once; the table is held",
                    side.whose()
                )
            }
            Seen::Unkeyed { rows } => write!(f, "{table}: {rows} rows with NULL in their key stay where they are"),
            Seen::Doubled { keys } => write!(f, "{table}: {keys} keys belong to more than one row; the table is held"),
            Seen::Newer { rows } => write!(f, "{table}: {rows} rows are newer on the server and were left there"),
            Seen::Dependent { rows } => {
                write!(f, "{table}: {rows} rows refer to rows that are held, and wait for them")
            }
            Seen::Barred { side, rows } => write!(
                f,
                "{table}: a constraint of the {} database refuses {rows} rows of the other side; they are held",
                side.whose()
            ),
        }
    }
}

fn emptied(f: &mut fmt::Formatter<'_>, table: &str, side: Side, rows: u64, everywhere: bool) -> fmt::Result {
    let (lost, keeps) = (side.whose(), side.other().whose());
    match everywhere {
        true => write!(
            f,
            "all rows of all tables are gone from the {lost} database ({table} had {rows}); nothing was written"
        ),
        false => write!(
            f,
            "{table}: all {rows} rows are gone from the {lost} database; the {keeps} keeps them"
        ),
    }
}

impl Held {
    /// What it may mean and how to go on. `start_over` is the command that has all rows compared without a base, which
    /// deletes none.
    #[must_use]
    pub fn hint(&self, start_over: &str) -> String {
        const MEANT: &str = "`modsyncctl sync-now --allow-deletes`";
        match &self.seen {
            Seen::Deletes { side, .. } | Seen::Emptied { side, .. } => format!(
                "a clean-up that went too far, or a program that begins with an empty table? If it is meant: {MEANT}. To \
                 bring the rows back from the {} database: `{start_over}`",
                side.other().whose()
            ),
            Seen::Renamed { side, .. } => format!(
                "a key says which row is which: the {other} database would lose these rows and get others. If it is \
                 meant: {MEANT}. If not, write the old keys back; the {other} database has them",
                other = side.other().whose()
            ),
            Seen::Wiped { side, .. } => format!(
                "an UPDATE without its WHERE? If it is meant: {MEANT}. If not, write the old values back; the {} \
                 database has them",
                side.other().whose()
            ),
            Seen::Unkeyed { .. } => format!(
                "give their key columns values, or declare another key in the config: [[table]] name = {:?}, key = […]",
                self.table
            ),
            Seen::Doubled { .. } => format!(
                "declare a key that tells them apart in the config: [[table]] name = {:?}, key = […]",
                self.table
            ),
            Seen::Newer { .. } => "a cycle that pulls brings them: `modsyncctl sync-now`".to_owned(),
            Seen::Dependent { .. } => "they go on with the rows that they refer to".to_owned(),
            Seen::Barred { side, .. } => format!(
                "make both schemas alike, or change the rows: `modsyncctl diff {}` shows them as writes for the {} database",
                self.table,
                side.whose()
            ),
        }
    }
}
