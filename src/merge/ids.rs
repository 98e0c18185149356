//! Integer ids that both sides handed out. The server's id always stands; the laptop's row, which no one else has
//! seen yet, takes another one, and the laptop's changed rows that refer to it follow.

use std::collections::{HashMap, HashSet};

use super::identity::{self, is_one_row};
use super::unique;
use super::work::{Entry, Work};
use crate::model::{ForeignKey, Row, Side, Table, Value};

/// Gives every laptop row the id that it will have on both sides, and rewrites the references to those that moved.
pub(super) fn give_way(tables: &mut [Work<'_>]) {
    let referred = Referred::of(tables);
    for (number, work) in tables.iter_mut().enumerate() {
        identity::part(work, &|side, id| referred.contains(side, number, id));
    }
    let mut ids = Ids {
        referred: &referred,
        rewritten: vec![HashMap::new(); tables.len()],
        server: tables.iter().map(|_| None).collect(),
        references: None,
        moved: HashSet::new(),
        tables,
    };
    for table in parents_first(ids.tables) {
        ids.settle_table(table);
    }
    let rewritten = ids.rewritten;
    for (work, rows) in tables.iter_mut().zip(rewritten) {
        work.place(rows);
    }
}

/// A laptop row: a table of the input, and the entry where the row was at first.
type Place = (usize, usize);

/// A laptop row that refers to another one: where it is, and which of its table's foreign keys does.
type Reference = (Place, usize);

struct Ids<'t, 'a> {
    tables: &'t mut [Work<'a>],
    referred: &'t Referred,
    /// By table, the laptop's rows that got another id or follow one. Their keys may be others, too; they go to
    /// their new places all at once, since rows may swap ids.
    rewritten: Vec<HashMap<usize, Row>>,
    /// For each table whose turn has come, what the server's rows say about its ids.
    server: Vec<Option<ServerIds>>,
    /// By table and id: who refers to it. Made when the first row moves: most cycles move none.
    references: Option<HashMap<(usize, i64), Vec<Reference>>>,
    /// Rows that got another id. A row moves once, so references in a circle come to an end.
    moved: HashSet<Place>,
}

impl Ids<'_, '_> {
    /// Settles the ids of one table, whose parents are settled.
    fn settle_table(&mut self, table: usize) {
        let work = &self.tables[table];
        let Some(id) = work.table.rowid else { return };
        let needed = |id| self.referred.contains(Side::Server, table, id);
        self.server[table] = Some(ServerIds::of(work, id, &needed));
        for entry in 0..work.entries.len() {
            self.settle((table, entry));
        }
    }

