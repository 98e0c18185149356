//! Three laptops and a site keep one set of rows, while everybody writes, lines break and daemons are killed.
//!
//! Three real daemons, each with a state folder and a database of its own, and the site's PHP work on one server's database through
//! a real sshd. Rows are inserted, changed and deleted by all four, often the same rows at once and often under the same
//! ids. In the end all four databases are equal, and the oracle looks for every value that was ever committed.
//!
//! `MODSYNC_TRIAL_SECONDS` makes the trial longer, `MODSYNC_TRIAL_SEED` repeats what the dice said (the moments in which it
//! meets the daemons are chance all the same). A trial that fails prints its seed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod backups;
mod dice;
mod house;
mod oracle;
mod party;
mod story;
mod tables;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dice::Dice;
use house::{House, Laptop, NAMES};
use party::{Party, Program, Site};
use support::world::{dump, open, rows, text};
use tables::{contents, create};
use writer::{Write, Writer};

/// How long everything may take to come together once all is quiet.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn four_that_write_at_once_come_together_and_nothing_is_lost() {
    let seed = Dice::seed();
    let seconds = std::env::var("MODSYNC_TRIAL_SECONDS").map_or(25, |text| text.parse().unwrap());
    println!("seed {seed}, {seconds} s");
    let mut dice = Dice::new(seed);
    let house = House::new(create);
    let beginning = contents(&house.database("site"));
    let mut laptops = Vec::new();
    for name in NAMES {
        laptops.push(house.laptop(name, Duration::from_millis(dice.below(15))).await);
    }
    // Before they have met once, nobody can know what was deleted.
    tokio::task::block_in_place(|| laptops.iter().for_each(|laptop| drop(laptop.daemon.until_in_sync())));
    let stop = Arc::new(AtomicBool::new(false));
    let writers = start_writers(&house, &mut dice, &stop);
    let (since, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let faults = tokio::task::block_in_place(|| house.befall(&mut laptops, &mut dice, end, &stop));
    let written: Vec<Write> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let quiet = Instant::now();
    tokio::task::block_in_place(|| until_equal(&house, &laptops));
    println!(
        "wrote for {:.0?}, {faults:?}; equal {:.1?} after the last write",
        quiet - since,
        quiet.elapsed()
    );
    tokio::task::block_in_place(|| a_further_cycle_moves_nothing(&house, &laptops));

    let end = contents(&house.database("site"));
    let records = NAMES.map(|name| house.record(name));
    let account = oracle::judge(&beginning, &written, &end, &records);
    tell(&house, &laptops, &written, end.len());
    println!(
        "of the values that were written, {} stand, {} were replaced by someone who saw them, {} are in the conflicts' record",
        account.stand, account.replaced, account.recorded
    );
    assert!(
        account.complaints.is_empty(),
        "seed {seed}:\n{}",
        story::of_all(&account.complaints, &written, &records)
    );
    assert!(faults.cuts > 0 && faults.kills > 0, "something happened");
}

fn start_writers(house: &House, dice: &mut Dice, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<Vec<Write>>> {
    let start = |name: &'static str| {
        let database = house.database(name);
        let party: Box<dyn Party> = match name {
            "site" => Box::new(Site::on(&database)),
            _ => Box::new(Program::on(&database)),
        };
        let (writer, stop) = (Writer::new(name, party, dice.split()), Arc::clone(stop));
        std::thread::spawn(move || writer.until(&stop))
    };
    NAMES.into_iter().chain(["site"]).map(start).collect()
}

/// Waits until all four databases hold the same rows in every table, value by value, and nobody helps.
fn until_equal(house: &House, laptops: &[Laptop]) {
    let deadline = Instant::now() + PATIENCE;
    let all = || {
        let paths = NAMES.into_iter().chain(["site"]).map(|name| house.database(name));
        paths.map(|path| dump(&open(&path))).collect::<Vec<_>>()
    };
    loop {
        let contents = all();
        if contents.iter().all(|other| *other == contents[0]) {
            break;
        }
        if Instant::now() > deadline {
            for laptop in laptops {
                let (status, plan) = (laptop.daemon.status(), laptop.daemon.ctl(&["diff"]));
                println!("{}: {status:#}\n{plan:?}\n{}", laptop.name, last_lines(&laptop.log()));
            }
            panic!("not equal after {PATIENCE:?}:\n{}", differences(&contents));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for name in NAMES.into_iter().chain(["site"]) {
        let connection = open(&house.database(name));
        assert_eq!(rows(&connection, "PRAGMA integrity_check"), [text("ok")], "{name}");
        assert_eq!(rows(&connection, "PRAGMA foreign_key_check"), [""; 0], "{name}");
    }
}

fn differences(contents: &[BTreeMap<String, Vec<String>>]) -> String {
    let mut told = String::new();
    for (table, site) in &contents[3] {
        for (name, laptop) in NAMES.iter().zip(contents) {
            let extra = |a: &[String], b: &[String]| a.iter().filter(|row| !b.contains(row)).count();
            let theirs = &laptop[table];
            told += &format!(
                "{table}: {} rows of {name}'s alone, {} of the site's alone\n",
                extra(theirs, site),
                extra(site, theirs)
            );
        }
    }
    told
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn a_further_cycle_moves_nothing(house: &House, laptops: &[Laptop]) {
    let before = dump(&open(&house.database("site")));
    for laptop in laptops {
        let (_, done) = laptop.daemon.json(&["sync-now", "--no-backup"]);
        assert_eq!(done["outcome"], "unchanged", "{}: {done:#}", laptop.name);
        for count in ["pulled", "pushed", "deleted", "conflicts", "held"] {
            assert_eq!(done[count], 0, "{}: {count}: {done:#}", laptop.name);
        }
        assert_eq!(laptop.daemon.ctl(&["verify"]).code, 0, "{}", laptop.name);
    }
    assert_eq!(dump(&open(&house.database("site"))), before);
}

/// The figures.
fn tell(house: &House, laptops: &[Laptop], written: &[Write], rows_in_the_end: usize) {
    let mut by: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for write in written {
        let kind = match (&write.before, &write.after) {
            (None, _) => 0,
            (_, Some(_)) => 1,
            (_, None) => 2,
        };
        by.entry(write.by).or_default()[kind] += 1;
    }
    for (name, [inserts, updates, deletes]) in by {
        println!("{name}: {inserts} inserts, {updates} updates, {deletes} deletes");
    }
    for laptop in laptops {
        let anew = laptop.log().matches("comparing all rows").count();
        println!(
            "{}: {}, {anew} times without a base",
            laptop.name,
            of_record(&house.record(laptop.name))
        );
    }
    println!("{rows_in_the_end} rows in the end");
}

fn of_record(record: &Path) -> String {
    let connection = open(record);
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    format!(
        "{} cycles ({} interrupted), {} rows moved, {} conflicts",
        count("SELECT count(*) FROM cycle"),
        count("SELECT count(*) FROM cycle WHERE json_extract(summary,'$.outcome')='interrupted'"),
        count("SELECT count(*) FROM move"),
        count("SELECT count(*) FROM conflict")
    )
}
