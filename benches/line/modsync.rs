//! modsync as it is used: a resident `modsyncd`, and cycles that are asked for over its socket.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ::modsync::control::client::{Client, Synced};
use ::modsync::control::types::{CycleSummary, Outcome, Status, SyncRequest};
use tokio::runtime::Runtime;

use crate::contest::{Contender, Run};
use crate::meter::{Here, Sample};
use crate::place::{Kind, Place};
use crate::row::Row;
use crate::support::world::World;

/// How long the daemon may take to reach what is waited for: the first sync of the largest database on the worst line.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Two databases that agree, and the daemon between them.
pub struct Modsync<'a> {
    runtime: &'a Runtime,
    kind: Kind,
    template: &'a Path,
    backup: bool,
    standing: Option<(Daemon, Place)>,
}

impl<'a> Modsync<'a> {
    pub fn new(runtime: &'a Runtime, template: &'a Path, kind: Kind, backup: bool) -> Self {
        Self {
            runtime,
            kind,
            template,
            backup,
            standing: None,
        }
    }

    fn first(&self, row: Row, cut: Option<Duration>) -> Run {
        let make = if row == Row::Meet {
            Place::full
        } else {
            Place::without_laptop
        };
        let place = make(self.runtime, self.template, self.kind);
        row.happen(&place.world);
        let running = place.running(Here::Started);
        let mut daemon = None;
        let ((), cut) = place.with_cut(cut, || {
            let started = daemon.insert(Daemon::start(self.runtime, &place.world));
            started.until(self.runtime, |status| status.in_sync == Some(true));
        });
        let sample = running.end_after(|| drop(daemon));
        place.assert_same(&place.world.local());
        Run { sample, cut }
    }

    fn cycle(&mut self, row: Row, cut: Option<Duration>) -> Run {
        let (daemon, place) = self.standing.get_or_insert_with(|| {
            let place = Place::full(self.runtime, self.template, self.kind);
            let daemon = Daemon::start(self.runtime, &place.world);
            daemon.until(self.runtime, |status| status.in_sync == Some(true));
            (daemon, place)
        });
        row.happen(&place.world);
        place.wait_for_quiet();
        let request = SyncRequest {
            no_backup: !self.backup,
            ..SyncRequest::default()
        };
        let running = place.running(Here::Process(daemon.id()));
        let (done, was_cut) = place.with_cut(cut, || daemon.sync(self.runtime, &request, cut.is_some()));
        let mut sample = running.end_after(|| ());
        if !was_cut {
            let expected = if row.moves() == (0, 0) {
                Outcome::Unchanged
            } else {
                Outcome::Synced
            };
            assert_eq!(
                (done.outcome, (done.pulled, done.pushed)),
                (expected, row.moves()),
                "{done:?}"
            );
            sample.round_trips = Some(done.round_trips);
        }
        place.wait_for_quiet();
        place.assert_same(&place.world.local());
        Run { sample, cut: was_cut }
    }
}

impl Contender for Modsync<'_> {
    fn name(&self) -> &'static str {
        if self.backup {
            "modsync, with a backup"
        } else {
            "modsync"
        }
    }

    fn takes(&self, row: Row) -> bool {
        !self.backup || matches!(row, Row::Twelve | Row::Many)
    }

    fn run(&mut self, row: Row, cut: Option<Duration>) -> Run {
        match row {
            Row::First | Row::Meet => self.first(row, cut),
            _ => self.cycle(row, cut),
        }
    }

    fn server(&self) -> Option<&Place> {
        self.standing.as_ref().map(|(_, place)| place)
    }
}

/// A running `modsyncd`. Ended when dropped.
pub struct Daemon {
    child: Child,
    client: Client,
    pub first_answer: Duration,
}

impl Daemon {
    pub fn start(runtime: &Runtime, world: &World) -> Self {
        let config = world.config_file();
        let since = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_modsyncd"))
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(fs::File::create(world.path("modsyncd.err")).unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Self {
            child,
            client: Client::new(world.socket(), Some(LIMIT)),
            first_answer: Duration::ZERO,
        };
        daemon.until(runtime, |_| true);
        daemon.first_answer = since.elapsed();
        daemon
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn until(&self, runtime: &Runtime, condition: impl Fn(&Status) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            match runtime.block_on(self.client.status()) {
                Ok(status) if condition(&status) => return,
                answer => assert!(Instant::now() < deadline, "{answer:?}"),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// A cycle; asked for again when the line was cut, if that is to be expected.
    fn sync(&self, runtime: &Runtime, request: &SyncRequest, may_fail: bool) -> CycleSummary {
        for _ in 0..100 {
            match runtime.block_on(self.client.sync(request, |_| ())) {
                Ok(Synced::Ended(done)) if matches!(done.outcome, Outcome::Synced | Outcome::Unchanged) => {
                    return *done;
                }
                failed => assert!(may_fail, "{failed:?}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("a hundred cycles after a cut, and none came through");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sample {
    /// Bytes both ways.
    pub fn carried(&self) -> u64 {
        self.sent + self.received
    }
}
