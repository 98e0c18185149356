//! The tables that everybody writes to: what names a row of them, and which values stand or fall together.

use std::path::Path;

use modsync::demo::data;

use super::party::{Party, Program, Row};
use crate::support::world::open;

/// What a person knows of a table.
pub struct Table {
    pub name: &'static str,
    /// The columns that tell which thing a row is about. Numbers that a database hands out are never among them.
    pub identity: &'static [&'static str],
    /// The values to look after; those of one unit move together. Numbers that a database hands out, and times of the last
    /// update, are in none.
    pub units: &'static [&'static [&'static str]],
}

/// Keys that are text, numbers beside a natural key, numbers that are the only key, and references to both.
pub const TABLES: [Table; 6] = [
    Table {
        name: "products",
        identity: &["url"],
        units: &[
            &[
                "lifecycle_stage",
                "assessed_at",
                "modesty_status",
                "shopify_status",
                "assessment_status",
            ],
            &["title"],
            &["description"],
            &["product_code"],
            &["last_workflow"],
        ],
    },
    Table {
        name: "assessment_queue",
        identity: &["product_url", "review_type"],
        units: &[
            &[
                "status",
                "review_decision",
                "reviewer_notes",
                "reviewed_at",
                "reviewed_by",
            ],
            &["product_data"],
            &["source_workflow"],
        ],
    },
    Table {
        name: "catalog_products",
        identity: &["catalog_url", "retailer"],
        units: &[&["title"], &["review_status"]],
    },
    Table {
        name: "retailer_url_patterns",
        identity: &["retailer"],
        units: &[&["url_pattern"], &["code_pattern"]],
    },
    Table {
        name: "product_update_queue",
        identity: &["reason"],
        units: &[&["product_url"], &["priority"], &["status"]],
    },
    Table {
        name: "remark",
        identity: &["word"],
        units: &[&["note"]],
    },
];

/// Beside the product database's tables, one that refers to a number which is not its row's identity.
const REMARK: &str = "CREATE TABLE remark(id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL REFERENCES assessment_queue(id), word TEXT NOT NULL, note TEXT);";

/// Rows that everybody has from the beginning.
const ROWS: &str = "
    INSERT INTO products(url,retailer,title,lifecycle_stage,assessment_status,last_updated)
        SELECT printf('https://shop.example/%04d',value),'Shop','from the beginning','pending_assessment','queued','2025-01-01 00:00:00'
        FROM generate_series(0,239);
    INSERT INTO assessment_queue(product_url,retailer,review_type,status,product_data)
        SELECT url,retailer,'modesty','pending','{}' FROM products;
    INSERT INTO catalog_products(catalog_url,retailer,title)
        SELECT url,retailer,'from the beginning' FROM products LIMIT 80;
    INSERT INTO retailer_url_patterns(retailer,url_pattern) VALUES('Aab','a%'),('Mikarose','m%'),('Modli','o%'),('Shop','s%');
    INSERT INTO product_update_queue(product_url,reason,priority)
        SELECT url,'reason '||url,'normal' FROM products LIMIT 60;
    INSERT INTO remark(entry,word,note)
        SELECT id,'word '||id||' of '||product_url||'|'||review_type,'from the beginning' FROM assessment_queue LIMIT 60;";

impl Table {
    pub fn named(name: &str) -> &'static Self {
        TABLES.iter().find(|table| table.name == name).unwrap()
    }

    /// Which thing a row is about.
    pub fn key(&self, row: &Row) -> String {
        let parts = self.identity.iter().map(|column| row[*column].as_str().unwrap());
        parts.collect::<Vec<_>>().join("|")
    }

    /// `url = ?1 AND …`
    pub fn is_this_row(&self) -> String {
        let parts = self.identity.iter().enumerate();
        let parts = parts.map(|(at, column)| format!("{column} = ?{}", at + 1));
        parts.collect::<Vec<_>>().join(" AND ")
    }
}

/// Makes the database that everybody begins with.
pub fn create(database: &Path) {
    let series =
        "WITH RECURSIVE s(value) AS (SELECT 0 UNION ALL SELECT value+1 FROM s WHERE value<239) SELECT value FROM s";
    let rows = ROWS.replace("generate_series(0,239)", &format!("({series})"));
    let connection = open(database);
    connection.execute_batch(data::SCHEMA).unwrap();
    connection.execute_batch(REMARK).unwrap();
    connection.execute_batch(&format!("BEGIN;{rows}COMMIT;")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
}

/// Every row of every table.
pub fn contents(database: &Path) -> Vec<(&'static Table, Row)> {
    let mut program = Program::on(database);
    let all = TABLES.iter().flat_map(|table| {
        let rows = program.query(&format!("SELECT * FROM {}", table.name), &[]);
        rows.into_iter().map(move |row| (table, row)).collect::<Vec<_>>()
    });
    all.collect()
}
