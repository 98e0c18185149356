//! The SQL for one table: what it takes to compare it with the base and to write to it under guards.
//!
//! Long texts go to the far end once, as temporary views and tables; a cycle then sends short statements that use
//! them. Temporary objects live in the session and leave no trace in the user's database. For table number N they are
//!
//! | name | what |
//! |---|---|
//! | `modsync_delta_N` | view: live rows that the base lacks or has otherwise |
//! | `modsync_gone_N` | view: keys of base rows that the live table lacks |
//! | `modsync_expected_N`, `modsync_meant_N` | views: staged writes whose live row is as they expect it, as they left it |
//! | `modsync_written_N` | view: digests of what the staged writes that were carried out left |
//! | `modsync_d_N`, `modsync_x_N` | tables: both of them, as one read transaction saw them |
//! | `modsync_report_N` | view: `modsync_d_N` in wire form, unchanged cells as `=` |
//! | `modsync_r_N` | table: what differs from a backup, while one is compared |
//! | `modsync_p_N` | table: writes: `op` (I, U, R, D), `ok`, `barred`, `o…` old values, `n…` new ones, `m…` 1 where an update replaces |
//!
//! In every statement `l` and `t` are the live table, `b` is the base, `d` what changed, and `p` and `q` are writes. Columns
//! are always named with one of them: a table or a column of the user's may have any name.
//!
//! Keys and cells compare by bytes, whatever the live table's collations and affinities: of two columns the left one's
//! collation counts, so ours, which have none, stand on the left.

mod advance;
mod backup;
mod compare;
mod write;

use super::BaseTable;
use super::names::{base, column, ident, live};
use super::wire::literal;
use crate::model::{Affinity, Collation, Column, Table, Value};

/// The statements for one table of one side.
#[derive(Clone, Copy, Debug)]
pub struct TableSql<'a> {
    index: usize,
    table: &'a Table,
}

/// For all tables of a layout.
pub fn statements(tables: &[Table]) -> Vec<TableSql<'_>> {
    let numbered = tables.iter().enumerate();
    numbered.map(|(index, table)| TableSql::new(index, table)).collect()
}

impl<'a> TableSql<'a> {
    /// For table number `index` of the layout.
    #[must_use]
    pub fn new(index: usize, table: &'a Table) -> Self {
        Self { index, table }
    }

    fn temp(&self, kind: &str) -> String {
        format!("temp.modsync_{kind}_{}", self.index)
    }

    fn live(&self) -> String {
        live(&self.table.name)
    }

    fn base(&self) -> String {
        base(&self.table.name)
    }

