//! Sample databases with the schema of the product preset, and what the phone and the laptop do to them.
//!
//! The content is invented and always the same; only what [`phone_reviews`] and [`laptop_adds`] write carries the
//! present time, as the programs do that they stand for.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::json;

use super::content::{Dice, Product, RETAILERS, laptop_time, moment, site_time};

/// The schema: `products`, `assessment_queue`, `catalog_products`, `retailer_url_patterns`, `product_update_queue`.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How many products the real database has; with that many the file has about 4.4 MB.
pub const PRODUCTS: usize = 1_760;

/// Makes a database with that many products and all that belongs to them. One product in four waits for its review.
///
/// # Errors
/// When the file cannot be written, or is a database that has these tables already.
pub fn create(path: &Path, products: usize) -> rusqlite::Result<()> {
    let mut conn = Connection::open(path)?;
    let tx = conn.transaction()?;
    tx.execute_batch(SCHEMA)?;
    for number in 0..products {
        let product = Product::numbered(number);
        insert_product(&tx, &product, &Stage::of(number), moment(number))?;
        insert_past_queue_entries(&tx, &product, number)?;
        if number % 3 == 0 {
            insert_catalogue_entry(&tx, &product, number)?;
        }
        if number % 40 == 0 {
            tx.prepare_cached(
                "INSERT INTO product_update_queue (product_url, reason, added_at) VALUES (?1, 'price', ?2)",
            )?
            .execute(params![product.url, laptop_time(moment(number))])?;
        }
    }
    for (retailer, host) in RETAILERS {
        tx.execute(
            "INSERT INTO retailer_url_patterns VALUES (?1, ?2, '-([A-Z]{2}\\d+)\\.html$', 0.95, ?3)",
            params![retailer, format!("https://{host}/%"), laptop_time(moment(0))],
        )?;
    }
    tx.commit()
}

/// The phone reviews the next `count` waiting products, each in a transaction of its own, as the site's PHP does: the
/// five columns of the assessment and the queue entry. Gives their keys; fewer when fewer wait.
///
/// # Errors
/// When the database cannot be written.
pub fn phone_reviews(conn: &mut Connection, count: usize) -> rusqlite::Result<Vec<String>> {
    let urls: Vec<String> = conn
        .prepare(
            "SELECT product_url FROM assessment_queue WHERE status = 'pending' AND review_type = 'modesty'
             ORDER BY id LIMIT ?1",
        )?
        .query_map([i64::try_from(count).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for (index, url) in urls.iter().enumerate() {
        let (stage, modesty, shopify) = match index % 3 {
            0 => ("assessed_approved", "modest", "published"),
            1 => ("assessed_approved", "moderately_modest", "published"),
            _ => ("assessed_rejected", "not_modest", "draft"),
        };
        let at = site_time(now());
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute(
            "UPDATE products SET lifecycle_stage = ?2, assessed_at = ?3, modesty_status = ?4, shopify_status = ?5,
             assessment_status = 'assessed' WHERE url = ?1",
            params![url, stage, at, modesty, shopify],
        )?;
        tx.execute(
            "UPDATE assessment_queue SET status = 'reviewed', review_decision = ?2, reviewed_at = ?3,
             reviewed_by = 'phone', reviewer_notes = 'seen on the phone'
             WHERE product_url = ?1 AND review_type = 'modesty'",
            params![url, modesty, at],
        )?;
        tx.commit()?;
    }
    Ok(urls)
}

/// The laptop's workflow adds `count` products that no side has, each with its queue entry, in one transaction.
/// Gives their keys.
///
/// # Errors
/// When the database cannot be written.
pub fn laptop_adds(conn: &mut Connection, count: usize) -> rusqlite::Result<Vec<String>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut urls = Vec::with_capacity(count);
    for product in new_products(&tx, count)? {
        insert_product(&tx, &product, &Stage::WAITING, now())?;
        queue(&tx, None, &product, "modesty", &laptop_time(now()), "catalog_monitor")?;
        urls.push(product.url);
    }
    tx.commit()?;
    Ok(urls)
}

/// Both sides queue something else under one new id, as two AUTOINCREMENT counters do that stand at the same number:
/// the laptop a new product, the site a product whose duplication review is done. Gives that id.
///
/// # Errors
/// When a database cannot be written, or the site has no product in the duplication review.
pub fn same_id_on_both(laptop: &mut Connection, site: &mut Connection) -> rusqlite::Result<i64> {
    let id = last_queue_id(laptop)?.max(last_queue_id(site)?) + 1;

    let tx = laptop.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for product in new_products(&tx, 1)? {
        insert_product(&tx, &product, &Stage::WAITING, now())?;
        queue(
            &tx,
            Some(id),
            &product,
            "modesty",
            &laptop_time(now()),
            "new_product_importer",
        )?;
    }
    tx.commit()?;

    let at = site_time(now());
    let tx = site.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let reviewed: i64 = tx.query_row(
        "UPDATE assessment_queue SET status = 'reviewed', review_decision = 'not_duplicate', reviewed_at = ?1,
         reviewed_by = 'phone' WHERE id = (SELECT min(id) FROM assessment_queue AS q
            WHERE review_type = 'duplication' AND status = 'pending' AND NOT EXISTS (SELECT 1 FROM assessment_queue
            WHERE product_url = q.product_url AND review_type = 'modesty')) RETURNING id",
        [&at],
        |row| row.get(0),
    )?;
    tx.execute(
        "INSERT INTO assessment_queue (id, product_url, retailer, category, review_type, product_data, added_at,
         source_workflow) SELECT ?1, product_url, retailer, category, 'modesty', product_data, ?2, 'web_assessment'
         FROM assessment_queue WHERE id = ?3",
        params![id, at, reviewed],
    )?;
    tx.commit()?;
    Ok(id)
}

