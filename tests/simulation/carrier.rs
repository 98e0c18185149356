//! The way to a database, with faults on it: what the real cycle is given in the place of a file and a network.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use modsync::config::Config;
use modsync::cycle::{CycleError, Reach};
use modsync::replica::sqlite::OpenMode;
use modsync::replica::{Answer, LocalSql, Script, Sql, SqlError, SqlErrorKind};
use modsync::ssh::sftp::Sftp;
use modsync::ssh::{
    DatabaseState, Engine, FileFacts, Hello, Link, Opened, Process, SessionError, SessionOptions, Traffic,
    TransportError, TransportErrorKind,
};

use super::scenario::{Fault, Harm, Moment, Place};
use super::world::World;

/// The faults of a cycle, and how far it is.
#[derive(Debug, Default)]
pub struct Schedule {
    faults: VecDeque<Fault>,
    steps: usize,
    transactions: usize,
    /// How many faults have happened.
    pub fired: usize,
}

impl Schedule {
    pub fn new(faults: &[Fault]) -> Self {
        Self {
            faults: faults.iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// What happens at the moment before step `index` of a request; the last moment is after all steps.
    fn due(&mut self, steps: &[String], index: usize) -> Vec<Harm> {
        let now = [Moment::Step(self.steps), Moment::Transaction(self.transactions)];
        self.steps += 1;
        let near = [index.checked_sub(1), Some(index)]
            .into_iter()
            .flatten()
            .filter_map(|near| steps.get(near));
        let at_transaction = near.into_iter().any(|step| is_transaction(step));
        self.transactions += usize::from(at_transaction);
        let now = &now[..if at_transaction { 2 } else { 1 }];
        let faults = std::mem::take(&mut self.faults);
        let (due, rest): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(|fault| now.contains(&fault.moment));
        self.faults = rest.into();
        self.fired += due.len();
        due.into_iter().map(|fault| fault.what).collect()
    }

    /// Whether the server is out of reach this time.
    fn unreachable(&mut self) -> bool {
        let found = self
            .faults
            .iter()
            .position(|fault| matches!(fault.what, Harm::Unreachable));
        if let Some(found) = found {
            self.faults.remove(found);
            self.fired += 1;
        }
        found.is_some()
    }
}

fn is_transaction(step: &str) -> bool {
    ["BEGIN;", "SAVEPOINT", "COMMIT;", "VACUUM"]
        .iter()
        .any(|word| step.starts_with(word))
}

/// A request whose asker is gone, and the server that still works on it.
pub struct Ghost {
    pub sql: LocalSql,
    pub steps: Vec<String>,
    /// After how many moments it goes on.
    pub delay: usize,
}

/// A session with one of the databases, on which faults happen.
struct Carrier {
    inner: Option<LocalSql>,
    world: Arc<World>,
    laptop: usize,
    place: Place,
    /// After how many more rows of an answer the session ends.
    cut: Option<usize>,
}

impl Sql for Carrier {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(async move {
            let world = Arc::clone(&self.world);
            // One side after the other, in the order in which they were asked: so a run can be run again.
            let _turn = world.laptops[self.laptop].turn.lock().await;
            let steps: Vec<String> = script.steps().map(Cow::into_owned).collect();
            self.cut = None;
            let mut done = 0;
            for index in 0..=steps.len() {
                world.haunt().await;
                let due = world.schedule(self.laptop).due(&steps, index);
                for harm in due {
                    // Another fault of this moment may have let a step go already.
                    if done < index {
                        self.forward(&steps[done..index], answer).await?;
                        done = index;
                    }
                    world.note(&harm);
                    done += self.suffer(harm, &steps[done..], answer).await?;
                }
            }
            self.forward(&steps[done..], answer).await
        })
    }

    fn is_open(&self) -> bool {
        self.inner.as_ref().is_some_and(Sql::is_open)
    }
}

impl Carrier {
    /// Runs some steps for real. After an error the session is gone, at once.
    async fn forward(&mut self, steps: &[String], answer: &mut Answer<'_>) -> Result<(), SqlError> {
        let Some(inner) = &mut self.inner else {
            return Err(lost());
        };
        if steps.is_empty() {
            return Ok(());
        }
        let cut = &mut self.cut;
        let mut taker = |row| {
            match cut {
                Some(0) => return Err(lost()),
                Some(left) => *left -= 1,
                None => {}
            }
            answer(row)
        };
        let done = inner.run(&script(steps), &mut taker).await;
        if done.is_err() {
            self.inner = None;
        }
        done
    }

