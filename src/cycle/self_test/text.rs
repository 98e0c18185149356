//! The statements that make, change and try the test row, and how it is told. Pure.

use super::subject::Subject;
use super::trace::Trace;
use crate::model::{Row, Table, Value};
use crate::replica::ident;
use crate::replica::wire::literal;

/// Where the row will be; `None` when it has no whole key.
pub(super) fn trace_of(table: &Table, subject: &Subject) -> Option<Trace> {
    let value = |index: &usize| subject.created.iter().find(|(column, _)| column == index);
    let key = table
        .key
        .iter()
        .map(|index| value(index).map(|(_, value)| value.clone()));
    Some(Trace {
        table: table.name.clone(),
        key: key.collect::<Option<_>>()?,
    })
}

/// The statement that makes the row.
pub(super) fn insert(table: &Table, subject: &Subject) -> String {
    let name = |(column, _): &(usize, Value)| ident(&table.columns[*column].name);
    let names: Vec<String> = subject.created.iter().map(name).collect();
    let values: Vec<String> = subject.created.iter().map(|(_, value)| literal(value)).collect();
    format!(
        "INSERT INTO main.{}({}) VALUES({});",
        ident(&table.name),
        names.join(","),
        values.join(",")
    )
}

/// The condition that finds it.
fn of_key(table: &Table, trace: &Trace) -> String {
    let pairs = table.key.iter().zip(&trace.key);
    let equal = pairs.map(|(&index, value)| format!("{}={}", ident(&table.columns[index].name), literal(value)));
    equal.collect::<Vec<_>>().join(" AND ")
}

/// The statement of the site's change.
pub(super) fn update(table: &Table, subject: &Subject, trace: &Trace) -> String {
    let set = |(column, value): &(usize, Value)| format!("{}={}", ident(&table.columns[*column].name), literal(value));
    let set: Vec<String> = subject.assessed.iter().map(set).collect();
    format!(
        "UPDATE main.{} SET {} WHERE {};",
        ident(&table.name),
        set.join(","),
        of_key(table, trace)
    )
}

/// All that will be done, and undone at once.
pub(super) fn attempt(table: &Table, subject: &Subject, trace: &Trace) -> String {
    format!(
        "BEGIN IMMEDIATE;{}{}DELETE FROM main.{} WHERE {};ROLLBACK;",
        insert(table, subject),
        update(table, subject, trace),
        ident(&table.name),
        of_key(table, trace)
    )
}

/// Whether a row has what the server changed.
pub(super) fn is_assessed(row: Option<&Row>, subject: &Subject) -> bool {
    row.is_some_and(|row| subject.assessed.iter().all(|(column, value)| row[*column] == *value))
}

/// The columns that the server changes, for people.
pub(super) fn changed(table: &Table, subject: &Subject) -> String {
    let names: Vec<&str> = subject
        .assessed
        .iter()
        .map(|(column, _)| table.columns[*column].name.as_str())
        .collect();
    names.join(", ")
}

/// A key, for people.
pub(super) fn shown(key: &[Value]) -> String {
    let cell = |value: &Value| match value {
        Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => literal(other),
    };
    key.iter().map(cell).collect::<Vec<_>>().join(", ")
}
