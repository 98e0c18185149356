//! Backups from before a schema changed.

use crate::support::world::{open, rows, text};
use crate::{assert_at_rest, assert_says, beside, counts, create, in_sync, restore, world};

#[test]
fn columns_that_the_backup_lacks_keep_todays_values() {
    let world = world("auto");
    let daemon = in_sync(&world);
    let name = create(&daemon);
    world.on_both(
        "ALTER TABLE product ADD COLUMN stock INTEGER DEFAULT 7; ALTER TABLE product DROP COLUMN price;
         CREATE TABLE extra(k TEXT PRIMARY KEY);",
    );
    daemon.sync(&[], 0);
    world
        .open_remote()
        .execute_batch(
            "UPDATE product SET title='changed',stock=99 WHERE url='u3'; UPDATE product SET stock=5 WHERE url='u4';
             DELETE FROM queue WHERE url='u1'; DELETE FROM product WHERE url='u1'; INSERT INTO extra VALUES('kept');",
        )
        .unwrap();
    daemon.sync(&[], 0);
    let (code, report) = restore(&daemon, &name, &["--take", "backup", "--yes"]);
    assert_eq!((code, counts(&report)), (0, [2, 1, 0]), "{report:#}");
    assert_eq!(
        report["tables"][0]["kept_columns"],
        serde_json::json!(["stock"]),
        "{report:#}"
    );
    let left_out = report["left_out"].to_string();
    assert!(
        left_out.contains("price") && left_out.contains("the backup has no such table"),
        "{left_out}"
    );
    let row = |url: &str| {
        rows(
            &world.open_local(),
            &format!("SELECT title,stock FROM product WHERE url='{url}'"),
        )
    };
    assert_eq!(row("u3"), [format!("{},Integer(99)", text("title 3"))]);
    assert_eq!(row("u4"), [format!("{},Integer(5)", text("title 4"))]);
    assert_eq!(row("u1"), [format!("{},Integer(7)", text("title 1"))]);
    assert_eq!(world.both("SELECT k FROM extra"), [text("kept")]);
    assert_at_rest(&world, &daemon);
}

#[test]
fn tables_that_cannot_be_restored_are_named_with_the_reason() {
    let world = world("auto");
    let daemon = in_sync(&world);
    let old = "products.db.backup_20240101_000000";
    open(&beside(&world, old))
        .execute_batch(
            "CREATE TABLE product(address TEXT PRIMARY KEY, title TEXT);
             CREATE TABLE queue(id INTEGER PRIMARY KEY, url INTEGER, kind TEXT, note);
             INSERT INTO product VALUES('u1','title'); INSERT INTO queue VALUES(1,1,'look',NULL);",
        )
        .unwrap();
    let plan = daemon.ctl(&["backups", "restore", old, "--dry-run"]);
    let words = [
        "lacks the key column \"url\"",
        "\"url\" is TEXT now and INTEGER in the backup",
        "not restored",
    ];
    assert_says(&plan, 0, &words);
    let refused = daemon.ctl(&["backups", "restore", old, "queue", "--take", "backup", "--yes"]);
    assert_says(&refused, 4, &["INTEGER in the backup"]);
    // Rows that share a key, and rows without one: nobody can tell which of them a row was.
    let doubled = "products.db.backup_20240101_000001";
    open(&beside(&world, doubled))
        .execute_batch(
            "CREATE TABLE product(url TEXT, title TEXT, price REAL);
             INSERT INTO product VALUES('u1','one',1),('u1','two',2);
             CREATE TABLE queue(id INTEGER PRIMARY KEY, url TEXT, kind TEXT, note);
             INSERT INTO queue VALUES(1,NULL,'look',NULL);",
        )
        .unwrap();
    let plan = daemon.ctl(&["backups", "restore", doubled, "--dry-run"]);
    assert_says(&plan, 0, &["stand for several rows", "have no key"]);
    assert_at_rest(&world, &daemon);
}