    /// Lets something happen. Says how many of the steps that follow it has run.
    async fn suffer(&mut self, harm: Harm, rest: &[String], answer: &mut Answer<'_>) -> Result<usize, SqlError> {
        match harm {
            Harm::Crash => {
                self.world.laptops[self.laptop].crash.notify_one();
                std::future::pending::<()>().await;
            }
            Harm::Lost => return Err(self.lose()),
            Harm::LostInAnswer(rows) => self.cut = Some(rows),
            Harm::LostButRun(delay) => {
                if let (Place::Server, Some(sql)) = (self.place, self.inner.take()) {
                    let steps = rest.to_vec();
                    self.world.leave(Ghost { sql, steps, delay });
                    self.world.haunt().await;
                }
                return Err(self.lose());
            }
            Harm::Locked => return self.locked(rest, answer).await,
            Harm::Full { base } => {
                let limit = if base {
                    "PRAGMA base.max_page_count=1;"
                } else {
                    "PRAGMA main.max_page_count=1;"
                };
                self.forward(&[limit.to_owned()], answer).await?;
            }
            Harm::Write(write) => self.world.write(&write),
            Harm::Cycle(laptop) => self.world.cycle_in_between(laptop).await,
            Harm::Unreachable => {}
        }
        Ok(0)
    }

    fn lose(&mut self) -> SqlError {
        self.inner = None;
        lost()
    }

    /// Runs the next step while another program holds the write lock.
    async fn locked(&mut self, rest: &[String], answer: &mut Answer<'_>) -> Result<usize, SqlError> {
        let Some(next) = rest.get(..1).filter(|_| self.world.take_lock(self.place)) else {
            return Ok(0);
        };
        let done = self.forward(next, answer).await;
        self.world.give_lock(self.place);
        done.map(|()| 1)
    }
}

pub fn script(steps: &[String]) -> Script<'static> {
    let mut script = Script::new();
    for step in steps {
        script.step(step.clone());
    }
    script
}

fn lost() -> SqlError {
    SqlError {
        kind: SqlErrorKind::Lost,
        message: "the simulated line was cut".to_owned(),
    }
}

/// A laptop's way to its own database and to the server.
pub struct Way {
    pub world: Weak<World>,
    pub laptop: usize,
}

impl Way {
    async fn open(&self, path: &Path, place: Place) -> Result<Box<dyn Sql>, SqlError> {
        // Nobody holds a lock while a step runs, but where the scenario says so: then it is of no use to wait.
        let inner = LocalSql::open(path, OpenMode::ReadWrite, Duration::ZERO).await?;
        Ok(Box::new(Carrier {
            inner: Some(inner),
            world: self.world.upgrade().unwrap(),
            laptop: self.laptop,
            place,
            cut: None,
        }))
    }
}

impl Reach for Way {
    fn open_local<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Box<dyn Sql>, SqlError>> {
        Box::pin(self.open(path, Place::Laptop(self.laptop)))
    }

    fn dial<'a>(&'a self, _: &'a Config) -> BoxFuture<'a, Result<Arc<dyn Link>, CycleError>> {
        Box::pin(async move {
            if self.world.upgrade().unwrap().schedule(self.laptop).unreachable() {
                return Err(no_such_thing().into());
            }
            let way = Way {
                world: Weak::clone(&self.world),
                laptop: self.laptop,
            };
            Ok(Arc::new(Line {
                way,
                traffic: Arc::default(),
            }) as Arc<dyn Link>)
        })
    }
}

/// A connection that carries SQL and nothing else.
struct Line {
    way: Way,
    traffic: Arc<Traffic>,
}

fn no_such_thing() -> TransportError {
    TransportError {
        kind: TransportErrorKind::Unreachable,
        message: "the simulated server cannot be reached".to_owned(),
    }
}

impl Link for Line {
    fn open_session<'a>(&'a self, options: &'a SessionOptions) -> BoxFuture<'a, Result<Opened, SessionError>> {
        Box::pin(async move {
            use std::os::unix::fs::MetadataExt as _;
            let database = Path::new(&options.database);
            let metadata = std::fs::metadata(database).unwrap();
            let sidecars = self.way.world.upgrade().unwrap().sidecars();
            let hello = Hello {
                database: options.database.clone(),
                state: DatabaseState::Present,
                file: Some(FileFacts {
                    device: metadata.dev(),
                    inode: metadata.ino(),
                    uid: 0,
                    gid: 0,
                    mode: 0o600,
                    writable: true,
                }),
                sidecar: sidecars.join(&options.sidecar).to_string_lossy().into_owned(),
                engine: Some(Engine {
                    name: "simulated".to_owned(),
                    version: "1".to_owned(),
                }),
                ..Hello::default()
            };
            Ok((self.way.open(database, Place::Server).await?, hello))
        })
    }

    fn exec<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Process, TransportError>> {
        Box::pin(async { Err(no_such_thing()) })
    }

    fn sftp(&self) -> BoxFuture<'_, Result<Sftp, TransportError>> {
        Box::pin(async { Err(no_such_thing()) })
    }

    fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    fn is_closed(&self) -> bool {
        false
    }
}
