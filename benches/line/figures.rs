//! Medians, and how they are written down.

use std::fmt;
use std::time::Duration;

use crate::contest::Entry;
use crate::meter::Sample;

/// The middle one; of an even number the lower of the two.
pub fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[(values.len() - 1) / 2]
}

/// "0.152 s (0.148 to 0.171)": the median, the least and the most.
pub fn seconds(times: &[Duration]) -> String {
    let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    times.sort_by(f64::total_cmp);
    let (least, most) = (times[0], times[times.len() - 1]);
    if times.len() == 1 {
        return format!("{least:.3} s");
    }
    format!("{:.3} s ({least:.3} to {most:.3})", median(times))
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A table in Markdown.
pub struct Table(String);

impl Table {
    /// What runs over a line cost.
    pub fn of_line() -> Self {
        Self(
            "| what, and by whom | time | round trips | bytes sent | bytes received | CPU here, there | peak memory here, there \
             | server locked |\n|---|---|---|---|---|---|---|---|\n"
                .to_owned(),
        )
    }

    /// Single figures.
    pub fn of_figures() -> Self {
        Self("| the programs | |\n|---|---|\n".to_owned())
    }

    pub fn line(&mut self, entry: &Entry) {
        let samples = &entry.samples;
        let times: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
        let trips: Option<Vec<u64>> = samples.iter().map(|sample| sample.round_trips).collect();
        let trips = trips.map_or_else(|| "–".to_owned(), |trips| median(trips).to_string());
        let bytes = |read: fn(&Sample) -> u64| grouped(median(samples.iter().map(read).collect()));
        let cpu = |read: fn(&Sample) -> Duration| median(samples.iter().map(read).collect()).as_secs_f64();
        let memory = |read: fn(&Sample) -> u64| median(samples.iter().map(read).collect()) / 1_048_576;
        let lock = entry
            .lock
            .map_or_else(|| "–".to_owned(), |lock| format!("{:.1} ms", lock.as_secs_f64() * 1e3));
        self.0 += &format!(
            "| {}: {} | {} | {trips} | {} | {} | {:.2} s, {:.2} s | {} MiB, {} MiB | {lock} |\n",
            entry.row.name(),
            entry.name,
            seconds(&times),
            bytes(|sample| sample.sent),
            bytes(|sample| sample.received),
            cpu(|sample| sample.here.cpu),
            cpu(|sample| sample.there.cpu),
            memory(|sample| sample.here.memory),
            memory(|sample| sample.there.memory),
        );
    }

    pub fn figure(&mut self, name: &str, value: impl fmt::Display) {
        self.0 += &format!("| {name} | {value} |\n");
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
