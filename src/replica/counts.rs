//! What a side holds, for `status`: plain counts, and what the product database's tables tell of reviews.

use super::answer::Fields;
use super::names::{ident, live};
use super::wire::{encode_sql, literal};
use super::{Replica, Script, SqlError};
use crate::control::types::{RecentAssessment, SideCounts};
use crate::model::{Table, Value};

/// How many of the newest assessments are told.
const RECENT: usize = 5;
/// How many retailers may have reviews waiting. They are all told in every `status`, so an answer with more is refused.
const MAX_RETAILERS: usize = 10_000;
/// How much of a text is told, in characters: these are for people, and go out with every `status`.
const SHOWN: usize = 300;

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
                take(&mut counts, &self.tables, &tag, fields)
            })
            .await?;
        Ok(summed(counts))
    }
}

/// Adds the steps that count.
pub(super) fn ask(script: &mut Script<'_>, tables: &[Table]) {
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
    let sum = |counts: &mut dyn Iterator<Item = &u64>| counts.fold(0_u64, |sum, count| sum.saturating_add(*count));
    counts.rows = sum(&mut counts.tables.values());
    if counts.pending_reviews.is_some() {
        counts.pending_reviews = Some(sum(&mut counts.pending_by_retailer.values()));
    }
    counts
}

/// Takes a row of the answer to [`ask`], after its tag.
pub(super) fn take(counts: &mut SideCounts, tables: &[Table], tag: &str, mut fields: Fields) -> Result<(), SqlError> {
    match tag {
        "rows" => {
            let (table, rows) = (fields.text()?, fields.count()?);
            let asked = tables.iter().any(|known| known.name == table);
            if !asked || counts.tables.insert(table, rows).is_some() {
                return Err(fields.wrong());
            }
        }
        "reviews" => counts.pending_reviews = Some(0),
        "pending" => {
            let (retailer, rows) = (words(&fields.value()?).unwrap_or_default(), fields.count()?);
            let waiting = counts.pending_by_retailer.entry(retailer).or_default();
            *waiting = waiting.saturating_add(rows);
            if counts.pending_by_retailer.len() > MAX_RETAILERS {
                return Err(fields.wrong());
            }
        }
        "assessed" => counts.assessed = Some(fields.count()?),
        "recent" if counts.recent.len() < RECENT => counts.recent.push(RecentAssessment {
            url: words(&fields.value()?).unwrap_or_default(),
            title: words(&fields.value()?),
            lifecycle_stage: words(&fields.value()?),
            assessed_at: words(&fields.value()?),
        }),
        _ => return Err(fields.wrong()),
    }
    fields.end()
}

/// A value for people: its first words, without what a terminal would take for a command.
fn words(value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let shown = value.to_string();
    let printable = shown.chars().filter(|character| !character.is_control());
    Some(printable.take(SHOWN).collect())
}
