//! Puts together what the script answers.

use std::collections::{BTreeMap, BTreeSet};

use super::super::sql::{Field, SqlError, SqlErrorKind};
use super::bounds::Bounds;
use crate::model::{
    Affinity, Collation, Column, Declared, ForeignKey, Object, ObjectKind, Schema, Skipped, Table, Trigger, Value,
};

/// Suffixes of the shadow tables that SQLite's own virtual tables keep (FTS3 to 5, R-Tree, Geopoly).
const SHADOWS: [&str; 13] = [
    "data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node", "parent", "rowid", "vocab",
    "instance",
];

/// Collects the answer to [`script`](super::script).
#[derive(Debug, Default)]
pub struct Reader {
    version: i64,
    sqlite: [u32; 3],
    bounds: Bounds,
    objects: Vec<[String; 4]>,
    /// Their names in lower case, those of triggers apart.
    names: BTreeSet<(bool, String)>,
    columns: BTreeMap<String, Vec<RawColumn>>,
    indexes: BTreeMap<String, BTreeMap<String, RawIndex>>,
    foreign: BTreeMap<String, BTreeMap<i64, RawForeign>>,
}

#[derive(Debug)]
struct RawColumn {
    column: Column,
    primary: i64,
    generated: bool,
}

#[derive(Debug, Default)]
struct RawIndex {
    primary: bool,
    unique: bool,
    usable: bool,
    /// Each column with its collation.
    columns: Vec<(String, String)>,
    /// A collation that SQLite itself does not have.
    foreign: Option<String>,
}

impl RawIndex {
    fn keeps_unique(&self) -> Vec<(String, Collation)> {
        let columns = self.columns.iter();
        let known = columns.map(|(name, collation)| Some((name.clone(), known_collation(collation)?)));
        known.collect::<Option<_>>().unwrap_or_default()
    }
}

#[derive(Debug)]
struct RawForeign {
    parent: String,
    pairs: Vec<(String, Option<String>)>,
}

impl Reader {
    /// Takes one answer row.
    ///
    /// # Errors
    /// When the row is none of the script's.
    pub fn take(&mut self, row: Vec<Field>) -> Result<(), SqlError> {
        self.bounds.take(&row)?;
        self.sort_in(row).ok_or_else(|| SqlError {
            kind: SqlErrorKind::Protocol,
            message: "read the schema: the engine answered a row that was not asked for".into(),
        })
    }

    fn sort_in(&mut self, row: Vec<Field>) -> Option<()> {
        let mut fields = row.into_iter().map(|field| match field {
            Field::Value(value) => Some(value),
            Field::Same => None,
        });
        let mut next = || fields.next().flatten();
        let tag = text(next()?)?;
        match tag.as_str() {
            "version" => {
                self.version = next()?.as_integer()?;
                self.sqlite = sqlite_version(&text(next()?)?);
            }
            "object" => {
                let object = [text(next()?)?, text(next()?)?, text(next()?)?, text(next()?)?];
                // A trigger may have a table's name.
                let name = (object[1] == "trigger", object[0].to_ascii_lowercase());
                if !self.names.insert(name) {
                    return None;
                }
                self.objects.push(object);
            }
            "column" => {
                let (table, name, declared) = (text(next()?)?, text(next()?)?, text(next()?)?);
                let (not_null, primary, hidden) = (next()?.as_integer()?, next()?.as_integer()?, next()?.as_integer()?);
                let affinity = affinity(&declared);
                let columns = self.columns.entry(table).or_default();
                if columns
                    .iter()
                    .any(|known| known.column.name.eq_ignore_ascii_case(&name))
                {
                    return None;
                }
                self.bounds.widest = self.bounds.widest.max(columns.len());
                columns.push(RawColumn {
                    column: Column {
                        name,
                        declared,
                        affinity,
                        not_null: not_null != 0,
                        collation: Collation::Binary,
                    },
                    primary,
                    generated: hidden != 0,
                });
            }
            "index" => {
                let (table, name) = (text(next()?)?, text(next()?)?);
                let (unique, origin, partial) = (next()?.as_integer()?, text(next()?)?, next()?.as_integer()?);
                let (collation, column) = (text(next()?).unwrap_or_default(), next()?);
                let indexes = self.indexes.entry(table).or_default();
                let index = indexes.entry(name).or_insert_with(|| RawIndex {
                    primary: origin == "pk",
                    unique: unique != 0,
                    usable: partial == 0,
                    ..RawIndex::default()
                });
                if known_collation(&collation).is_none() {
                    index.foreign = Some(collation.clone());
                }
                // An index on an expression has no column name: it is no key of ours.
                match text(column) {
                    Some(column) => index.columns.push((column, collation)),
                    None => index.usable = false,
                }
            }
            "foreign" => {
                let (table, id, parent, from) = (text(next()?)?, next()?.as_integer()?, text(next()?)?, text(next()?)?);
                let to = text(next()?);
                let foreign = self.foreign.entry(table).or_default().entry(id);
                foreign
                    .or_insert_with(|| RawForeign {
                        parent,
                        pairs: Vec::new(),
                    })
                    .pairs
                    .push((from, to));
            }
            _ => return None,
        }
        Some(())
    }

