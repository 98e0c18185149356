//! One cycle from top to bottom, and the list of what a pair of databases can do.

mod account;
pub(crate) mod advice;
mod amend;
mod ancestors;
mod aside;
mod backup;
mod backups;
mod client;
mod compare;
mod dependents;
mod error;
mod exchange;
mod first;
mod foresight;
mod health;
mod history;
mod layout;
mod limits;
mod look;
mod mark;
mod pair;
mod reach;
mod readback;
mod recover;
mod report;
mod resolve;
mod run;
mod schema;
mod self_test;
mod space;
mod syncer;
mod undo;

use std::future::Future;

pub use amend::{Amended, Amendment, Left};
pub use error::CycleError;
pub use foresight::Foresight;
pub use history::{History, Record};
pub use pair::Pair;
pub use reach::{OverSsh, Reach};
pub use schema::{Apart, schemas_apart};

use crate::control::types::{
    AmendReport, BackupsAnswer, BackupsRequest, CheckReport, CycleSummary, DiffReport, MovedRows, PhaseEvent,
    ResolveRequest, SelfTestReport, SideCounts, Skipped, SyncRequest, UndoRequest, VerifyReport,
};

/// Takes phases as they happen.
pub type Progress<'a> = dyn Fn(PhaseEvent) + Send + Sync + 'a;

/// What the daemon asks of a pair of databases. [`Pair`] is the real one; tests of the daemon have a scripted one.
pub trait Syncer: Send + 'static {
    /// Whether the laptop's database changed since the last look or cycle, other than by modsync itself. No network.
    fn look_local(&mut self) -> impl Future<Output = Result<bool, CycleError>> + Send;

    /// Whether the server's database changed since the last look or cycle, other than by modsync itself.
    /// One round trip on an open session; connects first when there is none.
    fn look_server(&mut self) -> impl Future<Output = Result<bool, CycleError>> + Send;

    /// Runs one cycle. A cycle that a brake stopped, or that holds rows, is an `Ok` whose outcome says so.
    fn sync(
        &mut self,
        request: &SyncRequest,
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> impl Future<Output = Result<CycleSummary, CycleError>> + Send;

    /// Compares both sides with the base, live; writes nothing.
    fn check(&mut self) -> impl Future<Output = Result<CheckReport, CycleError>> + Send;

    /// The plan that a cycle would carry out now, of one table or one row if asked; writes nothing.
    fn diff(
        &mut self,
        table: Option<&str>,
        key: Option<&str>,
    ) -> impl Future<Output = Result<DiffReport, CycleError>> + Send;

    /// Compares both sides by contents; writes nothing.
    fn verify(&mut self) -> impl Future<Output = Result<VerifyReport, CycleError>> + Send;

    /// Makes a row on the laptop, pushes it, changes it on the server, pulls it and removes it from both sides.
    fn self_test(&mut self, progress: &Progress<'_>)
    -> impl Future<Output = Result<SelfTestReport, CycleError>> + Send;

    /// Lists, takes, looks through or removes backups of the server's database, or restores from one.
    fn backups(
        &mut self,
        request: &BackupsRequest,
        progress: &Progress<'_>,
    ) -> impl Future<Output = Result<BackupsAnswer, CycleError>> + Send;

    /// Takes a cycle back on both sides; rows that moved since are left and named.
    fn undo(
        &mut self,
        request: &UndoRequest,
        progress: &Progress<'_>,
    ) -> impl Future<Output = Result<AmendReport, CycleError>> + Send;

    /// Brings the version that a person takes to both sides; rows that moved since are left and named.
    fn resolve(
        &mut self,
        request: &ResolveRequest,
        progress: &Progress<'_>,
    ) -> impl Future<Output = Result<AmendReport, CycleError>> + Send;

    /// What the laptop holds. No network.
    fn count_local(&mut self) -> impl Future<Output = Result<SideCounts, CycleError>> + Send;

    /// What the server holds: one round trip.
    fn count_server(&mut self) -> impl Future<Output = Result<SideCounts, CycleError>> + Send;

    /// What a person should know of the pair, apart from its rows. No network.
    fn standing(&mut self) -> impl Future<Output = Result<Standing, CycleError>> + Send;

    /// What the server held at the end of the last cycle, if the cycle pushed and so was told. Given once; no network.
    fn counted_by_cycle(&mut self) -> Option<SideCounts>;

    /// The rows that the last cycle moved, one by one, as far as they are told. Given once; no network.
    fn moved_by_cycle(&mut self) -> MovedRows;

    /// Closes the connection to the server, if there is one; the next call that needs it opens a new one.
    fn disconnect(&mut self);

    /// The program at the far end of the open session ("sqlite3 3.40.1"), if there is one.
    fn engine(&self) -> Option<String>;
}

/// What a person should know of a pair, apart from its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Tables that are left out or held, with the reason, as of the last time that both schemas were read.
    pub left_out: Vec<Skipped>,
    /// Conflicts that nobody has looked at.
    pub conflicts: u64,
}

/// What started a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words speak for themselves
pub enum Trigger {
    Start,
    Watch,
    Poll,
    Schedule,
    Wake,
    Reload,
    SyncNow,
    /// With the number of the cycle that is taken back.
    Undo(i64),
    Resolve,
    Restore,
    SelfTest,
}

impl Trigger {
    /// As `CycleSummary::trigger` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Watch => "watch",
            Self::Poll => "poll",
            Self::Schedule => "schedule",
            Self::Wake => "wake",
            Self::Reload => "reload",
            Self::SyncNow => "sync-now",
            Self::Undo(_) => "undo",
            Self::Resolve => "resolve",
            Self::Restore => "restore",
            Self::SelfTest => "self-test",
        }
    }

    /// Whether a person asked for it.
    #[must_use]
    pub fn is_asked_for(self) -> bool {
        match self {
            Self::SyncNow | Self::Undo(_) | Self::Resolve | Self::Restore | Self::SelfTest => true,
            Self::Start | Self::Watch | Self::Poll | Self::Schedule | Self::Wake | Self::Reload => false,
        }
    }

    /// The cycle that it takes back.
    #[must_use]
    pub fn undoes(self) -> Option<i64> {
        match self {
            Self::Undo(cycle) => Some(cycle),
            _ => None,
        }
    }
}
