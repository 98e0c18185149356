//! Reads what a side says that it changed.

use super::answer::{self, Fields};
use super::sql::{Field, SqlError, SqlErrorKind};
use super::{Changes, Generation, Head};
use crate::model::{Delta, Key, PartialRow, Table, TableDelta, Value};

/// Collects the answer to [`Replica::changes`](super::Replica::changes).
pub(super) struct ChangesReader<'a> {
    tables: &'a [Table],
    head: Option<Head>,
    delta: Delta,
    /// By table, whether its closing row came.
    closed: Vec<Option<()>>,
}

impl<'a> ChangesReader<'a> {
    pub(super) fn new(tables: &'a [Table]) -> Self {
        Self {
            tables,
            head: None,
            delta: Delta {
                tables: vec![TableDelta::default(); tables.len()],
            },
            closed: vec![None; tables.len()],
        }
    }

    /// Takes one answer row.
    pub(super) fn take(&mut self, row: Vec<Field>) -> Result<(), SqlError> {
        let mut fields = Fields::new("read the changes", row);
        match fields.text()?.as_str() {
            "head" => {
                let head = head(&mut fields)?;
                answer::once(&mut self.head, head, &fields)
            }
            "changed" => self.changed(fields),
            "deleted" => {
                let index = fields.index(self.tables.len())?;
                let key = fields.key(self.tables[index].key.len())?;
                self.delta.tables[index].deleted.push(key);
                Ok(())
            }
            "table" => self.close(fields),
            _ => Err(fields.wrong()),
        }
    }

    fn changed(&mut self, mut fields: Fields) -> Result<(), SqlError> {
        let index = fields.index(self.tables.len())?;
        let table = &self.tables[index];
        let cells = fields.cells(table.columns.len())?;
        let key: Option<Key> = table.key.iter().map(|&column| cells[column].clone()).collect();
        let key = key.filter(|key| !key.iter().any(Value::is_null));
        // SQLite lets nothing but an integer into that column; so what has another kind there, no database holds.
        let id = table.rowid.and_then(|column| cells[column].as_ref());
        match key {
            Some(key) if id.is_none_or(|id| id.as_integer().is_some()) => {
                self.delta.tables[index].changed.push(PartialRow { key, cells });
                Ok(())
            }
            _ => Err(fields.wrong()),
        }
    }

    fn close(&mut self, mut fields: Fields) -> Result<(), SqlError> {
        let index = fields.index(self.tables.len())?;
        let (next_id, rows) = (fields.integer()?, fields.count()?);
        let (unkeyed, doubled) = (fields.count()?, fields.count()?);
        fields.end()?;
        let table = &mut self.delta.tables[index];
        table.next_id = self.tables[index].rowid.map(|_| next_id);
        (table.rows, table.unkeyed, table.doubled) = (rows, unkeyed, doubled);
        answer::once(&mut self.closed[index], (), &fields)
    }

    /// The changes, once every row was taken.
    pub(super) fn finish(self) -> Result<Changes, SqlError> {
        let head = self.head.ok_or_else(|| answer::missing("read the changes: the head"))?;
        if self.closed.iter().any(Option::is_none) {
            return Err(answer::missing("read the changes: the end of a table"));
        }
        for (table, delta) in self.tables.iter().zip(&self.delta.tables) {
            // Where only the config says that the columns are a key, rows may share one: such a table is held.
            if delta.doubled == 0 && tells_twice(delta) {
                return Err(SqlError {
                    kind: SqlErrorKind::Protocol,
                    message: format!(
                        "read the changes: the engine answered two rows of one key in table {}",
                        table.name
                    ),
                });
            }
        }
        Ok(Changes {
            head,
            delta: self.delta,
        })
    }
}

fn head(fields: &mut Fields) -> Result<Head, SqlError> {
    let (schema_version, data_version) = (fields.integer()?, fields.integer()?);
    let (lineage, number, file) = (fields.value()?, fields.value()?, fields.value()?);
    let moved = fields.integer()? != 0;
    fields.end()?;
    let generation = lineage.as_str().zip(number.as_integer());
    let generation = generation.map(|(name, number)| Generation {
        lineage: name.to_owned(),
        number,
    });
    Ok(Head {
        schema_version,
        data_version,
        generation,
        file: file.as_str().map(str::to_owned),
        moved,
    })
}

/// Whether a key is among the rows more than once.
fn tells_twice(delta: &TableDelta) -> bool {
    let mut keys: Vec<&Key> = delta.changed.iter().map(|row| &row.key).chain(&delta.deleted).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}
