//! Names that could be anything: SQL, a shell's command, a terminal's command, a line of the protocol.

use super::stage::Stage;
use super::support::daemon::Daemon;
use super::support::world::rows;

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
