//! Everybody writes at once: the site, the laptop's workflows, and cycles without a pause.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rstest::rstest;
use rusqlite::Connection;
use serde_json::Value as Json;

use crate::story::until_equal;
use crate::support::daemon::{Daemon, until};
use crate::support::world::World;

/// A program that writes on its own. Killed when dropped.
pub struct Writer {
    child: Child,
    log: PathBuf,
}

impl Writer {
    /// PHP that reviews a product each so many milliseconds.
    pub fn site(world: &World, every_ms: u32, count: u32) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/site/review.php");
        let mut command = Command::new("php");
        command.arg(script).arg(world.remote());
        Self::start(command, world.path("reviews.log"), every_ms, count)
    }

    /// Python that adds a product each so many milliseconds.
    pub fn laptop(world: &World, every_ms: u32, count: u32) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/workflow.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(world.local());
        Self::start(command, world.path("products.log"), every_ms, count)
    }

    fn start(mut command: Command, log: PathBuf, every_ms: u32, count: u32) -> Self {
        let (every_ms, count) = (every_ms.to_string(), count.to_string());
        command
            .args(["--every-ms", &every_ms, "--count", &count, "--log"])
            .arg(&log);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { child, log }
    }

    /// Whether it still writes.
    pub fn is_writing(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end and gives what it committed.
    pub fn committed(mut self) -> Vec<Json> {
        let status = until("the writer ends", || self.child.try_wait().unwrap());
        assert!(status.success(), "a write was not committed");
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Gone already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every product's last review of a log is what a database has.
pub fn assert_reviewed(database: &Connection, committed: &[Json]) {
    let last: BTreeMap<&str, &Json> = committed.iter().map(|line| (text(line, "url"), line)).collect();
    for (url, line) in last {
        let found: (String, String, String) = database
            .query_row(
                "SELECT p.modesty_status,p.assessed_at,q.review_decision FROM products p JOIN assessment_queue q \
                 ON q.product_url=p.url AND q.review_type='modesty' WHERE p.url=?1",
                [url],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        let (decision, at) = (text(line, "decision").to_owned(), text(line, "assessed_at").to_owned());
        assert_eq!(found, (decision.clone(), at, decision), "{url}");
    }
}

/// The longest that a writer waited for a lock, in milliseconds.
pub fn longest_wait(committed: &[Json]) -> f64 {
    let waits = committed.iter().map(|line| line["waited_ms"].as_f64().unwrap());
    waits.fold(0.0, f64::max)
}

fn text<'a>(line: &'a Json, field: &str) -> &'a str {
    line[field].as_str().unwrap()
}

#[rstest]
#[case::wal("wal")]
#[case::rollback("delete")]
fn no_review_is_lost_or_kept_waiting_while_fifty_cycles_run(#[case] journal_mode: &str) {
    let mut world = World::with_products(120);
    world
        .settings
        .insert("sync", "poll = \"500ms\"\ndebounce = \"100ms\"".to_owned());
    for database in [world.open_local(), world.open_remote()] {
        // Only products with an entry for modesty are reviewed, so that each review has two rows to be found in.
        let entries = "INSERT OR IGNORE INTO assessment_queue(product_url,retailer,category,review_type) \
                       SELECT url,retailer,'dresses','modesty' FROM products";
        database.execute_batch(entries).unwrap();
        database.pragma_update(None, "journal_mode", journal_mode).unwrap();
    }
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();

    let mut site = Writer::site(&world, 20, 600);
    let laptop = Writer::laptop(&world, 50, 150);
    let (mut cycles, mut pulled) = (0, 0);
    while cycles < 50 || site.is_writing() {
        let summary = daemon.sync(&[], 0);
        pulled += summary["pulled"].as_u64().unwrap();
        cycles += 1;
    }
    let (reviews, products) = (site.committed(), laptop.committed());
    until_equal(&world);
    let longest = longest_wait(&reviews);
    println!(
        "{journal_mode}: {cycles} cycles by hand took {pulled} rows; of {} reviews the longest waited {longest} ms, of {} \
         laptop writes {} ms",
        reviews.len(),
        products.len(),
        longest_wait(&products),
    );

    assert_eq!((reviews.len(), products.len()), (600, 150));
    assert!(pulled > 100, "the cycles ran beside the reviews: {pulled}");
    assert_reviewed(&world.open_remote(), &reviews);
    assert_reviewed(&world.open_local(), &reviews);
    assert!(longest < 200.0, "a review waited {longest} ms");
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
    assert_eq!(daemon.until_in_sync()["conflicts"], 0);
}
