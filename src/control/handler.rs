//! What can be asked over the socket, and who answers: one request enum, one response enum, one trait.
//!
//! The server turns HTTP into a [`Request`] and a [`Response`] into HTTP; the daemon implements [`Handler`] and never
//! sees HTTP. A new verb is a variant here, a route in `routes.rs` and an arm in the daemon's `match`.

use std::future::Future;
use std::pin::Pin;

use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::metrics::Counters;
use super::types::{
    AmendReport, BackupsAnswer, BackupsRequest, CheckReport, ConflictRecord, ConflictsReport, ConflictsRequest,
    CycleReport, CycleSummary, DiffReport, DoctorReport, ErrorBody, Event, HistoryReport, HistoryRequest, PauseRequest,
    ResolveRequest, SeenRequest, SelfTestReport, ShowRequest, Status, SyncRequest, UndoRequest, Unseen, VerifyReport,
};

/// Everything that a client can ask, apart from the event stream ([`Handler::events`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What the daemon knows. Answered at once from memory: no network, no lock that a cycle holds.
    /// Answer: [`Response::Status`].
    Status,
    /// A cycle now, also while paused. Answer: [`Response::Cycle`] once it ended, or with `no_wait`
    /// [`Response::Queued`] once it will run.
    Sync(SyncRequest),
    /// Both sides compared live. Answer: [`Response::Check`].
    Check,
    /// The plan that a cycle would carry out now. Answer: [`Response::Diff`].
    Diff(DiffRequest),
    /// Both sides compared by contents. Answer: [`Response::Verify`].
    Verify,
    /// The server's backups. Answer: [`Response::Backups`].
    Backups(BackupsRequest),
    /// Past cycles. Answered from the record, at once. Answer: [`Response::History`].
    History(HistoryRequest),
    /// One of them, row by row. Answered from the record, at once. Answer: [`Response::Show`].
    Show(i64, ShowRequest),
    /// A cycle taken back on both sides. Answer: [`Response::Amended`] once that is done.
    Undo(UndoRequest),
    /// What both sides changed at once. Answered from the record, at once. Answer: [`Response::Conflicts`].
    Conflicts(ConflictsRequest),
    /// One of these. Answered from the record, at once. Answer: [`Response::Conflict`].
    Conflict(i64),
    /// Somebody has seen conflicts. Answered at once. Answer: [`Response::Unseen`].
    Seen(SeenRequest),
    /// One side's version brought to both. Answer: [`Response::Amended`] once that is done.
    Resolve(ResolveRequest),
    /// No cycle by itself until then. Answer: [`Response::Status`] as it is afterwards.
    Pause(PauseRequest),
    /// The end of a pause. Answer: [`Response::Status`] as it is afterwards.
    Resume,
    /// The numbers for Prometheus. Answer: [`Response::Metrics`].
    Metrics,
    /// The reversible test on both databases. Answer: [`Response::SelfTest`].
    SelfTest,
    /// Each thing that can go wrong, tested; not behind a cycle. Answer: [`Response::Doctor`].
    Doctor,
    /// The daemon's log. Answer: [`Response::Logs`].
    Logs(LogsRequest),
}

/// `GET /v1/diff?table=&key=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffRequest {
    /// Of this table alone; `None`: of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Of this row of the table alone: its key as text. Makes no sense without `table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `GET /v1/logs?follow=&lines=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsRequest {
    /// Whether the answer goes on with new lines until the client leaves.
    pub follow: bool,
    /// How many of the newest lines come first. Default 100.
    pub lines: u32,
}

impl Default for LogsRequest {
    fn default() -> Self {
        Self {
            follow: false,
            lines: 100,
        }
    }
}

/// Lines of the log as they come, oldest first, without their newline.
pub type LogLines = Pin<Box<dyn Stream<Item = String> + Send>>;

/// What a [`Handler`] answers.
pub enum Response {
    /// For `Status`, `Pause` and `Resume`.
    Status(Box<Status>),
    /// For `Sync`: the cycle ended, well or not; its outcome says which.
    Cycle(Box<CycleSummary>),
    /// For `Sync` with `no_wait`: it will run.
    Queued,
    /// For `Check`.
    Check(Box<CheckReport>),
    /// For `Diff`.
    Diff(Box<DiffReport>),
    /// For `Verify`.
    Verify(Box<VerifyReport>),
    /// For `SelfTest`.
    SelfTest(Box<SelfTestReport>),
    /// For `Doctor`.
    Doctor(Box<DoctorReport>),
    /// For `Backups`.
    Backups(Box<BackupsAnswer>),
    /// For `History`.
    History(Box<HistoryReport>),
    /// For `Show`.
    Show(Box<CycleReport>),
    /// For `Undo` and `Resolve`.
    Amended(Box<AmendReport>),
    /// For `Conflicts`.
    Conflicts(Box<ConflictsReport>),
    /// For `Conflict`.
    Conflict(Box<ConflictRecord>),
    /// For `Seen`.
    Unseen(Unseen),
    /// For `Metrics`.
    Metrics(Box<Status>, Box<Counters>),
    /// For `Logs`. Dropped when the client leaves.
    Logs(LogLines),
}

impl Response {
    /// The cycle that the answer tells of, if one was run for it that wrote, or could have.
    #[must_use]
    pub fn cycle(&self) -> Option<&CycleSummary> {
        match self {
            Self::Cycle(cycle) => Some(cycle),
            Self::SelfTest(report) => report.cycle.as_ref(),
            Self::Backups(answer) => answer.cycle(),
            // Where nothing was to be written no cycle was run.
            Self::Amended(report) => Some(&report.cycle).filter(|cycle| cycle.started.is_some()),
            _ => None,
        }
    }
}

/// Who answers requests: the daemon, or a script in tests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// The future is dropped when the client goes away or the server ends: a cycle that runs must not live in it, so
    /// hand the work to the daemon's loop and wait for its answer here. Many may run at once.
    ///
    /// # Errors
    /// What went wrong, for people and with the code that decides the HTTP status and the exit code.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Response, ErrorBody>> + Send;

    /// The events from now on. Send a [`Event::Status`] whenever something that `status` tells changed,
    /// [`Event::Phase`] and [`Event::Cycle`] as they happen; never [`Event::Heartbeat`], which the server adds.
    /// A receiver that lags behind misses events and is given the current status instead.
    fn events(&self) -> broadcast::Receiver<Event>;
}
