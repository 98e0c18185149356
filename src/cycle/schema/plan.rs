//! Both schemas and the agreed one, held against each other: what is carried over, what is held, and why. Pure.
//!
//! What one side has and the other lacks was *added* there if the agreed schema does not know it, and *dropped* on the other
//! side if it does. What was added is carried over; what was dropped is neither dropped on the other side nor made again.

use std::collections::BTreeSet;

use super::agreed::{Agreed, AgreedColumn, AgreedObject, AgreedTable};
use super::text;
use crate::config::{self, TableConfig};
use crate::control::types::SchemaMove;
use crate::model::{Collation, Declared, Object, ObjectKind, Schema, Side, Skipped};
use crate::replica::ident;

/// One object for one side to get.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// The side that lacks it.
    pub to: Side,
    /// What it is.
    pub kind: ObjectKind,
    /// The table that it belongs to.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The statement that makes it.
    pub sql: String,
    /// What a unique index keeps unique, where rows can be asked whether they are.
    #[serde(skip)]
    pub unique: Vec<(String, Collation)>,
}

impl Change {
    /// As a cycle's summary tells it.
    pub fn told(&self) -> SchemaMove {
        SchemaMove {
            side: self.to,
            kind: self.kind,
            name: match self.kind {
                ObjectKind::Column => format!("{}.{}", self.table, self.name),
                _ => self.name.clone(),
            },
            sql: self.sql.clone(),
        }
    }
}

/// A table that cannot be synced as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barred {
    /// Its name.
    pub table: String,
    /// Why, for people.
    pub reason: String,
    /// Whether a person is needed. If not, a cycle carries over what is missing, or nothing was to be synced.
    pub held: bool,
}

/// What became of two schemas that were one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// What is carried over, in the order in which it can be made.
    pub changes: Vec<Change>,
    /// Unique indexes that rows of the other side stand against, with the reason.
    pub stuck: Vec<(Change, String)>,
    /// Tables that are not synced as they are.
    pub barred: Vec<Barred>,
    /// What else stays on one side, with the reason.
    pub notes: Vec<Skipped>,
    /// Columns, as table and name, that one side had lost and has again: what it holds in them is not what was agreed.
    pub returned: Vec<(String, String)>,
    /// The agreed schema that was asked.
    pub before: Agreed,
    /// What both sides have now.
    pub agreed: Agreed,
}

/// The schemas that are compared, and what the config says.
struct Plan<'a> {
    schemas: [&'a Schema; 2],
    config: &'a [TableConfig],
    drift: Drift,
    /// Tables in small letters that both sides have once the changes are made.
    common: BTreeSet<String>,
}

/// What a side is called in messages.
pub fn place(side: Side) -> &'static str {
    match side {
        Side::Local => "laptop",
        Side::Server => "server",
    }
}

impl Drift {
    /// Holds the laptop's schema and the server's against the one that was agreed.
    pub fn new(schemas: [&Schema; 2], agreed: Agreed, config: &[TableConfig]) -> Self {
        let drift = Self {
            before: agreed,
            ..Self::default()
        };
        let mut plan = Plan {
            schemas,
            config,
            drift,
            common: BTreeSet::new(),
        };
        plan.tables();
        plan.objects();
        let mut drift = plan.drift;
        drift.changes.sort_by_key(|change| change.kind);
        drift
    }

    /// Why a table is not synced as it is.
    pub fn bar(&self, table: &str) -> Option<&Barred> {
        self.barred.iter().find(|barred| barred.table.eq_ignore_ascii_case(table))
    }

    /// What is said of the unique indexes that wait for rows.
    pub fn stuck_notes(&self) -> impl Iterator<Item = Skipped> + '_ {
        self.stuck.iter().map(|(change, reason)| Skipped {
            name: change.name.clone(),
            reason: reason.clone(),
        })
    }

    /// Takes a change back that cannot be made, and what depends on it.
    pub fn give_up(&mut self, change: &Change, reason: &str) {
        let to = place(change.to);
        let of_table = |other: &Change| other.table.eq_ignore_ascii_case(&change.table);
        match change.kind {
            ObjectKind::Table | ObjectKind::Column => {
                self.changes.retain(|other| !of_table(other) || other.kind == ObjectKind::View);
                self.barred.retain(|barred| !barred.table.eq_ignore_ascii_case(&change.table));
                self.barred.push(Barred {
                    table: change.table.clone(),
                    reason: format!(
                        "{} \"{}\" cannot be made on the {to}: {reason}; make both schemas alike by hand",
                        change.kind, change.name
                    ),
                    held: true,
                });
            }
            _ => {
                self.changes.retain(|other| other != change);
                self.notes.push(Skipped {
                    name: change.name.clone(),
                    reason: format!(
                        "{} only on the {}: it cannot be made on the {to}: {reason}",
                        article(change.kind),
                        place(change.to.other())
                    ),
                });
            }
        }
    }

    /// Puts a unique index aside until the other side's rows allow it.
    pub fn stick(&mut self, change: &Change, sets: u64) {
        self.changes.retain(|other| other != change);
        let reason = format!(
            "an index that is unique on the {}: {sets} of its values stand in several rows of \"{}\" on the {}; \
             the index comes there once each stands in one row alone",
            place(change.to.other()),
            change.table,
            place(change.to)
        );
        self.stuck.push((change.clone(), reason));
    }
}

