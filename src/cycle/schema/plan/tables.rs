//! Tables and their columns.

use super::super::agreed::{AgreedColumn, AgreedTable};
use super::super::text;
use super::super::unlike;
use super::{Barred, Change, Plan, change, is_as, needs};
use crate::model::{Declared, Object, ObjectKind, Side};
use crate::replica::ident;

impl Plan<'_> {
    pub(super) fn tables(&mut self) {
        for side in Side::BOTH {
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
            self.drift
                .agreed
                .tables
                .insert(table.to_ascii_lowercase(), known.clone());
        }
    }

    fn table_of_one(&mut self, side: Side, table: &Object) {
        let (here, there) = (side.place(), side.other().place());
        let refused = if self.drift.before.table(&table.name).is_some() {
            self.remember_as_it_was(&table.name);
            Err((
                format!("only on the {here}: it was dropped on the {there}, which both had it"),
                false,
            ))
        } else {
            self.can_be_made(side, table)
        };
        let (reason, held) = match refused {
            Ok(sql) => {
                self.common.insert(table.name.to_ascii_lowercase());
                self.drift.changes.push(change(side.other(), table, sql));
                (
                    format!("only on the {here}: the next cycle carries it over to the {there}"),
                    false,
                )
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
        let here = side.place();
        let only = |reason: String| (format!("only on the {here}: {reason}"), false);
        self.key_of(side, &table.name).map_err(only)?;
        let made = self.statement(side, table);
        made.map_err(|reason| {
            (
                format!(
                    "only on the {here}, and not made on the {}: {reason}",
                    side.other().place()
                ),
                true,
            )
        })
    }

    fn table_of_both(&mut self, ours: &Object, theirs: &Object) {
        let name = &ours.name;
        let known = self.drift.before.table(name).cloned().unwrap_or_default();
        self.remember(ours, theirs, &known);
        // Of two sides that have different columns one may lack the key that the config declares.
        if Side::BOTH.iter().all(|side| self.key_of(*side, name).is_err()) {
            return;
        }
        let (changes, mut held, waits) = self.lacking(ours, theirs, &known);
        // A table that stays held in any case is left as it is.
        let [ours, theirs] = Side::BOTH.map(|side| self.schema(side).table(name));
        let unlike = ours
            .zip(theirs)
            .and_then(|(ours, theirs)| unlike(ours, theirs, &self.drift.before));
        if let Some(reason) = unlike {
            held = held.or(waits.is_some().then_some(reason));
        } else if held.is_none() {
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

    /// The changes that give either side the columns that it lacks; why the table is held, if it is, and what it waits for.
    fn lacking(
        &mut self,
        ours: &Object,
        theirs: &Object,
        known: &AgreedTable,
    ) -> (Vec<Change>, Option<String>, Option<String>) {
        let mut lacking = Vec::new();
        for (side, here, there) in [(Side::Local, ours, theirs), (Side::Server, theirs, ours)] {
            let only = here.columns.iter().filter(|column| find(there, &column.name).is_none());
            lacking.extend(only.map(|column| (side, here, column)));
        }
        let mut changes = Vec::new();
        let (mut held, mut waits) = (None, None);
        for (side, here, column) in lacking {
            let reason = match self.column(side, here, column, known) {
                Ok(change) => {
                    changes.push(change);
                    let words = format!(
                        "column \"{}\" is only on the {}: the next cycle carries it over to the {}",
                        column.name,
                        side.place(),
                        side.other().place()
                    );
                    waits.get_or_insert(words);
                    continue;
                }
                Err(reason) => reason,
            };
            // A computed column moves no rows, so it holds none back.
            match column.generated {
                true => self.note(&format!("{}.{}", here.name, column.name), reason),
                false => held = held.or(Some(reason)),
            }
        }
        (changes, held, waits)
    }

    /// The change that gives a side's column to the other side, or why there is none.
    fn column(&self, side: Side, table: &Object, column: &Declared, known: &AgreedTable) -> Result<Change, String> {
        let (here, there) = (side.place(), side.other().place());
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
            return Err(cannot(format!(
                "it needs the collation {collation}, which only its own programs have"
            )));
        }
        Ok(Change {
            to: side.other(),
            kind: ObjectKind::Column,
            table: table.name.clone(),
            name: column.name.clone(),
            sql,
            computed: column.generated,
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
                        declared: before
                            .filter(|_| !alike)
                            .map_or(column, |before| &before.declared)
                            .clone(),
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
        let lost = theirs
            .columns
            .iter()
            .filter(|column| find(ours, &column.name).is_none());
        columns.extend(
            lost.filter_map(|column| known.column(&column.name))
                .map(|before| AgreedColumn {
                    gone: true,
                    ..before.clone()
                }),
        );
        let name = ours.name.to_ascii_lowercase();
        self.drift.agreed.tables.insert(name, AgreedTable { columns });
    }
}

fn find<'a>(table: &'a Object, column: &str) -> Option<&'a Declared> {
    table.columns.iter().find(|own| own.name.eq_ignore_ascii_case(column))
}
