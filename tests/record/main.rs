//! The record on the built programs: why a row is as it is, what a cycle did, and how it is taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod conflicts;
mod history;
mod undo;

use serde_json::Value as Json;
use support::daemon::Daemon;
use support::world::World;

const SCHEMA: &str = "CREATE TABLE shop(name TEXT PRIMARY KEY, town TEXT, note TEXT);
    CREATE TABLE item(code TEXT PRIMARY KEY, shop TEXT REFERENCES shop(name), price TEXT);
    INSERT INTO shop VALUES('a','Ulm',NULL),('b','Bonn',NULL),('c','Kiel',NULL),('d','Jena',NULL);
    INSERT INTO item VALUES('1','a','10'),('2','a','20'),('3','b','30'),('4','b','40'),('5','c','50');";

/// Two databases with shops and items, and a daemon that runs a cycle only when it is asked.
struct House {
    daemon: Daemon,
    world: World,
}

impl House {
    fn open() -> Self {
        Self::with_settings(&[])
    }

    fn with_settings(settings: &[(&'static str, &str)]) -> Self {
        let mut world = World::with_schema(SCHEMA);
        world
            .settings
            .insert("sync", "watch = false\nschedule = \"off\"\npoll = \"1h\"".to_owned());
        for (section, lines) in settings {
            world.settings.insert(section, (*lines).to_owned());
        }
        let daemon = Daemon::start(&world);
        daemon.until_in_sync();
        Self { daemon, world }
    }

    fn local(&self, sql: &str) {
        self.world.open_local().execute_batch(sql).unwrap();
    }

    fn server(&self, sql: &str) {
        self.world.open_remote().execute_batch(sql).unwrap();
    }

    /// Runs a cycle that moves something; its number.
    fn cycle(&self, code: i32) -> String {
        let summary = self.daemon.sync(&[], code);
        summary["cycle"]
            .as_i64()
            .unwrap_or_else(|| panic!("{summary:#}"))
            .to_string()
    }

    /// A command that has to end so; what it answered.
    #[track_caller]
    fn json(&self, code: i32, arguments: &[&str]) -> Json {
        let (ended, answer) = self.daemon.json(arguments);
        assert_eq!(ended, code, "{arguments:?}: {answer:#}");
        answer
    }

    /// The values of a query's one column, which must be the same on both sides.
    #[track_caller]
    fn both(&self, sql: &str) -> String {
        let read = |connection: rusqlite::Connection| {
            let mut statement = connection.prepare(sql).unwrap();
            let cells = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
            let cells = cells.map(|cell| cell.unwrap().unwrap_or_else(|| "NULL".to_owned()));
            cells.collect::<Vec<_>>().join(" ")
        };
        let (ours, theirs) = (read(self.world.open_local()), read(self.world.open_remote()));
        assert_eq!(ours, theirs, "{sql}: laptop and server");
        ours
    }
}

/// The members of a list by one field, as text.
fn pick(list: &Json, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list:#}"));
    let text = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    list.iter().map(|member| text(&member[field])).collect()
}
