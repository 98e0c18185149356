//! The client's end of the control socket: one method a request, each with a deadline.
//!
//! Nothing here hangs. Short calls have seconds. Long ones (a sync over a slow line takes minutes) are watched: the
//! daemon's heartbeats come on a second connection, and a daemon that falls silent ends the call within seconds.
//!
//! Every error is an [`ErrorBody`]: what the daemon said, or what kept it from saying anything.

mod lines;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until, timeout};

use super::handler::{DiffRequest, LogsRequest};
use super::types::{
    AmendReport, BackupInfo, BackupList, CheckReport, ConflictRecord, ConflictsReport, ConflictsRequest, CycleReport,
    CycleSummary, DiffReport, DoctorReport, ErrorBody, ErrorCode, Event, HistoryReport, HistoryRequest, PauseRequest,
    PruneReport, PruneRequest, ResolveRequest, RestoreReport, RestoreRequest, SeenRequest, SelfTestReport, ShowRequest,
    Status, SyncRequest, UndoRequest, Unseen, VerifyBackups, VerifyReport,
};
pub use lines::{Events, Logs};
use wire::Call;
pub use wire::ended;

/// For requests that the daemon answers from memory.
const SHORT: Duration = Duration::from_secs(5);
/// For requests that read the server's database.
const READING: Duration = Duration::from_secs(5 * 60);
/// For an examination, which takes less than five seconds by itself.
const EXAMINING: Duration = Duration::from_secs(8);
/// For a cycle.
const SYNCING: Duration = Duration::from_secs(10 * 60);
/// Once the daemon says that it ends, running requests have two seconds there; after these it is given up.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Speaks to one daemon. Holds no connection between calls.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    timeout: Option<Duration>,
}

/// What `sync` comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Synced {
    /// The cycle ended; its outcome says how.
    Ended(Box<CycleSummary>),
    /// It was asked for with `no_wait` and will run.
    Queued,
}

impl Client {
    /// A client of the daemon that listens at `socket`. `timeout` replaces the deadline that each call has by itself.
    #[must_use]
    pub fn new(socket: PathBuf, timeout: Option<Duration>) -> Self {
        Self { socket, timeout }
    }

    /// What the daemon knows. Five seconds.
    ///
    /// # Errors
    /// See the module: so for every call.
    pub async fn status(&self) -> Result<Status, ErrorBody> {
        self.short(Call::get("/v1/status")).await
    }

    /// A cycle now; `on_event` hears what happens meanwhile. Ten minutes.
    ///
    /// # Errors
    /// See the module. A cycle that ran and failed is no error: its outcome says so.
    pub async fn sync(&self, request: &SyncRequest, on_event: impl FnMut(&Event)) -> Result<Synced, ErrorBody> {
        let call = Call::post("/v1/sync", request)?;
        if request.no_wait {
            let _: serde::de::IgnoredAny = self.short(call).await?;
            return Ok(Synced::Queued);
        }
        self.watched(call, SYNCING, on_event).await.map(Synced::Ended)
    }

