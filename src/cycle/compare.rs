//! Both sides held against each other, nothing written: `check`, `diff`, `verify`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::amend::Asked;
use super::exchange::{Exchange, Stopped};
use super::{CycleError, Pair, look, report, run};
use crate::control::types::{
    CheckReport, DiffReport, ErrorCode, Move, SyncRequest, TableCheck, TableVerify, VerifyReport,
};
use crate::model::{Key, Row, RowOp, Side, Table};
use crate::replica::{Replica, TableDigest};

/// How many differing rows `verify` lists.
const LISTED: usize = 100;

impl Pair {
    /// What each side has that the other lacks.
    pub(super) async fn compare(&mut self) -> Result<CheckReport, CycleError> {
        let (_, exchange) = self.plan().await?;
        let tables: Vec<TableCheck> = match &exchange {
            Ok(exchange) => self
                .layout
                .local
                .iter()
                .zip(&exchange.tables)
                .map(check_table)
                .collect(),
            Err(_) => Vec::new(),
        };
        let (local, server) = self.both()?;
        let (local, server) = tokio::join!(local.counts(), server.replica.counts());
        let local = local.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        let server = server.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let schema = self.waiting_for_schema();
        let in_sync = exchange.is_ok()
            && schema.is_empty()
            && tables
                .iter()
                .all(|t| t.to_push + t.to_pull + t.deleted_local + t.deleted_server == 0);
        let recommendation = match &exchange {
            Err(Stopped(held)) => format!("a cycle would stop: {held}"),
            Ok(_) if in_sync => "nothing to do".to_owned(),
            Ok(_) => "run `modsyncctl sync-now`, or look at the rows with `modsyncctl diff`".to_owned(),
        };
        Ok(CheckReport {
            in_sync,
            as_of: Some(Timestamp::now()),
            tables: tables
                .into_iter()
                .filter(|t| t.to_push + t.to_pull + t.deleted_local + t.deleted_server + t.conflicts > 0)
                .collect(),
            local,
            server,
            left_out: self.layout.left_out.clone(),
            schema,
            recommendation,
        })
    }

    /// The plan of a cycle, of one table or one row if asked.
    pub(super) async fn describe_plan(
        &mut self,
        table: Option<&str>,
        key: Option<&str>,
    ) -> Result<DiffReport, CycleError> {
        let (plan, exchange) = self.plan().await?;
        if let Some(name) = table.filter(|name| !self.layout.local.iter().any(|t| t.name.eq_ignore_ascii_case(name))) {
            return Err(self.no_such_table(&format!("show the plan of table \"{name}\"")));
        }
        let wanted = |name: &str, values: &BTreeMap<String, Json>| {
            table.is_none_or(|table| name.eq_ignore_ascii_case(table))
                && key.is_none_or(|key| report::key_text(values) == key)
        };
        let (exchange, stopped) = match exchange {
            Ok(exchange) => (exchange, None),
            Err(Stopped(held)) => (Exchange::default(), Some(held.to_string())),
        };
        let held = exchange.held.first().map(ToString::to_string);
        let conflicts = self
            .layout
            .local
            .iter()
            .zip(&exchange.tables)
            .flat_map(|(table, exchange)| {
                exchange
                    .conflicts
                    .iter()
                    .map(move |conflict| report::describe_conflict(table, conflict))
            });
        Ok(DiffReport {
            plan,
            as_of: Some(Timestamp::now()),
            moves: report::describe_moves(&self.layout, &exchange)
                .into_iter()
                .filter(|m| wanted(&m.table, &m.key))
                .collect(),
            conflicts: conflicts
                .filter(|conflict| wanted(&conflict.table, &conflict.key))
                .collect(),
            stopped: stopped.or(held),
            schema: self.waiting_for_schema(),
        })
    }

    /// What could not be done because no synced table has that name.
    pub(super) fn no_such_table(&self, action: &str) -> CycleError {
        let known: Vec<&str> = self.layout.local.iter().map(|table| table.name.as_str()).collect();
        CycleError {
            code: ErrorCode::NotFound,
            message: format!("{action}: no synced table has that name"),
            hint: Some(format!("the synced tables are: {}", known.join(", "))),
        }
    }

