//! The figures of `docs/performance.md`: a real sshd, lines of three kinds, real databases of three sizes, and rivals.
//!
//! What is compared runs in turn, so that a machine that is busy for a while is unfair to nobody; medians are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod bars;
mod contest;
mod daemon;
mod download;
mod figures;
mod lock;
mod machine;
mod meter;
mod modsync;
mod place;
mod row;
mod rsync;
#[path = "../../tests/support/mod.rs"]
mod support;
mod whole_file;

use std::fs;
use std::path::Path;
use std::time::Duration;

use ::modsync::demo::data;
use clap::{Parser, ValueEnum};
use contest::Contender;
use tokio::runtime::Runtime;

use bars::Measured;
use daemon::Idle;
use figures::Table;
use place::Kind;
use row::Row;

/// Measures modsync beside its rivals and prints tables.
///
/// By itself: 1,760 products on all lines, then 100,000 on the line of 50 ms and 20 Mbit/s.
#[derive(Parser)]
struct Arguments {
    /// Products in the database; may be given several times. 1760 make 4.4 MB, 100000 make 250 MB, 1000000 2.5 GB.
    #[arg(long)]
    size: Vec<usize>,
    /// Lines; may be given several times.
    #[arg(long, value_enum)]
    line: Vec<Kind>,
    /// What there is to carry; may be given several times.
    #[arg(long, value_enum)]
    row: Vec<Row>,
    /// Who is measured beside modsync; may be given several times.
    #[arg(long, value_enum)]
    rival: Vec<Rival>,
    /// modsync alone.
    #[arg(long, conflicts_with = "rival")]
    alone: bool,
    /// Every size on every line: takes long, and room for a dozen copies of the largest below TMPDIR.
    #[arg(long, conflicts_with_all = ["size", "line", "row"])]
    all: bool,
    /// Runs of each thing that is measured; by itself 5, and 1 for more than 10,000 products.
    #[arg(long)]
    runs: Option<usize>,
    /// How long the idle daemon is watched, in seconds; 0: not at all.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Puts the tables into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Who is measured beside modsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rival {
    /// The whole file down and up.
    WholeFile,
    /// sqlite3_rsync, when it is on the PATH.
    Rsync,
    /// gzip and zstd of the file, for a first sync.
    Compressed,
}

/// A size on a line.
type Spot = (usize, Kind);

impl Arguments {
    fn spots(&self) -> Vec<Spot> {
        let lines = Kind::value_variants();
        let cross = |sizes: &[usize], lines: &[Kind]| -> Vec<Spot> {
            let pairs = sizes
                .iter()
                .flat_map(|&size| lines.iter().map(move |&line| (size, line)));
            pairs.collect()
        };
        if self.all {
            return cross(&[data::PRODUCTS, 100_000, 1_000_000], lines);
        }
        match (self.size.as_slice(), self.line.as_slice()) {
            ([], []) => [cross(&[data::PRODUCTS], lines), vec![(100_000, Kind::Far)]].concat(),
            ([], line) => cross(&[data::PRODUCTS], line),
            (size, []) => cross(size, &[Kind::Far]),
            (size, line) => cross(size, line),
        }
    }

    fn rows(&self) -> &[Row] {
        if self.row.is_empty() {
            Row::value_variants()
        } else {
            &self.row
        }
    }

    fn has(&self, rival: Rival) -> bool {
        !self.alone && (self.rival.is_empty() || self.rival.contains(&rival))
    }

    fn runs(&self, products: usize) -> usize {
        self.runs.unwrap_or(if products > 10_000 { 1 } else { 5 })
    }
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = Runtime::new().unwrap();
    let mut text = machine::Machine::here().to_string();
    text += &format!(
        "Locks are told to {:.1} ms and what one try takes; processor time to 10 ms.\n",
        bars::milliseconds(lock::PAUSE)
    );
    let (mut measured, mut idle, mut tables) = (Vec::new(), Vec::<(usize, Idle)>::new(), String::new());
    let folder = tempfile::tempdir().unwrap();
    for (products, kind) in arguments.spots() {
        let template = folder.path().join(format!("{products}.db"));
        if !template.exists() {
            data::create(&template, products).unwrap();
        }
        let size = fs::metadata(&template).unwrap().len() as f64 / 1e6;
        let runs = arguments.runs(products);
        let entries = side_by_side(&arguments, &runtime, &template, kind, runs);
        tables += &format!(
            "\n### {products} products ({size:.1} MB), {}, {runs} runs\n\n",
            kind.name()
        );
        let mut table = Table::of_line();
        entries.iter().for_each(|entry| table.line(entry));
        tables += &table.to_string();
        if kind == Kind::Far && arguments.idle > 0 {
            let seconds = Duration::from_secs(arguments.idle);
            let (table, needs) = daemon::figures(&runtime, &template, runs, seconds);
            tables += &format!("\n{table}");
            idle.push((products, needs));
        }
        println!("{tables}");
        let own = row::own_size(&template);
        measured.push(Measured {
            products,
            kind,
            entries,
            own,
        });
    }
    text += &format!("\n### Bars\n\n{}{tables}", bars::table(&measured, &idle));
    println!("{text}");
    if arguments.write {
        machine::write_down(&text);
    }
}

fn side_by_side(
    arguments: &Arguments,
    runtime: &Runtime,
    template: &Path,
    kind: Kind,
    runs: usize,
) -> Vec<contest::Entry> {
    let ours = |backup| modsync::Modsync::new(runtime, template, kind, backup);
    let mut contenders: Vec<Box<dyn Contender + '_>> = vec![Box::new(ours(false)), Box::new(ours(true))];
    let rsync = rsync::program().filter(|_| arguments.has(Rival::Rsync));
    if let Some(program) = rsync {
        contenders.push(Box::new(rsync::Rsync::new(runtime, program, template, kind)));
    }
    if arguments.has(Rival::WholeFile) {
        contenders.push(Box::new(whole_file::WholeFile::new(runtime, template, kind)));
    }
    if arguments.has(Rival::Compressed) {
        for program in ["gzip", "zstd"] {
            contenders.push(Box::new(download::Download::new(runtime, template, kind, program)));
        }
    }
    let rows = arguments.rows().iter();
    rows.flat_map(|&row| contest::contest(&mut contenders, row, kind, runs))
        .collect()
}
