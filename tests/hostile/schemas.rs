//! Schemas that no honest server has: names that could be anything, tables that are there twice, and too much of it.

use serde_json::{Value as Json, json};

use super::stage::{MEMORY, Stage, peak, refused};
use super::support::daemon::Daemon;
use super::support::world::rows;

const OBJECTS: &str = "SELECT 'tobject'";
const COLUMNS: &str = "SELECT 'tcolumn'";

/// Makes the next cycle open a new session, which reads the schema.
fn moved() -> Json {
    json!({"on": "SELECT 'thead'", "lie": "swap", "from": "\ti0$", "to": "\ti1"})
}

#[test]
fn schemas_that_cannot_be_are_refused() {
    let stage = Stage::new();
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    let honest = peak(&daemon);
    let long = "n".repeat(2000);
    let mut cases = Vec::new();
    for (what, on, lie, text, code, words) in [
        (
            "garbage",
            OBJECTS,
            "say",
            "Segmentation fault\n".to_owned(),
            1,
            "wire form",
        ),
        (
            "an object of numbers",
            OBJECTS,
            "also",
            "tobject\ti1\ti2\ti3\ti4\n".to_owned(),
            1,
            "was not asked for",
        ),
        (
            "a half object",
            OBJECTS,
            "also",
            "tobject\ttproducts\n".to_owned(),
            1,
            "was not asked for",
        ),
        (
            "a table twice",
            OBJECTS,
            "also",
            "tobject\ttPRODUCTS\tttable\ttproducts\ttx\n".to_owned(),
            1,
            "was not asked for",
        ),
        (
            "a column twice",
            COLUMNS,
            "also",
            "tcolumn\ttproducts\ttURL\ttTEXT\ti1\ti1\ti0\n".to_owned(),
            1,
            "was not asked for",
        ),
        (
            "a name without end",
            OBJECTS,
            "also",
            format!("tobject\tt{long}\tttable\tt{long}\ttx\n"),
            4,
            "more than 1024 bytes",
        ),
        (
            "tables without end",
            OBJECTS,
            "count",
            "tobject\ttn{}\tttable\ttn{}\ttx\n".to_owned(),
            4,
            "more than 16 MiB",
        ),
        (
            "columns without end",
            COLUMNS,
            "count",
            "tcolumn\ttn{}\ttc\tt\ti0\ti0\ti0\n".to_owned(),
            4,
            "more than 16 MiB",
        ),
        (
            "no table at all",
            OBJECTS,
            "say",
            String::new(),
            4,
            "is gone from the server database",
        ),
        (
            "no column at all",
            COLUMNS,
            "say",
            String::new(),
            4,
            "no table in common",
        ),
    ] {
        cases.push((what, json!({"on": on, "lie": lie, "text": text}), code, words));
    }
    for (what, lie, code, words) in cases {
        stage.change_both();
        let before = stage.files();
        stage.lie(&[moved(), lie]);
        let error = refused(&daemon, code, what);
        assert!(error.contains(words), "{what}: {error}");
        assert!(stage.files() == before, "{what}: a database was written");
        stage.be_honest();
        daemon.sync(&[], 0);
        stage.world.assert_equal();
    }
    let peak = peak(&daemon);
    assert!(peak < honest + MEMORY, "{peak} KiB, {honest} KiB in honest work");
}

/// A name is a name, whatever stands in it, on either side and in both directions.
#[test]
fn names_are_never_read_as_anything_else() {
    let stage = Stage::empty("");
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let names = [
        "it's \"quoted\"",
        "two\nlines; DROP TABLE other;--",
        ".quit",
        "$(touch /tmp/modsync-was-here)",
        "\u{1b}[2J\u{202e}tfel ot thgir",
        "--+5",
        "%s%n\\0",
        "modsync_d_0",
    ];
    let mut sql = String::from("CREATE TABLE other(k INTEGER PRIMARY KEY, v);");
    for name in names {
        let (table, trigger) = (quote(name), quote(&format!("trigger of {name}")));
        sql += &format!(
            "CREATE TABLE {table}({table} TEXT PRIMARY KEY NOT NULL, {});\
             CREATE TRIGGER {trigger} AFTER INSERT ON {table} BEGIN SELECT 1; -- {}\n END;",
            quote(&format!("{name} too")),
            name.replace('\n', " ")
        );
    }
    for path in [stage.world.local(), stage.world.remote()] {
        rusqlite::Connection::open(path).unwrap().execute_batch(&sql).unwrap();
    }
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    for (number, name) in names.into_iter().enumerate() {
        let table = quote(name);
        let insert = |key: &str| format!("INSERT INTO {table} VALUES('{key} {number}', {number})");
        stage.world.open_local().execute_batch(&insert("l")).unwrap();
        stage.world.open_remote().execute_batch(&insert("s")).unwrap();
    }
    daemon.sync(&[], 0);
    stage.world.assert_equal();
    let triggers = "SELECT name, sql FROM sqlite_master WHERE type='trigger'";
    assert_eq!(stage.world.both(triggers).len(), names.len());
    assert_eq!(
        rows(&stage.world.open_local(), &format!("SELECT 1 FROM {}", quote(names[0]))).len(),
        2
    );
    let shown = ["status", "check", "verify", "diff"]
        .map(|verb| daemon.ctl(&[verb]).out)
        .concat();
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    assert!(!std::path::Path::new("/tmp/modsync-was-here").exists());
}

/// A server's table that the laptop lacks is told of, and its name does nothing to the terminal.
#[test]
fn names_of_the_server_are_shown_without_what_a_terminal_obeys() {
    let stage = Stage::new();
    let name = "\u{1b}]0;owned\u{7}\nnext line\u{202e}";
    stage
        .world
        .open_remote()
        .execute_batch(&format!("CREATE TABLE \"{name}\"(k INTEGER PRIMARY KEY)"))
        .unwrap();
    let daemon = Daemon::start(&stage.world);
    daemon.until_in_sync();
    for verb in ["status", "check"] {
        let shown = daemon.ctl(&[verb]).out;
        let harmless = shown
            .chars()
            .all(|c| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)));
        assert!(harmless, "{verb}: {shown:?}");
    }
}
