//! Changes against the base, and the operations that bring a side up to date.

use super::{Key, Row, Value};

/// What one side changed since the base, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// In the order of the tables that were asked for.
    pub tables: Vec<TableDelta>,
}

/// What one side changed in one table since the base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDelta {
    /// Rows inserted or updated.
    pub changed: Vec<PartialRow>,
    /// Keys of rows that the base has and the side has not.
    pub deleted: Vec<Key>,
    /// The next free integer id on this side: one more than the largest in use or ever handed out.
    /// `None` for a table without an INTEGER PRIMARY KEY.
    pub next_id: Option<i64>,
    /// How many rows the side holds, for the brakes. Counted where enough changed that a brake could ask; otherwise 0
    /// for none and 1 for some.
    pub rows: u64,
    /// How many rows have NULL in their key: they stay where they are.
    pub unkeyed: u64,
    /// How many keys several rows share, where only the config says that they are keys.
    pub doubled: u64,
}

impl TableDelta {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.deleted.is_empty()
    }
}

/// A row of which only what differs from the base travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialRow {
    /// Its key.
    pub key: Key,
    /// One for each column of the table; `None` means: as in the base. An inserted row has every cell.
    pub cells: Vec<Option<Value>>,
}

impl PartialRow {
    /// The full row, with the cells that did not travel taken from the base row; `None` if a cell is
    /// missing and there is no base row to take it from.
    #[must_use]
    pub fn complete(self, base: Option<&Row>) -> Option<Row> {
        self.cells
            .into_iter()
            .enumerate()
            .map(|(index, cell)| cell.or_else(|| base.and_then(|row| row.get(index)).cloned()))
            .collect()
    }
}

/// One guarded write. Each names the values that it replaces; a row that holds others by then is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOp {
    /// The row is new on that side. Guard: no row has its key, its id or one of its unique values.
    Insert(Row),
    /// Some cells change. Guard: each cell that differs between the two rows holds its `before` value.
    Update {
        /// The row as that side is believed to hold it.
        before: Row,
        /// The row as it shall be. Same key as `before`.
        after: Row,
    },
    /// As `Update`, but carried out as delete and insert, all inside one transaction: for a change of an id or of
    /// unique columns, where rows may swap values. Guard: every cell holds its `before` value.
    Replace {
        /// The row as that side is believed to hold it.
        before: Row,
        /// The row as it shall be.
        after: Row,
    },
    /// The row goes. Guard: every cell holds this value.
    Delete(Row),
}

impl RowOp {
    /// The row as the side shall hold it afterwards, `None` after a delete.
    #[must_use]
    pub fn after(&self) -> Option<&Row> {
        match self {
            Self::Insert(row) | Self::Update { after: row, .. } | Self::Replace { after: row, .. } => Some(row),
            Self::Delete(_) => None,
        }
    }

    /// The row as the side is believed to hold it, `None` before an insert.
    #[must_use]
    pub fn before(&self) -> Option<&Row> {
        match self {
            Self::Insert(_) => None,
            Self::Update { before: row, .. } | Self::Replace { before: row, .. } | Self::Delete(row) => Some(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(cells: [Option<i64>; 2]) -> PartialRow {
        PartialRow {
            key: vec![Value::Integer(1)],
            cells: cells.into_iter().map(|cell| cell.map(Value::Integer)).collect(),
        }
    }

    #[test]
    fn cells_that_did_not_travel_are_those_of_the_base() {
        let base = vec![Value::Integer(1), Value::Null];
        let row = vec![Value::Integer(1), Value::Integer(7)];
        assert_eq!(partial([None, Some(7)]).complete(Some(&base)), Some(row.clone()));
        assert_eq!(partial([Some(1), Some(7)]).complete(None), Some(row));
    }

    #[test]
    fn a_cell_that_is_nowhere_makes_no_row() {
        assert_eq!(partial([Some(1), None]).complete(None), None);
        assert_eq!(partial([Some(1), None]).complete(Some(&vec![Value::Integer(1)])), None);
    }

    #[test]
    fn an_operation_tells_what_was_and_what_shall_be() {
        let (old, new) = (vec![Value::Integer(1)], vec![Value::Integer(2)]);
        for (op, before, after) in [
            (RowOp::Insert(new.clone()), None, Some(&new)),
            (RowOp::Delete(old.clone()), Some(&old), None),
            (
                RowOp::Update {
                    before: old.clone(),
                    after: new.clone(),
                },
                Some(&old),
                Some(&new),
            ),
            (
                RowOp::Replace {
                    before: old.clone(),
                    after: new.clone(),
                },
                Some(&old),
                Some(&new),
            ),
        ] {
            assert_eq!((op.before(), op.after()), (before, after), "{op:?}");
        }
    }
}
