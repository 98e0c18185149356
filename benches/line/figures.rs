//! Samples, their medians, and how they are written down.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::proxy::Proxy;

/// What one run took. `None`: not a number that means something there.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub took: Duration,
    pub sent: u64,
    pub received: u64,
    pub round_trips: Option<u64>,
}

/// A run that is under way.
pub struct Running<'a> {
    proxy: &'a Proxy,
    since: Instant,
    sent: u64,
    received: u64,
}

impl<'a> Running<'a> {
    pub fn over(proxy: &'a Proxy) -> Self {
        Self {
            proxy,
            sent: proxy.sent(),
            received: proxy.received(),
            since: Instant::now(),
        }
    }

    pub fn end(self, round_trips: Option<u64>) -> Sample {
        Sample {
            took: self.since.elapsed(),
            sent: self.proxy.sent() - self.sent,
            received: self.proxy.received() - self.received,
            round_trips,
        }
    }
}

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
    format!("{:.3} s ({least:.3} to {most:.3})", median(times))
}

/// A file's size.
pub fn megabytes(path: impl AsRef<Path>) -> String {
    format!("{:.1} MB", fs::metadata(path).unwrap().len() as f64 / 1e6)
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
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
    /// What runs over the line cost.
    pub fn of_line(runs: usize) -> Self {
        Self(format!(
            "| over the line, median of {runs} runs (least to most) | time | round trips | bytes sent | bytes received |\n\
             |---|---|---|---|---|\n"
        ))
    }

    /// Single figures.
    pub fn of_figures() -> Self {
        Self("| the programs | |\n|---|---|\n".to_owned())
    }

    pub fn line(&mut self, name: &str, samples: &[Sample]) {
        let times: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
        let trips: Option<Vec<u64>> = samples.iter().map(|sample| sample.round_trips).collect();
        let trips = trips.map_or_else(|| "–".to_owned(), |trips| median(trips).to_string());
        let of = |read: fn(&Sample) -> u64| grouped(median(samples.iter().map(read).collect()));
        self.0 += &format!(
            "| {name} | {} | {trips} | {} | {} |\n",
            seconds(&times),
            of(|sample| sample.sent),
            of(|sample| sample.received)
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

/// What the figures were measured on.
pub struct Machine(String);

impl Machine {
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str, separator: char| {
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(separator));
            value
                .map(|(_, value)| value.trim().trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kilobytes = after(&read("/proc/meminfo"), "MemTotal", ':');
        let kilobytes: f64 = kilobytes.trim_end_matches(" kB").parse().unwrap_or(0.0);
        let load = read("/proc/loadavg");
        Self(format!(
            "Measured on {}: {} with {cores} cores and {:.0} GB, {}, Linux {}, load average {} at the start; at the far \
             end {} and sqlite3 {}.\n",
            jiff::Zoned::now().date(),
            after(&read("/proc/cpuinfo"), "model name", ':'),
            kilobytes / 1e6,
            after(&read("/etc/os-release"), "PRETTY_NAME", '='),
            read("/proc/sys/kernel/osrelease").trim(),
            load.split(' ').next().unwrap_or_default(),
            first_words("ssh", "-V", 1),
            first_words("sqlite3", "--version", 1),
        ))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn first_words(program: &str, argument: &str, words: usize) -> String {
    let output = Command::new(program).arg(argument).output().unwrap();
    // ssh tells its version on standard error.
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    said.split_whitespace()
        .take(words)
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end_matches(',')
        .to_owned()
}

const BEGIN: &str = "<!-- scripts/bench writes from here -->\n";
const END: &str = "<!-- to here -->";

/// Puts the tables into their place in docs/performance.md.
pub fn write_down(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/performance.md has the first mark");
    let (_, after) = rest.split_once(END).expect("docs/performance.md has the second mark");
    fs::write(path, format!("{before}{BEGIN}\n{}\n\n{END}{after}", text.trim())).unwrap();
}
