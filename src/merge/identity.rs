//! Whether two rows under one integer id are one row, where the id is the only key.
//!
//! Without AUTOINCREMENT, SQLite hands out the id of the last row again once that row is deleted. What looks like a change
//! of all cells is then a row that went and another one that came, and cells of the one must not be merged into the other.

use super::unique;
use super::work::{Entry, Work};
use super::{Reason, TableRules};
use crate::model::{Row, Side, Table, Value, pick_not_null};

/// Forgets the base of ids under which there is another row now, wherever the two rows could meet: both then count as new,
/// the server's keeps the id and the laptop's yields, and whoever refers to the old one (`referred`) goes on doing so.
///
/// Where one side replaced a row that the other left alone, and that nothing new refers to, it is a change like any other.
pub(super) fn part(work: &mut Work<'_>, referred: &dyn Fn(Side, i64) -> bool) {
    let (table, rules) = (work.table, work.rules);
    let Some(id) = table.rowid.filter(|_| table.keyed_by_rowid() && !table.autoincrement) else {
        return;
    };
    for entry in &mut work.entries {
        let Some((replaced, why)) = replaced(entry, table, rules, id, referred) else {
            continue;
        };
        // The row that went on one side and stays for the other's sake: what anybody would be told of a deletion.
        if let Some(why) = why {
            let every = (0..table.columns.len()).collect();
            let mut conflict = entry.conflict(every, replaced.other(), why);
            match replaced {
                Side::Local => conflict.local = None,
                Side::Server => conflict.server = None,
            }
            work.conflicts.push(conflict);
        }
        entry.base = None;
    }
}

/// The side that holds another row under this id, where the two rows could meet, and why the old one stays, if it does.
fn replaced(
    entry: &Entry,
    table: &Table,
    rules: &TableRules,
    id: usize,
    referred: &dyn Fn(Side, i64) -> bool,
) -> Option<(Side, Option<Reason>)> {
    let base = entry.base.as_ref().filter(|_| entry.local != entry.server)?;
    let needed = |side| {
        base.get(id)
            .and_then(Value::as_integer)
            .is_some_and(|id| referred(side, id))
    };
    let another = |side| entry.row(side).is_some_and(|row| is_another(table, rules, base, row));
    Side::BOTH.into_iter().filter(|side| another(*side)).find_map(|side| {
        let other = side.other();
        if another(other) {
            Some((side, None))
        } else if entry.changed_on(other) {
            Some((side, Some(Reason::ChangeBeatsDelete)))
        } else {
            (entry.row(other).is_some() && needed(other)).then_some((side, Some(Reason::StillReferenced)))
        }
    })
}

/// Whether a row cannot be the one that the base has under its id: it shares no set of unique values with it, and all that
/// the base says, at least two things, is something else. A group is one thing, `last_updated` is none, and NULL says nothing.
fn is_another(table: &Table, rules: &TableRules, base: &Row, row: &Row) -> bool {
    if unique::sets(table).iter().any(|set| shares(base, row, set)) {
        return false;
    }
    let grouped = |column: &usize| rules.groups.iter().any(|group| group.columns.contains(column));
    let single = (0..table.columns.len())
        .filter(|column| !table.key.contains(column) && Some(*column) != rules.last_updated && !grouped(column))
        .map(|column| vec![column]);
    let things = rules.groups.iter().map(|group| group.columns.clone()).chain(single);
    let (mut said, mut other) = (0, 0);
    for columns in things {
        if columns
            .iter()
            .any(|&column| base.get(column).is_some_and(|value| !value.is_null()))
        {
            said += 1;
            other += usize::from(columns.iter().any(|&column| base.get(column) != row.get(column)));
        }
    }
    other >= 2 && other == said
}

/// Whether two rows without a base, under one integer id and with no other key, are the same row: they are equal, or
/// share a set of unique values.
///
/// When the base is only lost, they may also be one row that one side edited: they count as one if all foreign keys
/// agree and at least half of the other cells do.
pub(super) fn is_one_row(work: &Work<'_>, local: &Row, server: &Row) -> bool {
    let table = work.table;
    let equal = |column: &usize| local.get(*column) == server.get(*column);
    if local == server || unique::sets(table).iter().any(|set| shares(local, server, set)) {
        return true;
    }
    let cells = || (0..table.columns.len()).filter(|column| !table.key.contains(column));
    let same = cells().filter(equal).count();
    work.first && table.foreign_keys.iter().flat_map(|key| &key.columns).all(equal) && same * 2 >= cells().count()
}

fn shares(local: &Row, server: &Row, set: &[usize]) -> bool {
    let values = pick_not_null(local, set);
    values.is_some() && values == pick_not_null(server, set)
}