/// Where a product stands.
struct Stage {
    lifecycle: Option<&'static str>,
    modesty: Option<&'static str>,
    shopify: Option<&'static str>,
    assessment: Option<&'static str>,
    assessed: bool,
}

impl Stage {
    const WAITING: Self = Self {
        lifecycle: Some("pending_assessment"),
        modesty: None,
        shopify: None,
        assessment: Some("queued"),
        assessed: false,
    };
    const UNTOUCHED: Self = Self {
        lifecycle: None,
        assessment: None,
        ..Self::WAITING
    };

    /// One in four waits, one in eight was never looked at, the rest is assessed.
    fn of(number: usize) -> Self {
        let (lifecycle, modesty, shopify) = match number % 8 {
            0 | 4 => return Self::WAITING,
            7 => return Self::UNTOUCHED,
            1 => ("assessed_rejected", "not_modest", "draft"),
            2 => ("assessed_approved", "moderately_modest", "published"),
            _ => ("assessed_approved", "modest", "published"),
        };
        Self {
            lifecycle: Some(lifecycle),
            modesty: Some(modesty),
            shopify: Some(shopify),
            assessment: Some("assessed"),
            assessed: true,
        }
    }
}

fn insert_product(tx: &Transaction<'_>, product: &Product, stage: &Stage, seen: DateTime) -> rusqlite::Result<()> {
    let seen_text = laptop_time(seen);
    let shopify_id = stage
        .shopify
        .map(|_| 7_000_000_000_000 + i64::from(Dice::new(product.url.len() as u64).below(u32::MAX)));
    tx.prepare_cached(
        "INSERT INTO products (url, retailer, title, price, description, image_urls, product_code, shopify_id,
         lifecycle_stage, assessed_at, modesty_status, shopify_status, assessment_status, data_completeness,
         last_workflow, extracted_at, last_checked, first_seen, last_updated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0.9, 'new_product_importer', ?14, ?14, ?14, ?14)",
    )?
    .execute(params![
        product.url,
        product.retailer,
        product.title,
        product.price,
        product.description,
        product.image_urls,
        product.code,
        shopify_id,
        stage.lifecycle,
        stage.assessed.then(|| site_time(seen)),
        stage.modesty,
        stage.shopify,
        stage.assessment,
        seen_text,
    ])?;
    Ok(())
}

/// What waits, what is in the duplication review, and a few reviews of the past.
fn insert_past_queue_entries(tx: &Transaction<'_>, product: &Product, number: usize) -> rusqlite::Result<()> {
    let at = laptop_time(moment(number));
    match number % 8 {
        0 | 4 => queue(tx, None, product, "modesty", &at, "new_product_importer"),
        7 => {
            queue(tx, None, product, "duplication", &at, "catalog_monitor")?;
            let twin = Product::numbered(number.saturating_sub(1));
            tx.prepare_cached(
                "UPDATE assessment_queue SET suspected_match_data = ?2 WHERE product_url = ?1 AND review_type = 'duplication'",
            )?
            .execute(params![product.url, json!({ "url": twin.url, "similarity": 0.87 }).to_string()])?;
            Ok(())
        }
        1 => {
            queue(tx, None, product, "modesty", &at, "new_product_importer")?;
            tx.prepare_cached(
                "UPDATE assessment_queue SET status = 'reviewed', review_decision = 'not_modest', reviewed_at = ?2,
                 reviewed_by = 'phone' WHERE product_url = ?1",
            )?
            .execute(params![product.url, site_time(moment(number))])?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn insert_catalogue_entry(tx: &Transaction<'_>, product: &Product, number: usize) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO catalog_products (catalog_url, retailer, category, title, price, discovered_at, review_status)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'baseline')",
    )?
    .execute(params![
        product.url,
        product.retailer,
        product.category,
        product.title,
        product.price,
        laptop_time(moment(number)),
    ])?;
    Ok(())
}

/// Queues a product for a review; without an id it takes the next one.
fn queue(
    tx: &Transaction<'_>,
    id: Option<i64>,
    product: &Product,
    review_type: &str,
    at: &str,
    workflow: &str,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO assessment_queue (id, product_url, retailer, category, review_type, product_data, added_at,
         source_workflow) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        id,
        product.url,
        product.retailer,
        product.category,
        review_type,
        product.summary(),
        at,
        workflow,
    ])?;
    Ok(())
}

