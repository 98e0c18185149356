//! One of the four that write: what it does next, and a log of what it committed and of what it saw when it did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::dice::Dice;
use super::party::{Party, Row};
use super::tables::Table;

/// A committed change of one row.
pub struct Write {
    /// Who wrote.
    pub by: &'static str,
    /// When, for whoever reads the story of a row.
    pub at: jiff::Timestamp,
    pub table: &'static Table,
    pub key: String,
    /// What stood there, read in the same transaction; `None` for an insert.
    pub before: Option<Row>,
    /// What stands there now; `None` for a delete.
    pub after: Option<Row>,
}

/// What is written in a transaction of its own, and how often of a hundred times.
type Work = (u64, fn(&mut Writer));

/// All of it.
const WORK: [Work; 15] = [
    (22, Writer::review),
    (16, Writer::edit_product),
    (8, Writer::add_products),
    (8, Writer::queue_duplicate),
    (7, Writer::ask_for_update),
    (6, Writer::edit_update),
    (5, Writer::finish_update),
    (6, Writer::remark),
    (4, Writer::edit_remark),
    (4, Writer::clear_entry),
    (2, Writer::drop_product),
    (4, Writer::discover),
    (3, Writer::edit_catalogue),
    (2, Writer::move_catalogue),
    (3, Writer::set_pattern),
];

/// A party with a will of its own.
pub struct Writer {
    name: &'static str,
    party: Box<dyn Party>,
    dice: Dice,
    /// Makes each value different from every other.
    count: u64,
    open: Vec<Write>,
    log: Vec<Write>,
}

