//! Writes under guards: staged, checked against what the live table holds by then, carried out.

use super::super::names::column;
use super::super::wire::{encode_sql, literal};
use super::{TableSql, different, join};
use crate::model::{Affinity, Collation, Column, RowOp, Value};

impl TableSql<'_> {
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

    /// The views that hold staged writes against the live rows: of those that replace or delete, the ones whose row is
    /// as they expect it, and of those that were carried out, the ones whose row is as it was meant.
    pub(super) fn views(&self) -> [String; 2] {
        // The join is written so that it goes from the few staged rows to the many live ones.
        let select = |which: &str, key: char, cells: char| {
            format!(
                "SELECT p.seq FROM {} p CROSS JOIN {} t WHERE {which} AND {} AND {}",
                self.temp("p"),
                self.live(),
                self.names_key("p", key, "t"),
                self.holds(cells),
            )
        };
        [
            format!(
                "CREATE TEMP VIEW modsync_expected_{} AS {};",
                self.index,
                select("p.op<>'I'", 'o', 'o')
            ),
            format!(
                "CREATE TEMP VIEW modsync_meant_{} AS {} UNION ALL {};",
                self.index,
                select("p.op='U'", 'o', 'n'),
                select("p.op IN('I','R')", 'n', 'n'),
            ),
        ]
    }

    /// Marks the staged writes whose guards hold. Inside the write transaction.
    #[must_use]
    pub fn guard(&self) -> String {
        let mut sql = format!(
            "UPDATE {} SET ok=(op='I' OR seq IN (SELECT seq FROM {}));",
            self.temp("p"),
            self.temp("expected")
        );
        for set in self.unique_sets() {
            sql += &self.guard_unique(&set);
        }
        sql
    }

    /// The live row `t` holds what `p` replaces (`o`) or brings (`n`).
    fn holds(&self, kind: char) -> String {
        join(
            " AND ",
            self.columns().map(|(i, c)| {
                let differs = different(c, &format!("p.{kind}{i}"), &column("t", &c.name));
                format!("((p.op='U' AND p.m{i}=0) OR NOT {differs})")
            }),
        )
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
            set.iter().map(|&i| {
                let c = &self.table.columns[i];
                format!("p.n{i}={}{}", column("t", &c.name), collate(c))
            }),
        );
        format!(
            "UPDATE {p} AS p SET ok=0 WHERE p.ok AND p.op IN('I','R') AND EXISTS(SELECT 1 FROM {} t WHERE {meets} \
             AND NOT EXISTS(SELECT 1 FROM {p} q WHERE q.op IN('D','R') AND q.ok AND {}));",
            self.live(),
            self.names_key("q", 'o', "t"),
        )
    }

    /// A row must not go while another that stays refers to it; `children` are the tables that may.
    #[must_use]
    pub fn guard_children(&self, children: &[TableSql<'_>]) -> String {
        let p = self.temp("p");
        let mut sql = String::new();
        for child in children {
            for link in child.links_to(self) {
                let refers = join(
                    " AND ",
                    link.iter()
                        .map(|(from, to)| format!("{}=p.o{to}", column("t", &child.table.columns[*from].name))),
                );
                sql += &format!(
                    "UPDATE {p} AS p SET ok=0 WHERE p.ok AND p.op='D' AND EXISTS(SELECT 1 FROM {} t WHERE {refers} \
                     AND NOT EXISTS(SELECT 1 FROM {} q WHERE q.op IN('D','U','R') AND q.ok AND {}));",
                    child.live(),
                    child.temp("p"),
                    child.names_key("q", 'o', "t"),
                );
            }
        }
        sql
    }

    /// A row must not come that refers to one which should have come as well and was refused: by the time that one gets
    /// another id, nobody would know that this row has to follow. Nor one that refers to a row of the base which is gone
    /// since the sides were read: who deleted that one did not know of this one. `parents` are the tables that it may
    /// refer to.
    #[must_use]
    pub fn guard_parents(&self, parents: &[TableSql<'_>]) -> String {
        let p = self.temp("p");
        let mut sql = String::new();
        for parent in parents {
            for link in self.links_to(parent) {
                let refers = join(" AND ", link.iter().map(|(from, to)| format!("q.n{to}=p.n{from}")));
                sql += &format!(
                    "UPDATE {p} AS p SET ok=0 WHERE p.ok AND p.op<>'D' AND EXISTS(SELECT 1 FROM {} q \
                     WHERE q.op IN('I','R') AND NOT q.ok AND {refers});",
                    parent.temp("p"),
                );
                let is = |alias: &str| {
                    let named = |to: usize| column(alias, &parent.table.columns[to].name);
                    join(
                        " AND ",
                        link.iter().map(|(from, to)| format!("{}=p.n{from}", named(*to))),
                    )
                };
                sql += &format!(
                    "UPDATE {p} AS p SET ok=0 WHERE p.ok AND p.op<>'D' AND EXISTS(SELECT 1 FROM {} b WHERE {}) \
                     AND NOT EXISTS(SELECT 1 FROM {} t WHERE {}) AND NOT EXISTS(SELECT 1 FROM {} q \
                     WHERE q.op<>'D' AND q.ok AND {refers});",
                    parent.base(),
                    is("b"),
                    parent.live(),
                    is("t"),
                    parent.temp("p"),
                );
            }
        }
        sql
    }

    /// The declared references to a table: pairs of this table's column and that one's.
    fn links_to(&self, parent: &TableSql<'_>) -> Vec<Vec<(usize, usize)>> {
        let foreign_keys = self.table.foreign_keys.iter();
        let to_parent = foreign_keys.filter(|foreign| foreign.parent.eq_ignore_ascii_case(&parent.table.name));
        let links = to_parent.map(|foreign| {
            let pairs = foreign.columns.iter().zip(&foreign.parent_columns);
            pairs
                .map(|(&from, to)| Some((from, parent.table.column(to)?)))
                .collect()
        });
        links.collect::<Vec<Option<Vec<_>>>>().into_iter().flatten().collect()
    }

    /// Carries out the staged writes whose guards hold: those that go, those that change, those that come.
    ///
    /// A row that a constraint refuses (a CHECK or a partial index of one side alone) is marked as barred and stays as
    /// it was, so that it cannot keep all others from being written.
    #[must_use]
    pub fn write(&self) -> String {
        let (p, live) = (self.temp("p"), self.live());
        let puts = |kind: char, which: &str| {
            format!(
                "INSERT OR IGNORE INTO {live}({}) SELECT {} FROM {p} p WHERE {which} ORDER BY p.seq;",
                self.names(self.all()),
                join(",", self.all().map(|i| format!("p.{kind}{i}"))),
            )
        };
        let lacks = |kind: char| {
            format!(
                "NOT EXISTS(SELECT 1 FROM {live} t WHERE {})",
                self.names_key("p", kind, "t")
            )
        };
        let unchanged = format!("p.seq IN (SELECT seq FROM {})", self.temp("expected"));
        format!(
            "DELETE FROM {live} AS t WHERE {};{}{}\
             UPDATE {p} AS p SET ok=0,barred=1 WHERE p.ok AND (p.op IN('I','R') AND {} OR p.op='U' AND {unchanged});\
             {}INSERT INTO temp.modsync_assert SELECT 0 FROM {p} p WHERE p.op='R' AND p.barred AND {} LIMIT 1;",
            self.named_by("p.op IN('D','R') AND p.ok", "t"),
            self.update(&live),
            puts('n', "p.op IN('I','R') AND p.ok"),
            lacks('n'),
            puts('o', "p.op='R' AND p.barred"),
            lacks('o'),
        )
    }

    /// The row `target` has a key that one of `which` writes names as its old one.
    pub(super) fn named_by(&self, which: &str, target: &str) -> String {
        let p = self.temp("p");
        let named = format!(
            "({}) IN (SELECT {} FROM {p} p WHERE {which})",
            self.list(target, self.key()),
            join(",", self.key().map(|i| format!("p.o{i}"))),
        );
        let number = |i: usize| matches!(self.table.columns[i].affinity, Affinity::Integer | Affinity::Real);
        if self.key().all(number) {
            return named;
        }
        // IN compares by the column's own collation, which may take more rows for this one.
        format!(
            "{named} AND EXISTS(SELECT 1 FROM {p} p WHERE {which} AND {})",
            self.names_key("p", 'o', target)
        )
    }

    /// The updates of `p` carried out on a table.
    pub(super) fn update(&self, target: &str) -> String {
        let free: Vec<usize> = self.all().filter(|i| !self.table.key.contains(i)).collect();
        if free.is_empty() {
            return String::new();
        }
        let values = join(
            ",",
            free.iter().map(|&i| {
                let name = &self.table.columns[i].name;
                format!("CASE p.m{i} WHEN 1 THEN p.n{i} ELSE {} END", column("t", name))
            }),
        );
        format!(
            "UPDATE OR IGNORE {target} AS t SET ({})=(SELECT {values} FROM {} p WHERE p.op='U' AND p.ok AND {}) WHERE {};",
            self.names(free.iter().copied()),
            self.temp("p"),
            self.names_key("p", 'o', "t"),
            self.named_by("p.op='U' AND p.ok", "t"),
        )
    }

    /// Ends the script with an error, and so undoes the transaction, if a row that was written does not read back as
    /// it was meant.
    #[must_use]
    pub fn read_back(&self) -> String {
        format!(
            "INSERT INTO temp.modsync_assert SELECT 0 FROM {} WHERE ok AND op<>'D' AND seq NOT IN (SELECT seq FROM {}) LIMIT 1;",
            self.temp("p"),
            self.temp("meant"),
        )
    }

    /// The view of what the staged writes that were carried out left in the cells that they wrote, as
    /// [`readback`](super::super::readback) reckons it.
    pub(super) fn written(&self) -> String {
        let cells = join(
            "||x'09'||",
            self.columns().map(|(i, c)| {
                let now = encode_sql(&column("t", &c.name));
                format!("CASE WHEN p.op='U' AND p.m{i}=0 THEN '=' ELSE ({now}) END")
            }),
        );
        let select = |which: &str, key: char| {
            format!(
                "SELECT p.seq AS seq,hex(sha3({cells},256)) AS d FROM {} p CROSS JOIN {} t WHERE p.ok AND {which} AND {}",
                self.temp("p"),
                self.live(),
                self.names_key("p", key, "t"),
            )
        };
        format!(
            "CREATE TEMP VIEW modsync_written_{} AS {} UNION ALL {};",
            self.index,
            select("p.op='U'", 'o'),
            select("p.op IN('I','R')", 'n'),
        )
    }

    /// Puts the digest of what was written aside, inside the write transaction: who rolls that back loses it too.
    #[must_use]
    pub fn prove(&self) -> String {
        format!(
            "INSERT INTO temp.modsync_proof SELECT {},sha3(group_concat(d,''),256) FROM (SELECT d FROM {} ORDER BY seq);",
            self.index,
            self.temp("written"),
        )
    }

    /// Answers with the staged writes that were not carried out: their guards did not hold, or a constraint barred them.
    #[must_use]
    pub fn refused(&self) -> String {
        format!(
            "SELECT 'trefused','i{}','i'||seq,'i'||barred FROM {} WHERE NOT ok ORDER BY seq;",
            self.index,
            self.temp("p")
        )
    }
}

/// The collation by which a unique index compares the column, where it is not the one of our tables.
fn collate(column: &Column) -> &'static str {
    match column.collation {
        Collation::Binary => "",
        Collation::NoCase => " COLLATE NOCASE",
        Collation::RTrim => " COLLATE RTRIM",
    }
}
