//! What happens when one side's schema changes while the other writes: additions are carried over, the rest is held.
//!
//! [`plan`] is pure: both schemas and the agreed one in, changes and reasons out. [`proof`] tries each change in a scratch
//! database. [`carry`] makes them on the two sides, and [`lay_out`] settles which tables can be synced as they are.

mod agreed;
mod apart;
mod carry;
mod lay_out;
mod plan;
mod proof;
#[cfg(test)]
mod tests;
mod text;

pub use agreed::Agreed;
pub use apart::{Apart, schemas_apart};
pub use plan::{Change, Drift};

use crate::model::{Column, Declared, Table, Value};

/// The constant default that a `CREATE TABLE` gives to a column, NULL without one; `None` if it has no such column.
pub fn default_of(table: &str, column: &str) -> Option<Value> {
    let definitions = text::definitions(table)?;
    let mut named = definitions.iter().filter(|it| it.name.eq_ignore_ascii_case(column));
    named.next().map(text::Definition::default)
}

/// Why rows cannot be compared although both sides have the columns: one table is STRICT, or a column has another type.
pub fn unlike(ours: &Table, theirs: &Table, agreed: &Agreed) -> Option<String> {
    if theirs.strict != ours.strict {
        let side = if ours.strict { "laptop" } else { "server" };
        return Some(format!(
            "it is STRICT on the {side} alone, which refuses values that the other side takes"
        ));
    }
    ours.columns.iter().find_map(|column| {
        let other = theirs.columns.get(theirs.column(&column.name)?)?;
        let alike = other.affinity == column.affinity && other.not_null == column.not_null;
        (!alike).then(|| {
            format!(
                "column \"{}\" is {} on the laptop and {} on the server{}. Make both alike: SQLite changes a column's type \
                 only with a new table that takes the place of the old one",
                column.name,
                declaration(column),
                declaration(other),
                who_changed(agreed, &ours.name, column, other),
            )
        })
    })
}

/// A column's type as people write it.
fn declaration(column: &Column) -> String {
    let declared = if column.declared.is_empty() {
        "without a type"
    } else {
        &column.declared
    };
    format!("{declared}{}", if column.not_null { " NOT NULL" } else { "" })
}

/// For people: which side declares a column otherwise than both once did.
fn who_changed(agreed: &Agreed, table: &str, ours: &Column, theirs: &Column) -> String {
    let Some(known) = agreed.table(table).and_then(|table| table.column(&ours.name)) else {
        return String::new();
    };
    let changed = |column: &Column| {
        let now = Declared {
            name: column.name.clone(),
            declared: column.declared.clone(),
            not_null: column.not_null,
            generated: false,
        };
        !plan::is_as(&known.declared, &now)
    };
    match (changed(ours), changed(theirs)) {
        (true, false) => "; the laptop changed it".to_owned(),
        (false, true) => "; the server changed it".to_owned(),
        _ => String::new(),
    }
}
