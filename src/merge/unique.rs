//! No two rows may end up with one unique value. Where merged rows would, the server's row stands and the laptop's
//! row yields; what it yields is in the conflict record.

use std::collections::{HashMap, VecDeque};

use super::work::{Entry, Outcome, Work};
use crate::model::{Row, Table, Value, pick_not_null};

/// Makes the rows of a table keep each set of unique columns apart.
///
/// A row whose unique values are the server's never yields: the server holds them side by side already. Any other
/// row yields to it, or to the one before it in the order of the keys, and then has the server's values as well. So
/// each row yields at most once. Says which rows went.
pub(super) fn separate(work: &mut Work<'_>) -> Vec<usize> {
    let sets = sets(work.table);
    if sets.is_empty() {
        return Vec::new();
    }
    let (newcomers, settlers): (Vec<usize>, Vec<usize>) = (0..work.entries.len())
        .filter(|&index| work.entries[index].agreed().is_some())
        .partition(|&index| is_newcomer(&work.entries[index], &sets));
    let mut gone = Vec::new();
    if newcomers.is_empty() {
        return gone;
    }
    let mut claims = Claims::of(work.table);
    for index in settlers {
        claims.claim(index, &work.entries[index], &sets);
    }
    let mut waiting = VecDeque::from(newcomers);
    while let Some(index) = waiting.pop_front() {
        let Some((holder, set)) = claims.holder(index, &work.entries[index], &sets) else {
            claims.claim(index, &work.entries[index], &sets);
            continue;
        };
        // This row yields; or, if it has yielded already, the other one. If neither can, the server itself holds one
        // value twice, and a guard will have to refuse it.
        let mut rows = [index, holder].into_iter();
        let Some(yielding) = rows.find(|&row| is_newcomer(&work.entries[row], &sets)) else {
            continue;
        };
        claims.release(yielding, &work.entries[yielding], &sets);
        give_up(work, yielding, set, &sets);
        if yielding != index {
            waiting.push_front(index);
        }
        if work.entries[yielding].agreed().is_some() {
            waiting.push_back(yielding);
        } else {
            gone.push(yielding);
        }
    }
    gone
}

/// The sets of unique columns that the key does not already keep apart; the key itself where its index takes other bytes
/// for equal.
pub(super) fn sets(table: &Table) -> Vec<Vec<usize>> {
    let exact = table.keyed_by_rowid() || table.key.iter().all(|&column| table.columns[column].compares_exactly());
    let distinct_by_key = |set: &[usize]| exact && table.key.iter().all(|column| set.contains(column));
    table
        .unique
        .iter()
        .filter(|set| !distinct_by_key(set))
        .cloned()
        .collect()
}

/// Whether the row brings unique values to the server that it does not have there.
fn is_newcomer(entry: &Entry, sets: &[Vec<usize>]) -> bool {
    let Some(agreed) = entry.agreed() else { return false };
    let cell = |column: usize| entry.server.as_ref().and_then(|row| row.get(column));
    sets.iter().flatten().any(|&column| agreed.get(column) != cell(column))
}

/// Which row holds which unique values.
struct Claims<'a> {
    table: &'a Table,
    rows: HashMap<(usize, Vec<Value>), usize>,
}

impl<'a> Claims<'a> {
    fn of(table: &'a Table) -> Self {
        Self {
            table,
            rows: HashMap::new(),
        }
    }

    fn claim(&mut self, index: usize, entry: &Entry, sets: &[Vec<usize>]) {
        for claim in entry.agreed().into_iter().flat_map(|row| values(self.table, row, sets)) {
            self.rows.insert(claim, index);
        }
    }

    fn release(&mut self, index: usize, entry: &Entry, sets: &[Vec<usize>]) {
        for claim in entry.agreed().into_iter().flat_map(|row| values(self.table, row, sets)) {
            if self.rows.get(&claim) == Some(&index) {
                self.rows.remove(&claim);
            }
        }
    }

    /// Another row that holds one of this row's unique values, and the number of that set of columns.
    fn holder(&self, index: usize, entry: &Entry, sets: &[Vec<usize>]) -> Option<(usize, usize)> {
        let mut held =
            values(self.table, entry.agreed()?, sets).filter_map(|claim| Some((*self.rows.get(&claim)?, claim.0)));
        held.find(|(holder, _)| *holder != index)
    }
}

/// The unique values of a row, folded as the index folds them, each with the number of its set. A set with a NULL in it
/// collides with nothing.
pub(super) fn values<'r>(
    table: &'r Table,
    row: &'r Row,
    sets: &'r [Vec<usize>],
) -> impl Iterator<Item = (usize, Vec<Value>)> + 'r {
    let sets = sets.iter().enumerate();
    sets.filter_map(move |(number, set)| {
        let picked = pick_not_null(row, set)?;
        let folded = set
            .iter()
            .zip(&picked)
            .map(|(&column, value)| table.columns[column].fold(value));
        Some((number, folded.collect()))
    })
}

/// Takes the server's unique values instead of the laptop's; a row that the server does not have goes.
fn give_up(work: &mut Work<'_>, index: usize, set: usize, sets: &[Vec<usize>]) {
    let id = work.table.surrogate();
    let is_id = id.is_some_and(|id| sets.get(set).is_some_and(|set| set == &[id]));
    let fresh = if is_id && work.entries[index].server.is_none() {
        work.fresh_id()
    } else {
        None
    };
    let entry = &mut work.entries[index];
    let Some(row) = entry.agreed() else { return };
    if let (Some(id), Some(fresh)) = (id, fresh) {
        let mut row = row.clone();
        row[id] = Value::Integer(fresh);
        entry.outcome = Outcome::Mixed(row);
        return;
    }
    let columns: Vec<usize> = sets.iter().flatten().copied().collect();
    work.take_servers(index, &columns);
}