    /// SQLite's counter of schema changes, when the schema was read.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The schema, once every row was taken. Keys are those of the schema alone: the layout puts declared ones in their
    /// place.
    pub fn finish(self) -> Schema {
        let virtuals: Vec<&str> = self
            .objects
            .iter()
            .filter(|o| is_virtual(o))
            .map(|o| o[0].as_str())
            .collect();
        let mut schema = Schema {
            sqlite: self.sqlite,
            objects: self.made(&virtuals),
            ..Schema::default()
        };
        for object in self.objects.iter().filter(|object| !object[0].starts_with("sqlite_")) {
            let skip = |reason: &str| Skipped {
                name: object[0].clone(),
                reason: reason.to_owned(),
            };
            match object[1].as_str() {
                "view" => schema.skipped.push(skip("a view")),
                "table" if is_virtual(object) => schema.skipped.push(skip("a virtual table")),
                "table" if is_shadow(&object[0], &virtuals) => schema.skipped.push(skip("kept by a virtual table")),
                "table" => match self.table(object) {
                    Ok(table) => schema.tables.push(table),
                    Err(reason) => schema.skipped.push(skip(&reason)),
                },
                _ => {}
            }
        }
        schema
    }

    /// What programs made, in the order in which it can be made.
    fn made(&self, virtuals: &[&str]) -> Vec<Object> {
        let mut made: Vec<Object> = Vec::new();
        for object in self.objects.iter().filter(|object| !object[0].starts_with("sqlite_")) {
            let [name, kind, table, sql] = object.clone();
            let kind = match kind.as_str() {
                "table" if is_virtual(object) || is_shadow(&name, virtuals) => ObjectKind::Virtual,
                "table" => ObjectKind::Table,
                "index" => ObjectKind::Index,
                "view" => ObjectKind::View,
                _ => ObjectKind::Trigger,
            };
            let columns = match kind {
                ObjectKind::Table => self.columns.get(&name).map(|raw| raw.iter().map(declared).collect()),
                _ => None,
            };
            let unique = self.indexes.get(&table).and_then(|indexes| indexes.get(&name));
            let unique = unique.filter(|index| kind == ObjectKind::Index && index.unique && index.usable);
            made.push(Object {
                kind,
                columns: columns.unwrap_or_default(),
                unique: unique.map(RawIndex::keeps_unique).unwrap_or_default(),
                name,
                table,
                sql,
            });
        }
        made.sort_by_key(|object| object.kind);
        made
    }

    fn table(&self, [name, _, _, sql]: &[String; 4]) -> Result<Table, String> {
        let raw = self.columns.get(name).map(Vec::as_slice).unwrap_or_default();
        let options = table_options(sql);
        let stored: Vec<&RawColumn> = raw.iter().filter(|column| !column.generated).collect();
        let mut columns: Vec<Column> = stored.iter().map(|raw| raw.column.clone()).collect();
        for column in &mut columns {
            if options.contains("STRICT") && column.declared.eq_ignore_ascii_case("ANY") {
                column.affinity = Affinity::Blob;
            }
        }
        let indexes = self.indexes.get(name).into_iter().flat_map(BTreeMap::values);
        if let Some(foreign) = indexes.clone().find_map(|index| index.foreign.as_ref()) {
            return Err(format!(
                "its index needs the collation {foreign}, which only its own programs have"
            ));
        }
        let position =
            |columns: &[Column], name: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let mut unique: Vec<Vec<usize>> = Vec::new();
        for index in indexes.clone().filter(|index| index.unique && index.usable) {
            let found = index.columns.iter().map(|(name, _)| position(&columns, name));
            let Some(set) = found.collect::<Option<Vec<usize>>>() else {
                continue;
            };
            for (&column, (_, collation)) in set.iter().zip(&index.columns) {
                if let Some(collation) = known_collation(collation).filter(|it| *it != Collation::Binary) {
                    columns[column].collation = collation;
                }
            }
            unique.push(set);
        }

        let mut primary: Vec<(i64, usize)> = stored
            .iter()
            .enumerate()
            .filter(|(_, raw)| raw.primary > 0)
            .map(|(i, raw)| (raw.primary, i))
            .collect();
        primary.sort_unstable();
        let primary: Vec<usize> = primary.into_iter().map(|(_, index)| index).collect();
        // A primary key without an index of its own, in a rowid table, is the rowid by another name.
        let alias = primary.len() == 1 && !options.contains("WITHOUT ROWID") && !indexes.clone().any(|it| it.primary);
        let rowid = primary.first().copied().filter(|_| alias);
        if alias {
            unique.push(primary.clone());
        }
        let sequence = self.objects.iter().any(|object| object[0] == "sqlite_sequence");
        let key = natural_key(&columns, &unique, primary, rowid);
        let foreign_keys = self.foreign.get(name).into_iter().flat_map(BTreeMap::values);
        let foreign_keys =
            foreign_keys.filter_map(|foreign| self.foreign_key(foreign, &|name| position(&columns, name)));
        Ok(Table {
            name: name.clone(),
            key,
            rowid,
            autoincrement: alias && sql.to_ascii_uppercase().contains("AUTOINCREMENT") && sequence,
            strict: options.contains("STRICT"),
            unique,
            foreign_keys: foreign_keys.collect(),
            triggers: self.triggers(name),
            columns,
        })
    }

