//! What both sides write before each cycle of a trial, and the proof that nothing of it was lost or came twice.

use std::path::PathBuf;

use crate::support::world::{World, open, rows};

pub const SCHEMA: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, laptop, server);
    CREATE TABLE grow(id INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT NOT NULL);
    CREATE TABLE named(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, note);
    CREATE TABLE kid(id INTEGER PRIMARY KEY AUTOINCREMENT, named INTEGER NOT NULL REFERENCES named(id), word TEXT);
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100) INSERT INTO item SELECT 'row '||i,0,0 FROM n;";

/// What one side does before a cycle: updates, inserts under ids that the other side takes too, a delete.
pub fn edits(side: &str, n: usize) -> String {
    format!(
        "UPDATE item SET {side}={n} WHERE k='row {}'; INSERT INTO grow(word) VALUES('{side} {n}'); INSERT INTO named(name) VALUES('{side} {n}');
         INSERT INTO kid(named,word) VALUES(last_insert_rowid(),'{side} {n}');
         INSERT INTO item VALUES('{side} {n}',0,0); DELETE FROM item WHERE k='{side} {}';",
        n % 100 + 1,
        n.wrapping_sub(2)
    )
}

/// The edits of both sides, numbered from 0 without a gap.
pub fn edit_both(world: &World, n: usize) {
    for (side, connection) in [("laptop", world.open_local()), ("server", world.open_remote())] {
        connection
            .execute_batch(&format!("BEGIN;{}COMMIT;", edits(side, n)))
            .unwrap();
    }
}

/// Both databases are equal and whole and hold the edits 0 to `count`, each once, and the history tells of each once.
pub fn assert_all_there(world: &World, count: usize) {
    world.assert_equal();
    for side in ["laptop", "server"] {
        for (table, column) in [("grow", "word"), ("named", "name")] {
            let sql = format!("SELECT count(*),count(DISTINCT {column}) FROM {table} WHERE {column} LIKE '{side} %'");
            assert_eq!(
                world.both(&sql),
                [format!("Integer({count}),Integer({count})")],
                "{table}"
            );
        }
        let kids = format!(
            "SELECT count(*) FROM kid JOIN named ON named.id=kid.named AND name=word WHERE word LIKE '{side} %'"
        );
        assert_eq!(world.both(&kids), [format!("Integer({count})")]);
        let left = format!("SELECT k FROM item WHERE k LIKE '{side} %'");
        assert_eq!(world.both(&left).len(), count.min(2), "deletes");
        let last = format!("SELECT max({side}) FROM item");
        assert_eq!(world.both(&last), [format!("Integer({})", count - 1)]);
    }
    let history = open(&world.path("state/history.db"));
    assert_eq!(rows(&history, "SELECT count(*) FROM journal"), ["Integer(0)"]);
    assert_eq!(rows(&history, "SELECT count(*) FROM conflict"), ["Integer(0)"]);
    for (origin, written) in [("laptop", "server"), ("server", "local")] {
        let moves = format!(
            "SELECT count(*),count(DISTINCT json_extract(after,'$[1]')) FROM move WHERE tbl='named' AND side='{written}' \
             AND json_extract(after,'$[1]') LIKE '{origin} %' AND before IS NULL"
        );
        assert_eq!(
            rows(&history, &moves),
            [format!("Integer({count}),Integer({count})")],
            "from the {origin}"
        );
    }
}

/// The laptop's base and the server's copy of it are one: same rows, same generation.
pub fn assert_one_base(world: &World) {
    let bases = [world.state().join("base.db"), sidecar(world)].map(|path| open(&path));
    let tables = "SELECT name FROM sqlite_master WHERE type='table' AND name GLOB 't_*'";
    let mut tables = bases[0].prepare(tables).unwrap();
    let names: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(!names.is_empty());
    let rows_of = names.iter().map(|name| format!("SELECT * FROM {name}"));
    for sql in rows_of.chain(["SELECT lineage,number FROM meta".to_owned()]) {
        let [ours, theirs] = bases.each_ref().map(|base| rows(base, &sql));
        assert!(ours == theirs, "{sql}: the bases differ: {ours:?}\n{theirs:?}");
    }
}

/// The file of the server's base.
pub fn sidecar(world: &World) -> PathBuf {
    let mut files = std::fs::read_dir(world.remote_state()).unwrap();
    let found = files
        .find_map(|file| Some(file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "db")));
    found.unwrap()
}

/// A schedule that does not strike in the midst of a trial.
const SELDOM: &str = "schedule = \"0 0 0 1 1 *\"";

/// A daemon that notices everything soon, and takes a backup only when asked.
pub fn eager(world: &mut World) {
    world
        .settings
        .insert("sync", format!("poll = \"200ms\"\ndebounce = \"50ms\"\n{SELDOM}"));
}

/// A daemon that does nothing by itself after its first cycle.
pub fn calm(world: &mut World) {
    let calm = format!("poll = \"1h\"\nwatch = false\n{SELDOM}");
    world.settings.insert("sync", calm);
}
