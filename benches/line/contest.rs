//! Contenders, and how they take turns.

use std::time::Duration;

use crate::meter::Sample;
use crate::place::{Kind, Place};
use crate::row::Row;

/// One way of bringing two databases to agreement.
pub trait Contender {
    fn name(&self) -> &'static str;

    /// Whether it has an answer to this row of the tables.
    fn takes(&self, row: Row) -> bool;

    /// Makes the row happen and carries it over. With `cut`, the connection ends after that time, and what failed is done
    /// again until it is done.
    fn run(&mut self, row: Row, cut: Option<Duration>) -> Run;

    /// Where it stands, when its server's database is locked by SQLite's rules while it writes there.
    fn server(&self) -> Option<&Place>;
}

/// A run that came to its end.
pub struct Run {
    pub sample: Sample,
    /// Whether the connection was cut in the middle of it.
    pub cut: bool,
}

/// What one contender needed for one row on one line.
pub struct Entry {
    pub row: Row,
    pub name: &'static str,
    pub samples: Vec<Sample>,
    /// The longest time for which nobody else could write at the server.
    pub lock: Option<Duration>,
}

/// Lets all of them run a row, in turn.
pub fn contest(contenders: &mut [Box<dyn Contender + '_>], row: Row, kind: Kind, runs: usize) -> Vec<Entry> {
    let mut taking: Vec<_> = contenders.iter_mut().filter(|contender| contender.takes(row)).collect();
    let mut entries: Vec<Entry> = taking
        .iter()
        .map(|contender| Entry {
            row,
            name: contender.name(),
            samples: Vec::new(),
            lock: None,
        })
        .collect();
    // A cut comes half-way, so it has to be known how long the way is.
    let whole: Vec<Option<Duration>> = taking
        .iter_mut()
        .map(|contender| (kind == Kind::Bad).then(|| contender.run(row, None).sample.took))
        .collect();
    for _ in 0..runs {
        for ((contender, entry), whole) in taking.iter_mut().zip(&mut entries).zip(&whole) {
            eprintln!("{} / {} / {}", kind.name(), row.name(), entry.name);
            entry.samples.push(one(contender.as_mut(), row, *whole));
        }
    }
    // A first sync writes nothing that others wait for.
    let writes = !matches!(row, Row::First | Row::Meet);
    for (contender, entry) in taking.iter_mut().zip(&mut entries).filter(|_| writes) {
        // Trying takes the lock itself, now and then, so this is a run apart.
        let Some(place) = contender.server() else { continue };
        place.probed.set(true);
        entry.lock = contender.run(row, None).sample.lock;
        if let Some(place) = contender.server() {
            place.probed.set(false);
        }
    }
    entries
}

fn one(contender: &mut dyn Contender, row: Row, whole: Option<Duration>) -> Sample {
    let mut cut = whole.map(|whole| whole / 2);
    loop {
        let run = contender.run(row, cut);
        if run.cut || cut.is_none() {
            return run.sample;
        }
        // It was faster than before and ended by then.
        cut = cut.map(|cut| cut / 2);
    }
}
