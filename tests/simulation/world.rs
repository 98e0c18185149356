//! One server, some laptops, and everybody who writes: the files of a run, and what is done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modsync::control::types::{CycleSummary, SyncRequest};
use modsync::cycle::{CycleError, Pair, Syncer as _, Trigger};
use modsync::replica::Sql as _;
use rusqlite::Connection;
use tokio::sync::Notify;

use super::carrier::{Ghost, Schedule, Way, script};
use super::ledger::Ledger;
use super::operations::{self, Program};
use super::scenario::{Event, Fault, Harm, Kind, Place, Scenario, Write};
use super::snapshot::{self, Content};
use super::{additions, files};

/// How much was tried.
pub type Tally = BTreeMap<String, u64>;

pub struct World {
    pub scenario: Scenario,
    folder: tempfile::TempDir,
    /// What the programs on each side have open, the server first.
    connections: Vec<Mutex<Connection>>,
    pub laptops: Vec<Laptop>,
    ledger: Mutex<Ledger>,
    ghosts: Mutex<Vec<Ghost>>,
    tally: Mutex<Tally>,
    /// What is wrong, as soon as it was seen.
    complaints: Mutex<Vec<String>>,
    /// Whether a base was thrown away, so that deleted rows may come back.
    lost_base: Mutex<bool>,
    /// What the databases' schemas hold at first.
    pub objects: BTreeSet<String>,
}

