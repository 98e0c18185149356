//! What modsync is held to: ratios of medians of one run, and counts.

use std::time::Duration;

use crate::contest::Entry;
use crate::daemon::Idle;
use crate::figures::median;
use crate::meter::Sample;
use crate::place::Kind;
use crate::row::Row;

/// The size that the product was made for, and the one of a hundred thousand.
const SMALL: usize = ::modsync::demo::data::PRODUCTS;
const LARGE: usize = 100_000;

/// All that was measured for one size on one line.
pub struct Measured {
    pub products: usize,
    pub kind: Kind,
    pub entries: Vec<Entry>,
    /// What the rows of "12 rows, two-way" come to when they are compressed by themselves, in bytes.
    pub own: u64,
}

impl Measured {
    fn entry(&self, row: Row, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.row == row && entry.name.starts_with(name))
    }

    fn of(&self, row: Row, name: &str, read: fn(&Sample) -> f64) -> Option<f64> {
        let samples = &self.entry(row, name)?.samples;
        Some(median(samples.iter().map(read).collect()))
    }

    /// How many times as much another one takes as modsync.
    fn ratio(&self, row: Row, other: &str, read: fn(&Sample) -> f64) -> Option<f64> {
        Some(self.of(row, other, read)? / self.of(row, "modsync", read)?)
    }
}

fn time(sample: &Sample) -> f64 {
    sample.took.as_secs_f64()
}

fn bytes(sample: &Sample) -> f64 {
    sample.carried() as f64
}

/// A bar, what it is measured by, and the sides that it may be on.
enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// The bars as a table; what was not measured is told as such.
pub fn table(all: &[Measured], idle: &[(usize, Idle)]) -> String {
    let mut text = "| held to | bar | measured | |\n|---|---|---|---|\n".to_owned();
    let at = |products, kind| {
        all.iter()
            .find(move |measured: &&Measured| measured.products == products && measured.kind == kind)
    };
    let (small, large) = (at(SMALL, Kind::Far), at(LARGE, Kind::Far));
    for (name, from) in [("1 760 products", small), ("100 000 products", large)] {
        let line = format!("{name}, 50 ms and 20 Mbit/s");
        if let Some(from) = from {
            of_line(&mut text, &line, from);
        }
    }
    for (products, idle) in idle {
        let name = format!("{products} products, idle");
        line(
            &mut text,
            &format!("{name}: percent of a core"),
            &Bar::AtMost(0.2),
            Some(idle.cpu),
        );
        line(
            &mut text,
            &format!("{name}: bytes a second"),
            &Bar::AtMost(200.0),
            Some(idle.bytes),
        );
        let memory = mebibytes(idle.memory);
        line(
            &mut text,
            &format!("{name}: most memory, MiB"),
            &Bar::AtMost(64.0),
            Some(memory),
        );
    }
    text
}

fn of_line(text: &mut String, name: &str, from: &Measured) {
    let trips = |sample: &Sample| sample.round_trips.map_or(f64::INFINITY, |trips| trips as f64);
    let lock = from.entry(Row::Twelve, "modsync").and_then(|entry| entry.lock);
    let first = |other| from.of(Row::First, other, time);
    let best = first("gzip").zip(first("zstd")).map(|(gzip, zstd)| gzip.min(zstd));
    let one_run = from.of(Row::One, "sqlite3_rsync", time);
    let small = from.products == SMALL;
    let bars = [
        (
            small,
            "12 rows: round trips",
            Bar::AtMost(3.0),
            from.of(Row::Twelve, "modsync", trips),
        ),
        (
            small,
            "12 rows: bytes beside the rows' own, compressed",
            Bar::AtMost(8_000.0),
            from.of(Row::Twelve, "modsync", bytes).map(|all| all - from.own as f64),
        ),
        (
            small,
            "12 rows: times faster than the whole file",
            Bar::AtLeast(25.0),
            from.ratio(Row::Twelve, "the whole", time),
        ),
        (
            small,
            "12 rows: times faster than two runs of sqlite3_rsync",
            Bar::AtLeast(5.0),
            from.ratio(Row::Twelve, "sqlite3_rsync", time),
        ),
        (
            !small,
            "12 rows: times faster than one run of sqlite3_rsync, for 1 row",
            Bar::AtLeast(1.0),
            one_run
                .zip(from.of(Row::Twelve, "modsync", time))
                .map(|(theirs, ours)| theirs / ours),
        ),
        (
            true,
            "nothing new: round trips",
            Bar::AtMost(1.0),
            from.of(Row::Nothing, "modsync", trips),
        ),
        (
            true,
            "nothing new: bytes",
            Bar::AtMost(500.0),
            from.of(Row::Nothing, "modsync", bytes),
        ),
        (
            true,
            "100 scattered rows: sqlite3_rsync's bytes in modsync's",
            Bar::AtLeast(5.0),
            from.ratio(Row::Scattered, "sqlite3_rsync", bytes),
        ),
        (
            true,
            "after VACUUM: bytes",
            Bar::AtMost(500.0),
            from.of(Row::Vacuum, "modsync", bytes),
        ),
        (
            true,
            "first sync: times as long as the better of gzip and zstd",
            Bar::AtMost(1.3),
            first("modsync").zip(best).map(|(ours, best)| ours / best),
        ),
        (
            true,
            "12 rows: server locked, ms",
            Bar::AtMost(20.0),
            lock.map(milliseconds),
        ),
        (
            true,
            "most memory of the daemon in a cycle or a first sync, MiB",
            Bar::AtMost(64.0),
            most_memory(from),
        ),
    ];
    for (_, what, bar, measured) in bars.iter().filter(|(told, ..)| *told) {
        line(text, &format!("{name}: {what}"), bar, *measured);
    }
}

fn most_memory(from: &Measured) -> Option<f64> {
    let ours = from.entries.iter().filter(|entry| entry.name.starts_with("modsync"));
    ours.flat_map(|entry| &entry.samples)
        .map(|sample| mebibytes(sample.here.memory))
        .reduce(f64::max)
}

fn line(text: &mut String, name: &str, bar: &Bar, measured: Option<f64>) {
    let (word, limit, met) = match *bar {
        Bar::AtLeast(limit) => ("at least", limit, measured.map(|value| value >= limit)),
        Bar::AtMost(limit) => ("at most", limit, measured.map(|value| value <= limit)),
    };
    let value = measured.map_or_else(|| "not measured".to_owned(), number);
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "–",
    };
    *text += &format!("| {name} | {word} {} | {value} | {verdict} |\n", number(limit));
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// A duration in milliseconds, for the coarseness of the locks.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
