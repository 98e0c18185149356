//! A scripted pair of databases, a clock that tests move, and a daemon between them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use modsync::config::{Backup, Config, Daemon, EngineChoice, History, Local, Log, Remote, Safety, Sync};
use modsync::control::types::{
    AmendReport, BackupList, BackupsAnswer, BackupsRequest, CheckReport, CycleSummary, DiffReport, ErrorCode, Outcome,
    Phase, PhaseEvent, ResolveRequest, SelfTestReport, SideCounts, Status, SyncRequest, UndoRequest, VerifyReport,
};
use modsync::cycle::{CycleError, Progress, Standing, Syncer, Trigger};
use modsync::daemon::{FatalError, Handle, Pairs, Surroundings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What the scripted pair does, and what was done with it.
#[derive(Default)]
pub struct Script {
    pub local_changed: bool,
    pub server_changed: bool,
    /// The server cannot be reached.
    pub offline: bool,
    /// The look at the local database fails.
    pub local_error: Option<CycleError>,
    /// Every cycle fails with this.
    pub cycle_error: Option<CycleError>,
    /// How cycles end.
    pub outcome: Outcome,
    pub cycle_takes: Duration,
    /// A local edit lands while the next cycle runs.
    pub edit_during_cycle: bool,
    /// Cycles, when they started and what started them.
    pub cycles: Vec<(Instant, Trigger, SyncRequest)>,
    pub server_looks: Vec<Instant>,
    pub disconnects: u32,
    /// The databases that pairs were opened for.
    pub opened: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Scripted(Arc<Mutex<Script>>);

pub fn error(code: ErrorCode, message: &str) -> CycleError {
    CycleError {
        code,
        message: message.to_owned(),
        hint: Some(format!("hint for {message}")),
    }
}

impl Scripted {
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    pub fn triggers(&self) -> Vec<Trigger> {
        self.script().cycles.iter().map(|(_, trigger, _)| *trigger).collect()
    }

    fn reach_server(&self) -> Result<(), CycleError> {
        if self.script().offline {
            Err(error(ErrorCode::Offline, "no route to host"))
        } else {
            Ok(())
        }
    }

    /// A cycle with amendments.
    async fn amend(
        &mut self,
        dry_run: bool,
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<AmendReport, CycleError> {
        let request = SyncRequest {
            dry_run,
            ..SyncRequest::default()
        };
        let cycle = self.sync(&request, trigger, progress).await?;
        Ok(AmendReport {
            cycle: CycleSummary {
                started: Some(Timestamp::UNIX_EPOCH),
                ..cycle
            },
            ..AmendReport::default()
        })
    }
}

impl Syncer for Scripted {
    async fn look_local(&mut self) -> Result<bool, CycleError> {
        let mut script = self.script();
        match script.local_error.clone() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut script.local_changed)),
        }
    }

    async fn look_server(&mut self) -> Result<bool, CycleError> {
        self.script().server_looks.push(Instant::now());
        self.reach_server()?;
        Ok(std::mem::take(&mut self.script().server_changed))
    }

    async fn sync(
        &mut self,
        request: &SyncRequest,
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<CycleSummary, CycleError> {
        self.script().cycles.push((Instant::now(), trigger, request.clone()));
        let phase = |phase| PhaseEvent {
            phase,
            done: None,
            total: None,
        };
        progress(phase(Phase::Connect));
        self.reach_server()?;
        progress(phase(Phase::Pull));
        let takes = self.script().cycle_takes;
        tokio::time::sleep(takes).await;
        let mut script = self.script();
        if std::mem::take(&mut script.edit_during_cycle) {
            script.local_changed = true;
        }
        match script.cycle_error.clone() {
            Some(error) => Err(error),
            None => Ok(CycleSummary {
                cycle: Some(i64::try_from(script.cycles.len()).unwrap()),
                outcome: script.outcome,
                reason: (script.outcome == Outcome::Stopped).then(|| "a brake".to_owned()),
                trigger: trigger.as_str().to_owned(),
                ..CycleSummary::default()
            }),
        }
    }

    async fn standing(&mut self) -> Result<Standing, CycleError> {
        Ok(Standing::default())
    }

    async fn check(&mut self) -> Result<CheckReport, CycleError> {
        self.reach_server()?;
        Ok(CheckReport::default())
    }

    async fn diff(&mut self, table: Option<&str>, key: Option<&str>) -> Result<DiffReport, CycleError> {
        self.reach_server()?;
        Ok(DiffReport {
            plan: format!("{table:?} {key:?}"),
            ..DiffReport::default()
        })
    }

    async fn verify(&mut self) -> Result<VerifyReport, CycleError> {
        self.reach_server()?;
        Ok(VerifyReport::default())
    }

    async fn self_test(&mut self, _: &Progress<'_>) -> Result<SelfTestReport, CycleError> {
        self.reach_server()?;
        Ok(SelfTestReport::default())
    }

    async fn backups(
        &mut self,
        _request: &BackupsRequest,
        _progress: &Progress<'_>,
    ) -> Result<BackupsAnswer, CycleError> {
        self.reach_server()?;
        Ok(BackupsAnswer::List(BackupList::default()))
    }

    async fn undo(&mut self, request: &UndoRequest, progress: &Progress<'_>) -> Result<AmendReport, CycleError> {
        self.amend(request.dry_run, Trigger::Undo(request.cycle), progress)
            .await
    }

    async fn resolve(&mut self, request: &ResolveRequest, progress: &Progress<'_>) -> Result<AmendReport, CycleError> {
        self.amend(request.dry_run, Trigger::Resolve, progress).await
    }

    async fn count_local(&mut self) -> Result<SideCounts, CycleError> {
        Ok(SideCounts {
            rows: self.script().cycles.len() as u64,
            ..SideCounts::default()
        })
    }

    async fn count_server(&mut self) -> Result<SideCounts, CycleError> {
        self.count_local().await
    }

    fn counted_by_cycle(&mut self) -> Option<SideCounts> {
        None
    }

    fn disconnect(&mut self) {
        self.script().disconnects += 1;
    }

    fn engine(&self) -> Option<String> {
        Some("scripted 1".to_owned())
    }
}

impl Pairs for Scripted {
    type Syncer = Self;

    async fn open(&self, config: &Config) -> Result<Self, CycleError> {
        self.script().opened.push(config.remote.database.clone());
        Ok(self.clone())
    }
}

/// A machine whose wall clock goes with tokio's, unless it is moved.
#[derive(Clone)]
pub struct Moved {
    start: Instant,
    jump: Arc<AtomicI64>,
    network: Arc<AtomicU8>,
}

impl Moved {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            jump: Arc::default(),
            network: Arc::new(AtomicU8::new(1)),
        }
    }

    pub fn sleep(&self, seconds: i64) {
        self.jump.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn change_network(&self) {
        self.network.fetch_add(1, Ordering::SeqCst);
    }
}

