//! The oracle: what must hold when all faults are off and every laptop has run until nothing moves.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OpenFlags};

use super::additions;
use super::cell::Cell;
use super::conflicts;
use super::ledger::{Fact, Ledger, Origin};
use super::record::{self, Recorded};
use super::scenario::{Event, Place, What};
use super::schema::Role;
use super::snapshot::{self, Content, Meaning};
use super::world::World;

/// Everything that is wrong.
pub fn judge(world: &World) -> Vec<String> {
    let mut wrong = world.complaints();
    let content = world.content(Place::Server);
    wrong.extend(databases(world, &content));
    let schema = &world.scenario.schema;
    let laptops = 0..world.scenario.laptops;
    let records: Vec<Recorded> = laptops
        .flat_map(|laptop| record::read(&world.state(laptop).join("history.db"), laptop, schema))
        .collect();
    world.count("conflict on record", records.len() as u64);
    let ledger = world.ledger();
    let case = Case {
        world,
        ledger: &ledger,
        end: snapshot::meaning(schema, &content),
        lost: lost_values(world, &records),
        records: &records,
        rekeyed: rekeyed(world),
    };
    wrong.extend(case.nothing_is_lost());
    wrong.extend(case.nothing_is_made_up());
    wrong.extend(case.nothing_comes_back());
    wrong.extend(case.nothing_is_doubled());
    wrong.extend(
        records
            .iter()
            .filter_map(|record| conflicts::examine(world, &ledger, &case.rekeyed, record).err()),
    );
    wrong
}

/// All databases are the same to the bit, whole, and hold nothing of modsync's; the bases are what they are bases of.
fn databases(world: &World, server: &Content) -> Vec<String> {
    let mut wrong = Vec::new();
    let tables = &world.scenario.schema.tables;
    let added = world.scenario.events.iter().filter_map(|event| match event {
        Event::Add { addition, .. } => additions::name(addition),
        _ => None,
    });
    // A primary key of text has an index of its own.
    let own = |name: String| [format!("sqlite_autoindex_{name}_1"), name];
    let added = added.flat_map(|name| {
        if name.contains("index") {
            vec![name]
        } else {
            own(name).to_vec()
        }
    });
    let expected: BTreeSet<String> = world.objects.iter().cloned().chain(added).collect();
    let everywhere = additions::everything(&world.connection(Place::Server), &world.scenario.schema);
    for place in world.places() {
        let connection = world.connection(place);
        wrong.extend(
            snapshot::is_whole(&connection)
                .err()
                .map(|error| format!("{place:?}: {error}")),
        );
        let objects = snapshot::objects(&connection);
        if objects != expected {
            wrong.push(format!(
                "{place:?}: the schema has {objects:?}, and should have {expected:?}"
            ));
        }
        let everything = additions::everything(&connection, &world.scenario.schema);
        if everything != everywhere {
            wrong.push(format!(
                "{place:?} (left) is not the server (right): {}",
                only(&everything, &everywhere)
            ));
        }
        drop(connection);
        let content = world.content(place);
        for (number, table) in tables.iter().enumerate().filter(|(_, table)| table.synced) {
            wrong.extend(
                differ(&content[number], &server[number])
                    .map(|rows| format!("{} of {place:?} (left) is not the server's (right): {rows}", table.name)),
            );
        }
    }
    let bases = (0..world.scenario.laptops).map(|laptop| world.state(laptop).join("base.db"));
    let sidecars = std::fs::read_dir(world.sidecars())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for base in bases.chain(sidecars.filter(|path| path.extension().is_some_and(|end| end == "db"))) {
        let connection = Connection::open_with_flags(&base, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        for (number, table) in tables.iter().enumerate().filter(|(_, table)| table.synced) {
            let agreed = snapshot::read_table(&connection, table, &format!("t_{}", table.name));
            let agreed = agreed.unwrap_or_default();
            let name = base.file_name().unwrap().to_string_lossy();
            wrong.extend(differ(&agreed, &server[number]).map(|rows| {
                format!(
                    "the base {name} of {} (left) is not what both hold (right): {rows}",
                    table.name
                )
            }));
        }
    }
    wrong
}

fn only(left: &[String], right: &[String]) -> String {
    let only = |a: &[String], b: &[String]| a.iter().filter(|row| !b.contains(row)).cloned().collect::<Vec<_>>();
    format!("{:?} / {:?}", only(left, right), only(right, left))
}

fn differ(left: &[snapshot::Row], right: &[snapshot::Row]) -> Option<String> {
    let only =
        |a: &[snapshot::Row], b: &[snapshot::Row]| a.iter().filter(|row| !b.contains(row)).cloned().collect::<Vec<_>>();
    (left != right).then(|| format!("{:?} / {:?}", only(left, right), only(right, left)))
}

/// What the conflicts on record say was given up.
fn lost_values(world: &World, records: &[Recorded]) -> BTreeSet<Fact> {
    let mut lost = BTreeSet::new();
    for record in records {
        let Some(loser) = record.loser() else { continue };
        let table = &world.scenario.schema.tables[record.table];
        let row = snapshot::identity_of(table, loser);
        for &column in &record.columns {
            lost.insert(Fact {
                table: record.table,
                row: row.clone(),
                column,
                value: loser[column].clone(),
            });
        }
    }
    lost
}

/// The tables whose rows got another id from somebody.
fn rekeyed(world: &World) -> BTreeSet<usize> {
    let events = world.scenario.events.iter();
    let changes = events.flat_map(Event::writes).flat_map(|write| &write.changes);
    let rekeyed = changes
        .filter(|change| matches!(change.what, What::Rekey { .. }))
        .map(|change| change.table);
    rekeyed
        .filter(|&table| world.scenario.schema.tables[table].find(Role::Key).is_none())
        .collect()
}

struct Case<'a> {
    world: &'a World,
    ledger: &'a Ledger,
    records: &'a [Recorded],
    /// What all hold at the end.
    end: Meaning,
    lost: BTreeSet<Fact>,
    rekeyed: BTreeSet<usize>,
}

