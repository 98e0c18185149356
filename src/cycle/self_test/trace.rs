//! What a self-test remembers before it makes a row, and the removal of what it left: at its end, at the next one's
//! beginning, or after the next cycle, whichever comes first.

use super::super::{Amended, Amendment, CycleError, Pair, Progress, Trigger};
use crate::control::types::{CycleSummary, Outcome, SyncRequest};
use crate::model::{Key, Row, Side};

/// The fact that remembers the test row; empty when there is none.
const FACT: &str = "self_test";

/// How often a row that other programs change meanwhile is met again.
const TRIES: usize = 3;

/// Where a test row is, or was about to be.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Trace {
    /// The table.
    pub table: String,
    /// The key.
    pub key: Key,
}

/// What came of a removal.
pub(super) struct Removed {
    /// The last cycle that was run for it.
    pub cycle: Option<CycleSummary>,
    /// Why the row is still there; `None`: it is gone from both sides.
    pub left: Option<String>,
}

/// A cycle of the test's. Only its first takes a backup.
pub(super) fn quietly() -> SyncRequest {
    SyncRequest {
        no_backup: true,
        ..SyncRequest::default()
    }
}

impl Pair {
    pub(super) async fn remember_test_row(&mut self, trace: &Trace) -> Result<(), CycleError> {
        let text = serde_json::to_string(trace).unwrap_or_default();
        self.history.keep_fact(FACT, text).await
    }

    /// Removes what an earlier self-test left, if one did; what went wrong is logged, and the next cycle tries again.
    pub(in crate::cycle) async fn remove_leftover(&mut self, progress: &Progress<'_>) {
        match self.leftover().await {
            Ok(None) => {}
            Ok(Some(trace)) => match self.remove_test_row(&trace, progress).await {
                Ok(Removed { left: None, .. }) => {
                    tracing::info!(table = trace.table, "removed the row of a self-test that was cut off");
                }
                Ok(Removed { left: Some(why), .. }) => tracing::warn!("the row of a self-test is still there: {why}"),
                Err(error) => tracing::warn!("the row of a self-test is still there: {error}"),
            },
            Err(error) => tracing::warn!("cannot tell whether a self-test left a row: {error}"),
        }
    }

    async fn leftover(&mut self) -> Result<Option<Trace>, CycleError> {
        let text = self.history.fact(FACT).await?.unwrap_or_default();
        Ok(serde_json::from_str(&text).ok())
    }

    /// Takes the row from both sides, by an amendment; forgets it once both are seen without it.
    ///
    /// # Errors
    /// As a cycle's.
    pub(super) async fn remove_test_row(
        &mut self,
        trace: &Trace,
        progress: &Progress<'_>,
    ) -> Result<Removed, CycleError> {
        let mut removed = Removed {
            cycle: None,
            left: None,
        };
        for _ in 0..TRIES {
            let [local, server] = self.test_rows(trace).await?;
            if local.is_none() && server.is_none() {
                self.history.keep_fact(FACT, String::new()).await?;
                removed.left = None;
                return Ok(removed);
            }
            // What both hold alike goes at once; otherwise a cycle makes them alike first.
            let wanted = local.filter(|row| server.as_ref() == Some(row)).map(|row| Amendment {
                table: trace.table.clone(),
                key: trace.key.clone(),
                from: Some(row),
                to: None,
            });
            let Amended { cycle, left } = self
                .cycle(&quietly(), wanted.as_slice(), Trigger::SelfTest, progress)
                .await?;
            removed.left = left.into_iter().next().map(|left| left.reason);
            let stopped = cycle.outcome == Outcome::Stopped;
            removed.left = removed.left.or_else(|| cycle.reason.clone().filter(|_| stopped));
            removed.cycle = Some(cycle);
            if stopped {
                return Ok(removed);
            }
        }
        let [local, server] = self.test_rows(trace).await?;
        match local.is_none() && server.is_none() {
            true => {
                self.history.keep_fact(FACT, String::new()).await?;
                removed.left = None;
            }
            false => {
                let moving = || "other programs go on changing it".to_owned();
                removed.left.get_or_insert_with(moving);
            }
        }
        Ok(removed)
    }

    /// The test row as each side has it now.
    pub(super) async fn test_rows(&mut self, trace: &Trace) -> Result<[Option<Row>; 2], CycleError> {
        self.connect(&|_| ()).await?;
        let tables = self.layout.local.iter();
        let keys: Vec<Vec<Key>> = tables
            .map(|table| match table.name == trace.table {
                true => vec![trace.key.clone()],
                false => Vec::new(),
            })
            .collect();
        let (local, server) = self.both()?;
        let (ours, theirs) = tokio::join!(local.live_rows(&keys), server.replica.live_rows(&keys));
        let first = |rows: Vec<Vec<Row>>| rows.into_iter().flatten().next();
        Ok([
            first(ours.map_err(|error| CycleError::of_sql(Side::Local, error))?),
            first(theirs.map_err(|error| CycleError::of_sql(Side::Server, error))?),
        ])
    }
}