    /// Moves one row if it has to, then those that followed it and whose turn had come before.
    fn settle(&mut self, place: Place) {
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            if let Some((old, new)) = self.move_row(place) {
                for child in self.follow(place.0, &old, &new) {
                    if self.server[child.0].is_some() {
                        waiting.push(child);
                    }
                }
            }
        }
    }

    /// Gives a row its final id. The row as the laptop has it and as it is then, if that is another id.
    fn move_row(&mut self, place: Place) -> Option<(Row, Row)> {
        let column = self.tables[place.0].table.rowid?;
        let wanted = self.wanted(place, column)?;
        if !self.moved.insert(place) {
            return None;
        }
        let id = match wanted {
            Wanted::Servers(id) => id,
            Wanted::Fresh => Value::Integer(self.tables[place.0].fresh_id()?),
        };
        let old = self.tables[place.0].entries[place.1].local.clone()?;
        let mut new = self.current(place)?.clone();
        *new.get_mut(column)? = id;
        self.rewritten[place.0].insert(place.1, new.clone());
        Some((old, new))
    }

    /// Which other id a row has to take, if any.
    fn wanted(&self, place: Place, column: usize) -> Option<Wanted> {
        let work = &self.tables[place.0];
        let local = self.current(place)?;
        let pair = if self.rewritten[place.0].contains_key(&place.1) {
            work.find(&work.table.key_of(local)).map(|index| &work.entries[index])
        } else {
            work.entries.get(place.1)
        };
        let (base, server) = pair.map_or((None, None), |pair| (pair.base.as_ref(), pair.server.as_ref()));
        if work.table.keyed_by_rowid() {
            if base.is_some() || server.is_some_and(|server| is_one_row(work, local, server)) {
                return None;
            }
            let twin = self.server[place.0].as_ref()?.twin(work, local);
            let lost = server.is_some() || work.is_used_up(local);
            return twin.map(Wanted::Servers).or(lost.then_some(Wanted::Fresh));
        }
        match server {
            Some(server) if server.get(column) == local.get(column) => None,
            Some(server) => server.get(column).cloned().map(Wanted::Servers),
            None => {
                let id = local.get(column)?.as_integer()?;
                // Deleted on the server, untouched here: it goes, and needs no id, unless new rows here refer to it.
                let stays = base != Some(local) || self.referred.contains(Side::Local, place.0, id);
                let taken = &self.server[place.0].as_ref()?.taken;
                (stays && taken.contains(&id)).then_some(Wanted::Fresh)
            }
        }
    }

    /// A laptop row as far as it is rewritten.
    fn current(&self, place: Place) -> Option<&Row> {
        let rewritten = self.rewritten[place.0].get(&place.1);
        rewritten.or_else(|| self.tables[place.0].entries.get(place.1)?.local.as_ref())
    }

    /// Rewrites the references to a row that moved; says which rows follow.
    fn follow(&mut self, parent: usize, old: &Row, new: &Row) -> Vec<Place> {
        let table = self.tables[parent].table;
        let Some(id) = table.rowid.and_then(|id| old.get(id)?.as_integer()) else {
            return Vec::new();
        };
        let all = self.references.get_or_insert_with(|| references(self.tables));
        let children = all.remove(&(parent, id)).unwrap_or_default();
        let mut followers = Vec::with_capacity(children.len());
        for (place, foreign_key) in children {
            let Some(foreign_key) = self.tables[place.0].table.foreign_keys.get(foreign_key) else {
                continue;
            };
            let Some(row) = self
                .current(place)
                .and_then(|row| repoint(row, foreign_key, table, old, new))
            else {
                continue;
            };
            self.rewritten[place.0].insert(place.1, row);
            followers.push(place);
        }
        followers
    }
}

/// The id that a laptop row has to take.
enum Wanted {
    Servers(Value),
    Fresh,
}

/// What the server's rows say about the ids of a table.
struct ServerIds {
    /// The ids that rows of the server hold and keep. A row that the laptop deleted and the server left alone goes,
    /// and may leave its id to the laptop's row that took its place; one that is `needed` stays.
    taken: HashSet<i64>,
    /// Where the id is the key: the ids of rows that are new on the server, by each set of unique values.
    new: HashMap<(usize, Vec<Value>), Value>,
}

impl ServerIds {
    fn of(work: &Work<'_>, column: usize, needed: &dyn Fn(i64) -> bool) -> Self {
        let needed = |row: &Row| row.get(column).and_then(Value::as_integer).is_some_and(needed);
        let stays = |entry: &&Entry| {
            entry.local.is_some() || entry.server != entry.base || entry.server.as_ref().is_some_and(needed)
        };
        let rows = work
            .entries
            .iter()
            .filter(stays)
            .filter_map(|entry| entry.server.as_ref());
        let taken = rows.filter_map(|row| row.get(column)?.as_integer()).collect();
        let mut new = HashMap::new();
        let sets = if work.table.keyed_by_rowid() {
            unique::sets(work.table)
        } else {
            Vec::new()
        };
        for entry in work
            .entries
            .iter()
            .filter(|entry| !sets.is_empty() && entry.base.is_none())
        {
            let Some(server) = &entry.server else { continue };
            if entry
                .local
                .as_ref()
                .is_some_and(|local| is_one_row(work, local, server))
            {
                continue;
            }
            let names = unique::values(work.table, server, &sets);
            new.extend(names.filter_map(|name| Some((name, server.get(column)?.clone()))));
        }
        Self { taken, new }
    }

    /// The id of the row that is new on the server under other id, and that by its unique values is this one.
    fn twin(&self, work: &Work<'_>, local: &Row) -> Option<Value> {
        let sets = if self.new.is_empty() {
            Vec::new()
        } else {
            unique::sets(work.table)
        };
        unique::values(work.table, local, &sets).find_map(|name| self.new.get(&name).cloned())
    }
}

