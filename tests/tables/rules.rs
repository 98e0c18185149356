//! What is left out, held or decided, and where that is said.

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::Syncer as _;

use crate::support::world::{World, rows, sync, text, try_sync};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_synced_is_named_and_the_rest_goes_on() {
    let common = "CREATE TABLE plain(k TEXT PRIMARY KEY, v); CREATE VIEW shown AS SELECT * FROM plain;
        CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES('find me');
        CREATE TABLE keyless(a, b); INSERT INTO keyless VALUES(1,2);
        CREATE TABLE private(k TEXT PRIMARY KEY);
        CREATE TABLE declared(name TEXT, v);";
    let mut world = World::with_schemas(
        &format!("{common} CREATE TABLE ours(a, b); CREATE TABLE wide(k TEXT PRIMARY KEY, extra INTEGER);
                  INSERT INTO plain VALUES('a',1); INSERT INTO private VALUES('secret'); INSERT INTO declared VALUES('x',1),('y',1);"),
        &format!("{common} CREATE TABLE theirs(a); CREATE TABLE wide(k TEXT PRIMARY KEY, extra TEXT);"),
    );
    world.settings.insert(
        "table",
        "[[table]]\nname = \"private\"\nsync = false\n[[table]]\nname = \"declared\"\nkey = [\"name\"]\n".into(),
    );
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    let left_out = pair.check().await.unwrap().left_out;
    let reason = |name: &str| {
        let found = left_out.iter().find(|skipped| skipped.name == name);
        found
            .unwrap_or_else(|| panic!("{name} is not named in {left_out:?}"))
            .reason
            .clone()
    };
    assert_eq!(reason("shown"), "a view");
    assert_eq!(reason("words"), "a virtual table");
    for shadow in [
        "words_data",
        "words_idx",
        "words_content",
        "words_docsize",
        "words_config",
    ] {
        assert_eq!(reason(shadow), "kept by a virtual table");
    }
    assert!(
        reason("keyless").starts_with("no key: declare one"),
        "{}",
        reason("keyless")
    );
    assert_eq!(reason("private"), "left out by the config (sync = false)");
    assert!(
        reason("ours").starts_with("only on the laptop: no key"),
        "{}",
        reason("ours")
    );
    assert!(
        reason("theirs").starts_with("only on the server: no key"),
        "{}",
        reason("theirs")
    );
    assert!(
        reason("wide").starts_with("column \"extra\" is INTEGER on the laptop and TEXT on the server"),
        "{}",
        reason("wide")
    );
    assert_eq!(world.both("SELECT * FROM plain"), [format!("{},Integer(1)", text("a"))]);

    world
        .open_remote()
        .execute_batch("UPDATE declared SET v=2 WHERE name='x'; DELETE FROM declared WHERE name='y'")
        .unwrap();
    sync(&mut pair).await;
    assert_eq!(
        world.both("SELECT name,v FROM declared"),
        [format!("{},Integer(2)", text("x"))]
    );
    assert_eq!(rows(&world.open_remote(), "SELECT * FROM private"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_no_key_tells_apart_stay_and_are_counted() {
    let schema = "CREATE TABLE loose(k TEXT PRIMARY KEY, v); CREATE TABLE doubled(name TEXT, v); CREATE TABLE other(k TEXT PRIMARY KEY, v)";
    let mut world = World::with_schema(schema);
    world
        .settings
        .insert("table", "[[table]]\nname = \"doubled\"\nkey = [\"name\"]\n".into());
    world
        .open_local()
        .execute_batch("INSERT INTO loose VALUES(NULL,1),(NULL,2),('a',1); INSERT INTO doubled VALUES('x',1),('y',1)")
        .unwrap();
    world
        .open_remote()
        .execute_batch("INSERT INTO loose VALUES(NULL,3),('b',1)")
        .unwrap();
    let mut pair = world.pair().await;
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.held), (Outcome::Attention, 3), "{done:?}");
    assert_eq!(
        done.reason.as_deref(),
        Some("loose: 3 rows with NULL in their key stay where they are")
    );
    assert_eq!(
        world.both("SELECT count(*) FROM loose WHERE k IS NOT NULL"),
        ["Integer(2)"]
    );
    assert_eq!(
        rows(&world.open_local(), "SELECT v FROM loose WHERE k IS NULL"),
        ["Integer(1)", "Integer(2)"]
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT v FROM loose WHERE k IS NULL"),
        ["Integer(3)"]
    );

    // A second row of one key: nobody can say which of them the other side's row is.
    world.open_local().execute_batch("DELETE FROM loose WHERE k IS NULL; INSERT INTO doubled VALUES('x',2); INSERT INTO other VALUES('goes on',1)").unwrap();
    world
        .open_remote()
        .execute_batch("DELETE FROM loose WHERE k IS NULL; UPDATE doubled SET v=9 WHERE name='x'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(done.outcome, Outcome::Attention, "{done:?}");
    assert!(
        done.reason
            .as_deref()
            .unwrap()
            .starts_with("doubled: 1 keys belong to more than one row"),
        "{done:?}"
    );
    assert_eq!(
        rows(&world.open_local(), "SELECT v FROM doubled WHERE name='x'"),
        ["Integer(1)", "Integer(2)"]
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT v FROM doubled WHERE name='x'"),
        ["Integer(9)"]
    );
    assert_eq!(world.both("SELECT v FROM other"), ["Integer(1)"]);

    world
        .open_local()
        .execute_batch("DELETE FROM doubled WHERE v=2")
        .unwrap();
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    world.assert_equal();
    assert_eq!(world.both("SELECT v FROM doubled WHERE name='x'"), ["Integer(9)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_constraint_bars_does_not_stop_the_others() {
    let world = World::with_schemas(
        "CREATE TABLE item(k TEXT PRIMARY KEY, price, code); INSERT INTO item VALUES('a',1,1),('b',2,2),('c',3,3),('d',4,4);
         CREATE INDEX codes ON item(code);",
        "CREATE TABLE item(k TEXT PRIMARY KEY, price CHECK(price>0), code); CREATE UNIQUE INDEX codes ON item(code) WHERE code>0;
         CREATE TABLE audit(x);",
    );
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world.open_local().execute_batch("UPDATE item SET price=-1 WHERE k='a'; UPDATE item SET code=2 WHERE k='c'; INSERT INTO item VALUES('bad',-5,0),('good',5,5)").unwrap();
    world
        .open_remote()
        .execute_batch("UPDATE item SET price=20 WHERE k='b'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.held), (Outcome::Attention, 3), "{done:?}");
    assert_eq!(
        done.reason.as_deref(),
        Some("item: a constraint of the server's database refuses 3 rows of the other side; they are held")
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT k FROM item WHERE k='good'"),
        [text("good")]
    );
    assert_eq!(
        rows(&world.open_remote(), "SELECT price,code FROM item WHERE k IN('a','c')"),
        ["Integer(1),Integer(1)", "Integer(3),Integer(3)"]
    );
    assert_eq!(
        rows(&world.open_local(), "SELECT price FROM item WHERE k='b'"),
        ["Integer(20)"]
    );
    assert_eq!(
        rows(&world.open_local(), "SELECT price FROM item WHERE k='a'"),
        ["Integer(-1)"],
        "nothing is taken back"
    );
    world.open_local().execute_batch("UPDATE item SET price=1.5 WHERE k='a'; DELETE FROM item WHERE k='bad'; UPDATE item SET code=30 WHERE k='c'").unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.held, done.conflicts),
        (Outcome::Synced, 0, 0),
        "{done:?}"
    );
    world.assert_equal_without(&["audit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn utf_16_is_refused_in_words() {
    let world = World::with_schemas(
        "PRAGMA encoding='UTF-16le'; CREATE TABLE a(k TEXT PRIMARY KEY)",
        "CREATE TABLE a(k TEXT PRIMARY KEY)",
    );
    let mut pair = world.pair().await;
    for _ in 0..2 {
        let error = try_sync(&mut pair, &SyncRequest::default()).await.unwrap_err();
        assert!(error.message.contains("UTF-16le"), "{error:?}");
        assert!(error.message.contains("local database"), "{error:?}");
        assert_eq!(error.code, ErrorCode::Attention, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_by_every_rule() {
    let schema = "CREATE TABLE products(url TEXT PRIMARY KEY, title, price, lifecycle_stage TEXT, assessed_at TEXT, modesty_status TEXT, shopify_status TEXT, assessment_status TEXT, last_updated TEXT);
        CREATE TABLE plain(k TEXT PRIMARY KEY, a, b)";
    let world = World::with_schema(schema);
    let seed: String = (0..30)
        .map(|n| format!("INSERT INTO products(url,title,price,last_updated) VALUES('u{n}','t',1,'2026-01-01 00:00:00'); INSERT INTO plain VALUES('p{n}',1,1);"))
        .collect();
    world.on_both(&seed);
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.conflicts, 0);
    let set = |side: &rusqlite::Connection, url: &str, sql: &str| {
        assert_eq!(
            side.execute(&format!("UPDATE products SET {sql} WHERE url='{url}'"), [])
                .unwrap(),
            1
        );
    };
    let (local, server) = (world.open_local(), world.open_remote());
    // Different columns; the later bookkeeping time.
    set(&local, "u0", "title='l',last_updated='2026-01-02T00:00:00'");
    set(&server, "u0", "price=2,last_updated='2026-01-01 12:00:00'");
    // One column: the later row.
    set(&local, "u1", "title='l',last_updated='2026-01-02T09:00:00.5'");
    set(&server, "u1", "title='s',last_updated='2026-01-02 10:00:00'");
    set(&local, "u2", "title='l'");
    set(&server, "u2", "title='s'");
    // The assessment moves as one.
    set(
        &local,
        "u3",
        "lifecycle_stage='assessed_rejected',assessed_at='2026-01-02T10:35:00.123456',modesty_status='not_modest'",
    );
    set(
        &server,
        "u3",
        "lifecycle_stage='assessed_approved',assessed_at='2026-01-02 10:36:00',shopify_status='published'",
    );
    set(&local, "u4", "lifecycle_stage='pending_assessment'");
    set(
        &server,
        "u4",
        "lifecycle_stage='assessed_approved',assessed_at='2026-01-02 10:36:00'",
    );
    // The same on both sides.
    set(&local, "u5", "title='same'");
    set(&server, "u5", "title='same'");
    // A change beats a deletion, either way; both deleted; one deleted.
    set(&local, "u6", "title='kept'");
    server
        .execute_batch("DELETE FROM products WHERE url IN('u6','u8','u9')")
        .unwrap();
    set(&server, "u7", "title='kept'");
    local
        .execute_batch("DELETE FROM products WHERE url IN('u7','u8')")
        .unwrap();
    let done = sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(
        (done.outcome, done.conflicts, done.held),
        (Outcome::Attention, 6, 0),
        "{done:?}"
    );
    let row = |url: &str, columns: &str| world.both(&format!("SELECT {columns} FROM products WHERE url='{url}'"));
    assert_eq!(
        row("u0", "title='l' AND price=2 AND last_updated='2026-01-02T00:00:00'"),
        ["Integer(1)"]
    );
    assert_eq!(row("u1", "title"), [text("s")]);
    assert_eq!(row("u2", "title"), [text("l")]);
    assert_eq!(
        row(
            "u3",
            "lifecycle_stage='assessed_approved' AND modesty_status IS NULL AND shopify_status='published'"
        ),
        ["Integer(1)"]
    );
    assert_eq!(row("u4", "lifecycle_stage='assessed_approved'"), ["Integer(1)"]);
    assert_eq!(row("u6", "title"), [text("kept")]);
    assert_eq!(row("u7", "title"), [text("kept")]);
    assert_eq!(world.both("SELECT count(*) FROM products"), ["Integer(28)"]);
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}
