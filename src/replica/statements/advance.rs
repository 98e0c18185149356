//! The base's move, and the reads of it.

use super::super::wire::literal;
use super::{TableSql, join};
use crate::model::Value;

impl TableSql<'_> {
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
            "DELETE FROM {base} AS t WHERE {};{}\
             INSERT OR REPLACE INTO {base}({}) SELECT {news} FROM {p} p WHERE p.op IN('I','R') AND p.ok;",
            self.named_by("p.op IN('D','R') AND p.ok", "t"),
            self.update(&base),
            self.names(self.all()),
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
}