pub struct Laptop {
    /// The daemon's pair, while the daemon runs.
    pair: tokio::sync::Mutex<Option<Pair>>,
    /// Whose turn it is among the cycle's two sides.
    pub turn: tokio::sync::Mutex<()>,
    pub crash: Notify,
    schedule: Mutex<Schedule>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new(scenario: Scenario, parent: &Path) -> Arc<Self> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(parent).unwrap();
        let mut ledger = Ledger::default();
        let connections = files::make(folder.path(), &scenario, &mut ledger);
        let laptops = (0..scenario.laptops).map(|_| Laptop {
            pair: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            crash: Notify::new(),
            schedule: Mutex::default(),
        });
        Arc::new(Self {
            laptops: laptops.collect(),
            objects: snapshot::objects(&connections[0]),
            connections: connections.into_iter().map(Mutex::new).collect(),
            scenario,
            folder,
            ledger: Mutex::new(ledger),
            ghosts: Mutex::default(),
            tally: Mutex::default(),
            complaints: Mutex::default(),
            lost_base: Mutex::default(),
        })
    }

    pub fn sidecars(&self) -> PathBuf {
        self.folder.path().join("sidecars")
    }

    pub fn state(&self, laptop: usize) -> PathBuf {
        self.folder.path().join(format!("state{laptop}"))
    }

    pub fn path(&self, place: Place) -> PathBuf {
        files::database(self.folder.path(), place)
    }

    pub fn connection(&self, place: Place) -> MutexGuard<'_, Connection> {
        locked(&self.connections[index(place)])
    }

    /// Every database, the server's first.
    pub fn places(&self) -> Vec<Place> {
        let laptops = (0..self.scenario.laptops).map(Place::Laptop);
        std::iter::once(Place::Server).chain(laptops).collect()
    }

    pub fn content(&self, place: Place) -> Content {
        snapshot::read(&self.connection(place), &self.scenario.schema).unwrap()
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    pub fn schedule(&self, laptop: usize) -> MutexGuard<'_, Schedule> {
        locked(&self.laptops[laptop].schedule)
    }

    pub fn lost_base(&self) -> bool {
        *locked(&self.lost_base)
    }

    pub fn complain(&self, words: String) {
        locked(&self.complaints).push(words);
    }

    pub fn complaints(&self) -> Vec<String> {
        locked(&self.complaints).clone()
    }

    pub fn tally(&self) -> Tally {
        locked(&self.tally).clone()
    }

    pub fn count(&self, what: &str, number: u64) {
        *locked(&self.tally).entry(what.to_owned()).or_default() += number;
    }

    /// Takes note that a fault happens.
    pub fn note(&self, harm: &Harm) {
        let words = format!("{harm:?}");
        let name = words.split(['(', ' ']).next().unwrap_or_default();
        self.count(&format!("fault: {name}"), 1);
    }

    /// A program's transaction, if the lock and the constraints let it.
    pub fn write(&self, write: &Write) {
        let schema = &self.scenario.schema;
        let place = index(write.place);
        let mut connection = self.connection(write.place);
        let program = Program {
            schema,
            second: write.second + self.scenario.skew[place],
            zone: self.scenario.zones[usize::from(place == 0)] * 3600,
        };
        let before = snapshot::meaning(schema, &snapshot::read(&connection, schema).unwrap());
        if operations::write(&mut connection, &program, &write.changes).is_err() {
            self.count("write refused", 1);
            return;
        }
        let after = snapshot::meaning(schema, &snapshot::read(&connection, schema).unwrap());
        self.ledger().record(schema, &before, &after, &write.describe(schema));
        self.count("write", 1);
        self.count("change", write.changes.len() as u64);
    }

    pub fn take_lock(&self, place: Place) -> bool {
        self.connection(place).execute_batch("BEGIN IMMEDIATE").is_ok()
    }

    pub fn give_lock(&self, place: Place) {
        self.connection(place).execute_batch("ROLLBACK").unwrap();
    }

    pub fn leave(&self, ghost: Ghost) {
        locked(&self.ghosts).push(ghost);
    }

    /// Lets a moment pass for requests whose asker is gone; those whose time has come are run to their end.
    pub async fn haunt(&self) {
        self.let_ghosts_go(1).await;
    }

    async fn let_ghosts_go(&self, moments: usize) {
        let mut waiting = std::mem::take(&mut *locked(&self.ghosts));
        for ghost in &mut waiting {
            ghost.delay = ghost.delay.saturating_sub(moments);
        }
        let (due, rest): (Vec<Ghost>, Vec<Ghost>) = waiting.into_iter().partition(|ghost| ghost.delay == 0);
        locked(&self.ghosts).extend(rest);
        for mut ghost in due {
            // Nobody is there to hear the answer, or the error.
            let _ = ghost.sql.run(&script(&ghost.steps), &mut |_| Ok(())).await;
        }
    }

    pub async fn carry_out(self: &Arc<Self>, event: &Event) {
        match event {
            Event::Write(write) => self.write(write),
            Event::Cycle { laptop, kind, faults } => {
                self.cycle(*laptop, *kind, faults).await;
            }
            Event::Add { place, addition } => {
                self.count("addition to a schema", 1);
                additions::make(&self.connection(*place), &self.scenario.schema, addition).unwrap();
            }
            Event::Restart(laptop) => self.end_daemon(*laptop).await,
            Event::LoseBase { laptop, sidecar } => {
                self.end_daemon(*laptop).await;
                self.let_ghosts_go(usize::MAX).await;
                files::lose_base(&self.state(*laptop), sidecar.then(|| self.sidecars()).as_deref());
                *locked(&self.lost_base) = true;
            }
            Event::ReplaceFile => {
                self.end_daemons().await;
                files::replace(
                    &mut self.connection(Place::Server),
                    &self.path(Place::Server),
                    self.scenario.wal[0],
                );
                *locked(&self.lost_base) = true;
            }
        }
    }

    async fn end_daemon(&self, laptop: usize) {
        *self.laptops[laptop].pair.lock().await = None;
    }

    /// Ends all daemons, and whatever the server still does for them.
    pub async fn end_daemons(&self) {
        for laptop in 0..self.laptops.len() {
            self.end_daemon(laptop).await;
        }
        self.let_ghosts_go(usize::MAX).await;
    }

    /// A whole cycle of a laptop while another one is in the middle of its own.
    pub async fn cycle_in_between(self: &Arc<Self>, laptop: usize) {
        if self.laptops[laptop].pair.try_lock().is_ok() {
            Box::pin(self.cycle(laptop, Kind::Whole, &[])).await;
        }
    }

    /// A cycle with its faults. `None` when the daemon died in it, or when it was no cycle.
    pub async fn cycle(self: &Arc<Self>, laptop: usize, kind: Kind, faults: &[Fault]) -> Option<CycleSummary> {
        let request = SyncRequest {
            pull_only: kind == Kind::PullOnly,
            skip_pull: kind == Kind::SkipPull,
            dry_run: kind == Kind::DryRun,
            allow_deletes: !self.scenario.brakes,
            ..SyncRequest::default()
        };
        self.cycle_as(laptop, kind, &request, faults).await
    }

    /// The same, as it is asked for.
    pub async fn cycle_as(
        self: &Arc<Self>,
        laptop: usize,
        kind: Kind,
        request: &SyncRequest,
        faults: &[Fault],
    ) -> Option<CycleSummary> {
        let (before, ghosts) = (self.both_contents(laptop), locked(&self.ghosts).len());
        let mut slot = self.laptops[laptop].pair.lock().await;
        *self.schedule(laptop) = Schedule::new(faults);
        self.count("cycle", 1);
        let crash = &self.laptops[laptop].crash;
        let done = tokio::select! {
            biased;
            () = crash.notified() => None,
            done = self.run_pair(laptop, &mut slot, kind, request) => Some(done),
        };
        let fired = std::mem::take(&mut *self.schedule(laptop)).fired;
        let reads_only = matches!(kind, Kind::DryRun | Kind::Verify);
        let haunted = locked(&self.ghosts).len() != ghosts;
        if reads_only && fired == 0 && !haunted && before != self.both_contents(laptop) {
            self.complain(format!("a cycle of laptop {laptop} that only reads ({kind:?}) wrote"));
        }
        // What a full disk or a crash leaves behind ends with the process.
        if done.is_none() || faults.iter().any(|fault| matches!(fault.what, Harm::Full { .. })) {
            *slot = None;
        }
        match done {
            None => None,
            Some(Ok(summary)) => summary,
            Some(Err(error)) => {
                self.count("cycle that failed", 1);
                if fired == 0 {
                    self.complain(format!("laptop {laptop}: a cycle without a fault failed: {error}"));
                }
                None
            }
        }
    }

    fn both_contents(&self, laptop: usize) -> [Content; 2] {
        [Place::Laptop(laptop), Place::Server].map(|place| self.content(place))
    }

    async fn run_pair(
        self: &Arc<Self>,
        laptop: usize,
        slot: &mut Option<Pair>,
        kind: Kind,
        request: &SyncRequest,
    ) -> Result<Option<CycleSummary>, CycleError> {
        if slot.is_none() {
            let way = Way {
                world: Arc::downgrade(self),
                laptop,
            };
            let config = files::config(self, laptop);
            *slot = Some(Pair::reached_by(config, Box::new(way)).await?);
        }
        let Some(pair) = slot else { return Ok(None) };
        if kind == Kind::Verify {
            return pair.verify().await.map(|_| None);
        }
        pair.sync(request, Trigger::SyncNow, &|_| ()).await.map(Some)
    }
}

fn index(place: Place) -> usize {
    match place {
        Place::Server => 0,
        Place::Laptop(laptop) => laptop + 1,
    }
}
