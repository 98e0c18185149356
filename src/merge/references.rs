//! A row that one side deleted stays while the other side's changed rows refer to it.

use std::collections::{HashMap, HashSet};

use super::Reason;
use super::ids::index_of;
use super::work::{Entry, Outcome, Work, pick};
use crate::model::{Side, Value, pick_not_null};

/// A declared foreign key between two tables of the input.
struct Link {
    child: usize,
    columns: Vec<usize>,
    parent: usize,
    /// The parent's rows that are about to be deleted, by the values that the child refers to.
    deleted: HashMap<Vec<Value>, usize>,
}

/// Keeps the rows that are about to be deleted on one side and that the other side's changed rows refer to, and the
/// rows that these refer to, and so on.
pub(super) fn keep_referenced(tables: &mut [Work<'_>]) {
    let links = links(tables, |_| true);
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    for link in &links {
        for index in 0..tables[link.child].entries.len() {
            keep_parent(tables, link, index, false, &mut waiting);
        }
    }
    while let Some((table, index)) = waiting.pop() {
        for link in links.iter().filter(|link| link.child == table) {
            keep_parent(tables, link, index, true, &mut waiting);
        }
    }
}

/// Keeps the row that one child refers to, if it is about to be deleted and the side that has it changed the child
/// (or the child itself was kept for this reason).
fn keep_parent(
    tables: &mut [Work<'_>],
    link: &Link,
    child: usize,
    child_was_kept: bool,
    kept: &mut Vec<(usize, usize)>,
) {
    let entry = &tables[link.child].entries[child];
    let Some(values) = entry.agreed().and_then(|row| pick_not_null(row, &link.columns)) else {
        return;
    };
    let Some(&parent) = link.deleted.get(&values) else {
        return;
    };
    let holder = if tables[link.parent].entries[parent].local.is_some() {
        Side::Local
    } else {
        Side::Server
    };
    if !child_was_kept && !entry.changed_on(holder) {
        return;
    }
    let work = &mut tables[link.parent];
    let row = &mut work.entries[parent];
    if !matches!(row.outcome, Outcome::Absent) {
        return; // kept already
    }
    row.outcome = match holder {
        Side::Local => Outcome::Local,
        Side::Server => Outcome::Server,
    };
    let columns = (0..work.table.columns.len()).collect();
    let conflict = row.conflict(columns, holder, Reason::StillReferenced);
    work.conflicts.push(conflict);
    kept.push((link.parent, parent));
}

/// Lets the laptop's rows go that refer to one that yielded its unique values and went, and those that refer to
/// these, and so on: the server could not take them. `gone` are the rows that yielded.
pub(super) fn go_with_parents(tables: &mut [Work<'_>], mut gone: HashSet<(usize, usize)>) {
    while !gone.is_empty() {
        let links = links(tables, |place| gone.contains(&place));
        gone = HashSet::new();
        for link in &links {
            let work = &mut tables[link.child];
            for index in 0..work.entries.len() {
                let entry = &work.entries[index];
                let refers = entry.agreed().and_then(|row| pick_not_null(row, &link.columns));
                if !refers.is_some_and(|values| link.deleted.contains_key(&values)) || !entry.changed_on(Side::Local) {
                    continue;
                }
                work.take_servers(index, &link.columns);
                if work.entries[index].agreed().is_none() {
                    gone.insert((link.child, index));
                }
            }
        }
    }
}

/// The foreign keys whose parents lose rows: those rows among the deleted that `counts` says.
fn links(tables: &[Work<'_>], counts: impl Fn((usize, usize)) -> bool) -> Vec<Link> {
    let mut links = Vec::new();
    for (child, work) in tables.iter().enumerate() {
        for foreign_key in &work.table.foreign_keys {
            let Some(parent) = index_of(tables, &foreign_key.parent) else {
                continue;
            };
            let names = foreign_key.parent_columns.iter();
            let columns = names
                .map(|name| tables[parent].table.column(name))
                .collect::<Option<Vec<_>>>();
            let Some(parent_columns) = columns else { continue };
            let mut deleted = HashMap::new();
            for (index, entry) in tables[parent].entries.iter().enumerate() {
                let row = entry.local.as_ref().or(entry.server.as_ref());
                let lost = row.filter(|_| entry.agreed().is_none() && counts((parent, index)));
                if let Some(values) = lost.and_then(|row| pick_not_null(row, &parent_columns)) {
                    deleted.insert(values, index);
                }
            }
            if deleted.is_empty() {
                continue;
            }
            // Another row may have taken the place of the deleted one; then nothing refers into the void.
            for row in tables[parent].entries.iter().filter_map(Entry::agreed) {
                deleted.remove(&pick(row, &parent_columns));
            }
            let columns = foreign_key.columns.clone();
            links.push(Link {
                child,
                columns,
                parent,
                deleted,
            });
        }
    }
    links
}
