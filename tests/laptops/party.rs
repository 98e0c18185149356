//! Somebody with a connection to a database: a laptop's program, or the site's PHP. Whoever writes goes through here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value as Json, json};

use crate::support::world::open;

/// A row by the names of its columns.
pub type Row = BTreeMap<String, Json>;

/// A connection to one of the databases.
pub trait Party: Send {
    /// Runs one statement and gives its rows.
    fn query(&mut self, sql: &str, values: &[Json]) -> Vec<Row>;

    /// Now, as this party writes times.
    fn now(&self) -> String;
}

/// A program on a laptop.
pub struct Program(Connection);

impl Program {
    pub fn on(database: &Path) -> Self {
        Self(open(database))
    }
}

impl Party for Program {
    fn query(&mut self, sql: &str, values: &[Json]) -> Vec<Row> {
        let mut statement = self.0.prepare_cached(sql).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let values = values.iter().map(|value| match value {
            Json::Null => rusqlite::types::Value::Null,
            Json::Number(number) => rusqlite::types::Value::Integer(number.as_i64().unwrap()),
            other => rusqlite::types::Value::Text(other.as_str().unwrap().to_owned()),
        });
        let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cells = names.iter().enumerate();
            found.push(
                cells
                    .map(|(at, name)| (name.clone(), json_of(row.get_ref(at).unwrap())))
                    .collect(),
            );
        }
        found
    }

    /// UTC in ISO with microseconds, as Python does.
    fn now(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
    }
}

fn json_of(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(_) => panic!("nobody writes blobs here"),
    }
}

/// The site.
pub struct Site {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Site {
    pub fn on(database: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/laptops/site.php");
        let mut command = Command::new("php");
        command.arg(script).arg(database);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }
}

impl Party for Site {
    fn query(&mut self, sql: &str, values: &[Json]) -> Vec<Row> {
        writeln!(self.input, "{}", json!({"sql": sql, "values": values})).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let mut said: BTreeMap<String, Json> = serde_json::from_str(&line).unwrap();
        let rows = said.remove("rows").unwrap_or_else(|| panic!("{sql}: {said:?}"));
        serde_json::from_value(rows).unwrap()
    }

    /// `date('Y-m-d H:i:s')`.
    fn now(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Gone already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
