//! The programs that stand for the site and for the laptop's workflows in other tests do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use modsync::demo::data;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

fn sample(products: usize) -> (TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("products.db");
    data::create(&path, products).unwrap();
    let conn = Connection::open(&path).unwrap();
    (folder, path, conn)
}

fn fixture(program: &str, script: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(script),
    );
    command
}

fn output(command: &mut Command) -> Output {
    command
        .output()
        .expect("install php-cli, php-sqlite3 and python3, as scripts/test does")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn succeeded(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines(std::str::from_utf8(&output.stdout).unwrap())
}

fn number(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_site_reviews_named_products() {
    let (_folder, path, conn) = sample(24);
    let url: String = conn
        .query_row(
            "SELECT url FROM products WHERE lifecycle_stage = 'pending_assessment'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let mut review = fixture("php", "site/review.php");
    let said = succeeded(&output(
        review
            .arg(&path)
            .args(["not_modest", &url])
            .env("SITE_TIMEZONE", "Asia/Tokyo"),
    ));
    assert_eq!(said[0]["url"], url);
    assert!(said[0]["waited_ms"].as_f64().unwrap() >= 0.0);
    let row: (String, String, String) = conn
        .query_row(
            "SELECT p.lifecycle_stage, q.review_decision, p.assessed_at FROM products p JOIN assessment_queue q
             ON q.product_url = p.url WHERE p.url = ?1 AND q.reviewed_at = p.assessed_at AND q.status = 'reviewed'",
            [&url],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((row.0.as_str(), row.1.as_str()), ("assessed_rejected", "not_modest"));

    let commit: jiff::Timestamp = said[0]["time"].as_str().unwrap().parse().unwrap();
    let tokyo = row
        .2
        .parse::<jiff::civil::DateTime>()
        .unwrap()
        .in_tz("Asia/Tokyo")
        .unwrap();
    assert!(
        commit.duration_since(tokyo.timestamp()).as_secs().abs() <= 2,
        "{commit} {tokyo}"
    );
}

#[test]
fn the_site_reviews_in_turn_and_logs_what_is_committed() {
    let (folder, path, conn) = sample(24);
    let log = folder.path().join("log");
    let mut review = fixture("php", "site/review.php");
    succeeded(&output(
        review
            .arg(&path)
            .args(["--every-ms", "1", "--count", "30", "--log"])
            .arg(&log),
    ));
    let logged = lines(&std::fs::read_to_string(log).unwrap());
    assert_eq!(logged.len(), 30, "24 products and six of them again");
    assert_eq!(
        number(
            &conn,
            "SELECT count(*) FROM products WHERE assessment_status = 'assessed'"
        ),
        24
    );
    assert_eq!(
        number(
            &conn,
            "SELECT count(*) FROM assessment_queue WHERE status = 'pending' AND review_type = 'modesty'"
        ),
        0
    );
}

#[test]
fn the_site_waits_for_a_lock_and_says_how_long() {
    let (_folder, path, mut conn) = sample(24);
    // A busy machine may take longer to start PHP than the lock is held: then it is held longer.
    for hold in [100, 400, 1_600, 6_400].map(Duration::from_millis) {
        let tx = conn
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .unwrap();
        let mut review = fixture("php", "site/review.php");
        let child = review
            .arg(&path)
            .args(["--every-ms", "0", "--count", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("install php-cli");
        std::thread::sleep(hold);
        let released = jiff::Timestamp::now();
        tx.commit().unwrap();
        let said = succeeded(&child.wait_with_output().unwrap());
        let committed: jiff::Timestamp = said[0]["time"].as_str().unwrap().parse().unwrap();
        assert!(committed >= released, "{committed} {released}");
        let waited = said[0]["waited_ms"].as_f64().unwrap();
        assert!(waited < 60_000.0, "{waited}");
        if waited > 30.0 {
            return;
        }
    }
    panic!("no review said that it waited");
}

#[test]
fn wrong_calls_are_refused() {
    let (folder, path, _conn) = sample(8);
    let status = |arguments: &[&str]| output(fixture("php", "site/review.php").arg(&path).args(arguments)).status;
    assert_eq!(status(&[]).code(), Some(2));
    assert_eq!(status(&["--every-ms", "1"]).code(), Some(2));
    assert_eq!(status(&["modest", "https://nowhere.example/"]).code(), Some(1));
    let missing = folder.path().join("missing.db");
    assert_eq!(
        output(fixture("php", "site/review.php").arg(&missing).args(["modest", "x"]))
            .status
            .code(),
        Some(1)
    );
    assert!(!missing.exists());
}

#[test]
fn the_workflow_adds_and_updates() {
    let (_folder, path, conn) = sample(24);
    let run = |kind: &str| {
        succeeded(&output(
            fixture("python3", "workflow.py")
                .arg(&path)
                .args(["--count", "5", "--kind", kind]),
        ))
    };
    let added = run("add");
    assert_eq!(added.len(), 5);
    assert_eq!(number(&conn, "SELECT count(*) FROM products"), 29);
    let queued = "SELECT count(*) FROM assessment_queue q JOIN products p ON p.url = q.product_url
        WHERE p.url LIKE '%/workflow-%' AND q.added_at GLOB '????-??-??T??:??:??.??????'";
    assert_eq!(number(&conn, queued), 5);
    let updated = run("update");
    assert_eq!(updated.len(), 5);
    assert_eq!(
        number(
            &conn,
            "SELECT count(*) FROM products WHERE last_workflow = 'product_updater'"
        ),
        5
    );
}
