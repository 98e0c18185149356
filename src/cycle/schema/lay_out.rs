//! Which tables the two sides can sync as they are, settled each time that both schemas were read.

use std::collections::BTreeSet;

use super::super::layout::Layout;
use super::super::{CycleError, Pair};
use super::agreed::Agreed;
use super::plan::{Change, Drift};
use super::proof;
use crate::config;
use crate::model::{ObjectKind, Schema, Side, Skipped, Value};
use crate::replica::BaseTable;

/// The fact that remembers the schema as both sides last agreed.
const AGREED: &str = "schema";

impl Pair {
    pub(in crate::cycle) fn layout_of(&self, local: &Schema, server: &Schema, drift: &Drift) -> Layout {
        Layout::new(local, server, drift, |table| {
            config::rules_for(table, &self.config.tables)
        })
    }

    /// Holds both schemas against each other and the agreed one, and prepares both sides for the tables that can be
    /// synced as they are.
    pub(in crate::cycle) async fn lay_out(&mut self, local: &Schema, server: &Schema) -> Result<(), CycleError> {
        let schemas = [local, server];
        let base = self.must_have_kept_its_tables(schemas).await?;
        let recorded = self.recorded_agreement().await?;
        let mut drift = Drift::new(schemas, recorded.clone().with_base(&base), &self.config.tables);
        for (refused, reason) in &self.refused {
            if drift.changes.contains(refused) {
                drift.give_up(refused, reason);
            }
        }
        proof::prove(&mut drift, schemas);
        self.layout = self.layout_of(local, server, &drift);
        self.layout.held = self.held_tables(&base, &drift);
        self.must_belong_together(&drift)?;
        self.carried.retain(|change| is_there(change, schemas));
        self.drift = drift;
        self.prepare_both(schemas).await?;
        if self.drift.agreed != recorded {
            let text = serde_json::to_string(&self.drift.agreed).unwrap_or_default();
            self.history.keep_fact(AGREED, text).await?;
        }
        Ok(())
    }

    /// The agreed schema; empty when there is none yet, so that whatever one side alone has counts as added.
    async fn recorded_agreement(&mut self) -> Result<Agreed, CycleError> {
        let text = self.history.fact(AGREED).await?.unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    fn must_belong_together(&self, drift: &Drift) -> Result<(), CycleError> {
        let shares_a_table = drift.changes.iter().any(|change| change.kind == ObjectKind::Column);
        if !self.layout.local.is_empty() || !self.layout.held.is_empty() || shares_a_table {
            return Ok(());
        }
        Err(CycleError::attention(
            "compare the schemas: the two databases have no table in common that can be synced",
            "check that both paths name the databases that belong together",
        ))
    }

    async fn prepare_both(&mut self, schemas: [&Schema; 2]) -> Result<(), CycleError> {
        let present: BTreeSet<String> = schemas
            .iter()
            .flat_map(|schema| &schema.objects)
            .map(|object| object.name.to_ascii_lowercase())
            .collect();
        let (ours, theirs) = (self.layout.local.clone(), self.layout.server.clone());
        let defaults = self.layout.defaults.clone();
        let returned = self.returned_columns();
        let (local, server) = self.both()?;
        let (ours, theirs) = tokio::join!(
            local.prepare(ours, &defaults, &present),
            server.replica.prepare(theirs, &defaults, &present)
        );
        ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        theirs.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        if returned.is_empty() {
            return Ok(());
        }
        let (ours, theirs) = tokio::join!(local.begin_columns(&returned), server.replica.begin_columns(&returned));
        ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        theirs.map_err(|error| CycleError::of_sql(Side::Server, error))
    }

    /// Columns that a side had lost and has again, by their places in the layout, with their defaults.
    fn returned_columns(&self) -> Vec<(usize, usize, Value)> {
        let place = |(table, column): &(String, String)| {
            let index = self
                .layout
                .local
                .iter()
                .position(|it| it.name.eq_ignore_ascii_case(table))?;
            let column = self.layout.local[index].column(column)?;
            let default = self.layout.defaults.get(index)?.get(column)?.clone();
            Some((index, column, default))
        };
        self.drift.returned.iter().filter_map(place).collect()
    }

    /// A table that the base knows and one side lacks was dropped there, or the file is another one: a cycle that left
    /// it out would look as if all were well.
    async fn must_have_kept_its_tables(&mut self, schemas: [&Schema; 2]) -> Result<Vec<BaseTable>, CycleError> {
        let (local, _) = self.both()?;
        let known = local
            .base_tables()
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        for BaseTable { name, .. } in &known {
            let [on_laptop, on_server] = schemas.map(|schema| schema.has(name));
            let side = match (on_laptop, on_server) {
                (false, true) => Side::Local,
                (true, false) => Side::Server,
                _ => continue,
            };
            if self.is_left_out_by_config(name) {
                continue;
            }
            return Err(CycleError::attention(
                format!("table \"{name}\" was synced before and is gone from the {side} database; nothing was written"),
                format!(
                    "put it back; or drop it on the other side too; or leave it out with [[table]] name = \"{name}\", sync = false"
                ),
            ));
        }
        Ok(known)
    }

    /// Tables that were to be synced and cannot be as they are now, with the reason.
    fn held_tables(&self, base: &[BaseTable], drift: &Drift) -> Vec<Skipped> {
        let was_synced = |name: &str| base.iter().any(|copy| copy.name.eq_ignore_ascii_case(name));
        let held = self
            .layout
            .left_out
            .iter()
            .filter(|table| match drift.bar(&table.name) {
                Some(barred) => barred.held,
                None => was_synced(&table.name),
            });
        held.filter(|table| !self.is_left_out_by_config(&table.name))
            .cloned()
            .collect()
    }

    fn is_left_out_by_config(&self, name: &str) -> bool {
        let mut tables = self.config.tables.iter();
        tables.any(|table| !table.sync && table.name.eq_ignore_ascii_case(name))
    }
}

/// Whether the side has what the change was to make there.
fn is_there(change: &Change, [local, server]: [&Schema; 2]) -> bool {
    let schema = match change.to {
        Side::Local => local,
        Side::Server => server,
    };
    match change.kind {
        ObjectKind::Column => schema.object(ObjectKind::Table, &change.table).is_some_and(|table| {
            let mut columns = table.columns.iter();
            columns.any(|column| column.name.eq_ignore_ascii_case(&change.name))
        }),
        kind => schema.object(kind, &change.name).is_some(),
    }
}
