//! What will become of each table: told at the terminal, and, where the automatic choice may not be the one that is meant,
//! proposed as comments in the config.

use std::fmt::Write as _;

use crate::cycle::Foresight;
use crate::model::{Side, Table};

/// Column names that often say what a row is, the likeliest first; also as the end of a longer name, as in `shop_url`.
const TELLING: [&str; 9] = ["url", "uuid", "guid", "slug", "sku", "isbn", "email", "code", "path"];
/// Other names for the time of a row's last update.
const UPDATED: [&str; 6] = [
    "updated_at",
    "modified_at",
    "last_modified",
    "changed_at",
    "date_modified",
    "mtime",
];
/// How the names of columns with the time of a decision end.
const MOMENTS: [&str; 3] = ["_at", "_on", "_date"];

/// Lines for the terminal.
pub(super) fn told(foresight: &Foresight) -> Vec<String> {
    let mut lines = Vec::new();
    let width = foresight
        .tables
        .iter()
        .map(|(table, _)| table.name.chars().count())
        .max()
        .unwrap_or(0);
    if !foresight.tables.is_empty() {
        lines.push(format!(
            "{} will be synced, rows matched by:",
            count(foresight.tables.len())
        ));
    }
    for (table, rules) in &foresight.tables {
        let mut line = format!("  {:<width$}  {}", table.name, names(table, &table.key).join(", "));
        if table.keyed_by_rowid() {
            line.push_str(" (handed out by each side for itself)");
        }
        for group in &rules.groups {
            let newest = &names(table, &[group.newest_by])[0];
            let _ = write!(
                line,
                "; {} columns move together, newest by {newest}",
                group.columns.len()
            );
        }
        lines.push(line);
    }
    for change in &foresight.carried {
        let side = match change.side {
            Side::Local => "this machine",
            Side::Server => "the server",
        };
        lines.push(format!("  {} {} will be made on {side}", change.kind, change.name));
    }
    for skipped in &foresight.left_out {
        lines.push(format!("  {} is left out: {}", skipped.name, skipped.reason));
    }
    lines
}

fn count(tables: usize) -> String {
    match tables {
        1 => "1 table".to_owned(),
        many => format!("{many} tables"),
    }
}

/// Comments for the config, one `[[table]]` for each table that a person may want to say more of.
pub(super) fn proposed(foresight: &Foresight) -> String {
    let mut text = String::new();
    for (table, rules) in &foresight.tables {
        let mut said = Vec::new();
        said.extend(other_key(table));
        if rules.last_updated.is_none() {
            said.extend(UPDATED.iter().find_map(|name| table.column(name)).map(|index| {
                let name = quoted(&names(table, &[index])[0]);
                format!("# Between versions of a row, the newer one by this column wins.\n#last_updated = {name}\n")
            }));
        }
        if rules.groups.is_empty() {
            said.extend(groups(table));
        }
        if !said.is_empty() {
            let _ = write!(text, "\n#[[table]]\n#name = {}\n{}", quoted(&table.name), said.concat());
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n# Tables need no configuration. Where more than one thing may be meant, this is what could be said:\n{text}"
    )
}

/// Another key, where rows are matched by an id that each side hands out, or where the schema has several.
fn other_key(table: &Table) -> Option<String> {
    if table.keyed_by_rowid() {
        let telling = |index: &usize| {
            let name = table.columns[*index].name.to_ascii_lowercase();
            TELLING
                .iter()
                .position(|word| name == *word || name.ends_with(&format!("_{word}")))
        };
        let referring = |index: &usize| table.foreign_keys.iter().any(|foreign| foreign.columns.contains(index));
        let mut columns: Vec<usize> = (0..table.columns.len())
            .filter(|index| telling(index).is_some() && !referring(index))
            .collect();
        columns.sort_by_key(telling);
        let column = columns.first()?;
        return Some(format!(
            "# Rows are matched by {}, which each side hands out for itself: of two new rows with the same one, one gets a new one.\n\
             # If something else makes a row the same row on both sides, say so:\n#key = [{}]\n",
            names(table, &table.key)[0],
            quoted(&names(table, &[*column])[0])
        ));
    }
    let same = |set: &&Vec<usize>| **set == table.key || table.rowid.is_some_and(|rowid| **set == [rowid]);
    let others: Vec<String> = table
        .unique
        .iter()
        .filter(|set| !same(set))
        .map(|set| list(table, set))
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "# Rows are matched by {}. Unique as well: {}.\n#key = {}\n",
            list(table, &table.key),
            others.join(", "),
            list(table, &table.key)
        )
    })
}

/// Columns that belong to one decision: those that share the beginning of the name of a time, as `reviewed_by` and
/// `review_notes` do with `reviewed_at`.
fn groups(table: &Table) -> Vec<String> {
    let moments = table.columns.iter().enumerate().filter_map(|(index, column)| {
        let name = column.name.to_ascii_lowercase();
        let verb = MOMENTS.iter().find_map(|ending| name.strip_suffix(ending))?;
        let stem = verb
            .strip_suffix("ed")
            .filter(|stem| stem.len() > 3)
            .unwrap_or(verb)
            .to_owned();
        Some((index, stem))
    });
    let mut found = Vec::new();
    for (newest_by, stem) in moments {
        let belongs = |index: &usize| {
            *index != newest_by
                && !table.key.contains(index)
                && table.columns[*index].name.to_ascii_lowercase().starts_with(&stem)
        };
        let mut columns: Vec<usize> = (0..table.columns.len()).filter(belongs).collect();
        if columns.is_empty() || table.key.contains(&newest_by) {
            continue;
        }
        columns.push(newest_by);
        found.push(format!(
            "#[[table.group]]   # columns that move together; the newest version wins\n#columns = {}\n#newest_by = {}\n",
            list(table, &columns),
            quoted(&names(table, &[newest_by])[0])
        ));
    }
    found
}

fn names(table: &Table, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|&index| table.columns[index].name.clone()).collect()
}

/// `["a", "b"]`.
fn list(table: &Table, columns: &[usize]) -> String {
    let words: Vec<String> = names(table, columns).iter().map(|name| quoted(name)).collect();
    format!("[{}]", words.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
