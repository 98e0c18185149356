//! What a side holds, for `status`: plain counts, and what the product database's tables tell of reviews.

use super::answer::Fields;
use super::names::{ident, live};
use super::wire::{encode_sql, literal};
use super::{Replica, Script, SqlError};
use crate::control::types::{RecentAssessment, SideCounts};
use crate::model::{Table, Value};

/// How many of the newest assessments are told.
const RECENT: u32 = 5;

impl Replica {
    /// Counts: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn counts(&mut self) -> Result<SideCounts, SqlError> {
        let mut script = Script::new();
        ask(&mut script, &self.tables);
        let mut counts = SideCounts::default();
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("count", row);
                let tag = fields.text()?;
                take(&mut counts, &tag, fields)
            })
            .await?;
        Ok(summed(counts))
    }
}

/// Adds the steps that count.
pub(super) fn ask(script: &mut Script, tables: &[Table]) {
    for table in tables {
        let name = literal(&Value::text(table.name.as_str()));
        script.step(format!(
            "SELECT 'trows',{},'i'||count(*) FROM {};",
            encode_sql(&name),
            live(&table.name)
        ));
    }
    let has = |table: &str, columns: &[&str]| {
        let found = tables.iter().find(|t| t.name.eq_ignore_ascii_case(table));
        found.is_some_and(|t| columns.iter().all(|column| t.column(column).is_some()))
    };
    if has("assessment_queue", &["status", "retailer"]) {
        script.step("SELECT 'treviews';");
        let retailer = encode_sql("retailer");
        script.step(format!(
            "SELECT 'tpending',{retailer},'i'||count(*) FROM main.assessment_queue WHERE status='pending' GROUP BY retailer;"
        ));
    }
    if has("products", &["url", "lifecycle_stage", "assessed_at"]) {
        script.step(
            "SELECT 'tassessed','i'||count(*) FROM main.products WHERE lifecycle_stage IN('assessed_approved','assessed_rejected');",
        );
        let title = if has("products", &["title"]) {
            ident("title")
        } else {
            "NULL".to_owned()
        };
        let fields = ["url", title.as_str(), "lifecycle_stage", "assessed_at"]
            .map(encode_sql)
            .join(",");
        script.step(format!(
            "SELECT 'trecent',{fields} FROM main.products WHERE assessed_at IS NOT NULL \
             ORDER BY replace(assessed_at,'T',' ') DESC LIMIT {RECENT};"
        ));
    }
}

/// The counts whose rows have all been taken.
pub(super) fn summed(mut counts: SideCounts) -> SideCounts {
    counts.rows = counts.tables.values().sum();
    if counts.pending_reviews.is_some() {
        counts.pending_reviews = Some(counts.pending_by_retailer.values().sum());
    }
    counts
}

/// Takes a row of the answer to [`ask`], after its tag.
pub(super) fn take(counts: &mut SideCounts, tag: &str, mut fields: Fields) -> Result<(), SqlError> {
    let words = |value: Value| if value.is_null() { None } else { Some(value.to_string()) };
    match tag {
        "rows" => {
            let table = fields.text()?;
            counts.tables.insert(table, fields.integer()?.unsigned_abs());
        }
        "reviews" => counts.pending_reviews = Some(0),
        "pending" => {
            let retailer = words(fields.value()?).unwrap_or_default();
            *counts.pending_by_retailer.entry(retailer).or_default() += fields.integer()?.unsigned_abs();
        }
        "assessed" => counts.assessed = Some(fields.integer()?.unsigned_abs()),
        "recent" => counts.recent.push(RecentAssessment {
            url: words(fields.value()?).unwrap_or_default(),
            title: words(fields.value()?),
            lifecycle_stage: words(fields.value()?),
            assessed_at: words(fields.value()?),
        }),
        _ => return Err(super::answer::missing("count: a known row")),
    }
    Ok(())
}
