//! Row by row, and where both sides changed a row, cell by cell.

use super::newest::Newest;
use super::work::{Entry, Outcome, Work};
use super::{Conflict, Reason, TableRules, Zones};
use crate::model::{Row, Side, Value};

/// Decides the outcome of every entry by the rules for single rows.
pub(super) fn merge_rows(work: &mut Work<'_>, zones: &Zones) {
    let every_column: Vec<usize> = (0..work.table.columns.len()).collect();
    for entry in &mut work.entries {
        entry.outcome = match (&entry.base, &entry.local, &entry.server) {
            (_, None, None) => Outcome::Absent,
            (_, Some(local), Some(server)) if local == server => Outcome::Server,
            (base, local, server) if local == base => one_side(server, Outcome::Server),
            (base, local, server) if server == base => one_side(local, Outcome::Local),
            (_, Some(local), Some(server)) => {
                let mut cells = Cells::new(entry, local, server);
                cells.merge(work.rules, zones);
                work.conflicts.append(&mut cells.conflicts);
                Outcome::Mixed(cells.merged)
            }
            (_, local, _) => {
                let (outcome, winner) = match local {
                    Some(_) => (Outcome::Local, Side::Local),
                    None => (Outcome::Server, Side::Server),
                };
                let conflict = entry.conflict(every_column.clone(), winner, Reason::ChangeBeatsDelete);
                work.conflicts.push(conflict);
                outcome
            }
        };
    }
}

/// The outcome where one side alone changed the row: its row, or its deletion.
fn one_side(row: &Option<Row>, outcome: Outcome) -> Outcome {
    if row.is_some() { outcome } else { Outcome::Absent }
}

/// A row that both sides have and both changed.
struct Cells<'a> {
    entry: &'a Entry,
    local: &'a Row,
    server: &'a Row,
    /// The outcome: the server's row at first, then cell by cell what the rules say.
    merged: Row,
    conflicts: Vec<Conflict>,
}

impl<'a> Cells<'a> {
    fn new(entry: &'a Entry, local: &'a Row, server: &'a Row) -> Self {
        Self {
            entry,
            local,
            server,
            merged: server.clone(),
            conflicts: Vec::new(),
        }
    }

    fn merge(&mut self, rules: &TableRules, zones: &Zones) {
        let mut done = vec![false; self.merged.len()];
        for group in &rules.groups {
            let columns: Vec<usize> = group
                .columns
                .iter()
                .copied()
                .filter(|&c| done.get(c) == Some(&false))
                .collect();
            for &column in &columns {
                done[column] = true;
            }
            let newest = self.newest(Some(group.newest_by), zones);
            self.together(columns, newest.winner(Side::Server), newest.reason_for_group());
        }
        if let Some(column) = rules.last_updated.filter(|&c| done.get(c) == Some(&false)) {
            done[column] = true;
            let newest = self.newest(Some(column), zones);
            if self.contested(&[column]) {
                self.take(&[column], newest.winner(Side::Server));
            }
        }
        let mut contested = Vec::new();
        for column in (0..done.len()).filter(|&column| !done[column]) {
            if self.contested(&[column]) {
                contested.push(column);
            }
        }
        let newest = self.newest(rules.last_updated, zones);
        self.record(contested, newest.winner(Side::Local), newest.reason_for_row());
    }

    fn newest(&self, column: Option<usize>, zones: &Zones) -> Newest {
        let cell = |row: &'a Row| column.and_then(|column| row.get(column)).unwrap_or(&Value::Null);
        Newest::of(cell(self.local), cell(self.server), zones)
    }

    /// Merges columns that move together.
    fn together(&mut self, columns: Vec<usize>, winner: Side, reason: Reason) {
        if self.contested(&columns) {
            self.record(columns, winner, reason);
        }
    }

    /// Whether both sides changed something in these columns, to different values. If not, takes those of the side
    /// that did.
    fn contested(&mut self, columns: &[usize]) -> bool {
        let differ = |a: &Row, b: &Row| columns.iter().any(|&column| a.get(column) != b.get(column));
        if !differ(self.local, self.server) {
            return false;
        }
        let Some(base) = &self.entry.base else { return true };
        match (differ(self.local, base), differ(self.server, base)) {
            (true, true) => return true,
            (true, false) => self.take(columns, Side::Local),
            (false, _) => self.take(columns, Side::Server),
        }
        false
    }

    /// Takes the winner's cells and records the conflict.
    fn record(&mut self, columns: Vec<usize>, winner: Side, reason: Reason) {
        self.take(&columns, winner);
        let loser = match winner {
            Side::Local => self.server,
            Side::Server => self.local,
        };
        // Without a base, NULL is not a change that somebody made: nothing is lost that would have to be kept.
        let lost = |&column: &usize| {
            let value = loser.get(column);
            self.entry.base.is_some() || value != self.merged.get(column) && value.is_some_and(|value| !value.is_null())
        };
        if columns.iter().any(lost) {
            self.conflicts.push(self.entry.conflict(columns, winner, reason));
        }
    }

    fn take(&mut self, columns: &[usize], side: Side) {
        let row = match side {
            Side::Local => self.local,
            Side::Server => self.server,
        };
        for &column in columns {
            if let (Some(cell), Some(value)) = (self.merged.get_mut(column), row.get(column)) {
                cell.clone_from(value);
            }
        }
    }
}
