//! Additions to a side's schema, and what has to be asked of its rows before.

use super::answer::{Fields, missing};
use super::names::{ident, live};
use super::push::{explain, take_lock};
use super::{Replica, Script, SqlError};
use crate::model::Collation;

impl Replica {
    /// Makes additions to the schema in one transaction, if it is still the one that was read: one round trip. The schema
    /// has to be read anew afterwards. Each statement stands alone, without its end, and has been proved to add what it
    /// says and to do nothing else.
    ///
    /// # Errors
    /// When the session or SQLite fails, or a statement does; then nothing has been made.
    pub async fn alter(&mut self, statements: &[&str]) -> Result<(), SqlError> {
        let mut script = Script::new();
        script.step("INSERT INTO temp.modsync_assert SELECT 0 FROM modsync_look WHERE moved;");
        let lock = self.tables.first().map(take_lock).unwrap_or_default();
        let mut sql = format!("BEGIN;{lock}{}", self.assert_schema());
        for statement in statements {
            sql += statement;
            // A comment at the text's end must not swallow the semicolon.
            sql += if statement.contains("--") { "\n;" } else { ";" };
        }
        script.step(sql + "COMMIT;");
        self.sql.run(&script, &mut |_| Ok(())).await.map_err(explain)
    }

    /// How many sets of values of these columns stand in more than one row: what keeps a unique index from being made.
    /// One round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn repeated(&mut self, table: &str, columns: &[(String, Collation)]) -> Result<u64, SqlError> {
        let collated =
            |(name, collation): &(String, Collation)| format!("{} COLLATE {}", ident(name), word(*collation));
        let names: Vec<String> = columns.iter().map(collated).collect();
        let present: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!("{} IS NOT NULL", ident(name)))
            .collect();
        let mut script = Script::new();
        script.step(format!(
            "SELECT 'i'||count(*) FROM (SELECT 1 FROM {} WHERE {} GROUP BY {} HAVING count(*)>1);",
            live(table),
            present.join(" AND "),
            names.join(",")
        ));
        let mut count = None;
        self.sql
            .run(&script, &mut |row| {
                count = Some(Fields::new("count repeated values", row).integer()?);
                Ok(())
            })
            .await?;
        count
            .map(i64::unsigned_abs)
            .ok_or_else(|| missing("count repeated values"))
    }
}

fn word(collation: Collation) -> &'static str {
    match collation {
        Collation::Binary => "BINARY",
        Collation::NoCase => "NOCASE",
        Collation::RTrim => "RTRIM",
    }
}
