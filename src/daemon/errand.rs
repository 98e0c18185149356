//! What the pair is asked for apart from cycles of its own: one variant a request, and what each one calls.

use crate::control::handler::{DiffRequest, Response};
use crate::control::types::BackupsRequest;
use crate::control::types::{AmendReport, ResolveRequest, UndoRequest};
use crate::cycle::{CycleError, Progress, Syncer};

/// A request that needs the pair, and waits until the worker is free for it.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// See [`Syncer::check`].
    Check,
    /// See [`Syncer::diff`].
    Diff(DiffRequest),
    /// See [`Syncer::verify`].
    Verify,
    /// See [`Syncer::self_test`].
    SelfTest,
    /// See [`Syncer::backups`].
    Backups(BackupsRequest),
    /// See [`Syncer::undo`].
    Undo(UndoRequest),
    /// See [`Syncer::resolve`].
    Resolve(ResolveRequest),
}

impl Errand {
    /// Whether it may write to the databases: then it counts as a cycle.
    pub fn writes(&self) -> bool {
        match self {
            Self::Check | Self::Diff(_) | Self::Verify => false,
            Self::SelfTest => true,
            Self::Backups(request) => request.writes(),
            Self::Undo(request) => !request.dry_run,
            Self::Resolve(request) => !request.dry_run,
        }
    }

    /// Runs it. `progress` hears the phases of what counts as a cycle.
    pub async fn run<S: Syncer>(self, syncer: &mut S, progress: &Progress<'_>) -> Result<Response, CycleError> {
        match self {
            Self::Check => syncer.check().await.map(|report| Response::Check(Box::new(report))),
            Self::Diff(DiffRequest { table, key }) => {
                let report = syncer.diff(table.as_deref(), key.as_deref()).await;
                report.map(|report| Response::Diff(Box::new(report)))
            }
            Self::SelfTest => {
                let report = syncer.self_test(progress).await;
                report.map(|report| Response::SelfTest(Box::new(report)))
            }
            Self::Undo(request) => amended(syncer.undo(&request, progress).await),
            Self::Resolve(request) => amended(syncer.resolve(&request, progress).await),
            Self::Verify => syncer.verify().await.map(|report| Response::Verify(Box::new(report))),
            Self::Backups(request) => {
                let answer = syncer.backups(&request, progress).await;
                answer.map(|answer| Response::Backups(Box::new(answer)))
            }
        }
    }
}

fn amended(result: Result<AmendReport, CycleError>) -> Result<Response, CycleError> {
    result.map(|report| Response::Amended(Box::new(report)))
}
