//! What has to outlive the daemon besides the record: small facts by name, and the rows that merges go out from where the
//! base is older.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::History;
use super::file::to_json;
use crate::cycle::CycleError;
use crate::cycle::ancestors::Ancestors;
use crate::model::Key;

impl History {
    /// The rows that a merge goes out from where the base is older.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(in crate::cycle) async fn ancestors(&self) -> Result<Ancestors, CycleError> {
        let rows: Vec<[Option<String>; 4]> = self
            .call("read the history", |connection| {
                let mut statement = connection.prepare_cached("SELECT tbl,columns,key,row FROM ancestor")?;
                let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
                rows.collect()
            })
            .await?;
        let mut ancestors = Ancestors::default();
        for [table, columns, key, row] in rows {
            let table = table.unwrap_or_default();
            let failed = |error| CycleError::failed(format!("read the history: an ancestor in {table}: {error}"));
            let columns: Vec<String> = serde_json::from_str(&columns.unwrap_or_default()).map_err(failed)?;
            let key: Key = serde_json::from_str(&key.unwrap_or_default()).map_err(failed)?;
            let row = row.map(|row| serde_json::from_str(&row)).transpose().map_err(failed)?;
            ancestors.insert(&table, &columns, key, row);
        }
        Ok(ancestors)
    }

    /// From now on these are all there are.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(in crate::cycle) async fn keep_ancestors(&self, ancestors: Ancestors) -> Result<(), CycleError> {
        self.call("write the history", move |connection| {
            let transaction = connection.transaction()?;
            write_ancestors(&transaction, &ancestors)?;
            transaction.commit()
        })
        .await
    }

    /// A small fact that outlives the daemon, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn fact(&self, name: &'static str) -> Result<Option<String>, CycleError> {
        self.call("read the history", move |connection| {
            connection
                .query_row("SELECT value FROM fact WHERE name=?1", [name], |row| row.get(0))
                .optional()
        })
        .await
    }

    /// Keeps a small fact.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn keep_fact(&self, name: &'static str, value: String) -> Result<(), CycleError> {
        self.call("write the history", move |connection| {
            connection
                .execute("INSERT OR REPLACE INTO fact VALUES(?1,?2)", params![name, value])
                .map(drop)
        })
        .await
    }
}

pub(super) fn write_ancestors(transaction: &Transaction<'_>, ancestors: &Ancestors) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM ancestor", [])?;
    let mut insert = transaction.prepare_cached("INSERT INTO ancestor VALUES(?1,?2,?3,?4)")?;
    for (table, columns, key, row) in ancestors.iter() {
        insert.execute(params![table, to_json(&columns), to_json(key), row.map(to_json)])?;
    }
    Ok(())
}
