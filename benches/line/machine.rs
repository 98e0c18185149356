//! What the figures were measured on, and where they are written down.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::rsync;

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
             end {} and sqlite3 {}; {}, {}; sqlite3_rsync {}.\n",
            jiff::Zoned::now().date(),
            after(&read("/proc/cpuinfo"), "model name", ':'),
            kilobytes / 1e6,
            after(&read("/etc/os-release"), "PRETTY_NAME", '='),
            read("/proc/sys/kernel/osrelease").trim(),
            load.split(' ').next().unwrap_or_default(),
            first_words("ssh", "-V", 1),
            first_words("sqlite3", "--version", 1),
            first_line("gzip"),
            first_line("zstd"),
            rsync::program().map_or_else(
                || "is not on the PATH".to_owned(),
                |program| format!("of {}", first_words(program.to_str().unwrap(), "--version", 1))
            ),
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

fn first_line(program: &str) -> String {
    let output = Command::new(program).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .next()
        .unwrap_or_default()
        .trim_matches(['*', ' ', ','])
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
