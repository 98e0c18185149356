//! Proof that two databases hold the same rows: digests of contents, no bookkeeping.

use std::collections::BTreeMap;

use super::answer::{self, Fields};
use super::statements::TableSql;
use super::{Replica, Script, SqlError};
use crate::model::Key;

/// The digest of a whole table: SHA3-256 over the digests of its rows in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// How many rows it has.
    pub rows: u64,
    /// The digest; empty for a table without rows.
    pub digest: Vec<u8>,
}

impl Replica {
    /// Digests of all tables, from one read transaction: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn digests(&mut self) -> Result<Vec<TableDigest>, SqlError> {
        let statements = self.statements();
        let mut script = Script::new();
        let collect: String = statements.iter().map(TableSql::digest).collect();
        script.step(format!(
            "BEGIN;DROP TABLE IF EXISTS temp.modsync_digest;CREATE TEMP TABLE modsync_digest(tbl,n,digest);{collect}COMMIT;"
        ));
        script.step("SELECT 'i'||tbl,'i'||n,coalesce('b'||hex(digest),'b') FROM temp.modsync_digest;");
        let mut digests: Vec<Option<TableDigest>> = vec![None; self.tables.len()];
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("prove", row);
                let table = fields.index(digests.len())?;
                let (rows, digest) = (fields.count()?, fields.blob()?);
                fields.end()?;
                answer::once(&mut digests[table], TableDigest { rows, digest }, &fields)
            })
            .await?;
        let digests: Option<Vec<TableDigest>> = digests.into_iter().collect();
        digests.ok_or_else(|| answer::missing("prove: a table"))
    }

    /// The digest of each row of one table, by key: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn row_digests(&mut self, table: usize) -> Result<BTreeMap<Key, Vec<u8>>, SqlError> {
        let mut script = Script::new();
        if let Some(sql) = self.statements().get(table) {
            script.step(sql.row_digests());
        }
        let width = self.tables.get(table).map_or(0, |table| table.key.len());
        let mut digests = BTreeMap::new();
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("prove", row);
                let digest = fields.blob()?;
                digests.insert(fields.row(width)?, digest);
                Ok(())
            })
            .await?;
        Ok(digests)
    }
}
