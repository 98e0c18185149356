//! The base's copies of tables: made, brought to another shape, begun anew.

use std::collections::BTreeSet;

use super::answer::{Fields, nothing};
use super::wire::{encode_sql, literal};
use super::{FORMAT, Generation, Replica, Script, SqlError, names};
use crate::model::{Table, Value};

/// The base's copy of a table, as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseTable {
    /// The user's table.
    pub name: String,
    /// Its columns, and their places in the key, from 1; 0 for those that are not in it.
    pub(super) columns: Vec<(String, i64)>,
}

impl BaseTable {
    /// The names of the columns that the copy has.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            columns: Vec::new(),
        }
    }
}

impl Replica {
    /// Settles which tables are synced, in which order of columns: two round trips.
    ///
    /// `defaults` are the values, by table and column, that both sides gave to a new column's rows. The base's copies of
    /// tables that are not in `present` are forgotten: neither side has them.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn prepare(
        &mut self,
        tables: Vec<Table>,
        defaults: &[Vec<Value>],
        present: &BTreeSet<String>,
    ) -> Result<(), SqlError> {
        let known = self.base_tables().await?;
        let mut script = Script::new();
        for sql in self.statements() {
            script.step(sql.forget());
        }
        for copy in known
            .iter()
            .filter(|copy| !present.contains(&copy.name.to_ascii_lowercase()))
        {
            script.step(format!("DROP TABLE {};", names::base(&copy.name)));
        }
        self.tables = tables;
        for (sql, defaults) in self.statements().iter().zip(defaults) {
            let copy = known.iter().find(|copy| copy.name.eq_ignore_ascii_case(sql.name()));
            script.step(copy.map_or_else(|| sql.create_base(), |copy| sql.adapt_base(copy, defaults)));
            for step in sql.prepare() {
                script.step(step);
            }
        }
        self.sql.run(&script, &mut nothing("keep the base")).await
    }

    /// The tables that the base has copies of, with the copies' columns: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn base_tables(&mut self) -> Result<Vec<BaseTable>, SqlError> {
        let mut script = Script::new();
        let fields = ["m.name", "x.name", "x.pk"].map(encode_sql).join(",");
        script.step(format!(
            "SELECT {fields} FROM base.sqlite_master m JOIN pragma_table_xinfo(m.name,'base') x \
             WHERE m.type='table' AND m.name GLOB 't_*' ORDER BY m.name,x.cid;"
        ));
        let mut tables: Vec<BaseTable> = Vec::new();
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("read the base", row);
                let (copy, column, primary) = (fields.text()?, fields.text()?, fields.integer()?);
                fields.end()?;
                let name = copy.strip_prefix("t_").unwrap_or(&copy);
                if tables.last().is_none_or(|table| table.name != name) {
                    tables.push(BaseTable::new(name));
                }
                if let Some(table) = tables.last_mut() {
                    table.columns.push((column, primary));
                }
                Ok(())
            })
            .await?;
        Ok(tables)
    }

    /// Forgets what the base holds in these columns (table and column as indexes, and the default that fills them): a side
    /// had lost them, and what it has there now was never agreed. One round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn begin_columns(&mut self, columns: &[(usize, usize, Value)]) -> Result<(), SqlError> {
        let statements = self.statements();
        let begin = columns.iter().filter_map(|(table, column, default)| {
            statements
                .get(*table)
                .and_then(|sql| sql.begin_column(*column, default))
        });
        let mut script = Script::new();
        script.step(format!("BEGIN;{}COMMIT;", begin.collect::<String>()));
        self.sql.run(&script, &mut nothing("keep the base")).await
    }

    /// Forgets the base, also of tables that are not synced at the moment, and begins a new lineage: the next changes are
    /// all rows. Two round trips.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn begin(&mut self, generation: &Generation) -> Result<(), SqlError> {
        let known = self.base_tables().await?;
        let clear: String = known
            .iter()
            .map(|copy| format!("DELETE FROM {};", names::base(&copy.name)))
            .collect();
        let mut script = Script::new();
        script.step(format!("BEGIN;{clear}{}COMMIT;", self.set_generation(generation)));
        self.sql.run(&script, &mut nothing("keep the base")).await
    }

    pub(super) fn set_generation(&self, generation: &Generation) -> String {
        format!(
            "INSERT OR REPLACE INTO base.meta(id,format,lineage,number,file) VALUES(1,{FORMAT},{},{},{});",
            literal(&Value::text(generation.lineage.as_str())),
            generation.number,
            literal(&Value::text(self.file.as_str())),
        )
    }
}
