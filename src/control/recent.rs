//! What happened lately, bounded: for whoever looks in now and wants to see more than the last cycle.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::types::{CycleSummary, Move, Outcome};

/// How many cycles are remembered: more than a screen is wide.
const CYCLES: usize = 240;
/// How many rows of the last cycle that moved any are told one by one.
pub const MOVES: usize = 40;
/// How many columns of each.
const COLUMNS: usize = 8;
/// Texts are cut to so many characters.
const TEXT: usize = 80;

/// The last cycles, those that moved nothing and those that failed among them, and the rows that moved last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recent {
    /// Oldest first. Failures of one kind in a row are one entry.
    pub cycles: Vec<CycleBrief>,
    /// What moved last; null when nothing has yet.
    pub moved: Option<MovedRows>,
}

/// A cycle in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleBrief {
    /// Its number; null when it had nothing to write.
    pub cycle: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it started; of several failures the last.
    pub started: Option<Timestamp>,
    /// Rows that moved, either way, deleted ones among them.
    pub rows: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// Rows that a cycle moved, one by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MovedRows {
    /// The cycle.
    pub cycle: Option<i64>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// The first 40 of its rows, of each the first eight columns, texts cut to 80 characters.
    pub moves: Vec<Move>,
    /// How many rows more it moved.
    pub more: u64,
}

impl MovedRows {
    /// Adds a row: it is told as long as there is room, and counted afterwards.
    pub fn add(&mut self, row: impl FnOnce() -> Move) {
        if self.moves.len() >= MOVES {
            self.more += 1;
            return;
        }
        let mut row = row();
        row.columns.truncate(COLUMNS);
        for cell in &mut row.columns {
            cut(&mut cell.old);
            cut(&mut cell.new);
        }
        row.key.values_mut().for_each(cut);
        self.moves.push(row);
    }

    /// Whether nothing moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }
}

fn cut(cell: &mut Json) {
    if let Json::String(text) = cell
        && text.chars().count() > TEXT
    {
        *text = text.chars().take(TEXT - 1).chain(['…']).collect();
    }
}

impl Recent {
    /// When the last cycle started that ended well.
    #[must_use]
    pub fn last_success(&self) -> Option<Timestamp> {
        let well = |cycle: &&CycleBrief| cycle.outcome.is_success();
        self.cycles.iter().rev().find(well).and_then(|cycle| cycle.started)
    }

    /// Takes in a cycle that ended, with the rows that it moved. Whether there is more to tell than that a server that
    /// was out of reach still is. A dry run is no cycle.
    pub fn add(&mut self, cycle: &CycleSummary, moved: MovedRows) -> bool {
        if cycle.outcome == Outcome::Planned {
            return false;
        }
        let brief = CycleBrief {
            cycle: cycle.cycle,
            outcome: cycle.outcome,
            started: cycle.started,
            rows: cycle.pulled + cycle.pushed + cycle.deleted,
            duration_ms: cycle.duration_ms,
        };
        if !moved.is_empty() {
            self.moved = Some(MovedRows {
                cycle: cycle.cycle,
                started: cycle.started,
                ..moved
            });
        }
        match self.cycles.last_mut().filter(|last| repeats(last, &brief)) {
            Some(last) => {
                *last = brief;
                false
            }
            None => {
                let surplus = (self.cycles.len() + 1).saturating_sub(CYCLES);
                self.cycles.drain(..surplus);
                self.cycles.push(brief);
                true
            }
        }
    }
}

/// A failure that is tried again and again is one thing.
fn repeats(last: &CycleBrief, now: &CycleBrief) -> bool {
    let failure = matches!(now.outcome, Outcome::Offline | Outcome::Failed | Outcome::Stopped);
    failure && last.outcome == now.outcome && now.rows == 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::control::types::{ColumnMove, Side};

    fn cycle(outcome: Outcome, number: Option<i64>, rows: u64) -> CycleSummary {
        CycleSummary {
            cycle: number,
            outcome,
            pulled: rows,
            ..CycleSummary::default()
        }
    }

    fn row(text: &str) -> Move {
        let column = |index: usize| ColumnMove {
            column: format!("c{index}"),
            old: Json::Null,
            new: text.into(),
        };
        Move {
            table: "t".to_owned(),
            key: BTreeMap::from([("k".to_owned(), text.into())]),
            to: Side::Local,
            action: "insert".to_owned(),
            columns: (0..20).map(column).collect(),
        }
    }

    #[test]
    fn a_server_that_stays_away_is_one_entry_and_what_moved_last_stays() {
        let mut recent = Recent::default();
        let mut moved = MovedRows::default();
        moved.add(|| row("a"));
        assert!(recent.add(&cycle(Outcome::Synced, Some(7), 1), moved));
        assert!(recent.add(&cycle(Outcome::Offline, None, 0), MovedRows::default()));
        assert!(!recent.add(&cycle(Outcome::Offline, None, 0), MovedRows::default()));
        assert!(recent.add(&cycle(Outcome::Unchanged, None, 0), MovedRows::default()));
        assert!(
            recent.add(&cycle(Outcome::Unchanged, None, 0), MovedRows::default()),
            "quiet cycles are told one by one"
        );
        assert!(!recent.add(&cycle(Outcome::Planned, None, 9), MovedRows::default()));
        let outcomes: Vec<Outcome> = recent.cycles.iter().map(|cycle| cycle.outcome).collect();
        assert_eq!(
            outcomes,
            [
                Outcome::Synced,
                Outcome::Offline,
                Outcome::Unchanged,
                Outcome::Unchanged
            ]
        );
        assert_eq!(recent.moved.unwrap().cycle, Some(7));
    }

    #[test]
    fn it_never_grows_beyond_its_bounds() {
        let mut recent = Recent::default();
        for number in 0..1000 {
            let mut moved = MovedRows::default();
            for _ in 0..100 {
                moved.add(|| row(&"é".repeat(5000)));
            }
            recent.add(&cycle(Outcome::Synced, Some(number), 100), moved);
        }
        assert_eq!(
            (recent.cycles.len(), recent.cycles[0].cycle),
            (CYCLES, Some(1000 - 240))
        );
        let moved = recent.moved.unwrap();
        assert_eq!((moved.moves.len(), moved.more, moved.cycle), (MOVES, 60, Some(999)));
        assert_eq!(moved.moves[0].columns.len(), COLUMNS);
        assert_eq!(moved.moves[0].key["k"], format!("{}…", "é".repeat(TEXT - 1)));
    }
}
