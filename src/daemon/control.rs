//! The daemon's answers to the control socket: its table of contents.

use tokio::sync::broadcast;

use super::Handle;
use super::errand::Errand;
use super::tail;
use crate::control::addressed::Advises as _;
use crate::control::handler::{Handler, LogLines, LogsRequest, Request, Response};
use crate::control::types::{ErrorBody, ErrorCode, Event, ResolveRequest, Unseen};
use crate::cycle::CycleError;

impl Handler for Handle {
    async fn handle(&self, request: Request) -> Result<Response, ErrorBody> {
        let mut answer = answer(self, request).await.map_err(body);
        match &mut answer {
            Ok(response) => response.address_to(self.pair()),
            Err(error) => error.address_to(self.pair()),
        }
        answer
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        Self::events(self)
    }
}

async fn answer(handle: &Handle, request: Request) -> Result<Response, CycleError> {
    match request {
        Request::Status => Ok(Response::Status(Box::new(handle.status()))),
        Request::Sync(request) => handle.sync(request).await.map(|summary| match summary {
            Some(summary) => Response::Cycle(Box::new(summary)),
            None => Response::Queued,
        }),
        Request::Check => handle.errand(Errand::Check).await,
        Request::Diff(request) => handle.errand(Errand::Diff(request)).await,
        Request::Verify => handle.errand(Errand::Verify).await,
        Request::Backups(request) => handle.errand(Errand::Backups(request)).await,
        Request::History(request) => {
            let report = handle.record().list(request).await;
            report.map(|report| Response::History(Box::new(report)))
        }
        Request::Show(cycle, request) => {
            let report = handle.record().show(cycle, request).await;
            report.map(|report| Response::Show(Box::new(report)))
        }
        Request::Undo(request) => handle.errand(Errand::Undo(request)).await,
        Request::Conflicts(request) => {
            let report = handle.record().conflicts(request).await;
            report.map(|report| Response::Conflicts(Box::new(report)))
        }
        Request::Conflict(id) => {
            let record = handle.record().conflict(id).await;
            record.map(|record| Response::Conflict(Box::new(record)))
        }
        Request::Seen(request) => seen(handle, request.ids).await.map(Response::Unseen),
        Request::Resolve(request) => resolve(handle, request).await,
        Request::Pause(request) => {
            let duration = request.for_ms.map(std::time::Duration::from_millis);
            handle
                .pause(duration)
                .await
                .map(|status| Response::Status(Box::new(status)))
        }
        Request::Resume => handle.resume().await.map(|status| Response::Status(Box::new(status))),
        Request::Metrics => Ok(Response::Metrics(
            Box::new(handle.status()),
            Box::new(handle.counters()),
        )),
        Request::SelfTest => handle.errand(Errand::SelfTest).await,
        Request::Doctor => Ok(Response::Doctor(Box::new(handle.doctor().await))),
        Request::Logs(request) => logs(handle, request).await.map(Response::Logs),
    }
}

/// Takes note that somebody has seen conflicts, also in the status.
async fn seen(handle: &Handle, ids: Vec<i64>) -> Result<Unseen, CycleError> {
    let unseen = handle.record().mark_seen(ids).await?;
    handle.tell_unseen(unseen).await?;
    Ok(Unseen { unseen })
}

async fn resolve(handle: &Handle, request: ResolveRequest) -> Result<Response, CycleError> {
    let response = handle.errand(Errand::Resolve(request)).await?;
    // What stood there already is marked without a cycle, after which the status would tell of it.
    handle.tell_unseen(handle.record().unseen().await?).await?;
    Ok(response)
}

async fn logs(handle: &Handle, request: LogsRequest) -> Result<LogLines, CycleError> {
    let folder = handle.log_dir();
    let lines = usize::try_from(request.lines).unwrap_or(usize::MAX);
    tail::read(folder.to_owned(), lines, request.follow)
        .await
        .map_err(|cause| CycleError {
            code: ErrorCode::Failed,
            message: format!("cannot read the log in {}: {cause}", folder.display()),
            hint: None,
        })
}

fn body(error: CycleError) -> ErrorBody {
    ErrorBody {
        code: error.code,
        error: error.message,
        hint: error.hint,
    }
}
