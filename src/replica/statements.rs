//! The SQL for one table: what it takes to compare it with the base and to write to it under guards.
//!
//! Long texts go to the far end once, as temporary views and tables; a cycle then sends short statements that use
//! them. Temporary objects live in the session and leave no trace in the user's database. For table number N they are
//!
//! | name | what |
//! |---|---|
//! | `modsync_delta_N` | view: live rows that the base lacks or has otherwise |
//! | `modsync_gone_N` | view: keys of base rows that the live table lacks |
//! | `modsync_d_N`, `modsync_x_N` | tables: both of them, as one read transaction saw them |
//! | `modsync_report_N` | view: `modsync_d_N` in wire form, unchanged cells as `=` |
//! | `modsync_p_N` | table: writes: `op` (I, U, R, D), `ok`, `o…` old values, `n…` new ones, `m…` 1 where an update replaces |

use super::names::{base, column, ident, live};
use super::wire::{encode_sql, literal};
use crate::model::{Affinity, Column, RowOp, Table, Value};

/// The statements for one table of one side.
#[derive(Clone, Debug)]
pub struct TableSql<'a> {
    index: usize,
    table: &'a Table,
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

    /// `left."k"=right."k" AND …` over the key. The left side's collation decides, so the base goes first: its
    /// columns compare by bytes.
    fn same_key(&self, left: &str, right: &str) -> String {
        join(
            " AND ",
            self.key().map(|index| {
                let name = &self.table.columns[index].name;
                format!("{}={}", column(left, name), column(right, name))
            }),
        )
    }

    /// Key columns that may be NULL: such rows have no identity and stay where they are.
    fn key_present(&self, prefix: &str) -> String {
        let nullable = self.key().filter(|&index| !self.table.columns[index].not_null);
        join(
            "",
            nullable.map(|index| format!(" AND {} IS NOT NULL", column(prefix, &self.table.columns[index].name))),
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
        vec![
            format!(
                "CREATE TEMP VIEW {} AS SELECT {} FROM {} l LEFT JOIN {} b ON {} WHERE (b.rowid IS NULL OR {differs}){};",
                bare(&delta),
                self.list("l", self.all()),
                self.live(),
                self.base(),
                self.same_key("b", "l"),
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
                "CREATE TEMP TABLE {}(seq INTEGER PRIMARY KEY,op TEXT,ok INTEGER DEFAULT 0{}{}{masks});",
                bare(&p),
                typed('o'),
                typed('n'),
            ),
            format!(
                "CREATE TEMP VIEW {} AS SELECT 'tchanged','i{}',{} FROM {d} d LEFT JOIN {} b ON {};",
                bare(&report),
                self.index,
                self.report_fields(),
                self.base(),
                self.same_key("b", "d"),
            ),
        ]
    }

    fn report_fields(&self) -> String {
        join(
            ",",
            self.columns().map(|(index, c)| {
                let (live, base) = (column("d", &c.name), column("b", &c.name));
                if self.table.key.contains(&index) {
                    encode_sql(&live)
                } else {
                    let differs = different(c, &base, &live);
                    format!(
                        "CASE WHEN b.rowid IS NULL OR {differs} THEN {} ELSE '=' END",
                        encode_sql(&live)
                    )
                }
            }),
        )
    }

    /// What drops the temporary objects again, before a changed schema is prepared anew.
    #[must_use]
    pub fn forget(&self) -> String {
        let views = ["delta", "gone", "report"].map(|kind| format!("DROP VIEW IF EXISTS {};", self.temp(kind)));
        let tables = ["d", "x", "p"].map(|kind| format!("DROP TABLE IF EXISTS {};", self.temp(kind)));
        views.concat() + &tables.concat()
    }

    /// Puts what changed aside, inside the caller's read transaction.
    #[must_use]
    pub fn collect(&self) -> String {
        let (d, x) = (self.temp("d"), self.temp("x"));
        format!(
            "DELETE FROM {d};INSERT INTO {d} SELECT * FROM {};DELETE FROM {x};INSERT INTO {x} SELECT * FROM {};",
            self.temp("delta"),
            self.temp("gone")
        )
    }

    /// Answers with what [`collect`](Self::collect) put aside: rows `changed`, `deleted` and one row `table`.
    #[must_use]
    pub fn report(&self) -> Vec<String> {
        let (d, x, index) = (self.temp("d"), self.temp("x"), self.index);
        let key = join(",", self.key().map(|i| encode_sql(&ident(&self.table.columns[i].name))));
        // Counting a large table takes time, so it is done only where a brake could ask for the count.
        let rows = format!(
            "CASE WHEN EXISTS(SELECT 1 FROM {x}) OR (SELECT count(*) FROM {d})>=20 THEN (SELECT count(*) FROM {}) ELSE 0 END",
            self.live()
        );
        vec![
            format!("SELECT * FROM {};", self.temp("report")),
            format!("SELECT 'tdeleted','i{index}',{key} FROM {x};"),
            format!("SELECT 'ttable','i{index}','i'||{},'i'||{rows};", self.next_id()),
        ]
    }

    /// One more than the largest integer id in use or, for AUTOINCREMENT, ever used; 0 without such an id.
    fn next_id(&self) -> String {
        let Some(id) = self.table.rowid else {
            return "0".to_owned();
        };
        let largest = format!(
            "coalesce((SELECT max({}) FROM {}),0)",
            ident(&self.table.columns[id].name),
            self.live()
        );
        if !self.table.autoincrement {
            return format!("({largest}+1)");
        }
        let name = literal(&Value::text(self.table.name.as_str()));
        format!("(max({largest},coalesce((SELECT seq FROM main.sqlite_sequence WHERE name={name}),0))+1)")
    }

    /// The condition that the row `t` is the one that `p` names, by its old key (`o`) or its new one (`n`).
    fn targets(&self, kind: char) -> String {
        join(
            " AND ",
            self.key()
                .map(|i| format!("p.{kind}{i}={}", column("t", &self.table.columns[i].name))),
        )
    }

    /// A row-value list of `p`'s key columns.
    fn staged_key(&self, kind: char) -> String {
        join(",", self.key().map(|i| format!("p.{kind}{i}")))
    }

    /// Marks the staged writes whose guards hold. Inside the write transaction.
    #[must_use]
    pub fn guard(&self) -> String {
        let p = self.temp("p");
        let holds = join(
            " AND ",
            self.columns().map(|(i, c)| {
                format!(
                    "((p.op='U' AND p.m{i}=0) OR NOT {})",
                    different(c, &format!("p.o{i}"), &column("t", &c.name))
                )
            }),
        );
        let mut sql = format!(
            "UPDATE {p} AS p SET ok=EXISTS(SELECT 1 FROM {} t WHERE {} AND {holds}) WHERE p.op<>'I';UPDATE {p} SET ok=1 WHERE op='I';",
            self.live(),
            self.targets('o'),
        );
        for set in self.unique_sets() {
            sql += &self.guard_unique(&set);
        }
        sql
    }

    /// Every set of columns that must stay unique, the key first.
    fn unique_sets(&self) -> Vec<Vec<usize>> {
        let mut sets = vec![self.table.key.clone()];
        sets.extend(self.table.unique.iter().filter(|set| **set != self.table.key).cloned());
        sets
    }

    /// A row that goes in must not meet another that stays. One that this very push removes is no obstacle.
    fn guard_unique(&self, set: &[usize]) -> String {
        let p = self.temp("p");
        let meets = join(
            " AND ",
            set.iter()
                .map(|&i| format!("p.n{i}={}", column("t", &self.table.columns[i].name))),
        );
        let leaves = join(
            " AND ",
            self.key()
                .map(|i| format!("q.o{i}={}", column("t", &self.table.columns[i].name))),
        );
        format!(
            "UPDATE {p} AS p SET ok=0 WHERE p.ok AND p.op IN('I','R') AND EXISTS(SELECT 1 FROM {} t WHERE {meets} \
             AND NOT EXISTS(SELECT 1 FROM {p} q WHERE q.op IN('D','R') AND q.ok AND {leaves}));",
            self.live(),
        )
    }

    /// A row must not go while another that stays refers to it; `children` are the tables that may.
    #[must_use]
    pub fn guard_children(&self, children: &[TableSql<'_>]) -> String {
        let p = self.temp("p");
        let mut sql = String::new();
        for child in children {
            for foreign in &child.table.foreign_keys {
                let columns = foreign
                    .parent_columns
                    .iter()
                    .map(|name| self.table.column(name))
                    .collect::<Option<Vec<_>>>();
                let Some(parent) = columns.filter(|_| foreign.parent.eq_ignore_ascii_case(&self.table.name)) else {
                    continue;
                };
                let refers = join(
                    " AND ",
                    foreign
                        .columns
                        .iter()
                        .zip(parent)
                        .map(|(&from, to)| format!("{}=p.o{to}", column("t", &child.table.columns[from].name))),
                );
                let leaves = join(
                    " AND ",
                    child
                        .key()
                        .map(|i| format!("q.o{i}={}", column("t", &child.table.columns[i].name))),
                );
                sql += &format!(
                    "UPDATE {p} AS p SET ok=0 WHERE p.ok AND p.op='D' AND EXISTS(SELECT 1 FROM {} t WHERE {refers} \
                     AND NOT EXISTS(SELECT 1 FROM {} q WHERE q.op IN('D','U','R') AND {leaves}));",
                    child.live(),
                    child.temp("p"),
                );
            }
        }
        sql
    }

    /// Carries out the staged writes whose guards hold: those that go, those that change, those that come.
    #[must_use]
    pub fn write(&self) -> String {
        let (p, live) = (self.temp("p"), self.live());
        let key = self.names(self.key());
        let news = join(",", self.all().map(|i| format!("p.n{i}")));
        format!(
            "DELETE FROM {live} WHERE ({key}) IN (SELECT {} FROM {p} p WHERE p.op IN('D','R') AND p.ok);{}\
             INSERT INTO {live}({}) SELECT {news} FROM {p} p WHERE p.op IN('I','R') AND p.ok ORDER BY p.seq;",
            self.staged_key('o'),
            self.update(&live, &ident(&self.table.name)),
            self.names(self.all()),
        )
    }

    /// The updates of `p` carried out on `target`, whose columns are reached by `name`.
    fn update(&self, target: &str, name: &str) -> String {
        let free: Vec<usize> = self.all().filter(|i| !self.table.key.contains(i)).collect();
        if free.is_empty() {
            return String::new();
        }
        let p = self.temp("p");
        let values = join(
            ",",
            free.iter().map(|&i| {
                format!(
                    "CASE p.m{i} WHEN 1 THEN p.n{i} ELSE {} END",
                    column(name, &self.table.columns[i].name)
                )
            }),
        );
        let same = join(
            " AND ",
            self.key()
                .map(|i| format!("p.o{i}={}", column(name, &self.table.columns[i].name))),
        );
        format!(
            "UPDATE {target} SET ({})=(SELECT {values} FROM {p} p WHERE p.op='U' AND p.ok AND {same}) \
             WHERE ({}) IN (SELECT {} FROM {p} p WHERE p.op='U' AND p.ok);",
            self.names(free.iter().copied()),
            self.names(self.key()),
            self.staged_key('o'),
        )
    }

    /// Ends the script with an error, and so undoes the transaction, if a row that was written does not read back as
    /// it was meant.
    #[must_use]
    pub fn read_back(&self) -> String {
        let reads = join(
            " AND ",
            self.columns().map(|(i, c)| {
                format!(
                    "((p.op='U' AND p.m{i}=0) OR NOT {})",
                    different(c, &format!("p.n{i}"), &column("t", &c.name))
                )
            }),
        );
        let key = join(
            " AND ",
            self.key().map(|i| {
                format!(
                    "(CASE p.op WHEN 'U' THEN p.o{i} ELSE p.n{i} END)={}",
                    column("t", &self.table.columns[i].name)
                )
            }),
        );
        format!(
            "INSERT INTO temp.modsync_assert SELECT 0 FROM {} p WHERE p.ok AND p.op<>'D' AND NOT EXISTS(SELECT 1 FROM {} t WHERE {key} AND {reads}) LIMIT 1;",
            self.temp("p"),
            self.live(),
        )
    }

    /// Answers with the staged writes whose guards did not hold.
    #[must_use]
    pub fn refused(&self) -> String {
        format!(
            "SELECT 'trefused','i{}','i'||seq FROM {} WHERE NOT ok;",
            self.index,
            self.temp("p")
        )
    }

    /// Moves the base to what [`collect`](Self::collect) saw, less the rows that `keep_out` put away.
    #[must_use]
    pub fn advance_to_delta(&self) -> String {
        let (d, x, base) = (self.temp("d"), self.temp("x"), self.base());
        format!(
            "DELETE FROM {base} WHERE ({key}) IN (SELECT {key} FROM {x});\
             INSERT OR REPLACE INTO {base}({all}) SELECT {all} FROM {d};",
            key = self.names(self.key()),
            all = self.names(self.all()),
        )
    }

    /// Takes the staged rows of these keys out of what the base will move to.
    #[must_use]
    pub fn keep_out(&self, keys: &str) -> String {
        let (d, x, key) = (self.temp("d"), self.temp("x"), self.names(self.key()));
        format!("DELETE FROM {d} WHERE ({key}) IN ({keys});DELETE FROM {x} WHERE ({key}) IN ({keys});")
    }

    /// Moves the base on by the writes of `p` that were carried out.
    #[must_use]
    pub fn advance_by_patch(&self) -> String {
        let (p, base) = (self.temp("p"), self.base());
        let news = join(",", self.all().map(|i| format!("p.n{i}")));
        format!(
            "DELETE FROM {base} WHERE ({}) IN (SELECT {} FROM {p} p WHERE p.op IN('D','R') AND p.ok);{}\
             INSERT OR REPLACE INTO {base}({}) SELECT {news} FROM {p} p WHERE p.op IN('I','R') AND p.ok;",
            self.names(self.key()),
            self.staged_key('o'),
            self.update(&base, &ident(&format!("t_{}", self.table.name))),
            self.names(self.all()),
        )
    }

    /// Empties the stage for writes.
    #[must_use]
    pub fn clear(&self) -> String {
        format!("DELETE FROM {};", self.temp("p"))
    }

    /// Stages one write under a number. It waits for [`guard`](Self::guard) to be marked.
    #[must_use]
    pub fn stage<'r>(&self, seq: usize, op: &'r RowOp) -> String {
        let every = |kind: char, row: &'r [Value]| row.iter().enumerate().map(move |(i, value)| (kind, i, value));
        let one = Value::Integer(1);
        let (letter, cells): (char, Vec<(char, usize, &Value)>) = match op {
            RowOp::Insert(row) => ('I', every('n', row).collect()),
            RowOp::Delete(row) => ('D', every('o', row).collect()),
            RowOp::Replace { before, after } => ('R', every('o', before).chain(every('n', after)).collect()),
            RowOp::Update { before, after } => {
                let key = self.key().map(|i| ('o', i, &before[i]));
                let replaced = before
                    .iter()
                    .zip(after)
                    .enumerate()
                    .filter(|(_, (old, new))| old != new);
                let cells = replaced.flat_map(|(i, (old, new))| [('o', i, old), ('n', i, new), ('m', i, &one)]);
                ('U', key.chain(cells).collect())
            }
        };
        let names = join("", cells.iter().map(|(kind, i, _)| format!(",{kind}{i}")));
        let values = join("", cells.iter().map(|(_, _, value)| format!(",{}", literal(value))));
        format!(
            "INSERT INTO {}(seq,op{names}) VALUES({seq},'{letter}'{values});",
            self.temp("p")
        )
    }

    /// Stages a row that the base shall hold, as settled already.
    #[must_use]
    pub fn stage_settled(&self, row: &[Value]) -> String {
        let names = join("", self.all().map(|i| format!(",n{i}")));
        let values = join("", row.iter().map(|value| format!(",{}", literal(value))));
        format!("INSERT INTO {}(op,ok{names}) VALUES('I',1{values});", self.temp("p"))
    }

    /// Stages a key that the base shall not hold, as settled already.
    #[must_use]
    pub fn stage_absent(&self, key: &[Value]) -> String {
        let names = join("", self.key().map(|i| format!(",o{i}")));
        let values = join("", key.iter().map(|value| format!(",{}", literal(value))));
        format!("INSERT INTO {}(op,ok{names}) VALUES('D',1{values});", self.temp("p"))
    }

    /// Answers with the base's rows of these keys, a `VALUES` list or a query.
    #[must_use]
    pub fn base_rows(&self, keys: &str) -> String {
        self.rows(&self.base(), keys)
    }

    /// Answers with the live rows of these keys.
    #[must_use]
    pub fn live_rows(&self, keys: &str) -> String {
        self.rows(&self.live(), keys)
    }

    /// Puts the table's digest aside, inside the caller's read transaction.
    #[must_use]
    pub fn digest(&self) -> String {
        format!(
            "INSERT INTO temp.modsync_digest SELECT {},count(*),sha3(group_concat(d,''),256) FROM \
             (SELECT hex({}) AS d FROM {} r ORDER BY {});",
            self.index,
            self.row_digest(),
            self.live(),
            self.key_order()
        )
    }

    /// Answers with each row's digest and key.
    #[must_use]
    pub fn row_digests(&self) -> String {
        let key = join(
            ",",
            self.key()
                .map(|i| encode_sql(&column("r", &self.table.columns[i].name))),
        );
        format!("SELECT 'b'||hex({}),{key} FROM {} r;", self.row_digest(), self.live())
    }

    /// Over the wire form of all cells, so that what compares equal is equal to the bit.
    fn row_digest(&self) -> String {
        let cells = self
            .columns()
            .map(|(_, c)| format!("({})", encode_sql(&column("r", &c.name))));
        format!("sha3({},256)", join("||x'09'||", cells))
    }

    fn key_order(&self) -> String {
        join(
            ",",
            self.key()
                .map(|i| format!("{} COLLATE BINARY", column("r", &self.table.columns[i].name))),
        )
    }

    fn rows(&self, from: &str, keys: &str) -> String {
        let fields = join(",", self.columns().map(|(_, c)| encode_sql(&column("r", &c.name))));
        format!(
            "SELECT 'trow','i{}',{fields} FROM {from} r WHERE ({}) IN ({keys});",
            self.index,
            self.list("r", self.key())
        )
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