    /// Both sides compared live. Five minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn check(&self) -> Result<CheckReport, ErrorBody> {
        self.watched(Call::get("/v1/check"), READING, |_| {}).await
    }

    /// The plan that a cycle would carry out. Five minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn diff(&self, request: &DiffRequest) -> Result<DiffReport, ErrorBody> {
        self.watched(Call::query("/v1/diff", request)?, READING, |_| {}).await
    }

    /// Both sides compared by contents. Five minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn verify(&self) -> Result<VerifyReport, ErrorBody> {
        self.watched(Call::get("/v1/verify"), READING, |_| {}).await
    }

    /// The reversible test on both databases; `on_event` hears its cycles. Ten minutes.
    ///
    /// # Errors
    /// See the module. A test that ran and failed is no error: its report says so.
    pub async fn self_test(&self, on_event: impl FnMut(&Event)) -> Result<SelfTestReport, ErrorBody> {
        let call = Call::new(Method::POST, "/v1/self-test");
        self.watched(call, SYNCING, on_event).await
    }

    /// Each thing that can go wrong, tested: under five seconds there, eight here.
    ///
    /// # Errors
    /// See the module.
    pub async fn doctor(&self) -> Result<DoctorReport, ErrorBody> {
        let call = Call::get("/v1/doctor");
        self.limited(EXAMINING, &call, call.fetch(&self.socket)).await
    }

    /// The server's backups. Five minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn backups(&self) -> Result<BackupList, ErrorBody> {
        self.watched(Call::get("/v1/backups"), READING, |_| {}).await
    }

    /// A backup now. Ten minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn create_backup(&self) -> Result<BackupInfo, ErrorBody> {
        let call = Call::new(Method::POST, "/v1/backups/create");
        self.watched(call, SYNCING, |_| {}).await
    }

    /// Backups looked through. Ten minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn verify_backups(&self, request: &VerifyBackups) -> Result<BackupList, ErrorBody> {
        let call = Call::post("/v1/backups/verify", request)?;
        self.watched(call, SYNCING, |_| {}).await
    }

    /// Rows brought back from a backup; `on_event` hears what happens meanwhile. Ten minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn restore(
        &self,
        request: &RestoreRequest,
        on_event: impl FnMut(&Event),
    ) -> Result<RestoreReport, ErrorBody> {
        let call = Call::post("/v1/backups/restore", request)?;
        self.watched(call, SYNCING, on_event).await
    }

    /// Old backups removed. Five minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn prune_backups(&self, request: &PruneRequest) -> Result<PruneReport, ErrorBody> {
        let call = Call::post("/v1/backups/prune", request)?;
        self.watched(call, READING, |_| {}).await
    }

    /// Past cycles. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn history(&self, request: &HistoryRequest) -> Result<HistoryReport, ErrorBody> {
        self.short(Call::query("/v1/history", request)?).await
    }

    /// One cycle, row by row. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn show(&self, cycle: i64, request: &ShowRequest) -> Result<CycleReport, ErrorBody> {
        self.short(Call::query(&format!("/v1/history/{cycle}"), request)?).await
    }

    /// A cycle taken back; `on_event` hears what happens meanwhile. Ten minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn undo(&self, request: &UndoRequest, on_event: impl FnMut(&Event)) -> Result<AmendReport, ErrorBody> {
        self.watched(Call::post("/v1/undo", request)?, SYNCING, on_event).await
    }

    /// What both sides changed at once. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn conflicts(&self, request: &ConflictsRequest) -> Result<ConflictsReport, ErrorBody> {
        self.short(Call::query("/v1/conflicts", request)?).await
    }

    /// One of these. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn conflict(&self, id: i64) -> Result<ConflictRecord, ErrorBody> {
        self.short(Call::get(&format!("/v1/conflicts/{id}"))).await
    }

    /// Somebody has seen conflicts. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn seen(&self, request: &SeenRequest) -> Result<Unseen, ErrorBody> {
        self.short(Call::post("/v1/conflicts/seen", request)?).await
    }

    /// One side's version brought to both; `on_event` hears what happens meanwhile. Ten minutes.
    ///
    /// # Errors
    /// See the module.
    pub async fn resolve(
        &self,
        request: &ResolveRequest,
        on_event: impl FnMut(&Event),
    ) -> Result<AmendReport, ErrorBody> {
        let call = Call::post("/v1/conflicts/resolve", request)?;
        self.watched(call, SYNCING, on_event).await
    }

    /// No cycle by itself for a while. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn pause(&self, request: &PauseRequest) -> Result<Status, ErrorBody> {
        self.short(Call::post("/v1/pause", request)?).await
    }

    /// The end of a pause. Five seconds.
    ///
    /// # Errors
    /// See the module.
    pub async fn resume(&self) -> Result<Status, ErrorBody> {
        self.short(Call::new(Method::POST, "/v1/resume")).await
    }

    /// The event stream; its first event is the current status. Five seconds to begin.
    ///
    /// # Errors
    /// See the module.
    pub async fn events(&self) -> Result<Events, ErrorBody> {
        let call = Call::get("/v1/events");
        self.limited(SHORT, &call, call.stream(&self.socket))
            .await
            .map(Events::new)
    }

    /// The daemon's log. Five seconds to begin; a log that is followed is watched like a long call.
    ///
    /// # Errors
    /// See the module.
    pub async fn logs(&self, request: &LogsRequest) -> Result<Logs, ErrorBody> {
        let call = Call::query("/v1/logs", request)?;
        let body = self.limited(SHORT, &call, call.stream(&self.socket)).await?;
        let watch = if request.follow {
            Some(self.events().await?)
        } else {
            None
        };
        Ok(Logs::new(body, watch))
    }

    /// A call that the daemon answers from memory.
    async fn short<T: DeserializeOwned>(&self, call: Call) -> Result<T, ErrorBody> {
        self.limited(SHORT, &call, call.fetch(&self.socket)).await
    }

    /// A call that may take long, and fails soon all the same when the daemon dies.
    async fn watched<T: DeserializeOwned>(
        &self,
        call: Call,
        limit: Duration,
        mut on_event: impl FnMut(&Event),
    ) -> Result<T, ErrorBody> {
        let mut events = self.events().await?;
        let answer = self.limited(limit, &call, call.fetch(&self.socket));
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                event = events.next() => match event? {
                    Some(event) => on_event(&event),
                    None => break,
                }
            }
        }
        let patience = Instant::now() + LAST_WORDS;
        tokio::select! {
            answer = &mut answer => answer,
            () = sleep_until(patience) => Err(ended()),
        }
    }

    /// The future, within the deadline.
    async fn limited<T>(
        &self,
        usual: Duration,
        call: &Call,
        work: impl Future<Output = Result<T, ErrorBody>>,
    ) -> Result<T, ErrorBody> {
        let limit = self.timeout.unwrap_or(usual);
        timeout(limit, work).await.unwrap_or_else(|_| {
            Err(ErrorBody {
                code: ErrorCode::Timeout,
                error: format!("wait for the answer to {call}: none came within {} s", limit.as_secs_f64()),
                hint: Some("what the daemon has begun goes on; `modsyncctl status` and `logs` tell more, --timeout waits longer".to_owned()),
            })
        })
    }
}