    fn columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.table.columns.iter().enumerate()
    }

    /// `prefix."a",prefix."b"` for these columns.
    fn list(&self, prefix: &str, indexes: impl IntoIterator<Item = usize>) -> String {
        join(
            ",",
            indexes
                .into_iter()
                .map(|index| column(prefix, &self.table.columns[index].name)),
        )
    }

    fn names(&self, indexes: impl IntoIterator<Item = usize>) -> String {
        join(
            ",",
            indexes.into_iter().map(|index| ident(&self.table.columns[index].name)),
        )
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.table.columns.len()
    }

    fn key(&self) -> impl Iterator<Item = usize> + '_ {
        self.table.key.iter().copied()
    }

    /// The row `ours` of one of our tables has the key of the live row `theirs`.
    fn same_key(&self, ours: &str, theirs: &str) -> String {
        let name = |index: usize| &self.table.columns[index].name;
        self.keys_equal(|index| column(ours, name(index)), theirs)
    }

    /// The live row `theirs` has the key that the write `p` names: its old one (`o`) or its new one (`n`).
    fn names_key(&self, p: &str, kind: char, theirs: &str) -> String {
        self.keys_equal(|index| format!("{p}.{kind}{index}"), theirs)
    }

    fn keys_equal(&self, ours: impl Fn(usize) -> String, theirs: &str) -> String {
        join(
            " AND ",
            self.key().map(|index| {
                let c = &self.table.columns[index];
                equal(c, &ours(index), &column(theirs, &c.name))
            }),
        )
    }

    /// Key columns that may be NULL: such rows have no identity and stay where they are.
    fn nullable_key(&self) -> impl Iterator<Item = usize> + '_ {
        self.key().filter(|&index| !self.table.columns[index].not_null)
    }

    fn key_present(&self, prefix: &str) -> String {
        join(
            "",
            self.nullable_key()
                .map(|index| format!(" AND {} IS NOT NULL", column(prefix, &self.table.columns[index].name))),
        )
    }

    /// The base's copy of the table. Affinities are kept, so that a value is stored there as it is in the live table;
    /// constraints and collations are not.
    #[must_use]
    pub fn create_base(&self) -> String {
        let columns = join(
            ",",
            self.columns()
                .map(|(_, c)| format!("{} {}", ident(&c.name), affinity_name(c))),
        );
        format!(
            "CREATE TABLE IF NOT EXISTS {}({columns},PRIMARY KEY({}));",
            self.base(),
            self.names(self.key())
        )
    }

    /// Brings the base's copy to the table's columns, where the table has been changed on both sides. In a new column the
    /// rows have the value that SQLite gave them, its default: what a side has written over it is that side's change. With
    /// another key nothing in the copy can be found, so it is emptied.
    #[must_use]
    pub fn adapt_base(&self, copy: &BaseTable, defaults: &[Value]) -> String {
        let wanted: Vec<(String, i64)> = self
            .columns()
            .map(|(i, c)| (c.name.clone(), self.place_in_key(i)))
            .collect();
        if copy.columns == wanted {
            return self.create_base();
        }
        let key = |columns: &[(String, i64)]| {
            let mut key: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).cloned().collect();
            key.sort_by_key(|(_, place)| *place);
            key
        };
        let (base, old) = (self.base(), base(&format!("{} before", self.table.name)));
        let old_name = old.strip_prefix("base.").unwrap_or(&old);
        let filled = join(
            ",",
            wanted.iter().zip(defaults).map(|((name, _), default)| {
                let kept = copy.columns.iter().any(|(known, _)| known == name);
                if kept { ident(name) } else { literal(default) }
            }),
        );
        let refill = match key(&copy.columns) == key(&wanted) {
            true => format!(
                "INSERT INTO {base}({}) SELECT {filled} FROM {old};",
                self.names(self.all())
            ),
            false => String::new(),
        };
        format!(
            "BEGIN;ALTER TABLE {base} RENAME TO {old_name};{}{refill}DROP TABLE {old};COMMIT;",
            self.create_base()
        )
    }

    /// Puts the value into a column of the base's copy, as if both sides had just got that column; `None` for one of the
    /// key.
    #[must_use]
    pub fn begin_column(&self, column: usize, default: &Value) -> Option<String> {
        let name = &self.table.columns.get(column)?.name;
        let free = self.place_in_key(column) == 0;
        free.then(|| format!("UPDATE {} SET {}={};", self.base(), ident(name), literal(default)))
    }

    /// The column's place in the key, from 1; 0 when it is not in it.
    fn place_in_key(&self, column: usize) -> i64 {
        let place = self.key().position(|index| index == column);
        place.and_then(|place| i64::try_from(place + 1).ok()).unwrap_or(0)
    }

    /// The user's table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// The temporary views and tables.
    #[must_use]
    pub fn prepare(&self) -> Vec<String> {
        let (delta, gone, report) = (self.temp("delta"), self.temp("gone"), self.temp("report"));
        let (d, x, p) = (self.temp("d"), self.temp("x"), self.temp("p"));
        let differs = join(
            " OR ",
            self.columns()
                .map(|(_, c)| different(c, &column("b", &c.name), &column("l", &c.name))),
        );
        let staged = join(
            ",",
            self.columns()
                .map(|(_, c)| format!("{} {}", ident(&c.name), affinity_name(c))),
        );
        let typed = |kind: char| {
            join(
                "",
                self.columns().map(|(i, c)| format!(",{kind}{i} {}", affinity_name(c))),
            )
        };
        let masks = join("", self.columns().map(|(i, _)| format!(",m{i} DEFAULT 0")));
        let [expected, meant] = self.views();
        vec![
            format!(
                "CREATE TEMP VIEW {} AS SELECT {} FROM {} l LEFT JOIN {} b ON {} WHERE ({} OR {differs}){};",
                bare(&delta),
                self.list("l", self.all()),
                self.live(),
                self.base(),
                self.same_key("b", "l"),
                self.not_in_base(),
                self.key_present("l"),
            ),
            format!(
                "CREATE TEMP VIEW {} AS SELECT {} FROM {} b WHERE NOT EXISTS(SELECT 1 FROM {} l WHERE {});",
                bare(&gone),
                self.list("b", self.key()),
                self.base(),
                self.live(),
                self.same_key("b", "l"),
            ),
            format!("CREATE TEMP TABLE {}({staged});", bare(&d)),
            format!("CREATE TEMP TABLE {}({});", bare(&x), self.names(self.key())),
            format!(
                "CREATE TEMP TABLE {}(seq INTEGER PRIMARY KEY,op TEXT,ok INTEGER DEFAULT 0,barred INTEGER DEFAULT 0{}{}{masks});",
                bare(&p),
                typed('o'),
                typed('n'),
            ),
            format!(
                "CREATE INDEX temp.modsync_o_{} ON {}({});",
                self.index,
                bare(&p),
                join(",", self.key().map(|i| format!("o{i}"))),
            ),
            format!(
                "CREATE TEMP VIEW {} AS SELECT 'tchanged','i{}',{} FROM {d} d LEFT JOIN {} b ON {};",
                bare(&report),
                self.index,
                self.report_fields(),
                self.base(),
                self.same_key("b", "d"),
            ),
            expected,
            meant,
            self.written(),
        ]
    }

    /// The base has no row that belongs to the one that is joined with it. (Its rowid would not tell: the user may have
    /// a column of that name.)
    fn not_in_base(&self) -> String {
        let first = self
            .key()
            .next()
            .map(|index| column("b", &self.table.columns[index].name));
        first.map_or_else(|| "1".to_owned(), |key| format!("{key} IS NULL"))
    }

    /// What drops the temporary objects again, before a changed schema is prepared anew.
    #[must_use]
    pub fn forget(&self) -> String {
        let views = ["delta", "gone", "report", "expected", "meant", "written"]
            .map(|kind| format!("DROP VIEW IF EXISTS {};", self.temp(kind)));
        let tables = ["d", "x", "p"].map(|kind| format!("DROP TABLE IF EXISTS {};", self.temp(kind)));
        views.concat() + &tables.concat()
    }
}

