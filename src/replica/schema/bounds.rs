//! How much of a schema is taken.

use super::super::sql::{Field, SqlError, SqlErrorKind};
use super::super::wire;
use crate::model::Value;

/// How much of a schema is taken, in bytes of memory. A table costs some hundred, and the largest schema that anybody
/// syncs has some thousand of them; every table's name can come up in every `status`.
const MAX_SCHEMA: usize = 16 * 1024 * 1024;
/// Longest name of a table, a column, an index or a trigger, in bytes. SQLite has no limit, but names stand in messages.
const MAX_NAME: usize = 1024;
/// Most columns of a table: what SQLite itself allows unless it was built otherwise.
const MAX_COLUMNS: usize = 2000;

/// What was taken so far.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// In bytes of memory.
    size: usize,
    /// How many columns the widest table has.
    pub(super) widest: usize,
}

impl Bounds {
    /// Counts one answer row.
    pub(super) fn take(&mut self, row: &[Field]) -> Result<(), SqlError> {
        self.size = self.size.saturating_add(wire::memory_of(row));
        if self.size > MAX_SCHEMA {
            let limit = MAX_SCHEMA / (1024 * 1024);
            return Err(too_much(&format!(
                "it has more than {limit} MiB of tables, columns and indexes"
            )));
        }
        if has_long_name(row) {
            return Err(too_much(&format!("a name in it has more than {MAX_NAME} bytes")));
        }
        if self.widest > MAX_COLUMNS {
            return Err(too_much(&format!("a table in it has more than {MAX_COLUMNS} columns")));
        }
        Ok(())
    }
}

fn too_much(what: &str) -> SqlError {
    SqlError {
        kind: SqlErrorKind::Unsuitable,
        message: format!("read the schema: {what}; nothing of that size can be synced"),
    }
}

/// Whether any text but the statement of an object, which is its last field, is longer than a name may be.
fn has_long_name(row: &[Field]) -> bool {
    let is_object = row.first() == Some(&Field::Value(Value::text("object")));
    let names = if is_object { row.get(..4).unwrap_or(row) } else { row };
    names
        .iter()
        .any(|field| matches!(field, Field::Value(Value::Text(name)) if name.len() > MAX_NAME))
}
