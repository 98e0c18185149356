//! A table of a backup, attached under the name `backup`, held against the live one.
//!
//! `modsync_r_N` takes the rows that are not the same in both: `op` says what would have to be done to the live table (I, U, D),
//! `l…` are the live values, `b…` the backup's. In every statement `l` is the live table, `b` the backup's and `r` that one. Both
//! are the user's and have collations of their own, so the collation is always said.

use super::super::names::{column, ident};
use super::super::wire::{encode_sql, literal};
use super::{TableSql, join};
use crate::model::{Affinity, Collation, Value};

impl TableSql<'_> {
    fn in_backup(&self) -> String {
        format!("backup.{}", ident(&self.table.name))
    }

    /// Puts aside what differs, inside the caller's read transaction. `has` says which columns the backup's table has, the key
    /// among them; with `key`, the row alone whose key is that text.
    #[must_use]
    pub fn set_apart(&self, has: &[bool], key: Option<&str>) -> String {
        let (r, live, kept) = (self.temp("r"), self.live(), self.in_backup());
        let common: Vec<usize> = self.all().filter(|&i| has.get(i) == Some(&true)).collect();
        let columns = |letter: char, which: &mut dyn Iterator<Item = usize>| -> String {
            which.map(|i| format!(",{letter}{i}")).collect()
        };
        let (ours, theirs) = (columns('l', &mut self.all()), columns('b', &mut common.iter().copied()));
        let (from_live, from_backup) = (self.list("l", self.all()), self.list("b", common.iter().copied()));
        let same_key = self.same_key_in_backup();
        let differs = join(
            " OR ",
            common.iter().filter(|i| !self.table.key.contains(i)).map(|&i| {
                let name = &self.table.columns[i].name;
                apart(&column("b", name), &column("l", name))
            }),
        );
        let differs = if differs.is_empty() { "0".to_owned() } else { differs };
        let first = |prefix: &str| {
            let first = self.key().next();
            first.map_or_else(|| "NULL".to_owned(), |i| column(prefix, &self.table.columns[i].name))
        };
        let (ours_only, theirs_only) = (self.key_present("l"), self.keyed_in_backup());
        let (this, this_kept) = (self.key_reads("l", key), self.key_reads("b", key));
        format!(
            "DROP TABLE IF EXISTS {r};CREATE TEMP TABLE modsync_r_{index}(op{ours}{theirs});\
             INSERT INTO {r}(op{theirs}) SELECT 'I',{from_backup} FROM {kept} b LEFT JOIN {live} l ON {same_key} WHERE {} IS NULL{theirs_only}{this_kept};\
             INSERT INTO {r}(op{ours}{theirs}) SELECT 'U',{from_live},{from_backup} FROM {kept} b JOIN {live} l ON {same_key} \
             WHERE ({differs}){this};\
             INSERT INTO {r}(op{ours}) SELECT 'D',{from_live} FROM {live} l LEFT JOIN {kept} b ON {same_key} WHERE {} IS NULL{ours_only}{this};",
            first("l"),
            first("b"),
            index = self.index,
        )
    }

    /// Answers with one row `apart`: rows of both tables, how many of each kind were put aside, rows without a key and keys of
    /// several rows in the backup, and a digest of all that was put aside.
    #[must_use]
    pub fn report_apart(&self, has: &[bool], key: Option<&str>) -> String {
        let (r, live, kept) = (self.temp("r"), self.live(), self.in_backup());
        let rows = |from: &str, prefix: &str| {
            format!(
                "(SELECT count(*) FROM {from} {prefix} WHERE 1{})",
                self.key_reads(prefix, key)
            )
        };
        let kind = |op: char| format!("(SELECT count(*) FROM {r} WHERE op='{op}')");
        let unkeyed = format!(
            "(SELECT count(*) FROM {kept} b WHERE NOT (1{}))",
            self.keyed_in_backup()
        );
        let keys = join(
            ",",
            self.key()
                .map(|i| format!("{} COLLATE BINARY", column("b", &self.table.columns[i].name))),
        );
        let doubled = format!(
            "(SELECT count(*) FROM (SELECT 1 FROM {kept} b WHERE 1{} GROUP BY {keys} HAVING count(*)>1))",
            self.keyed_in_backup()
        );
        let cells = self.cells_apart(has).map(|cell| format!("({cell})"));
        let digest = format!(
            "(SELECT sha3(group_concat(d,''),256) FROM (SELECT hex(sha3(r.op||x'09'||{},256)) AS d FROM {r} r ORDER BY d))",
            join("||x'09'||", cells)
        );
        let counts = [
            rows(&live, "l"),
            rows(&kept, "b"),
            kind('I'),
            kind('U'),
            kind('D'),
            unkeyed,
            doubled,
        ];
        let counts = join(",", counts.into_iter().map(|count| format!("'i'||{count}")));
        format!(
            "SELECT 'tapart','i{}',{counts},coalesce('b'||hex({digest}),'b');",
            self.index
        )
    }

    /// Answers with what was put aside, of these kinds and at most so many rows: each cell of the live row and then of the
    /// backup's, `=` where there is none or where the backup's is the same.
    #[must_use]
    pub fn rows_apart(&self, has: &[bool], kinds: &str, most: Option<u64>) -> String {
        let kinds = join(",", kinds.chars().map(|kind| format!("'{kind}'")));
        let cells = join(",", self.cells_apart(has));
        let limit = most.map(|most| format!(" LIMIT {most}")).unwrap_or_default();
        format!(
            "SELECT 'trow','i{}','t'||r.op,{cells} FROM {} r WHERE r.op IN({kinds}) ORDER BY r.rowid{limit};",
            self.index,
            self.temp("r")
        )
    }

    /// Forgets what was put aside.
    #[must_use]
    pub fn forget_apart(&self) -> String {
        format!("DROP TABLE IF EXISTS {};", self.temp("r"))
    }

    /// How many rows the backup's table has: a row `rows`.
    #[must_use]
    pub fn count_in_backup(&self) -> String {
        format!(
            "SELECT 'trows','i{}','i'||count(*) FROM {};",
            self.index,
            self.in_backup()
        )
    }

    fn cells_apart(&self, has: &[bool]) -> impl Iterator<Item = String> {
        let live = self.all().map(|i| {
            let cell = format!("r.l{i}");
            format!("CASE WHEN r.op='I' THEN '=' ELSE {} END", encode_sql(&cell))
        });
        let kept = self.all().map(|i| match has.get(i) {
            Some(true) => {
                let (kept, live) = (format!("r.b{i}"), format!("r.l{i}"));
                let same = format!("r.op='U' AND NOT {}", apart(&kept, &live));
                format!("CASE WHEN r.op='D' OR {same} THEN '=' ELSE {} END", encode_sql(&kept))
            }
            _ => "'='".to_owned(),
        });
        live.chain(kept).collect::<Vec<_>>().into_iter()
    }

    /// The live row and the backup's have the same key, byte for byte.
    fn same_key_in_backup(&self) -> String {
        join(
            " AND ",
            self.key().map(|i| {
                let c = &self.table.columns[i];
                let (kept, live) = (column("b", &c.name), column("l", &c.name));
                let mut same = format!("{kept} COLLATE BINARY={live}");
                if c.collation != Collation::Binary {
                    // True whenever the first is; it is there so that an index with that collation can be used.
                    same += &format!(" AND {kept}={live}");
                }
                if c.affinity == Affinity::Blob {
                    same += &format!(" AND NOT {}", apart(&kept, &live));
                }
                same
            }),
        )
    }

    /// The backup's row has a key. Its own schema may have allowed NULL where today's does not.
    fn keyed_in_backup(&self) -> String {
        join(
            "",
            self.key()
                .map(|i| format!(" AND {} IS NOT NULL", column("b", &self.table.columns[i].name))),
        )
    }

    /// The key as a person writes it: its values, joined by commas where there are several.
    fn key_reads(&self, prefix: &str, key: Option<&str>) -> String {
        let Some(key) = key else { return String::new() };
        let text = join(
            "||','||",
            self.key()
                .map(|i| format!("CAST({} AS TEXT)", column(prefix, &self.table.columns[i].name))),
        );
        format!(" AND ({text}) COLLATE BINARY={}", literal(&Value::text(key)))
    }
}

/// The condition that two values differ, type and all, whatever the columns say.
fn apart(first: &str, second: &str) -> String {
    format!(
        "({first} COLLATE BINARY IS NOT {second} OR typeof({first})<>typeof({second}) OR (typeof({first})='real' AND {first}=0 \
         AND ieee754_to_blob({first})<>ieee754_to_blob({second})))"
    )
}
