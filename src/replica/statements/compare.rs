//! What changed since the base, and what the live table holds.

use super::super::names::{column, ident};
use super::super::wire::{encode_sql, literal};
use super::{TableSql, different, join};
use crate::model::Value;

impl TableSql<'_> {
    pub(super) fn report_fields(&self) -> String {
        join(
            ",",
            self.columns().map(|(index, c)| {
                let (live, base) = (column("d", &c.name), column("b", &c.name));
                if self.table.key.contains(&index) {
                    encode_sql(&live)
                } else {
                    let differs = different(c, &base, &live);
                    format!(
                        "CASE WHEN {} OR {differs} THEN {} ELSE '=' END",
                        self.not_in_base(),
                        encode_sql(&live)
                    )
                }
            }),
        )
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
            "CASE WHEN EXISTS(SELECT 1 FROM {x}) OR (SELECT count(*) FROM {d})>=20 THEN (SELECT count(*) FROM {live}) \
             ELSE EXISTS(SELECT 1 FROM {live}) END",
            live = self.live()
        );
        vec![
            format!("SELECT * FROM {};", self.temp("report")),
            format!("SELECT 'tdeleted','i{index}',{key} FROM {x};"),
            format!(
                "SELECT 'ttable','i{index}','i'||{},'i'||{rows},'i'||{},'i'||{};",
                self.next_id(),
                self.unkeyed(),
                self.doubled()
            ),
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
        let used = if self.table.autoincrement {
            let name = literal(&Value::text(self.table.name.as_str()));
            format!("max({largest},coalesce((SELECT seq FROM main.sqlite_sequence WHERE name={name}),0))")
        } else {
            largest
        };
        // After the largest integer there is none: the id is then one in use, and its row is refused.
        format!("(min({used},{})+1)", i64::MAX - 1)
    }

    /// How many rows have NULL in their key.
    fn unkeyed(&self) -> String {
        let null = join(
            " OR ",
            self.nullable_key()
                .map(|index| format!("{} IS NULL", column("l", &self.table.columns[index].name))),
        );
        if null.is_empty() {
            return "0".to_owned();
        }
        format!("(SELECT count(*) FROM {} l WHERE {null})", self.live())
    }

    /// How many keys several rows share. Where the schema keeps them apart nobody has to look.
    fn doubled(&self) -> String {
        let unique = self.table.unique.iter();
        if unique
            .into_iter()
            .any(|set| set.iter().all(|index| self.table.key.contains(index)))
        {
            return "0".to_owned();
        }
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM {} r WHERE 1{} GROUP BY {} HAVING count(*)>1))",
            self.live(),
            self.key_present("r"),
            self.key_order()
        )
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
