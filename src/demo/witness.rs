//! What was written on one side, remembered, so that it can be looked for on both.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _};

use super::contents::values;

/// A review, as the site's PHP wrote it: the product's assessment and its queue entry. By the product's key.
const REVIEW: &str = "SELECT p.lifecycle_stage, p.assessed_at, p.modesty_status, p.shopify_status,
    p.assessment_status, q.status, q.review_decision, q.reviewer_notes, q.reviewed_at, q.reviewed_by
    FROM products p JOIN assessment_queue q ON q.product_url = p.url AND q.review_type = 'modesty' WHERE p.url = ?1";

/// A new product with its queue entry, as the laptop's workflow wrote them. By the product's key.
const PRODUCT: &str = "SELECT p.*, q.retailer, q.category, q.priority, q.status, q.product_data, q.added_at,
    q.source_workflow FROM products p JOIN assessment_queue q ON q.product_url = p.url AND q.review_type = 'modesty'
    WHERE p.url = ?1";

/// A queue entry for a modesty review, all but its id. By the product's key.
const ENTRY: &str = "SELECT retailer, category, priority, status, product_data, suspected_match_data,
    review_decision, reviewer_notes, reviewed_at, reviewed_by, added_at, source_workflow
    FROM assessment_queue WHERE product_url = ?1 AND review_type = 'modesty'";

/// Something written on one side, remembered as it was then.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    sql: &'static str,
    url: String,
    /// `None` when there was nothing: such a one never holds.
    saw: Option<Vec<Value>>,
}

impl Witness {
    /// The reviews of these products, as this side has them.
    pub fn reviews(conn: &Connection, urls: &[String]) -> rusqlite::Result<Vec<Self>> {
        urls.iter().map(|url| Self::of(conn, REVIEW, url)).collect()
    }

    /// These products with their queue entries, as this side has them.
    pub fn products(conn: &Connection, urls: &[String]) -> rusqlite::Result<Vec<Self>> {
        urls.iter().map(|url| Self::of(conn, PRODUCT, url)).collect()
    }

    /// The queue entry that has this id on this side; the id itself is not remembered.
    pub fn entry(conn: &Connection, id: i64) -> rusqlite::Result<Self> {
        let url: String = conn.query_row("SELECT product_url FROM assessment_queue WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
        Self::of(conn, ENTRY, &url)
    }

    fn of(conn: &Connection, sql: &'static str, url: &str) -> rusqlite::Result<Self> {
        Ok(Self {
            sql,
            url: url.to_owned(),
            saw: look(conn, sql, url)?,
        })
    }

    /// The product's key.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The id that the product's queue entry has on this side.
    pub fn entry_id(&self, conn: &Connection) -> rusqlite::Result<Option<i64>> {
        conn.prepare_cached("SELECT id FROM assessment_queue WHERE product_url = ?1 AND review_type = 'modesty'")?
            .query_row([&self.url], |row| row.get(0))
            .optional()
    }

    /// Whether this side has the same, value by value.
    pub fn holds(&self, conn: &Connection) -> rusqlite::Result<bool> {
        Ok(self.saw.is_some() && look(conn, self.sql, &self.url)? == self.saw)
    }
}

fn look(conn: &Connection, sql: &str, url: &str) -> rusqlite::Result<Option<Vec<Value>>> {
    conn.prepare_cached(sql)?.query_row([url], values).optional()
}