/// The row with a foreign key that pointed to `old` pointing to `new`; `None` if it did not point there.
fn repoint(row: &Row, foreign_key: &ForeignKey, parent: &Table, old: &Row, new: &Row) -> Option<Row> {
    let mut row = row.clone();
    for (&column, name) in foreign_key.columns.iter().zip(&foreign_key.parent_columns) {
        let target = parent.column(name)?;
        if row.get(column) != old.get(target) {
            return None;
        }
        row.get_mut(column)?.clone_from(new.get(target)?);
    }
    Some(row)
}

/// The ids that a side's rows refer to while the other side does not know of it: their rows must not be taken for others
/// that got the same id. The reference is new, or the other side has deleted the row that refers and it stays for a change.
struct Referred(HashSet<(Side, usize, i64)>);

impl Referred {
    fn of(tables: &[Work<'_>]) -> Self {
        let mut found = HashSet::new();
        for work in tables {
            for foreign_key in &work.table.foreign_keys {
                let Some((parent, column)) = column_of_id(tables, foreign_key) else {
                    continue;
                };
                for side in Side::BOTH {
                    let news = work.entries.iter().filter(|entry| is_news(entry, side, column));
                    let ids = news.filter_map(|entry| entry.row(side)?.get(column)?.as_integer());
                    found.extend(ids.map(|id| (side, parent, id)));
                }
            }
        }
        Self(found)
    }

    fn contains(&self, side: Side, table: usize, id: i64) -> bool {
        self.0.contains(&(side, table, id))
    }
}

/// Whether what a row of this side refers to in a column is not what the other side's row does.
fn is_news(entry: &Entry, side: Side, column: usize) -> bool {
    let [ours, theirs, before] =
        [entry.row(side), entry.row(side.other()), entry.base.as_ref()].map(|row| row.and_then(|row| row.get(column)));
    let unknown = match entry.row(side.other()) {
        None => true,
        Some(_) => ours != before && (before.is_none() || theirs == before),
    };
    unknown && entry.changed_on(side)
}

/// By table and id: the laptop's changed rows whose foreign keys refer to that id.
fn references(tables: &[Work<'_>]) -> HashMap<(usize, i64), Vec<Reference>> {
    let mut found: HashMap<(usize, i64), Vec<Reference>> = HashMap::new();
    for (table, work) in tables.iter().enumerate() {
        for (number, foreign_key) in work.table.foreign_keys.iter().enumerate() {
            let Some((parent, column)) = column_of_id(tables, foreign_key) else {
                continue;
            };
            for (index, entry) in work.entries.iter().enumerate() {
                let row = entry.local.as_ref().filter(|_| entry.changed_on(Side::Local));
                if let Some(id) = row.and_then(|row| row.get(column)?.as_integer()) {
                    found.entry((parent, id)).or_default().push(((table, index), number));
                }
            }
        }
    }
    found
}

/// The table that a foreign key refers to, and the child's column that holds the parent's integer id, if one does.
fn column_of_id(tables: &[Work<'_>], foreign_key: &ForeignKey) -> Option<(usize, usize)> {
    let parent = index_of(tables, &foreign_key.parent)?;
    let table = tables[parent].table;
    let mut columns = foreign_key.columns.iter().zip(&foreign_key.parent_columns);
    let (&column, _) = columns.find(|(_, name)| table.rowid.is_some() && table.column(name) == table.rowid)?;
    Some((parent, column))
}

/// The table of that name among those that merge.
pub(super) fn index_of(tables: &[Work<'_>], name: &str) -> Option<usize> {
    tables
        .iter()
        .position(|work| work.table.name.eq_ignore_ascii_case(name))
}

/// The tables, each after those that it refers to; in the order of the input where that leaves a choice, and where
/// references go in a circle.
fn parents_first(tables: &[Work<'_>]) -> Vec<usize> {
    fn visit(tables: &[Work<'_>], table: usize, seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[table], true) {
            return;
        }
        for foreign_key in &tables[table].table.foreign_keys {
            if let Some(parent) = index_of(tables, &foreign_key.parent) {
                visit(tables, parent, seen, order);
            }
        }
        order.push(table);
    }
    let mut order = Vec::with_capacity(tables.len());
    let mut seen = vec![false; tables.len()];
    for table in 0..tables.len() {
        visit(tables, table, &mut seen, &mut order);
    }
    order
}
