//! Reads `[[table]]` and `[[table.group]]`.

use toml_edit::{Item, TableLike};

use super::layers::{Source, type_name};
use super::mistake::{Fault, Mistake, Origin, nearest};
use super::{GroupConfig, TableConfig};

/// Reads every `[[table]]` of a file, in its order.
pub(super) fn read(item: &Item, origin: Origin, source: &Source<'_>, mistakes: &mut Vec<Mistake>) -> Vec<TableConfig> {
    let Some(tables) = item.as_array_of_tables() else {
        mistakes.push(Fault::from("must be written as [[table]], once for each table").at(origin, "table"));
        return Vec::new();
    };
    let mut out: Vec<TableConfig> = Vec::new();
    for table in tables {
        let place = source.place(table.span().map_or(0, |span| span.start));
        let read = table_config(&mut Fields {
            table,
            prefix: "table",
            place: &place,
            source,
            asked: vec![],
            mistakes,
        });
        if out
            .iter()
            .any(|other| !read.name.is_empty() && other.name.eq_ignore_ascii_case(&read.name))
        {
            mistakes.push(Fault::from(format!("\"{}\" has a [[table]] already", read.name)).at(place, "table.name"));
        } else {
            out.push(read);
        }
    }
    out
}

fn table_config(fields: &mut Fields<'_>) -> TableConfig {
    let name = fields.require("name", "the table's name as the database has it", name);
    let sync = fields.take("sync", |item| {
        item.as_bool().ok_or_else(|| "must be true or false".into())
    });
    let key = fields.take("key", names);
    let last_updated = fields.take("last_updated", self::name);
    let mut groups = Vec::new();
    if let Some(item) = fields.item("group") {
        match item.as_array_of_tables() {
            Some(tables) => groups.extend(tables.iter().filter_map(|group| {
                let place = fields.source.place(group.span().map_or(0, |span| span.start));
                let (source, mistakes) = (fields.source, &mut *fields.mistakes);
                let prefix = "table.group";
                group_config(&mut Fields {
                    table: group,
                    prefix,
                    place: &place,
                    source,
                    asked: vec![],
                    mistakes,
                })
            })),
            None => fields.fault(
                "group",
                "must be written as [[table.group]], once for each group".into(),
            ),
        }
    }
    fields.refuse_the_rest();
    if let Some(column) = in_two_groups(&groups) {
        fields.fault("group", format!("the column \"{column}\" is in two groups").into());
    }
    let key = key.unwrap_or_default();
    let moves = |column: &String| {
        groups
            .iter()
            .any(|group| group.columns.iter().any(|c| c.eq_ignore_ascii_case(column)))
    };
    if let Some(column) = key.iter().find(|column| moves(column)) {
        fields.fault(
            "group",
            format!("the key column \"{column}\" cannot be in a group: a key never changes").into(),
        );
    }
    TableConfig {
        name: name.unwrap_or_default(),
        key,
        last_updated,
        groups,
        sync: sync.unwrap_or(true),
    }
}

fn group_config(fields: &mut Fields<'_>) -> Option<GroupConfig> {
    let columns = fields.require("columns", "the columns that move together", names);
    let newest_by = fields.require("newest_by", "the column with the time of the decision", name);
    fields.refuse_the_rest();
    Some(GroupConfig {
        columns: columns?,
        newest_by: newest_by?,
    })
}

/// The first column that two groups claim.
fn in_two_groups(groups: &[GroupConfig]) -> Option<&str> {
    let mut seen: Vec<&str> = Vec::new();
    for group in groups {
        let claimed = group
            .columns
            .iter()
            .find(|column| seen.iter().any(|other| other.eq_ignore_ascii_case(column)));
        if let Some(column) = claimed {
            return Some(column);
        }
        seen.extend(group.columns.iter().map(String::as_str));
    }
    None
}

/// The keys of one table of the file.
struct Fields<'a> {
    table: &'a dyn TableLike,
    prefix: &'static str,
    place: &'a Origin,
    source: &'a Source<'a>,
    asked: Vec<&'static str>,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Fields<'a> {
    fn item(&mut self, name: &'static str) -> Option<&'a Item> {
        self.asked.push(name);
        self.table.get(name)
    }

    fn take<T>(&mut self, name: &'static str, parse: impl FnOnce(&Item) -> Result<T, Fault>) -> Option<T> {
        parse(self.item(name)?).map_err(|fault| self.fault(name, fault)).ok()
    }

    fn require<T>(
        &mut self,
        name: &'static str,
        what: &str,
        parse: impl FnOnce(&Item) -> Result<T, Fault>,
    ) -> Option<T> {
        if self.table.get(name).is_none() {
            self.fault(name, format!("is missing: {what}").into());
        }
        self.take(name, parse)
    }

    fn fault(&mut self, name: &str, fault: Fault) {
        let key = self.table.get_key_value(name);
        let origin = key.map_or_else(|| self.place.clone(), |(key, item)| self.source.of_key(key, item));
        self.mistakes.push(fault.at(origin, format!("{}.{name}", self.prefix)));
    }

    fn refuse_the_rest(&mut self) {
        let unknown: Vec<&str> = self
            .table
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !self.asked.contains(name))
            .collect();
        for name in unknown {
            let near = nearest(name, self.asked.iter().copied()).map(|near| format!("{}.{near}", self.prefix));
            self.fault(name, Fault::from("is not a known key").suggest(near.as_deref()));
        }
    }
}

/// One name.
fn name(item: &Item) -> Result<String, Fault> {
    match item.as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        Some(_) => Err("is empty".into()),
        None => Err(format!("must be a name in quotes, not {}", type_name(item)).into()),
    }
}

/// A list of names, at least one, each once.
fn names(item: &Item) -> Result<Vec<String>, Fault> {
    let list = item.as_array().ok_or_else(|| {
        Fault::from(format!(
            "must be a list of column names, as in [\"url\"], not {}",
            type_name(item)
        ))
    })?;
    let mut out: Vec<String> = Vec::new();
    for value in list {
        match value.as_str() {
            Some("") | None => return Err("must hold nothing but column names in quotes".into()),
            Some(name) if out.iter().any(|other| other.eq_ignore_ascii_case(name)) => {
                return Err(format!("names the column \"{name}\" twice").into());
            }
            Some(name) => out.push(name.to_owned()),
        }
    }
    if out.is_empty() {
        Err("is empty: name at least one column".into())
    } else {
        Ok(out)
    }
}