fn article(kind: ObjectKind) -> String {
    match kind {
        ObjectKind::Index => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

impl Plan<'_> {
    fn schema(&self, side: Side) -> &Schema {
        match side {
            Side::Local => self.schemas[0],
            Side::Server => self.schemas[1],
        }
    }

    fn left_out_by_config(&self, table: &str) -> bool {
        let mut tables = self.config.iter();
        tables.any(|config| !config.sync && config.name.eq_ignore_ascii_case(table))
    }

    /// Whether a side's table can be synced at all.
    fn key_of(&self, side: Side, name: &str) -> Result<(), String> {
        let Some(table) = self.schema(side).table(name) else {
            let mut skipped = self.schema(side).skipped.iter();
            let skipped = skipped.find(|skipped| skipped.name.eq_ignore_ascii_case(name));
            return Err(skipped.map(|skipped| skipped.reason.clone()).unwrap_or_default());
        };
        let setup = config::rules_for(table, self.config)?;
        match setup.key.is_none() && table.key.is_empty() {
            true => Err("no key: declare one with [[table]] key = […] in the config".to_owned()),
            false => Ok(()),
        }
    }

    fn tables(&mut self) {
        for side in [Side::Local, Side::Server] {
            let (mine, theirs) = (self.schema(side).clone(), self.schema(side.other()).clone());
            for table in mine.objects.iter().filter(|object| object.kind == ObjectKind::Table) {
                let other = theirs.object(ObjectKind::Table, &table.name);
                if self.left_out_by_config(&table.name) {
                    self.remember_as_it_was(&table.name);
                } else if let Some(other) = other {
                    if side == Side::Local {
                        self.table_of_both(table, other);
                    }
                } else {
                    self.table_of_one(side, table);
                }
            }
        }
    }

    fn remember_as_it_was(&mut self, table: &str) {
        if let Some(known) = self.drift.before.table(table) {
            self.drift.agreed.tables.insert(table.to_ascii_lowercase(), known.clone());
        }
    }

    fn table_of_one(&mut self, side: Side, table: &Object) {
        let (here, there) = (place(side), place(side.other()));
        let refused = if self.drift.before.table(&table.name).is_some() {
            self.remember_as_it_was(&table.name);
            Err((format!("only on the {here}: it was dropped on the {there}, which both had it"), false))
        } else {
            self.can_be_made(side, table)
        };
        let (reason, held) = match refused {
            Ok(sql) => {
                self.common.insert(table.name.to_ascii_lowercase());
                self.drift.changes.push(change(side.other(), table, sql));
                (format!("only on the {here}: the next cycle carries it over to the {there}"), false)
            }
            Err(refused) => refused,
        };
        self.drift.barred.push(Barred {
            table: table.name.clone(),
            reason,
            held,
        });
    }

    /// The statement that makes a table of one side on the other, or why there is none and whether that needs a person.
    fn can_be_made(&self, side: Side, table: &Object) -> Result<String, (String, bool)> {
        let here = place(side);
        let only = |reason: String| (format!("only on the {here}: {reason}"), false);
        self.key_of(side, &table.name).map_err(only)?;
        let made = self.statement(side, table);
        made.map_err(|reason| (format!("only on the {here}, and not made on the {}: {reason}", place(side.other())), true))
    }

    /// The statement that makes a side's object on the other side.
    fn statement(&self, side: Side, object: &Object) -> Result<String, String> {
        let target = self.schema(side.other());
        may_be_named(&object.name)?;
        let mut others = target.objects.iter();
        if let Some(other) = others.find(|other| {
            other.kind != ObjectKind::Trigger && other.name.eq_ignore_ascii_case(&object.name)
        }) {
            return Err(format!("{} of that name is there", article(other.kind)));
        }
        text::must_be_one(&object.sql)?;
        if let Some(collation) = text::foreign_collation(&object.sql) {
            return Err(format!("it needs the collation {collation}, which only its own programs have"));
        }
        if object.columns.iter().any(|column| column.generated) {
            needs(target, [3, 31, 0], "generated columns")?;
        }
        let options = object.sql.rsplit(')').next().unwrap_or_default().to_ascii_uppercase();
        if object.kind == ObjectKind::Table && options.contains("STRICT") {
            needs(target, [3, 37, 0], "STRICT")?;
        }
        text::in_main(&object.sql).ok_or_else(|| "its statement is not as SQLite writes it".to_owned())
    }

    fn table_of_both(&mut self, ours: &Object, theirs: &Object) {
        let name = &ours.name;
        let known = self.drift.before.table(name).cloned().unwrap_or_default();
        self.remember(ours, theirs, &known);
        // Of two sides that have different columns one may lack the key that the config declares.
        if [Side::Local, Side::Server].iter().all(|side| self.key_of(*side, name).is_err()) {
            return;
        }
        let mut lacking = Vec::new();
        for (side, here, there) in [(Side::Local, ours, theirs), (Side::Server, theirs, ours)] {
            let only = here.columns.iter().filter(|column| find(there, &column.name).is_none());
            lacking.extend(only.map(|column| (side, here, column)));
        }
        let mut changes = Vec::new();
        let (mut held, mut waits) = (None, None);
        for (side, here, column) in lacking {
            let reason = match self.column(side, here, column, &known) {
                Ok(change) => {
                    changes.push(change);
                    let words = format!(
                        "column \"{}\" is only on the {}: the next cycle carries it over to the {}",
                        column.name,
                        place(side),
                        place(side.other())
                    );
                    waits.get_or_insert(words);
                    continue;
                }
                Err(reason) => reason,
            };
            // A computed column moves no rows, so it holds none back.
            match column.generated {
                true => self.note(&format!("{name}.{}", column.name), reason),
                false => held = held.or(Some(reason)),
            }
        }
        if held.is_none() {
            self.common.insert(name.to_ascii_lowercase());
            self.drift.changes.extend(changes);
        }
        let barred = held.clone().or(waits).map(|reason| Barred {
            table: name.clone(),
            reason,
            held: held.is_some(),
        });
        self.drift.barred.extend(barred);
    }

    /// The change that gives a side's column to the other side, or why there is none.
    fn column(&self, side: Side, table: &Object, column: &Declared, known: &AgreedTable) -> Result<Change, String> {
        let (here, there) = (place(side), place(side.other()));
        let (quoted, name) = (ident(&table.name), ident(&column.name));
        let definitions = text::definitions(&table.sql).unwrap_or_default();
        let definition = definitions.iter().find(|it| it.name.eq_ignore_ascii_case(&column.name));
        if known.column(&column.name).is_some() {
            let again = definition.map_or(column.declared.as_str(), |definition| definition.text);
            return Err(format!(
                "column \"{}\" is only on the {here}: both sides had it, and on the {there} it was dropped or renamed, or an \
                 older database was put in its place. If that is meant, drop it on the {here} too: ALTER TABLE {quoted} DROP \
                 COLUMN {name}; if not, add it on the {there} again, and its values come back: ALTER TABLE {quoted} ADD \
                 COLUMN {name} {again}",
                column.name
            ));
        }
        let cannot = |reason: String| {
            format!(
                "column \"{}\" is only on the {here}, and cannot be added on the {there}: {reason}",
                column.name
            )
        };
        if column.generated {
            needs(self.schema(side.other()), [3, 31, 0], "generated columns").map_err(cannot)?;
        }
        let definition = definition.ok_or_else(|| cannot("its table's statement cannot be read".to_owned()))?;
        let sql = format!("ALTER TABLE main.{quoted} ADD COLUMN {name} {}", definition.text);
        text::must_be_one(&sql).map_err(cannot)?;
        if let Some(collation) = text::foreign_collation(&sql) {
            return Err(cannot(format!("it needs the collation {collation}, which only its own programs have")));
        }
        Ok(Change {
            to: side.other(),
            kind: ObjectKind::Column,
            table: table.name.clone(),
            name: column.name.clone(),
            sql,
            unique: Vec::new(),
        })
    }

    /// Takes note of what both sides have of a table, and of what one of them has lost.
    fn remember(&mut self, ours: &Object, theirs: &Object, known: &AgreedTable) {
        let mut columns = Vec::new();
        for column in &ours.columns {
            let before = known.column(&column.name);
            match (find(theirs, &column.name), before) {
                (Some(other), _) => {
                    if before.is_some_and(|before| before.gone) {
                        self.drift.returned.push((ours.name.clone(), column.name.clone()));
                    }
                    let alike = is_as(column, other);
                    columns.push(AgreedColumn {
                        declared: before.filter(|_| !alike).map_or(column, |before| &before.declared).clone(),
                        gone: false,
                    });
                }
                (None, Some(before)) => columns.push(AgreedColumn {
                    gone: true,
                    ..before.clone()
                }),
                (None, None) => {}
            }
        }
        let lost = theirs.columns.iter().filter(|column| find(ours, &column.name).is_none());
        columns.extend(lost.filter_map(|column| known.column(&column.name)).map(|before| AgreedColumn {
            gone: true,
            ..before.clone()
        }));
        let name = ours.name.to_ascii_lowercase();
        self.drift.agreed.tables.insert(name, AgreedTable { columns });
    }

    fn objects(&mut self) {
        for side in [Side::Local, Side::Server] {
            let (mine, theirs) = (self.schema(side).clone(), self.schema(side.other()).clone());
            let named = mine.objects.iter().filter(|object| {
                matches!(object.kind, ObjectKind::Index | ObjectKind::View | ObjectKind::Trigger)
            });
            for object in named {
                if self.left_out_by_config(&object.table) {
                    continue;
                }
                match theirs.object(object.kind, &object.name) {
                    Some(other) if side == Side::Local => self.object_of_both(object, other),
                    Some(_) => {}
                    None => self.object_of_one(side, object, &theirs),
                }
            }
        }
    }

    fn object_of_both(&mut self, ours: &Object, theirs: &Object) {
        let before = self.drift.before.object(ours).cloned();
        let alike = text::same(&ours.sql, &theirs.sql);
        let sql = before.filter(|_| !alike).map_or_else(|| ours.sql.clone(), |before| before.sql);
        if !alike && ours.kind != ObjectKind::Trigger {
            let changed = match (text::same(&sql, &ours.sql), text::same(&sql, &theirs.sql)) {
                (true, false) => "; it was changed on the server",
                (false, true) => "; it was changed on the laptop",
                _ => "",
            };
            let reason = format!("{} that is not the same on both sides{changed}; neither is touched", article(ours.kind));
            self.note(&ours.name, reason);
        }
        self.drift.agreed.objects.push(AgreedObject {
            kind: ours.kind,
            name: ours.name.clone(),
            sql,
        });
    }

    fn object_of_one(&mut self, side: Side, object: &Object, theirs: &Schema) {
        let (here, there) = (place(side), place(side.other()));
        let (kind, known) = (article(object.kind), self.drift.before.object(object).cloned());
        let has_table = self.common.contains(&object.table.to_ascii_lowercase());
        if let Some(known) = known {
            self.drift.agreed.objects.push(known);
            if has_table || object.kind == ObjectKind::View {
                let again = format!("{kind} only on the {here}: it was dropped on the {there}, and is left on the {here}");
                self.note(&object.name, again);
            }
            return;
        }
        match object.kind {
            ObjectKind::Trigger => {
                let of_view = theirs.object(ObjectKind::View, &object.table).is_some();
                if has_table || of_view {
                    let reason = format!(
                        "{kind} only on the {here}: none is carried over, since it would change what every program's writes \
                         do. To have it on the {there} too, run there: {}",
                        object.sql
                    );
                    self.note(&object.name, reason);
                }
            }
            ObjectKind::Index if !has_table || self.has_its_like(object, theirs) => {}
            _ => match self.statement(side, object) {
                Ok(sql) => self.drift.changes.push(change(side.other(), object, sql)),
                Err(reason) => self.note(
                    &object.name,
                    format!("{kind} only on the {here}, and not made on the {there}: {reason}"),
                ),
            },
        }
    }

    /// Whether the other side has the same index under another name.
    fn has_its_like(&self, index: &Object, theirs: &Schema) -> bool {
        let mut indexes = theirs.objects.iter().filter(|object| object.kind == ObjectKind::Index);
        indexes.any(|other| text::same_index(&index.sql, &other.sql))
    }

    fn note(&mut self, name: &str, reason: String) {
        self.drift.notes.push(Skipped {
            name: name.to_owned(),
            reason,
        });
    }
}

fn change(to: Side, object: &Object, sql: String) -> Change {
    Change {
        to,
        kind: object.kind,
        table: object.table.clone(),
        name: object.name.clone(),
        sql,
        unique: object.unique.clone(),
    }
}

fn find<'a>(table: &'a Object, column: &str) -> Option<&'a Declared> {
    table.columns.iter().find(|own| own.name.eq_ignore_ascii_case(column))
}

/// Whether two columns are declared alike.
pub fn is_as(a: &Declared, b: &Declared) -> bool {
    a.declared.eq_ignore_ascii_case(&b.declared) && a.not_null == b.not_null
}

fn may_be_named(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let reserved = ["sqlite_", "modsync_"].into_iter().find(|prefix| lower.starts_with(prefix));
    reserved.map_or(Ok(()), |prefix| Err(format!("names that begin with {prefix} are not for users' objects")))
}

fn needs(target: &Schema, least: [u32; 3], what: &str) -> Result<(), String> {
    if target.sqlite >= least {
        return Ok(());
    }
    let version = |numbers: [u32; 3]| numbers.map(|number| number.to_string()).join(".");
    Err(format!(
        "{what} needs SQLite {}, and there is {}",
        version(least),
        version(target.sqlite)
    ))
}
