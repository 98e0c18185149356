//! How one table of a real schema is keyed and merged, by the configuration and the preset.

use crate::merge::{Group, TableRules};
use crate::model::{Schema, Table};

use super::mistake::nearest;
use super::preset::{PRESETS, Preset};
use super::{GroupConfig, TableConfig};

/// The column that is taken for `last_updated` when nobody names another.
const LAST_UPDATED: &str = "last_updated";

/// What the configuration and the preset make of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSetup {
    /// Whether the table is synced at all.
    pub sync: bool,
    /// The key columns, as the schema spells them; `None`: the schema's own key.
    pub key: Option<Vec<String>>,
    /// How its rows merge.
    pub rules: TableRules,
}

/// The key and the merge rules of a table.
///
/// What the configuration declares of a table is taken as it is. What it leaves open (the key, the groups,
/// `last_updated`, each for itself) comes from the preset, where the table has the preset's shape: a unique constraint
/// on exactly the preset's key. Of a preset's group, columns that the table lacks are left out; without the column
/// that decides there is no group. A column named `last_updated` is used wherever nothing else is said.
///
/// # Errors
/// When the configuration names a column that the table does not have: the table, the column, and the nearest name.
pub fn rules_for(table: &Table, declared: &[TableConfig]) -> Result<TableSetup, String> {
    let declared = declared
        .iter()
        .find(|config| config.name.eq_ignore_ascii_case(&table.name));
    let preset = PRESETS.iter().find(|preset| has_shape(table, preset));
    if declared.is_some_and(|config| !config.sync) {
        return Ok(TableSetup {
            sync: false,
            key: None,
            rules: TableRules::default(),
        });
    }
    let key = match declared.map(|config| config.key.as_slice()) {
        Some(columns) if !columns.is_empty() => Some(resolve(table, "key", columns)?),
        _ => preset.and_then(|preset| find_all(table, preset.key)),
    };
    let groups = match declared.map(|config| config.groups.as_slice()) {
        Some(groups) if !groups.is_empty() => groups
            .iter()
            .map(|group| declared_group(table, group))
            .collect::<Result<_, _>>()?,
        _ => preset
            .and_then(|preset| preset_group(table, preset))
            .into_iter()
            .collect(),
    };
    let last_updated = match declared.and_then(|config| config.last_updated.as_deref()) {
        Some(column) => Some(column_of(table, "last_updated", column)?),
        None => table.column(preset.and_then(|preset| preset.last_updated).unwrap_or(LAST_UPDATED)),
    };
    let key = key.map(|key| {
        key.iter()
            .filter_map(|&index| table.columns.get(index))
            .map(|column| column.name.clone())
            .collect()
    });
    Ok(TableSetup {
        sync: true,
        key,
        rules: TableRules { groups, last_updated },
    })
}

/// What is wrong with `[[table]]` entries that no table of the schema answers to: each with the nearest name.
#[must_use]
pub fn unmatched_tables(schema: &Schema, declared: &[TableConfig]) -> Vec<String> {
    let skipped = schema.skipped.iter().map(|skipped| skipped.name.as_str());
    let names: Vec<&str> = schema
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .chain(skipped)
        .collect();
    let unknown = |config: &&TableConfig| !names.iter().any(|name| name.eq_ignore_ascii_case(&config.name));
    declared
        .iter()
        .filter(unknown)
        .map(|config| {
            let wanted = did_you_mean(&config.name, names.iter().copied());
            format!("[[table]] {}: the database has no such table{wanted}", config.name)
        })
        .collect()
}

fn has_shape(table: &Table, preset: &Preset) -> bool {
    let same = |key: &[usize], columns: &[usize]| key.len() == columns.len() && columns.iter().all(|c| key.contains(c));
    preset.table.eq_ignore_ascii_case(&table.name)
        && find_all(table, preset.key).is_some_and(|key| table.unique.iter().any(|unique| same(&key, unique)))
}

fn find_all(table: &Table, columns: &[&str]) -> Option<Vec<usize>> {
    columns.iter().map(|column| table.column(column)).collect()
}

fn preset_group(table: &Table, preset: &Preset) -> Option<Group> {
    let (columns, newest_by) = preset.group?;
    let newest_by = table.column(newest_by)?;
    Some(Group {
        columns: columns.iter().filter_map(|column| table.column(column)).collect(),
        newest_by,
    })
}

fn declared_group(table: &Table, group: &GroupConfig) -> Result<Group, String> {
    let mut columns = resolve(table, "group.columns", &group.columns)?;
    let newest_by = column_of(table, "group.newest_by", &group.newest_by)?;
    if !columns.contains(&newest_by) {
        columns.push(newest_by);
    }
    Ok(Group { columns, newest_by })
}

fn resolve(table: &Table, key: &str, columns: &[String]) -> Result<Vec<usize>, String> {
    columns.iter().map(|column| column_of(table, key, column)).collect()
}

fn column_of(table: &Table, key: &str, column: &str) -> Result<usize, String> {
    table.column(column).ok_or_else(|| {
        let wanted = did_you_mean(column, table.columns.iter().map(|column| column.name.as_str()));
        format!(
            "[[table]] {}: {key} names the column \"{column}\", which the table does not have{wanted}",
            table.name
        )
    })
}

fn did_you_mean<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    nearest(wrong, names).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
