//! Values: the wire form, the literals, the JSON of journal and history.
//!
//! Properties: what SQLite makes of a value is what [`wire::encode`] makes of it; a literal stands for exactly its value;
//! printed and parsed again, in the wire form and as JSON, a value is itself.

use std::cell::OnceCell;
use std::time::Duration;

use modsync::model::{Value, from_hex, to_hex};
use modsync::replica::sqlite::{self, OpenMode};
use modsync::replica::{Field, wire};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

pub fn run(data: &[u8]) {
    if let Some(bytes) = from_hex(data) {
        assert_eq!(from_hex(to_hex(&bytes).as_bytes()), Some(bytes));
    }
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        through_json(&value);
    }
    for line in data.split(|&byte| byte == b'\n') {
        let Ok(fields) = wire::decode_row(line) else { continue };
        for field in &fields {
            match field {
                Field::Same => {}
                Field::Value(value) => check(value),
            }
        }
    }
}

fn check(value: &Value) {
    assert!(value.to_string().len() <= 3 * size(value) + 64, "text of {value:?}");
    let encoded = wire::encode(value);
    assert_eq!(
        wire::decode_row(encoded.as_bytes()),
        Ok(vec![Field::Value(value.clone())]),
        "{encoded}"
    );
    through_json(value);
    through_sqlite(value, &encoded);
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(bytes) | Value::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

fn through_json(value: &Value) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), value, "{json}");
}

fn through_sqlite(value: &Value, encoded: &str) {
    thread_local! {
        static SQLITE: OnceCell<(tempfile::NamedTempFile, Connection)> = const { OnceCell::new() };
    }
    SQLITE.with(|cell| {
        let (_, connection) = cell.get_or_init(|| {
            let file = tempfile::NamedTempFile::new().unwrap();
            let connection = sqlite::open(file.path(), OpenMode::ReadWrite, Duration::ZERO).unwrap();
            (file, connection)
        });
        let bound = match value {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(real.get()),
            Value::Text(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        };
        let answer = |sql: &str| -> Vec<u8> {
            let mut statement = connection.prepare_cached(sql).unwrap();
            let parameters = vec![ToSqlOutput::Borrowed(bound); statement.parameter_count()];
            let text = statement.query_row(rusqlite::params_from_iter(parameters), |row| {
                Ok(row.get_ref(0)?.as_bytes()?.to_vec())
            });
            text.unwrap()
        };
        let sql = format!("SELECT {} FROM (SELECT ?1 AS v)", wire::encode_sql("v"));
        assert_eq!(String::from_utf8_lossy(&answer(&sql)), encoded);
        if size(value) < 10_000 {
            let sql = format!(
                "SELECT {} FROM (SELECT {} AS v)",
                wire::encode_sql("v"),
                wire::literal(value)
            );
            let mut statement = connection.prepare(&sql).unwrap();
            let text: String = statement.query_row([], |row| row.get(0)).unwrap();
            assert_eq!(text, encoded);
        }
    });
}