    async fn plan(&mut self) -> Result<(String, Result<Exchange, Stopped>), CycleError> {
        self.connect(&|_| ()).await?;
        let request = SyncRequest::default();
        let asked = Asked {
            request: &request,
            amendments: &[],
        };
        let seen = look::look(self, asked, &|_| ()).await?;
        let id = seen
            .exchange
            .as_ref()
            .map(|exchange| run::plan_id(&seen.from, exchange))
            .unwrap_or_default();
        Ok((id, seen.exchange))
    }

    /// Proves, table by table, that both sides hold the same rows.
    pub(super) async fn prove(&mut self) -> Result<VerifyReport, CycleError> {
        self.connect(&|_| ()).await?;
        let (local, server) = self.both()?;
        let (ours, theirs) = tokio::join!(local.digests(), server.replica.digests());
        let ours = ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        let theirs = theirs.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let mut tables = Vec::with_capacity(ours.len());
        for (index, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
            tables.push(self.prove_table(index, &ours, &theirs).await?);
        }
        Ok(VerifyReport {
            equal: tables.iter().all(|table| table.equal) && self.layout.held.is_empty(),
            as_of: Some(Timestamp::now()),
            tables,
            held: self.layout.held.clone(),
        })
    }

    async fn prove_table(
        &mut self,
        index: usize,
        ours: &TableDigest,
        theirs: &TableDigest,
    ) -> Result<TableVerify, CycleError> {
        let table = self
            .layout
            .local
            .get(index)
            .cloned()
            .ok_or_else(|| CycleError::failed("verify: the schema changed meanwhile"))?;
        let equal = ours == theirs;
        let (differing, differences) = if equal {
            (0, Vec::new())
        } else {
            self.differences(index, &table).await?
        };
        Ok(TableVerify {
            table: table.name,
            local_rows: ours.rows,
            server_rows: theirs.rows,
            equal,
            differences,
            differing,
        })
    }

    async fn differences(&mut self, index: usize, table: &Table) -> Result<(u64, Vec<Move>), CycleError> {
        let (local, server) = self.both()?;
        let (ours, theirs) = tokio::join!(local.row_digests(index), server.replica.row_digests(index));
        let ours = ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        let theirs = theirs.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let keys: BTreeSet<&Key> = ours.keys().chain(theirs.keys()).collect();
        let differing: Vec<&Key> = keys
            .into_iter()
            .filter(|key| ours.get(*key) != theirs.get(*key))
            .collect();
        let listed: Vec<Key> = differing.iter().take(LISTED).map(|key| (*key).clone()).collect();
        let ours = rows_of(local, index, &listed)
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        let theirs = rows_of(&mut server.replica, index, &listed)
            .await
            .map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let moves = listed.iter().map(|key| {
            let find = |rows: &[Row]| rows.iter().find(|row| table.key_of(row) == *key).cloned();
            report::describe_move(table, Side::Local, find(&ours).as_ref(), find(&theirs).as_ref())
        });
        Ok((differing.len() as u64, moves.collect()))
    }
}

async fn rows_of(replica: &mut Replica, index: usize, keys: &[Key]) -> Result<Vec<Row>, crate::replica::SqlError> {
    let mut wanted = vec![Vec::new(); replica.tables().len()];
    if let Some(slot) = wanted.get_mut(index) {
        *slot = keys.to_vec();
    }
    Ok(replica
        .live_rows(&wanted)
        .await?
        .into_iter()
        .nth(index)
        .unwrap_or_default())
}

fn check_table((table, exchange): (&Table, &super::exchange::TableExchange)) -> TableCheck {
    let puts = |ops: &[RowOp]| ops.iter().filter(|op| op.after().is_some()).count() as u64;
    let deletes = |ops: &[RowOp]| ops.iter().filter(|op| op.after().is_none()).count() as u64;
    TableCheck {
        table: table.name.clone(),
        to_push: puts(&exchange.to_server),
        to_pull: puts(&exchange.to_local),
        // A row that one side deleted goes from the other.
        deleted_local: deletes(&exchange.to_server),
        deleted_server: deletes(&exchange.to_local),
        conflicts: exchange.conflicts.len() as u64,
    }
}