/// Products that this database does not have.
fn new_products(conn: &Connection, count: usize) -> rusqlite::Result<Vec<Product>> {
    let have: u32 = conn.query_row("SELECT count(*) FROM products", [], |row| row.get(0))?;
    let mut find = conn.prepare_cached("SELECT 1 FROM products WHERE url = ?1")?;
    let mut products = Vec::with_capacity(count);
    for number in have as usize.. {
        if products.len() == count {
            break;
        }
        let product = Product::numbered(number);
        if !find.exists([&product.url])? {
            products.push(product);
        }
    }
    Ok(products)
}

fn last_queue_id(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'assessment_queue'",
        [],
        |row| row.get(0),
    )
}

fn now() -> DateTime {
    jiff::Timestamp::now().to_zoned(TimeZone::UTC).datetime()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(folder: &Path, name: &str, products: usize) -> Connection {
        let path = folder.join(name);
        create(&path, products).unwrap();
        Connection::open(path).unwrap()
    }

    fn number(conn: &Connection, sql: &str) -> i64 {
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_full_sample_has_the_size_of_the_real_database() {
        let folder = tempfile::tempdir().unwrap();
        let conn = sample(folder.path(), "a.db", PRODUCTS);
        let size = std::fs::metadata(folder.path().join("a.db")).unwrap().len();
        assert!((4_200_000..4_700_000).contains(&size), "{size} bytes");
        assert_eq!(number(&conn, "SELECT count(*) FROM products"), 1_760);
        assert_eq!(
            number(
                &conn,
                "SELECT count(*) FROM assessment_queue WHERE status = 'pending' AND review_type = 'modesty'"
            ),
            440
        );
        assert_eq!(number(&conn, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(
            number(&conn, "SELECT count(*) FROM products WHERE NOT json_valid(image_urls)"),
            0
        );
    }

    #[test]
    fn two_samples_are_the_same_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        sample(folder.path(), "a.db", 60);
        sample(folder.path(), "b.db", 60);
        let read = |name| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("a.db"), read("b.db"));
    }

    #[test]
    fn the_phone_reviews_each_product_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = sample(folder.path(), "a.db", 24);
        let assessed = "SELECT count(*) FROM products p JOIN assessment_queue q ON q.product_url = p.url
            WHERE q.status = 'reviewed' AND q.reviewer_notes IS NOT NULL AND p.assessed_at = q.reviewed_at
            AND p.assessment_status = 'assessed' AND p.assessed_at GLOB '????-??-?? ??:??:??'";
        assert_eq!(phone_reviews(&mut conn, 5).unwrap().len(), 5);
        assert_eq!(number(&conn, assessed), 5);
        assert_eq!(
            phone_reviews(&mut conn, 5).unwrap().len(),
            1,
            "24 products have six that wait"
        );
        assert_eq!(number(&conn, assessed), 6);
    }

    #[test]
    fn the_laptop_adds_products_and_both_sides_use_one_id() {
        let folder = tempfile::tempdir().unwrap();
        let mut laptop = sample(folder.path(), "laptop.db", 24);
        let mut site = sample(folder.path(), "site.db", 24);
        assert_eq!(laptop_adds(&mut laptop, 7).unwrap().len(), 7);
        let id = same_id_on_both(&mut laptop, &mut site).unwrap();
        let entry = |conn: &Connection| -> String {
            conn.query_row("SELECT product_url FROM assessment_queue WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .unwrap()
        };
        assert_ne!(entry(&laptop), entry(&site));
        assert_eq!(number(&laptop, "SELECT count(*) FROM products"), 32);
    }
}