impl Surroundings for Moved {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.start.elapsed()).unwrap();
        let begin = Timestamp::from_second(1_700_000_000).unwrap();
        begin + passed + SignedDuration::from_secs(self.jump.load(Ordering::SeqCst))
    }

    fn address(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::new(10, 0, 0, self.network.load(Ordering::SeqCst)).into())
    }
}

/// A running daemon.
pub struct Running {
    pub handle: Handle,
    pub pair: Scripted,
    pub machine: Moved,
    pub end: JoinHandle<Result<(), FatalError>>,
    pub folder: Arc<TempDir>,
}

impl Running {
    /// A daemon on a pair whose first cycle just ended well.
    pub async fn settled() -> Self {
        let running = Self::start(Scripted::default()).await;
        running
            .until("the first cycle", |status| status.in_sync == Some(true))
            .await;
        running
    }

    pub async fn start(pair: Scripted) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), pair).await
    }

    pub async fn start_in(folder: Arc<TempDir>, pair: Scripted) -> Self {
        let machine = Moved::new();
        let (handle, end) = modsync::daemon::start(config(folder.path()), pair.clone(), machine.clone())
            .await
            .unwrap();
        Self {
            handle,
            pair,
            machine,
            end,
            folder,
        }
    }

    /// Waits for a status like that, or fails and says what the status was instead.
    pub async fn until(&self, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
        let mut statuses = self.handle.watch_status();
        let wait = statuses.wait_for(|status| condition(status));
        match tokio::time::timeout(Duration::from_secs(600), wait).await {
            Ok(status) => status.unwrap().clone(),
            Err(_) => panic!("{what} did not come about; the status is {:#?}", self.handle.status()),
        }
    }

    /// Waits for so many cycles to have started.
    pub async fn until_cycles(&self, count: usize) {
        let wait = async {
            while self.pair.script().cycles.len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(600), wait).await;
        assert!(
            waited.is_ok(),
            "{count} cycles did not start: {:?}",
            self.pair.triggers()
        );
    }

    /// Stops it and gives its folder back.
    pub async fn stop(self) -> Arc<TempDir> {
        self.handle.stop();
        self.end.await.unwrap().unwrap();
        self.folder
    }
}

/// A request for a plain cycle.
pub fn plain() -> SyncRequest {
    SyncRequest::default()
}

/// Lets virtual time pass.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Debounce 2 s, poll 5 s, no schedule.
pub fn config(folder: &Path) -> Config {
    Config {
        local: Local {
            database: folder.join("products.db"),
            timezone: TimeZone::UTC,
        },
        remote: Remote {
            host: "assess".to_owned(),
            user: Some("root".to_owned()),
            port: None,
            identity_file: None,
            proxy_jump: None,
            database: "/srv/products.db".to_owned(),
            engine: EngineChoice::Auto,
            timezone: TimeZone::UTC,
            known_hosts: None,
            password_command: None,
            passphrase_command: None,
            ssh_config: None,
            connect_timeout: Duration::from_secs(10),
        },
        sync: Sync {
            watch: true,
            debounce: Duration::from_secs(2),
            max_delay: Duration::from_secs(30),
            schedule: None,
            poll: Duration::from_secs(5),
        },
        safety: Safety {
            max_delete: 0.25,
            max_answer: 1 << 30,
        },
        backup: Backup {
            enabled: true,
            min_interval: Duration::from_secs(900),
            keep_last: 10,
            keep_daily: 7,
        },
        history: History {
            keep_days: 365,
            max_size: 256 << 20,
        },
        tables: Vec::new(),
        daemon: Daemon {
            name: Some("shop".to_owned()),
            state_dir: folder.join("state"),
            socket: folder.join("run/modsyncd.sock"),
        },
        log: Log {
            level: "info".to_owned(),
            keep_days: 14,
        },
    }
}
