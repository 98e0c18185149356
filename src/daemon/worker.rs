//! The task that owns the pair of databases and does one job at a time, so that the loop never waits for a disk or the
//! network.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::errand::Errand;
use crate::control::handler::Response;
use crate::control::types::{CycleSummary, ErrorCode, MovedRows, Outcome, PhaseEvent, SideCounts, SyncRequest};
use crate::cycle::{CycleError, Standing, Syncer, Trigger};

/// The longest wait for the server's answer to "did you change?", which is one round trip behind at most one lock of
/// five seconds. Nothing else is done meanwhile, so a dead line has to be noticed sooner than SSH itself does (30 s).
const LOOK_LIMIT: Duration = Duration::from_secs(15);

/// What the worker can be asked.
pub(super) enum Job<S> {
    /// One cycle, and then the counts that it made stale.
    Sync {
        request: SyncRequest,
        trigger: Trigger,
        /// Count both sides even if nothing moved.
        count: bool,
    },
    /// Whether the local database changed.
    LookLocal,
    /// Whether the server's database changed.
    LookServer,
    /// What the laptop holds.
    CountLocal,
    /// What somebody asked for.
    Errand(Errand),
    /// Close the connection to the server.
    Disconnect,
    /// From now on this pair: the config is new.
    Replace(S),
}

/// What came of a job.
pub(super) enum Done {
    Synced(Result<CycleSummary, CycleError>, Box<Aftermath>),
    LookedLocal(Result<bool, CycleError>),
    LookedServer(Result<bool, CycleError>),
    CountedLocal(Result<SideCounts, CycleError>),
    Answered(Result<Response, CycleError>, Box<Aftermath>),
    Disconnected,
    Replaced,
    /// It was cut off; the connection is closed.
    CutOff,
}

/// What is known after a job that may have written; `None`: not looked at.
#[derive(Default)]
pub(super) struct Aftermath {
    pub local: Option<SideCounts>,
    pub server: Option<SideCounts>,
    pub standing: Option<Standing>,
    /// The rows that a cycle moved.
    pub moved: MovedRows,
}

/// What the worker tells the loop.
pub(super) enum Report {
    /// The cycle entered a phase.
    Phase(PhaseEvent),
    /// The job ended; with the engine at the far end, if a session is open.
    Done(Box<Done>, Option<String>),
}

struct Order<S> {
    job: Job<S>,
    cut_off: oneshot::Receiver<()>,
}

/// The loop's end of the worker.
pub(super) struct Worker<S> {
    orders: mpsc::Sender<Order<S>>,
    reports: mpsc::UnboundedReceiver<Report>,
    task: JoinHandle<()>,
    cut_off: Option<oneshot::Sender<()>>,
}

impl<S: Syncer> Worker<S> {
    /// Starts the task.
    pub fn start(syncer: S) -> Self {
        let (orders, inbox) = mpsc::channel(1);
        let (outbox, reports) = mpsc::unbounded_channel();
        Self {
            orders,
            reports,
            task: tokio::spawn(work(syncer, inbox, outbox)),
            cut_off: None,
        }
    }

    /// Gives it a job; it must have none. `false`: the worker is gone.
    pub fn give(&mut self, job: Job<S>) -> bool {
        let (cut_off, receiver) = oneshot::channel();
        self.cut_off = Some(cut_off);
        let order = Order { job, cut_off: receiver };
        self.orders.try_send(order).is_ok()
    }

    /// The next report; `None`: the worker is gone, which only a panic can bring about.
    pub async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Drops the job that runs where it waits, and closes the connection. It ends with [`Done::CutOff`], or as it would
    /// have if it was just ending.
    pub fn cut_off(&mut self) {
        if let Some(cut_off) = self.cut_off.take() {
            let _ = cut_off.send(()); // it may have just ended
        }
    }

    /// Ends the task wherever it is.
    pub fn abort(&self) {
        self.task.abort();
    }
}

async fn work<S: Syncer>(mut syncer: S, mut inbox: mpsc::Receiver<Order<S>>, outbox: mpsc::UnboundedSender<Report>) {
    while let Some(Order { job, mut cut_off }) = inbox.recv().await {
        let done = tokio::select! {
            biased; // what takes no time, as a new pair, is not lost to a cut
            done = perform(&mut syncer, job, &outbox) => Some(done),
            Ok(()) = &mut cut_off => None,
        };
        let done = done.unwrap_or_else(|| {
            syncer.disconnect();
            Done::CutOff
        });
        if outbox.send(Report::Done(Box::new(done), syncer.engine())).is_err() {
            return;
        }
    }
}

async fn perform<S: Syncer>(syncer: &mut S, job: Job<S>, outbox: &mpsc::UnboundedSender<Report>) -> Done {
    let progress = |phase| {
        let _ = outbox.send(Report::Phase(phase)); // the loop is gone: so are all who would see it
    };
    match job {
        Job::Sync {
            request,
            trigger,
            count,
        } => {
            let result = syncer.sync(&request, trigger, &progress).await;
            let aftermath = look_after(syncer, result.as_ref().ok(), count).await;
            Done::Synced(result, Box::new(aftermath))
        }
        Job::LookLocal => Done::LookedLocal(syncer.look_local().await),
        Job::LookServer => Done::LookedServer(look_server(syncer).await),
        Job::CountLocal => Done::CountedLocal(syncer.count_local().await),
        Job::Errand(errand) => {
            let result = errand.run(syncer, &progress).await;
            let cycle = result.as_ref().ok().and_then(Response::cycle);
            let aftermath = match cycle {
                Some(cycle) => look_after(syncer, Some(cycle), false).await,
                None => Aftermath::default(),
            };
            Done::Answered(result, Box::new(aftermath))
        }
        Job::Disconnect => {
            syncer.disconnect();
            Done::Disconnected
        }
        Job::Replace(new) => {
            syncer.disconnect();
            *syncer = new;
            Done::Replaced
        }
    }
}

/// Counts before the cycle is reported as done, so that a `status` right after `sync-now` tells what it led to. An
/// idle server is not asked: nothing moved, the counts still hold.
async fn look_after<S: Syncer>(syncer: &mut S, cycle: Option<&CycleSummary>, count: bool) -> Aftermath {
    let moved = cycle.is_some_and(|summary| {
        !matches!(summary.outcome, Outcome::Unchanged | Outcome::Planned)
            || count && summary.outcome != Outcome::Planned
    });
    let (mut local, mut server) = (None, None);
    if moved {
        local = logged("count the local rows", syncer.count_local().await);
        server = match syncer.counted_by_cycle() {
            Some(counts) => Some(counts),
            None => logged("count the server's rows", syncer.count_server().await),
        };
    }
    let standing = logged("read what is left out and the conflicts", syncer.standing().await);
    Aftermath {
        local,
        server,
        standing,
        moved: syncer.moved_by_cycle(),
    }
}

fn logged<T>(action: &str, result: Result<T, CycleError>) -> Option<T> {
    result
        .inspect_err(|error| tracing::warn!("cannot {action} after a cycle: {error}"))
        .ok()
}

async fn look_server<S: Syncer>(syncer: &mut S) -> Result<bool, CycleError> {
    match tokio::time::timeout(LOOK_LIMIT, syncer.look_server()).await {
        Ok(result) => result,
        Err(_) => {
            syncer.disconnect();
            Err(CycleError {
                code: ErrorCode::Offline,
                message: format!("cannot ask the server whether it changed: no answer in {LOOK_LIMIT:?}"),
                hint: None,
            })
        }
    }
}
