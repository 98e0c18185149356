//! What the daemon asks of the pair, answered. After an error both sessions are closed: nobody knows their state.

use super::{CycleError, Pair, Progress, Syncer, Trigger, run};
use crate::control::types::{CheckReport, CycleSummary, DiffReport, SideCounts, SyncRequest, VerifyReport};
use crate::model::Side;

impl Pair {
    fn or_close<T>(&mut self, result: Result<T, CycleError>) -> Result<T, CycleError> {
        if result.is_err() {
            self.close();
        }
        result
    }

    async fn look_at_local(&mut self) -> Result<bool, CycleError> {
        let Some(local) = &mut self.local else { return Ok(true) };
        let look = local
            .look()
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        if look.moved {
            self.close();
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
            self.close();
        }
        Ok(look.changed || look.moved)
    }

    async fn count_one(&mut self, side: Side) -> Result<SideCounts, CycleError> {
        self.connect(&|_| ()).await?;
        let (local, server) = self.both()?;
        let counts = match side {
            Side::Local => local.counts().await,
            Side::Server => server.replica.counts().await,
        };
        counts.map_err(|error| CycleError::of_sql(side, error))
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
        let done = run::run(self, request, trigger, progress).await;
        self.or_close(done)
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

    async fn count_local(&mut self) -> Result<SideCounts, CycleError> {
        let counted = self.count_one(Side::Local).await;
        self.or_close(counted)
    }

    async fn count_server(&mut self) -> Result<SideCounts, CycleError> {
        let counted = self.count_one(Side::Server).await;
        self.or_close(counted)
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