impl Case<'_> {
    fn role(&self, fact: &Fact) -> Role {
        self.world.scenario.schema.tables[fact.table].columns[fact.column].role
    }

    fn synced(&self, table: usize) -> bool {
        self.world.scenario.schema.tables[table].synced
    }

    fn describe(&self, fact: &Fact) -> String {
        let table = &self.world.scenario.schema.tables[fact.table];
        format!(
            "{}{:?}.{} = {:?}",
            table.name, fact.row, table.columns[fact.column].name, fact.value
        )
    }

    /// The values of a fact's cell at the end.
    fn now(&self, fact: &Fact) -> BTreeSet<&Cell> {
        let rows = self.end[fact.table].get(&fact.row);
        rows.into_iter().flatten().map(|row| &row[fact.column]).collect()
    }

    /// A row that became one with another, or yielded to it, and is on record as such.
    fn is_given_up(&self, fact: &Fact) -> bool {
        self.records.iter().any(|record| {
            let table = &self.world.scenario.schema.tables[record.table];
            record.table == fact.table
                && record.columns.contains(&table.identity()[0])
                && record
                    .loser()
                    .is_some_and(|row| snapshot::identity_of(table, row) == fact.row)
        })
    }

    /// Whether an id of the table may have come to mean another row.
    fn may_change_hands(&self, table: usize) -> bool {
        self.world.scenario.schema.tables[table].reuses_ids || self.rekeyed.contains(&table)
    }

    /// Whether some row has the fact's value in its column at the end, or had it until somebody wrote over it.
    fn is_anywhere(&self, fact: &Fact) -> bool {
        let mut rows = self.end[fact.table].values().flatten();
        let same = |other: &Fact| (other.table, other.column, &other.value) == (fact.table, fact.column, &fact.value);
        rows.any(|row| row[fact.column] == fact.value) || self.ledger.overwritten.iter().any(same)
    }

    /// Whether a conflict speaks of this row.
    fn is_on_record(&self, fact: &Fact) -> bool {
        let table = &self.world.scenario.schema.tables[fact.table];
        self.records
            .iter()
            .filter(|record| record.table == fact.table)
            .any(|record| {
                let rows = [&record.local, &record.server].into_iter().flatten();
                rows.into_iter()
                    .any(|row| snapshot::identity_of(table, row) == fact.row)
            })
    }

    /// Every value that somebody committed is there, or somebody overwrote it who had seen it, or it is on record.
    fn nothing_is_lost(&self) -> Vec<String> {
        let standing = self.ledger.standing().filter(|(fact, _)| self.synced(fact.table));
        let lost = standing.filter(|(fact, origin)| !self.is_kept(fact, origin));
        let tell = |(fact, origin): (&Fact, &Origin)| {
            format!(
                "LOST: {}, by {}; at the end there is {:?}",
                self.describe(fact),
                origin.by,
                self.now(fact)
            )
        };
        lost.map(tell).collect()
    }

    fn is_kept(&self, fact: &Fact, origin: &Origin) -> bool {
        let now = self.now(fact);
        if now.contains(&fact.value) || self.lost.contains(fact) {
            return true;
        }
        // The row whose version lost may be the one that took this one's place.
        let same = |lost: &Fact| (lost.table, lost.column, &lost.value) == (fact.table, fact.column, &fact.value);
        if self.may_change_hands(fact.table) && self.lost.iter().any(same) {
            return true;
        }
        // In a row that is in no base a NULL is nobody's value, and goes without a record where another value stands.
        // From outside it cannot be told which rows are in no base.
        let standing = |value: &&Cell| {
            let other = Fact {
                value: (*value).clone(),
                ..fact.clone()
            };
            !self.ledger.overwritten.contains(&other)
        };
        // Who brings back the value on which the sides agreed has changed nothing, and yields to who has. Where one was
        // written once, which is so of all but a few kinds of columns, it was not brought back.
        if origin.times > 1 {
            return true;
        }
        if fact.value.is_null() && (origin.inserted || self.is_loose() || now.iter().any(standing)) {
            return true;
        }
        match self.role(fact) {
            // Bookkeeping: another of the last times stands there. Without a base it may be one that somebody has
            // overwritten since.
            Role::Updated => {
                let others = self.ledger.standing().filter(|(other, _)| {
                    other.table == fact.table && other.row == fact.row && other.column == fact.column
                });
                let others: BTreeSet<&Cell> = others.map(|(other, _)| &other.value).collect();
                // Who deleted the row saw the last time, and a change that beats the deletion keeps it.
                let deleted = self.ledger.deleted.contains(&(fact.table, fact.row.clone()));
                deleted
                    || self.is_loose() && !now.is_empty()
                    || now.iter().any(|value| others.contains(value))
                    || self.is_given_up(fact)
            }
            // What it refers to may be a new row by now, under an id that was given out again.
            Role::RefId(parent) => self.is_on_record(fact) || self.may_change_hands(parent),
            // The row became one with another, which had the same in this cell, or which took its place; and somebody
            // may have written over it there.
            _ => (self.is_given_up(fact) || self.may_change_hands(fact.table)) && self.is_anywhere(fact),
        }
    }

    /// Whether there was a merge without a base. Sides that agree on no row at all begin none.
    fn is_loose(&self) -> bool {
        let scenario = &self.world.scenario;
        let mut first = scenario.first.iter();
        self.world.lost_base() || !scenario.agreed || !first.any(|change| self.synced(change.table))
    }

    /// Every value at the end is one that somebody gave this very cell.
    fn nothing_is_made_up(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (table, rows) in self.end.iter().enumerate().filter(|(table, _)| self.synced(*table)) {
            let columns = &self.world.scenario.schema.tables[table].columns;
            for (identity, rows) in rows {
                let columns = columns.iter().enumerate().filter(|(_, column)| column.role != Role::Id);
                for (column, row) in columns.flat_map(|(column, _)| rows.iter().map(move |row| (column, row))) {
                    let fact = Fact {
                        table,
                        row: identity.clone(),
                        column,
                        value: row[column].clone(),
                    };
                    if !self.ledger.facts.contains_key(&fact) && !self.may_be_mixed(&fact) {
                        wrong.push(format!("MADE UP: nobody wrote {}", self.describe(&fact)));
                    }
                }
            }
        }
        wrong
    }

    /// Whether the row may hold cells of another one with which it became one, or lost what it referred to.
    fn may_be_mixed(&self, fact: &Fact) -> bool {
        let table = &self.world.scenario.schema.tables[fact.table];
        let of_another = || {
            let facts = self
                .ledger
                .facts
                .keys()
                .filter(|other| other.table == fact.table && other.column == fact.column);
            facts.map(|other| &other.value).any(|value| *value == fact.value)
        };
        let refers_to_another = matches!(self.role(fact), Role::RefId(parent) if self.may_change_hands(parent));
        table.find(Role::Tag).is_some() && self.is_on_record(fact)
            || self.may_change_hands(fact.table) && of_another()
            || refers_to_another
    }

    /// A row that somebody deleted, and nobody changed without having seen that, is gone. Not so without a base: then a
    /// row that one side lacks looks like an insert of the other's.
    fn nothing_comes_back(&self) -> Vec<String> {
        if self.is_loose() {
            return Vec::new();
        }
        let mut standing: BTreeMap<(usize, &snapshot::Identity), usize> = BTreeMap::new();
        for (fact, _) in self.ledger.standing() {
            *standing.entry((fact.table, &fact.row)).or_default() += 1;
        }
        let deleted = self.ledger.deleted.iter();
        let deleted = deleted.filter(|(table, _)| self.synced(*table) && !self.rekeyed.contains(table));
        let back = deleted.filter(|(table, row)| {
            let fact = Fact {
                table: *table,
                row: row.clone(),
                column: 0,
                value: Cell::Null,
            };
            self.end[*table].contains_key(row) && !standing.contains_key(&(*table, row)) && !self.is_on_record(&fact)
        });
        back.map(|(table, row)| format!("CAME BACK: {}{row:?}", self.world.scenario.schema.tables[*table].name))
            .collect()
    }

    /// No row is there twice. Not so without a base: a row that one side has edited is two rows where an id is all that a
    /// row has.
    fn nothing_is_doubled(&self) -> Vec<String> {
        if self.is_loose() {
            return Vec::new();
        }
        let tables = self.end.iter().enumerate();
        let tables = tables.filter(|(table, _)| self.synced(*table) && !self.may_change_hands(*table));
        let rows = tables.flat_map(|(table, rows)| rows.iter().map(move |(identity, rows)| (table, identity, rows)));
        let doubled = rows.filter(|(_, _, rows)| rows.len() > 1);
        let name = |table: usize| &self.world.scenario.schema.tables[table].name;
        doubled
            .map(|(table, identity, rows)| format!("TWICE: {}{identity:?}: {rows:?}", name(table)))
            .collect()
    }
}