impl Writer {
    pub fn new(name: &'static str, party: Box<dyn Party>, dice: Dice) -> Self {
        Self {
            name,
            party,
            dice,
            count: 0,
            open: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Writes until told to stop, and gives what was committed.
    pub fn until(mut self, stop: &AtomicBool) -> Vec<Write> {
        while !stop.load(Ordering::SeqCst) {
            self.transaction();
            let pause = match self.dice.percent(2) {
                true => self.dice.between(1000, 3000),
                false => self.dice.between(10, 350),
            };
            std::thread::sleep(Duration::from_millis(pause));
        }
        self.log
    }

    fn transaction(&mut self) {
        let mut roll = self.dice.below(WORK.iter().map(|(share, _)| share).sum());
        let work = WORK.iter().find(|(share, _)| match roll.checked_sub(*share) {
            Some(rest) => {
                roll = rest;
                false
            }
            None => true,
        });
        let times = if self.dice.percent(3) { 30 } else { 1 };
        self.party.query("BEGIN IMMEDIATE", &[]);
        for _ in 0..times {
            work.unwrap().1(self);
        }
        self.party.query("COMMIT", &[]);
        self.log.append(&mut self.open);
    }

    /// Runs a statement that changes one row, named by the first values.
    fn write(&mut self, table: &'static str, sql: &str, values: &[Json]) {
        let table = Table::named(table);
        let look = format!("SELECT * FROM {} WHERE {}", table.name, table.is_this_row());
        let identity = &values[..table.identity.len()];
        let before = self.party.query(&look, identity).pop();
        self.party.query(sql, values);
        let after = self.party.query(&look, identity).pop();
        self.note(table, before, after);
    }

    fn note(&mut self, table: &'static Table, before: Option<Row>, after: Option<Row>) {
        let Some(row) = before.as_ref().or(after.as_ref()) else {
            return;
        };
        if before == after {
            return;
        }
        self.open.push(Write {
            by: self.name,
            at: jiff::Timestamp::now(),
            table,
            key: table.key(row),
            before,
            after,
        });
    }

    /// A value that nobody has written before, and that says what it was written for.
    fn value(&mut self, key: &str) -> Json {
        self.count += 1;
        json!(format!("{} {} @{key}", self.name, self.count))
    }

    /// A row of a table, often one of a few that everybody likes.
    fn some(&mut self, table: &str, condition: &str) -> Option<Row> {
        let count = self
            .party
            .query(&format!("SELECT count(*) AS n FROM {table} WHERE {condition}"), &[]);
        let count = count[0]["n"].as_u64().unwrap();
        let among = if self.dice.percent(50) { count.min(6) } else { count };
        let order = Table::named(table).identity.join(",");
        let at = self.dice.below(among);
        let sql = format!("SELECT * FROM {table} WHERE {condition} ORDER BY {order} LIMIT 1 OFFSET ?1");
        self.party.query(&sql, &[json!(at)]).pop()
    }

    /// A product's assessment and its entry in the queue.
    fn review(&mut self) {
        let Some(product) = self.some("products", "1") else {
            return;
        };
        let (url, now) = (product["url"].clone(), json!(self.party.now()));
        let (stage, modesty, shopify) = *self.dice.pick(&[
            ("assessed_approved", "modest", "published"),
            ("assessed_approved", "moderately_modest", "published"),
            ("assessed_rejected", "not_modest", "draft"),
        ]);
        self.write(
            "products",
            "UPDATE products SET lifecycle_stage=?2,assessed_at=?3,modesty_status=?4,shopify_status=?5,\
             assessment_status='assessed' WHERE url=?1",
            &[url.clone(), json!(stage), now.clone(), json!(modesty), json!(shopify)],
        );
        let notes = self.value(&format!("{}|modesty", url.as_str().unwrap()));
        self.write(
            "assessment_queue",
            "UPDATE assessment_queue SET status='reviewed',review_decision=?3,reviewed_at=?4,reviewer_notes=?5,reviewed_by=?6 \
             WHERE product_url=?1 AND review_type=?2",
            &[url, json!("modesty"), json!(modesty), now, notes, json!(self.name)],
        );
    }

    fn edit_product(&mut self) {
        let Some(product) = self.some("products", "1") else {
            return;
        };
        let url = product["url"].clone();
        let value = self.value(url.as_str().unwrap());
        let column = *self
            .dice
            .pick(&["title", "description", "product_code", "last_workflow"]);
        if self.dice.percent(80) {
            let sql = format!("UPDATE products SET {column}=?2,last_updated=?3 WHERE url=?1");
            let now = json!(self.party.now());
            self.write("products", &sql, &[url, value, now]);
        } else {
            let sql = format!("UPDATE products SET {column}=?2 WHERE url=?1");
            self.write("products", &sql, &[url, value]);
        }
    }

    fn add_products(&mut self) {
        for _ in 0..self.dice.between(1, 3) {
            self.count += 1;
            let url = format!("https://{}.example/{}", self.name, self.count);
            let (title, now) = (self.value(&url), json!(self.party.now()));
            self.write(
                "products",
                "INSERT INTO products(url,retailer,title,lifecycle_stage,assessment_status,first_seen,last_updated) \
                 VALUES(?1,'Shop',?2,'pending_assessment','queued',?3,?3)",
                &[json!(url), title, now],
            );
            self.queue(&url, "modesty");
        }
    }

    fn queue_duplicate(&mut self) {
        if let Some(product) = self.some("products", "1") {
            self.queue(product["url"].as_str().unwrap(), "duplication");
        }
    }

    fn queue(&mut self, url: &str, kind: &str) {
        let data = self.value(&format!("{url}|{kind}"));
        self.write(
            "assessment_queue",
            "INSERT INTO assessment_queue(product_url,retailer,review_type,status,product_data,source_workflow) \
             VALUES(?1,'Shop',?2,'pending',?3,?4) ON CONFLICT DO NOTHING",
            &[json!(url), json!(kind), data, json!(self.name)],
        );
    }

    fn ask_for_update(&mut self) {
        let Some(product) = self.some("products", "1") else {
            return;
        };
        self.count += 1;
        let reason = format!("reason {} {}", self.name, self.count);
        let priority = self.value(&reason);
        self.write(
            "product_update_queue",
            "INSERT INTO product_update_queue(reason,product_url,priority) VALUES(?1,?2,?3)",
            &[json!(reason), product["url"].clone(), priority],
        );
    }

    fn edit_update(&mut self) {
        let Some(row) = self.some("product_update_queue", "1") else {
            return;
        };
        let status = self.value(row["reason"].as_str().unwrap());
        let column = *self.dice.pick(&["status", "priority"]);
        let sql = format!("UPDATE product_update_queue SET {column}=?2 WHERE reason=?1");
        self.write("product_update_queue", &sql, &[row["reason"].clone(), status]);
    }

    fn finish_update(&mut self) {
        if let Some(row) = self.some("product_update_queue", "1") {
            let sql = "DELETE FROM product_update_queue WHERE reason=?1";
            self.write("product_update_queue", sql, &[row["reason"].clone()]);
        }
    }

    fn remark(&mut self) {
        let Some(entry) = self.some("assessment_queue", "1") else {
            return;
        };
        self.count += 1;
        let of = Table::named("assessment_queue").key(&entry);
        let word = format!("word {} {} of {of}", self.name, self.count);
        let note = self.value(&word);
        self.write(
            "remark",
            "INSERT INTO remark(word,entry,note) VALUES(?1,?2,?3)",
            &[json!(word), entry["id"].clone(), note],
        );
    }

    fn edit_remark(&mut self) {
        let Some(row) = self.some("remark", "1") else { return };
        let note = self.value(row["word"].as_str().unwrap());
        self.write(
            "remark",
            "UPDATE remark SET note=?2 WHERE word=?1",
            &[row["word"].clone(), note],
        );
    }

    /// Deletes a reviewed entry and what was remarked on it.
    fn clear_entry(&mut self) {
        let Some(entry) = self.some("assessment_queue", "status='reviewed'") else {
            return;
        };
        for remark in self
            .party
            .query("SELECT * FROM remark WHERE entry=?1", &[entry["id"].clone()])
        {
            self.write("remark", "DELETE FROM remark WHERE word=?1", &[remark["word"].clone()]);
        }
        self.write(
            "assessment_queue",
            "DELETE FROM assessment_queue WHERE product_url=?1 AND review_type=?2",
            &[entry["product_url"].clone(), entry["review_type"].clone()],
        );
    }

    /// Deletes a product and what waits for it.
    fn drop_product(&mut self) {
        let Some(product) = self.some("products", "url NOT LIKE 'https://shop.example/%'") else {
            return;
        };
        let url = product["url"].clone();
        let sql = "SELECT * FROM product_update_queue WHERE product_url=?1";
        for row in self.party.query(sql, std::slice::from_ref(&url)) {
            let sql = "DELETE FROM product_update_queue WHERE reason=?1";
            self.write("product_update_queue", sql, &[row["reason"].clone()]);
        }
        self.write("products", "DELETE FROM products WHERE url=?1", &[url]);
    }

    /// A page that several may come upon at once.
    fn discover(&mut self) {
        let page = format!("https://catalogue.example/{}", self.dice.below(400));
        let title = self.value(&format!("{page}|Shop"));
        self.write(
            "catalog_products",
            "INSERT INTO catalog_products(catalog_url,retailer,title) VALUES(?1,?2,?3) ON CONFLICT DO NOTHING",
            &[json!(page), json!("Shop"), title],
        );
    }

    fn edit_catalogue(&mut self) {
        let Some(row) = self.some("catalog_products", "1") else {
            return;
        };
        let status = self.value(&Table::named("catalog_products").key(&row));
        self.write(
            "catalog_products",
            "UPDATE catalog_products SET review_status=?3 WHERE catalog_url=?1 AND retailer=?2",
            &[row["catalog_url"].clone(), row["retailer"].clone(), status],
        );
    }

    /// Gives a row another name: to everybody else the old one is gone and a new one is there.
    fn move_catalogue(&mut self) {
        let Some(before) = self.some("catalog_products", "1") else {
            return;
        };
        let table = Table::named("catalog_products");
        self.count += 1;
        let page = format!("https://{}.example/moved/{}", self.name, self.count);
        let title = self.value(&format!("{page}|Shop"));
        let sql = "UPDATE catalog_products SET catalog_url=?2,title=?3,review_status=NULL WHERE id=?1 RETURNING *";
        let after = self.party.query(sql, &[before["id"].clone(), json!(page), title]).pop();
        self.note(table, Some(before), None);
        self.note(table, None, after);
    }

    fn set_pattern(&mut self) {
        let retailer = format!("Retailer {}", self.dice.below(12));
        let pattern = self.value(&retailer);
        let now = json!(self.party.now());
        let column = *self.dice.pick(&["url_pattern", "code_pattern"]);
        let sql = format!(
            "INSERT INTO retailer_url_patterns(retailer,url_pattern,last_updated) VALUES(?1,?2,?3) \
             ON CONFLICT DO UPDATE SET {column}=?2,last_updated=?3"
        );
        self.write("retailer_url_patterns", &sql, &[json!(retailer), pattern, now]);
    }
}
