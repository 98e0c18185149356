//! The laptop's own database as a [`Sql`]: a connection that lives on a thread of its own.

use std::path::Path;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{mpsc, oneshot};

use super::sqlite::{self, OpenMode, StepError};
use super::{Answer, Field, Script, Sql, SqlError, SqlErrorKind, wire};

/// How many rows wait for a slow taker.
const ROWS_AHEAD: usize = 64;
/// How many steps are made before their turn.
const STEPS_AHEAD: usize = 64;

/// A database on this machine. SQLite calls block, so they run on a thread that belongs to the connection.
///
/// Dropping it interrupts what still runs and closes the connection before it returns.
pub struct LocalSql {
    jobs: Option<std_mpsc::Sender<Job>>,
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    steps: mpsc::Receiver<String>,
    rows: mpsc::Sender<Result<Vec<Field>, SqlError>>,
}

impl LocalSql {
    /// Opens a database that is there.
    ///
    /// # Errors
    /// [`SqlErrorKind::CannotOpen`] when it is not there or cannot be read, or what else SQLite says.
    pub async fn open(path: &Path, mode: OpenMode, busy_timeout: Duration) -> Result<Self, SqlError> {
        let action = path.display().to_string();
        let path = path.to_owned();
        let (opened, when_opened) = oneshot::channel();
        let (jobs, queue) = std_mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("local database".to_owned())
            .spawn(move || {
                let connection = match sqlite::open(&path, mode, busy_timeout) {
                    Ok(connection) => connection,
                    Err(error) => {
                        // Nobody to tell: the caller gave up.
                        let _ = opened.send(Err(sqlite::describe(&error, &format!("cannot open {action}"))));
                        return;
                    }
                };
                if opened.send(Ok(connection.get_interrupt_handle())).is_ok() {
                    work(&connection, &action, &queue);
                }
            })
            .map_err(|error| SqlError {
                kind: SqlErrorKind::Other,
                message: format!("cannot start a thread for the local database: {error}"),
            })?;
        let interrupt = when_opened.await.unwrap_or_else(|_| Err(ended()))?;
        Ok(Self {
            jobs: Some(jobs),
            interrupt,
            thread: Some(thread),
        })
    }

    async fn run_to_the_end(&mut self, script: &Script<'_>, answer: &mut Answer<'_>) -> Result<(), SqlError> {
        let (going, steps) = mpsc::channel(STEPS_AHEAD);
        let (rows, mut coming) = mpsc::channel(ROWS_AHEAD);
        let jobs = self.jobs.take().ok_or_else(ended)?;
        jobs.send(Job { steps, rows }).map_err(|_| ended())?;
        let give = async move {
            for step in script.steps() {
                if going.send(step.into_owned()).await.is_err() {
                    // A step failed; the other half hears why.
                    break;
                }
            }
            Ok(())
        };
        let take = async {
            while let Some(row) = coming.recv().await {
                answer(row?)?;
            }
            Ok(())
        };
        tokio::try_join!(give, take)?;
        // Only a run that came to its end leaves the connection usable: any other way out of here ends the thread.
        self.jobs = Some(jobs);
        Ok(())
    }
}

impl Sql for LocalSql {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(self.run_to_the_end(script, answer))
    }

    fn is_open(&self) -> bool {
        self.jobs.is_some()
    }
}

impl Drop for LocalSql {
    fn drop(&mut self) {
        self.jobs = None;
        self.interrupt.interrupt();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its own thread.
            let _ = thread.join();
        }
    }
}

/// Runs scripts until the first error, or until nobody asks any more.
fn work(connection: &Connection, action: &str, queue: &std_mpsc::Receiver<Job>) {
    while let Ok(Job { mut steps, rows }) = queue.recv() {
        while let Some(step) = steps.blocking_recv() {
            let mut sink = |line: &[u8]| {
                let row = wire::decode_row(line).map_err(|error| Some(protocol(action, &error)))?;
                rows.blocking_send(Ok(row)).map_err(|_| None)
            };
            let error = match sqlite::run_step(connection, &step, &mut sink) {
                Ok(()) if rows.is_closed() => None,
                Ok(()) => continue,
                Err(StepError::Sqlite(error)) => Some(sqlite::describe(&error, action)),
                Err(StepError::Sink(error)) => error,
            };
            if let Some(error) = error {
                // Nobody to tell: the caller gave up.
                let _ = rows.blocking_send(Err(error));
            }
            return;
        }
    }
}

fn ended() -> SqlError {
    SqlError {
        kind: SqlErrorKind::Lost,
        message: "the connection to the local database ended with an earlier error".to_owned(),
    }
}

fn protocol(action: &str, error: &wire::WireError) -> SqlError {
    SqlError {
        kind: SqlErrorKind::Protocol,
        message: format!("{action}: {error}"),
    }
}
