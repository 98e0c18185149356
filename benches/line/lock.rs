//! For how long nobody else can write into the server's database, seen by one who tries.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// The pause between two tries. A lock is told longer than it was by at most this and what a try takes, or shorter by as
/// much; one that is shorter than this may not be seen at all.
pub const PAUSE: Duration = Duration::from_micros(200);

/// A second writer that tries to begin, over and over, and never waits.
pub struct Prober {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Prober {
    pub fn at(database: &Path) -> Self {
        let connection = Connection::open(database).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = thread::spawn(move || probe(&connection, &until));
        Self { stop, thread }
    }

    /// The longest time for which it was refused.
    pub fn longest(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn probe(connection: &Connection, stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    let mut refused: Option<Instant> = None;
    while !stop.load(Ordering::SeqCst) {
        let now = Instant::now();
        match connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
            Ok(()) => {
                if let Some(since) = refused.take() {
                    longest = longest.max(since.elapsed());
                }
            }
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                // A refused BEGIN leaves no transaction behind.
                refused.get_or_insert(now);
            }
            Err(error) => panic!("the server's database, while something runs: {error}"),
        }
        thread::sleep(PAUSE);
    }
    longest
}