    fn triggers(&self, table: &str) -> Vec<Trigger> {
        let triggers = self
            .objects
            .iter()
            .filter(|o| o[1] == "trigger" && o[2].eq_ignore_ascii_case(table));
        let made = triggers.map(|o| Trigger {
            name: o[0].clone(),
            sql: o[3].clone(),
        });
        made.collect()
    }

    /// A declaration without parent columns means the parent's primary key.
    fn foreign_key(&self, raw: &RawForeign, position: &impl Fn(&str) -> Option<usize>) -> Option<ForeignKey> {
        let columns = raw
            .pairs
            .iter()
            .map(|(from, _)| position(from))
            .collect::<Option<Vec<_>>>()?;
        let named: Option<Vec<String>> = raw.pairs.iter().map(|(_, to)| to.clone()).collect();
        let parent_columns = named.or_else(|| {
            let parent = self
                .columns
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&raw.parent))?
                .1;
            let mut primary: Vec<_> = parent.iter().filter(|column| column.primary > 0).collect();
            primary.sort_by_key(|column| column.primary);
            Some(primary.into_iter().map(|raw| raw.column.name.clone()).collect())
        })?;
        Some(ForeignKey {
            columns,
            parent: raw.parent.clone(),
            parent_columns,
        })
    }
}

/// The key that the schema declares: a natural one goes before an integer id. Empty when there is none.
fn natural_key(columns: &[Column], unique: &[Vec<usize>], primary: Vec<usize>, rowid: Option<usize>) -> Vec<usize> {
    if rowid.is_none() && !primary.is_empty() {
        return primary;
    }
    let natural = unique
        .iter()
        .find(|set| !set.iter().any(|&index| Some(index) == rowid) && set.iter().all(|&index| columns[index].not_null));
    natural.cloned().or(rowid.map(|rowid| vec![rowid])).unwrap_or_default()
}

/// `3.40.1` as numbers; what is none counts as 0, the oldest.
fn sqlite_version(text: &str) -> [u32; 3] {
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

fn declared(raw: &RawColumn) -> Declared {
    Declared {
        name: raw.column.name.clone(),
        declared: raw.column.declared.clone(),
        not_null: raw.column.not_null,
        generated: raw.generated,
    }
}

fn known_collation(name: &str) -> Option<Collation> {
    [
        ("BINARY", Collation::Binary),
        ("NOCASE", Collation::NoCase),
        ("RTRIM", Collation::RTrim),
    ]
    .into_iter()
    .find(|(known, _)| known.eq_ignore_ascii_case(name))
    .map(|(_, collation)| collation)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    }
}

fn is_virtual(object: &[String; 4]) -> bool {
    object[1] == "table"
        && object[3]
            .get(..14)
            .is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL"))
}

fn is_shadow(name: &str, virtuals: &[&str]) -> bool {
    virtuals.iter().any(|parent| {
        let rest = name.strip_prefix(parent).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(|suffix| SHADOWS.contains(&suffix))
    })
}

/// What stands behind the last parenthesis of a CREATE TABLE, upper case, single spaces.
fn table_options(sql: &str) -> String {
    let tail = sql.rsplit(')').next().unwrap_or_default();
    tail.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_uppercase()
}

/// By the rules of <https://sqlite.org/datatype3.html> §3.1, in their order.
pub fn affinity(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["INT"]) {
        Affinity::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if declared.is_empty() || has(&["BLOB"]) {
        Affinity::Blob
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
