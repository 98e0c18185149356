//! Takes a cycle back: the values that it replaced come back on both sides, cell by cell, where what it wrote still stands.
//!
//! `docs/undo.md` tells the rules to its users.

use std::collections::BTreeMap;

use super::amend::wanted::{Place, Wanted, column, today};
use super::history::{Moved, not_in_record};
use super::layout::Layout;
use super::{CycleError, Pair, Progress, Trigger};
use crate::control::types::{AmendReport, UndoRequest};
use crate::model::{Key, Row};

impl Pair {
    /// Takes a cycle back on both sides.
    ///
    /// # Errors
    /// When the record has no such cycle, and as a cycle's.
    pub(super) async fn take_back(
        &mut self,
        request: &UndoRequest,
        progress: &Progress<'_>,
    ) -> Result<AmendReport, CycleError> {
        let cycle = request.cycle;
        let Some(writes) = self.history.writes_of(cycle).await? else {
            return Err(not_in_record(
                &format!("cycle {cycle}"),
                "it has no such cycle",
                "modsyncctl history",
            ));
        };
        self.connect(progress).await?;
        let (rows, lost) = by_row(&self.layout, &writes);
        let mut wanted = Wanted::new(self.rows_now(rows.keys().cloned()).await?);
        for (moved, reason) in lost {
            wanted.leave(&moved.table, key_then(moved), None, reason);
        }
        for (place, writes) in &rows {
            if let Err(reason) = take_back(&self.layout, &mut wanted, place, writes) {
                wanted.leave(&self.layout.local[place.0].name, place.1.clone(), None, reason);
            }
        }
        self.bring(wanted, request.dry_run, Trigger::Undo(cycle), progress)
            .await
    }
}

/// One write in today's columns.
struct Write<'a> {
    then: &'a Moved,
    before: Option<Row>,
    after: Option<Row>,
}

/// Writes by the rows of today.
type ByRow<'a> = BTreeMap<Place, Vec<Write<'a>>>;

/// Writes that have no place among the rows of today, with the reason.
type Lost<'a> = Vec<(&'a Moved, String)>;

fn by_row<'a>(layout: &Layout, writes: &'a [Moved]) -> (ByRow<'a>, Lost<'a>) {
    let (mut rows, mut lost) = (ByRow::new(), Lost::new());
    for moved in writes {
        let row = |row: &Option<Row>| {
            let row = row.as_ref().map(|row| today(layout, &moved.table, &moved.columns, row));
            row.transpose()
        };
        let (before, after) = match (row(&moved.written.before), row(&moved.written.after)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(reason), _) | (_, Err(reason)) => {
                lost.push((moved, reason));
                continue;
            }
        };
        let place = after.as_ref().or(before.as_ref()).map(|(place, _)| place.clone());
        if let Some(place) = place {
            rows.entry(place).or_default().push(Write {
                then: moved,
                before: before.map(|(_, row)| row),
                after: after.map(|(_, row)| row),
            });
        }
    }
    (rows, lost)
}

/// Puts what the cycle replaced in one row into what is wanted. A row that came goes, one that went comes; in any other
/// the cells that were written get their old values. Where both sides were written, one that got the row counts before one
/// that lost it, and that before cells; of a cell the server's old value counts.
fn take_back(layout: &Layout, wanted: &mut Wanted, place: &Place, writes: &[Write<'_>]) -> Result<(), String> {
    let now = wanted.row(place).cloned();
    if let Some(came) = writes.iter().find(|write| write.before.is_none()) {
        return match now {
            None => Ok(()),
            Some(now) if stands(layout, place, &came.then.columns, &now, came.after.as_ref()) => {
                wanted.want(place.clone(), None);
                Ok(())
            }
            Some(_) => Err("it has changed since it came".to_owned()),
        };
    }
    if let Some(went) = writes.iter().find(|write| write.after.is_none()) {
        return match now {
            None => {
                wanted.want(place.clone(), went.before.clone());
                Ok(())
            }
            Some(now) if stands(layout, place, &went.then.columns, &now, went.before.as_ref()) => Ok(()),
            Some(_) => Err("another row has come under its key since it went".to_owned()),
        };
    }
    let now = now.ok_or("it has been deleted since")?;
    let row = old_cells(layout, place, writes, &now)?;
    wanted.want(place.clone(), Some(row));
    Ok(())
}

/// The row of today with the old values of the cells that were written.
fn old_cells(layout: &Layout, place: &Place, writes: &[Write<'_>], now: &Row) -> Result<Row, String> {
    let table = &layout.local[place.0];
    let mut row = now.clone();
    let mut moved = None;
    for write in writes {
        let (Some(before), Some(after)) = (&write.then.written.before, &write.then.written.after) else {
            continue;
        };
        for (then, name) in write
            .then
            .columns
            .iter()
            .enumerate()
            .filter(|(c, _)| before.get(*c) != after.get(*c))
        {
            let Some(index) = table.column(name) else {
                return Err(format!("its column {name} is gone"));
            };
            let old = before.get(then);
            let stands = now.get(index) == after.get(then) || now.get(index) == old;
            if !stands {
                moved = Some(name);
            }
            if let (Some(cell), Some(old)) = (row.get_mut(index), old) {
                cell.clone_from(old);
            }
        }
    }
    match moved {
        Some(name) => Err(format!("{name} has changed since")),
        None => Ok(row),
    }
}

/// Whether a row of today has the values of the record in all columns that the record knows.
fn stands(layout: &Layout, (index, _): &Place, columns: &[String], now: &Row, then: Option<&Row>) -> bool {
    let known = layout.local[*index].columns.iter().enumerate();
    let mut known = known.filter(|(_, known)| column(columns, &known.name).is_some());
    then.is_some_and(|then| known.all(|(index, _)| now.get(index) == then.get(index)))
}

/// The key of a recorded row, in the order of its columns then.
fn key_then(moved: &Moved) -> Key {
    let row = moved.written.after.as_ref().or(moved.written.before.as_ref());
    let cells = moved.columns.iter().zip(row.into_iter().flatten());
    cells
        .filter(|(name, _)| moved.key.contains(name))
        .map(|(_, value)| value.clone())
        .collect()
}

#[cfg(test)]
mod tests;
