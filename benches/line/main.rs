//! The figures of `docs/performance.md`: a real sshd, a line of 50 ms round trip and 20 Mbit/s, two real databases.
//!
//! What is compared runs in turn, so that a machine that is busy for a while is unfair to nobody; medians are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod cycle;
mod daemon;
mod figures;
#[path = "../../tests/support/mod.rs"]
mod support;
mod whole_file;

use std::time::Duration;

use clap::Parser;
use figures::{Machine, Table};
use support::proxy::{Line, Proxy};
use support::world::World;
use tokio::runtime::Runtime;

/// Measures modsync on a long line, beside the way of copying the whole file, and prints tables.
#[derive(Parser)]
struct Arguments {
    /// Products in the database; may be given several times. 1760 make 4.4 MB.
    #[arg(long, default_values_t = [modsync::demo::data::PRODUCTS])]
    products: Vec<usize>,
    /// Runs of each thing that is measured.
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// How long the idle daemon is watched, in seconds.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Puts the tables into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = Runtime::new().unwrap();
    let mut text = Machine::here().to_string();
    for &products in &arguments.products {
        let size = figures::megabytes(World::with_products(products).local());
        let line = side_by_side(&runtime, products, arguments.runs);
        let resident = daemon::figures(&runtime, products, arguments.runs, Duration::from_secs(arguments.idle));
        text += &format!("\n### {products} products, {size}\n\n{line}\n{resident}");
        println!("{text}");
    }
    if arguments.write {
        figures::write_down(&text);
    }
}

/// A database pair of its own behind a line of its own.
fn far_world(runtime: &Runtime, products: usize) -> (World, Proxy) {
    let mut world = World::with_products(products);
    let proxy = runtime.block_on(Proxy::to(world.port, Line::far()));
    world.port = proxy.port();
    (world, proxy)
}

/// A cycle, a look and the whole-file way, in turn, over lines of the same kind.
fn side_by_side(runtime: &Runtime, products: usize, runs: usize) -> Table {
    let mut ours = cycle::Open::new(runtime, products);
    let mut whole = whole_file::WholeFile::new(runtime, products);
    let mut rows = [(); 5].map(|()| Vec::new());
    for _ in 0..runs {
        rows[0].push(ours.cycle(false));
        rows[1].push(ours.cycle(true));
        rows[2].push(ours.look());
        rows[3].push(cycle::first(runtime, products));
        rows[4].push(whole.run());
    }
    let names = [
        "a cycle, 5 reviews and 7 new products with their queue entries",
        "the same with a backup",
        "a look that finds nothing",
        "the first sync of two full databases, connecting included",
        "the whole file down, merged, backed up, up again",
    ];
    let mut table = Table::of_line(runs);
    for (name, samples) in names.iter().zip(&rows) {
        table.line(name, samples);
    }
    table
}