/// The condition that two values of a column differ, type and all. `first` decides the collation: it must be a column
/// of ours, which compares by bytes.
fn different(column: &Column, first: &str, second: &str) -> String {
    match column.affinity {
        // Without an affinity 1 and 1.0 can both be stored, and so can 0.0 and -0.0; IS takes them for equal.
        Affinity::Blob => format!(
            "({first} IS NOT {second} OR typeof({first})<>typeof({second}) OR (typeof({first})='real' AND {first}=0 \
             AND ieee754_to_blob({first})<>ieee754_to_blob({second})))"
        ),
        _ => format!("({first} IS NOT {second})"),
    }
}

/// The condition that our value `ours` is the live column's value `theirs`, type and all.
fn equal(column: &Column, ours: &str, theirs: &str) -> String {
    let mut same = format!("{ours}={theirs}");
    if column.collation != Collation::Binary {
        // True whenever the first is; it is there so that the live table's index can be used.
        same += &format!(" AND {theirs}={ours}");
    }
    if column.affinity == Affinity::Blob {
        same += &format!(" AND NOT {}", different(column, ours, theirs));
    }
    same
}

fn affinity_name(column: &Column) -> &'static str {
    match column.affinity {
        Affinity::Text => "TEXT",
        Affinity::Numeric => "NUMERIC",
        Affinity::Integer => "INTEGER",
        Affinity::Real => "REAL",
        Affinity::Blob => "BLOB",
    }
}

/// `temp.x` as CREATE TEMP … wants it.
fn bare(temp: &str) -> &str {
    temp.strip_prefix("temp.").unwrap_or(temp)
}

fn join(separator: &str, parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(separator)
}
