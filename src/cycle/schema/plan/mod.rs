//! Both schemas and the agreed one, held against each other: what is carried over, what is held, and why. Pure.
//!
//! What one side has and the other lacks was *added* there if the agreed schema does not know it, and *dropped* on the other
//! side if it does. What was added is carried over; what was dropped is neither dropped on the other side nor made again.

mod objects;
mod tables;

use std::collections::BTreeSet;

use super::agreed::Agreed;
use super::text;
use crate::config::{self, TableConfig};
use crate::control::types::SchemaMove;
use crate::model::{Collation, Declared, Object, ObjectKind, Schema, Side, Skipped};

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
    /// Whether it is a column whose values are computed, which moves no rows.
    #[serde(default)]
    pub computed: bool,
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
        self.barred
            .iter()
            .find(|barred| barred.table.eq_ignore_ascii_case(table))
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
        let to = change.to.place();
        let of_table = |other: &Change| other.table.eq_ignore_ascii_case(&change.table);
        match change.kind {
            ObjectKind::Column if change.computed => {
                self.changes.retain(|other| other != change);
                if !self
                    .changes
                    .iter()
                    .any(|other| of_table(other) && other.kind == ObjectKind::Column)
                {
                    let waits = |barred: &Barred| !barred.held && barred.table.eq_ignore_ascii_case(&change.table);
                    self.barred.retain(|barred| !waits(barred));
                }
                self.notes.push(Skipped {
                    name: format!("{}.{}", change.table, change.name),
                    reason: format!("column \"{}\" cannot be made on the {to}: {reason}", change.name),
                });
            }
            ObjectKind::Table | ObjectKind::Column => {
                self.changes
                    .retain(|other| !of_table(other) || other.kind == ObjectKind::View);
                self.barred
                    .retain(|barred| !barred.table.eq_ignore_ascii_case(&change.table));
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
                        change.to.other().place()
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
            change.to.other().place(),
            change.table,
            change.to.place()
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

    /// The statement that makes a side's object on the other side.
    fn statement(&self, side: Side, object: &Object) -> Result<String, String> {
        let target = self.schema(side.other());
        may_be_named(&object.name)?;
        let mut others = target.objects.iter();
        if let Some(other) =
            others.find(|other| other.kind != ObjectKind::Trigger && other.name.eq_ignore_ascii_case(&object.name))
        {
            return Err(format!("{} of that name is there", article(other.kind)));
        }
        text::must_be_one(&object.sql)?;
        if let Some(collation) = text::foreign_collation(&object.sql) {
            return Err(format!(
                "it needs the collation {collation}, which only its own programs have"
            ));
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
        computed: false,
        unique: object.unique.clone(),
    }
}

/// Whether two columns are declared alike.
pub fn is_as(a: &Declared, b: &Declared) -> bool {
    a.declared.eq_ignore_ascii_case(&b.declared) && a.not_null == b.not_null
}

fn may_be_named(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    let reserved = ["sqlite_", "modsync_"]
        .into_iter()
        .find(|prefix| lower.starts_with(prefix));
    reserved.map_or(Ok(()), |prefix| {
        Err(format!("names that begin with {prefix} are not for users' objects"))
    })
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
