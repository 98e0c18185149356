//! What a restore would do: the backup held against the server's tables.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::{CycleError, Pair, report};
use super::verify::Place;
use crate::control::types::{ErrorCode, RestoreRequest, RestoreRow, RestoreTable, Skipped, Take};
use crate::model::{Key, Row, Side, Table};
use crate::replica::{Apart, Wanted};

/// What of the backup's difference a person may take: kinds of rows, as [`Wanted`] has them.
const ALL: &str = "IUD";
const MISSING: &str = "I";

/// The difference between a backup and the server's database.
pub(super) struct Difference {
    /// Names exactly this.
    pub plan: String,
    pub tables: Vec<RestoreTable>,
    pub left_out: Vec<Skipped>,
    /// The rows that were asked for: the table, the row as it is and as it shall be.
    pub rows: Vec<(usize, Option<Row>, Option<Row>)>,
}

impl Difference {
    /// Rows to insert, to change and to delete.
    pub fn counts(&self, take: Option<Take>) -> [u64; 3] {
        let sum = |read: fn(&RestoreTable) -> u64| self.tables.iter().map(read).sum();
        let [missing, changed, added] = [
            sum(|table| table.missing),
            sum(|table| table.changed),
            sum(|table| table.added),
        ];
        match take {
            Some(Take::Local) => [missing, 0, 0],
            _ => [missing, changed, added],
        }
    }
}

/// "3 rows inserted, 2 changed, 1 deleted".
pub(super) fn in_words([inserts, updates, deletes]: [u64; 3]) -> String {
    let rows = if inserts == 1 { "row" } else { "rows" };
    format!("{inserts} {rows} inserted, {updates} changed, {deletes} deleted")
}

impl Pair {
    /// Holds the backup against the server's tables. At most `most` rows of a table are brought along.
    pub(super) async fn differs_from(
        &mut self,
        place: &Place,
        request: &RestoreRequest,
        most: Option<u64>,
    ) -> Result<Difference, CycleError> {
        let shape = self.attach(place).await?;
        let mut left_out = Vec::new();
        let mut asked = Vec::with_capacity(self.layout.server.len());
        for table in &self.layout.server {
            let wanted = request.table.as_ref();
            if wanted.is_some_and(|name| !name.eq_ignore_ascii_case(&table.name)) {
                asked.push(None);
                continue;
            }
            let fit = shape.fit(table);
            let dropped = shape.dropped(table);
            if fit.is_ok() && !dropped.is_empty() {
                let names = dropped.join(", ");
                left_out.push(skipped(
                    &table.name,
                    format!("its columns {names} of the backup are not there now"),
                ));
            }
            asked.push(fit.map_err(|reason| left_out.push(skipped(&table.name, reason))).ok());
        }
        if request.table.is_none() {
            left_out.extend(self.layout.left_out.iter().cloned());
        }
        let wanted = Wanted {
            tables: &asked,
            key: request.key.as_deref(),
            kinds: match request.take {
                Some(Take::Local) => MISSING,
                _ => ALL,
            },
            most,
            defaults: &self.layout.defaults.clone(),
        };
        let (_, server) = self.both()?;
        let found = server.replica.hold_against_backup(&wanted).await;
        let found = found.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let detached = server.replica.detach_backup().await;
        detached.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        self.difference(request, &asked, found, left_out)
    }

    fn difference(
        &self,
        request: &RestoreRequest,
        asked: &[Option<Vec<bool>>],
        found: Vec<Option<Apart>>,
        mut left_out: Vec<Skipped>,
    ) -> Result<Difference, CycleError> {
        let (mut tables, mut rows) = (Vec::new(), Vec::new());
        let mut hash = blake3::Hasher::new();
        let layout = self.layout.server.iter().enumerate();
        for ((index, table), (apart, has)) in layout.zip(found.into_iter().zip(asked)) {
            let (Some(apart), Some(has)) = (apart, has) else {
                continue;
            };
            if apart.doubled > 0 {
                let reason = format!("{} keys stand for several rows in the backup", apart.doubled);
                left_out.push(skipped(&table.name, reason));
                continue;
            }
            if apart.unkeyed > 0 {
                let reason = format!("{} rows of the backup have no key", apart.unkeyed);
                left_out.push(skipped(&table.name, reason));
            }
            hash.update(table.name.as_bytes()).update(&[0]).update(&apart.digest);
            let lacking = table.columns.iter().zip(has).filter(|(_, has)| !**has);
            tables.push(RestoreTable {
                table: table.name.clone(),
                now: apart.now,
                backup: apart.backup,
                missing: apart.missing,
                changed: apart.changed,
                added: apart.added,
                kept_columns: lacking.map(|(column, _)| column.name.clone()).collect(),
            });
            rows.extend(apart.rows.into_iter().map(|(from, to)| (index, from, to)));
        }
        must_concern_something(request, &tables, &left_out)?;
        let said = (&request.name, &request.table, &request.key, request.take);
        hash.update(serde_json::to_string(&said).unwrap_or_default().as_bytes());
        let plan = hash
            .finalize()
            .to_hex()
            .as_str()
            .get(..12)
            .unwrap_or_default()
            .to_owned();
        Ok(Difference {
            plan,
            tables,
            left_out,
            rows,
        })
    }
}

/// A table or row that was asked for by name has to be there.
fn must_concern_something(
    request: &RestoreRequest,
    tables: &[RestoreTable],
    left_out: &[Skipped],
) -> Result<(), CycleError> {
    let Some(name) = &request.table else { return Ok(()) };
    let Some(table) = tables.first() else {
        let reason = left_out
            .first()
            .map_or("it cannot be compared", |skipped| skipped.reason.as_str());
        return Err(CycleError::attention(
            format!("restore table \"{name}\" from {}: {reason}", request.name),
            "`modsyncctl backups restore NAME --dry-run` shows which tables can be",
        ));
    };
    match &request.key {
        Some(key) if table.now + table.backup == 0 => Err(CycleError {
            code: ErrorCode::NotFound,
            message: format!(
                "restore the row \"{key}\" of {name}: neither {} nor the server's database has it",
                request.name
            ),
            hint: Some("KEY is the value of the table's key; several values are joined by commas".to_owned()),
        }),
        _ => Ok(()),
    }
}

fn skipped(name: &str, reason: String) -> Skipped {
    Skipped {
        name: name.to_owned(),
        reason,
    }
}

/// A row that a restore writes, for people.
pub(super) fn describe(table: &Table, from: Option<&Row>, to: Option<&Row>) -> RestoreRow {
    let moved = report::describe_move(table, Side::Server, from, to);
    RestoreRow {
        table: moved.table,
        key: moved.key,
        action: moved.action,
        columns: moved.columns,
    }
}

/// A key's columns and values, for people.
pub(super) fn describe_key(table: &Table, key: &Key) -> BTreeMap<String, Json> {
    report::key_json(table, key)
}
