//! Whether what was written is what the far end reads back: a digest of the written cells, reckoned on both sides.
//!
//! The engine asserts inside the transaction that its rows are as they were meant. That finds what SQLite does to values,
//! and not an engine that lies or is broken. So it also digests what it reads, in the same transaction, and the laptop
//! digests what it sent: who did not write cannot know the digest.

use sha3::{Digest as _, Sha3_256};

use super::wire;
use crate::model::{RowOp, Value};

/// The digest of what these writes leave in the cells that they write: over the digests of the rows, in their order. Empty
/// when none of them leaves any. `done` tells by number which were carried out.
pub(super) fn expected(ops: &[&RowOp], done: impl Fn(usize) -> bool) -> Vec<u8> {
    let carried_out = ops.iter().enumerate().filter(|(seq, _)| done(*seq));
    let rows: String = carried_out.filter_map(|(_, op)| Some(digest(&cells(op)?))).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    Sha3_256::digest(rows.as_bytes()).to_vec()
}

/// The row in the wire form, `=` for each cell that is not written; `None` for a row that goes.
fn cells(op: &RowOp) -> Option<String> {
    let written = |old: Option<&Value>, new: &Value| match old {
        Some(old) if old == new => "=".to_owned(),
        _ => wire::encode(new),
    };
    let fields: Vec<String> = match op {
        RowOp::Insert(row) | RowOp::Replace { after: row, .. } => row.iter().map(wire::encode).collect(),
        RowOp::Update { before, after } => before
            .iter()
            .zip(after)
            .map(|(old, new)| written(Some(old), new))
            .collect(),
        RowOp::Delete(_) => return None,
    };
    Some(fields.join("\t"))
}

fn digest(row: &str) -> String {
    let bytes = Sha3_256::digest(row.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Whether the row that is there holds what the write put into it. One side may store a number that the other has as
/// text, where a column's type leaves it the choice.
#[must_use]
pub fn holds(op: &RowOp, there: &[Value]) -> bool {
    let Some(after) = op.after() else { return true };
    let untouched = |index: usize| match op {
        RowOp::Update { before, .. } => before.get(index) == after.get(index),
        _ => false,
    };
    let mut cells = after.iter().zip(there).enumerate();
    cells.all(|(index, (meant, found))| untouched(index) || meant == found || meant.to_string() == found.to_string())
}
