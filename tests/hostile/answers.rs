//! Answers of the wrong shape, to whatever a cycle asks before it writes.

use serde_json::{Value as Json, json};

use super::stage::{MEMORY, Stage, peak, refused};
use super::support::daemon::Daemon;

/// What the server says that it changed, in the order in which it is asked.
const HEAD: &str = "SELECT 'thead'";
const CHANGED: &str = "SELECT * FROM temp.modsync_report_0;";
const DELETED: &str = "SELECT 'tdeleted','i0'";
const TABLE: &str = "SELECT 'ttable','i0'";

fn say(on: &str, text: &str) -> Json {
    json!({"on": on, "lie": "say", "text": text})
}

fn also(on: &str, text: &str) -> Json {
    json!({"on": on, "lie": "also", "text": text})
}

fn swap(on: &str, from: &str, to: &str) -> Json {
    json!({"on": on, "lie": "swap", "from": from, "to": to})
}

/// A lie, and words of the message that it comes to.
fn lies() -> Vec<(&'static str, Json, &'static str)> {
    let shape = "has another shape";
    vec![
        (
            "garbage",
            say(HEAD, "PHP Warning: mbstring already loaded\n"),
            "wire form",
        ),
        ("a row of nothing", say(HEAD, "\n"), "wire form"),
        (
            "every byte",
            say(HEAD, "\u{0}\u{1}\u{7f}\u{ff}\r\u{2028}\n"),
            "wire form",
        ),
        ("an error page", say(HEAD, "<html>\n<body>502</body>\n"), "wire form"),
        (
            "a marker of its own",
            say(HEAD, "modsync-00000000000000000000000000000000 1\n"),
            "wire form",
        ),
        ("no head", json!({"on": HEAD, "lie": "skip"}), "the head is missing"),
        ("two heads", also(HEAD, "thead\ti1\ti1\tn\tn\tn\ti0\n"), shape),
        ("a head of text", swap(HEAD, "\ti", "\tt"), shape),
        ("a head with more in it", swap(HEAD, "$", "\ti1"), shape),
        ("a row that nobody asked for", also(HEAD, "tfree\ttmoney\n"), shape),
        (
            "a table that nobody asked for",
            say(CHANGED, "tchanged\ti99\tt1\n"),
            shape,
        ),
        ("a table before the first", say(CHANGED, "tchanged\ti-1\tt1\n"), shape),
        ("too few columns", say(CHANGED, "tchanged\ti0\tt1\n"), shape),
        (
            "too many columns",
            also(CHANGED, &format!("tchanged\ti0{}\n", "\tt1".repeat(500))),
            shape,
        ),
        (
            "a key of NULL",
            say(CHANGED, &format!("tchanged\ti0{}\n", "\tn".repeat(18))),
            shape,
        ),
        (
            "a key that is as before",
            say(CHANGED, &format!("tchanged\ti0{}\n", "\t=".repeat(18))),
            shape,
        ),
        ("a deletion without a key", say(DELETED, "tdeleted\ti0\n"), shape),
        ("a deletion of NULL", say(DELETED, "tdeleted\ti0\tn\n"), shape),
        ("a deletion by two keys", say(DELETED, "tdeleted\ti0\tt1\tt2\n"), shape),
        (
            "one row twice",
            say(DELETED, "tdeleted\ti0\tt1\ntdeleted\ti0\tt1\n"),
            "two rows of one key",
        ),
        (
            "fewer rows than none",
            say(TABLE, "ttable\ti0\ti0\ti-5\ti0\ti0\n"),
            shape,
        ),
        (
            "more rows than fit",
            say(TABLE, "ttable\ti0\ti0\ti99999999999999999999\ti0\ti0\n"),
            "wire form",
        ),
        (
            "a table that ends twice",
            also(TABLE, "ttable\ti0\ti0\ti1\ti0\ti0\n"),
            shape,
        ),
        (
            "a table that never ends",
            json!({"on": TABLE, "lie": "skip"}),
            "the end of a table is missing",
        ),
        (
            "another schema each time",
            swap(HEAD, "^thead\ti\\d+", "thead\ti424242"),
            "each time a side was another one",
        ),
        (
            "another file each time",
            swap(HEAD, "\ti0$", "\ti1"),
            "each time a side was another one",
        ),
        (
            "another generation each time",
            swap(HEAD, "\ti\\d+\tt(\\d+)\ti0$", "\ti777\tt\\1\ti0"),
            "each time a side was another one",
        ),
        (
            "another lineage each time",
            swap(HEAD, "\tt[0-9a-f]{32}\t", "\ttelse\t"),
            "each time a side was another one",
        ),
        (
            "unchanged cells of a row that nobody knows",
            say(CHANGED, &format!("tchanged\ti0\ttnew{}\n", "\t=".repeat(17))),
            shape,
        ),
    ]
}

#[test]
fn answers_of_the_wrong_shape_change_nothing_and_are_named() {
    let stage = Stage::new();
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    let honest = peak(&daemon);
    for (what, lie, words) in lies() {
        stage.change_both();
        let before = stage.files();
        stage.lie(&[lie]);
        let error = refused(&daemon, 1, what);
        assert!(error.contains(words), "{what}: {error}");
        assert!(stage.files() == before, "{what}: a database was written");
        stage.be_honest();
        daemon.sync(&[], 0);
        stage.world.assert_equal();
    }
    let peak = peak(&daemon);
    assert!(peak < honest + MEMORY, "{peak} KiB, {honest} KiB in honest work");
}

#[test]
fn an_answer_that_stops_half_way_is_a_server_that_went_away() {
    let stage = Stage::new();
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    for (on, text) in [
        (HEAD, ""),
        (HEAD, "thead\ti1"),
        (CHANGED, "tchanged\ti0\tt1"),
        (TABLE, "ttable\ti0\ti0\ti1\ti0\ti0\n"),
    ] {
        stage.change_both();
        let before = stage.files();
        stage.lie(&[json!({"on": on, "lie": "half", "text": text})]);
        let error = refused(&daemon, 5, text);
        assert!(error.contains("ended without a word"), "{error}");
        assert!(stage.files() == before, "{text:?}: a database was written");
        stage.be_honest();
        daemon.sync(&[], 0);
        stage.world.assert_equal();
    }
}
