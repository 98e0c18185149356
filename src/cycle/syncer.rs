//! What the daemon asks of the pair, answered. After an error a session whose state nobody knows is closed.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::amend::{Amended, Amendment};
use super::history::Keep;
use super::{CycleError, Pair, Progress, Standing, Syncer, Trigger, run};
use crate::control::types::{
    AmendReport, BackupsAnswer, BackupsRequest, CheckReport, CycleSummary, DiffReport, ErrorCode, Outcome,
    ResolveRequest, SelfTestReport, SideCounts, SyncRequest, UndoRequest, VerifyReport,
};
use crate::model::Side;

/// How often a cycle is begun because other laptops took backups in the same seconds.
const BACKUP_NAMES: u32 = 4;

/// How often the record is looked through for what may be forgotten.
const TIDY: Duration = Duration::from_secs(3600);

impl Pair {
    /// A cycle that makes amendments besides.
    pub(super) async fn cycle(
        &mut self,
        request: &SyncRequest,
        amendments: &[Amendment],
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<Amended, CycleError> {
        for _ in 1..BACKUP_NAMES {
            self.name_taken = false;
            let done = run::run(self, request, amendments, trigger, progress).await;
            let done = self.or_close(done);
            let again = done.is_err() && (self.name_taken || self.met_damage()?);
            if !again {
                self.tidy_history().await;
                return done;
            }
        }
        let last = run::run(self, request, amendments, trigger, progress).await;
        self.or_close(last)
    }

    /// Forgets what the record need not keep any more, now and then: behind the cycle's back, so no cycle fails of it.
    async fn tidy_history(&mut self) {
        if self.tidied.is_some_and(|last| last.elapsed() < TIDY) {
            return;
        }
        self.tidied = Some(Instant::now());
        let days = i64::from(self.config.history.keep_days);
        let since = Timestamp::now().saturating_sub(SignedDuration::from_hours(24 * days));
        let keep = Keep {
            since: since.unwrap_or(Timestamp::MIN),
            max_size: self.config.history.max_size,
        };
        if let Err(error) = self.history.prune(keep).await {
            tracing::warn!(%error, "the record of old cycles could not be tidied up");
        }
    }

    fn or_close<T>(&mut self, result: Result<T, CycleError>) -> Result<T, CycleError> {
        // Where nothing but the question was wrong the sessions are as they were.
        let of_the_question = |error: &CycleError| matches!(error.code, ErrorCode::BadRequest | ErrorCode::NotFound);
        if result.as_ref().is_err_and(|error| !of_the_question(error)) {
            self.close();
        }
        result
    }

    /// Whether a statement met damage, in whichever file.
    fn met_damage(&mut self) -> Result<bool, CycleError> {
        let renewed = self.history.renew_if_damaged()?;
        let met = self.health.met_damage() || renewed.is_some();
        renewed.into_iter().for_each(|note| self.note(note));
        Ok(met)
    }

    async fn look_at_local(&mut self) -> Result<bool, CycleError> {
        // A cycle brings it from the server, or says what is wrong.
        if self.local.is_none() && !self.config.local.database.exists() {
            return Ok(true);
        }
        let look = self
            .local_alone()
            .await?
            .look()
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        if look.moved {
            self.local = None;
        }
        Ok(look.changed || look.moved)
    }

    async fn look_at_server(&mut self) -> Result<bool, CycleError> {
        self.connect(&|_| ()).await?;
        let (_, server) = self.both()?;
        let look = server
            .replica
            .look()
            .await
            .map_err(|error| CycleError::of_sql(Side::Server, error))?;
        if look.moved {
            self.server = None;
        }
        Ok(look.changed || look.moved)
    }

    async fn count_at_home(&mut self) -> Result<SideCounts, CycleError> {
        let counts = self.local_alone().await?.counts().await;
        counts.map_err(|error| CycleError::of_sql(Side::Local, error))
    }

    async fn count_at_server(&mut self) -> Result<SideCounts, CycleError> {
        self.connect(&|_| ()).await?;
        let (_, server) = self.both()?;
        let counts = server.replica.counts().await;
        counts.map_err(|error| CycleError::of_sql(Side::Server, error))
    }
}

impl Syncer for Pair {
    async fn look_local(&mut self) -> Result<bool, CycleError> {
        let looked = self.look_at_local().await;
        self.or_close(looked)
    }

    async fn look_server(&mut self) -> Result<bool, CycleError> {
        let looked = self.look_at_server().await;
        self.or_close(looked)
    }

    async fn sync(
        &mut self,
        request: &SyncRequest,
        trigger: Trigger,
        progress: &Progress<'_>,
    ) -> Result<CycleSummary, CycleError> {
        // Nobody restores any more.
        self.restored_from = None;
        let done = self.cycle(request, &[], trigger, progress).await?.cycle;
        if *request == SyncRequest::default() && done.outcome != Outcome::Stopped {
            self.remove_leftover(progress).await;
        }
        Ok(done)
    }

    async fn check(&mut self) -> Result<CheckReport, CycleError> {
        let checked = self.compare().await;
        self.or_close(checked)
    }

    async fn diff(&mut self, table: Option<&str>, key: Option<&str>) -> Result<DiffReport, CycleError> {
        let described = self.describe_plan(table, key).await;
        self.or_close(described)
    }

    async fn verify(&mut self) -> Result<VerifyReport, CycleError> {
        let proved = self.prove().await;
        self.or_close(proved)
    }

    async fn self_test(&mut self, progress: &Progress<'_>) -> Result<SelfTestReport, CycleError> {
        let tested = self.test_itself(progress).await;
        self.or_close(tested)
    }

    async fn backups(
        &mut self,
        request: &BackupsRequest,
        progress: &Progress<'_>,
    ) -> Result<BackupsAnswer, CycleError> {
        let answered = self.answer_backups(request, progress).await;
        self.or_close(answered)
    }

    async fn undo(&mut self, request: &UndoRequest, progress: &Progress<'_>) -> Result<AmendReport, CycleError> {
        let done = self.take_back(request, progress).await;
        self.or_close(done)
    }

    async fn resolve(&mut self, request: &ResolveRequest, progress: &Progress<'_>) -> Result<AmendReport, CycleError> {
        let done = self.settle_conflicts(request, progress).await;
        self.or_close(done)
    }

    async fn count_local(&mut self) -> Result<SideCounts, CycleError> {
        let counted = self.count_at_home().await;
        self.or_close(counted)
    }

    async fn count_server(&mut self) -> Result<SideCounts, CycleError> {
        let counted = self.count_at_server().await;
        self.or_close(counted)
    }

    async fn standing(&mut self) -> Result<Standing, CycleError> {
        Ok(Standing {
            left_out: self.layout.left_out.clone(),
            conflicts: self.history.unseen_conflicts().await?,
        })
    }

    fn counted_by_cycle(&mut self) -> Option<SideCounts> {
        self.counted.take()
    }

    fn disconnect(&mut self) {
        self.close();
    }

    fn engine(&self) -> Option<String> {
        self.server
            .as_ref()
            .and_then(|server| server.hello.engine.as_ref())
            .map(ToString::to_string)
    }
}
