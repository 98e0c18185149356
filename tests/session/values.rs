//! Every value goes both ways exactly, over every engine.

use std::cell::RefCell;
use std::time::Duration;

use modsync::config::EngineChoice::{self, Modsyncd, Php, Python3, Sqlite3};
use modsync::model::{Real, Value};
use modsync::replica::sqlite::OpenMode;
use modsync::replica::{Field, LocalSql, Sql, wire};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;

use super::{Server, run};

/// Writes values into `t` and reads them back.
async fn there_and_back(sql: &mut impl Sql, values: &[Value]) -> Vec<Value> {
    let rows: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(key, value)| format!("({key},{})", wire::literal(value)))
        .collect();
    let write = format!(
        "BEGIN IMMEDIATE; DELETE FROM t; INSERT INTO t VALUES {}; COMMIT;",
        rows.join(",")
    );
    let read = format!("SELECT {} FROM t ORDER BY k;", wire::encode_sql("v"));
    assert!(write.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{write}");
    let value = |mut row: Vec<Field>| match row.pop() {
        Some(Field::Value(value)) if row.is_empty() => value,
        other => panic!("{row:?} {other:?}"),
    };
    run(sql, &[&write, &read])
        .await
        .unwrap()
        .into_iter()
        .map(value)
        .collect()
}

fn corner_cases() -> Vec<Value> {
    let reals = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        f64::INFINITY,
    ];
    let bits = [
        0xfff0_0000_0000_0000,
        1,
        0x800f_ffff_ffff_ffff,
        0x4340_0000_0000_0001,
        0x43e0_0000_0000_0000,
    ];
    let integers = [
        0,
        1,
        -1,
        i64::MAX,
        i64::MIN,
        i64::MIN + 1,
        1 << 53,
        -(1 << 53) - 1,
        2_147_483_648,
    ];
    let bytes: [&[u8]; 24] = [
        b"",
        b" ",
        b"plain",
        b"it's \"quoted\" `so`; -- and /* so */",
        b"?1 :name @name $name",
        b"\\n \\0 %s %00 $HOME $(id) !!",
        b"line\nline\r\nline\n",
        b"\n.quit\n",
        b"tab\there",
        b"\0",
        b"a\0b",
        b"\x1b[31mred\x07",
        b"\x7f",
        b"\x80",
        b"\xff\xfe",
        b"\xc3",
        b"\xc1\xa1",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        "\u{feff}gr\u{fc}\u{df} \u{1f600} \u{202e}".as_bytes(),
        b"modsync-0123456789abcdef0123456789abcdef 1",
        b"=",
        b"NULL",
        b"1.0",
    ];
    let mut values = vec![Value::Null];
    values.extend(reals.map(Value::real));
    values.extend(bits.map(|bits| Value::Real(Real::from_bits(bits))));
    values.extend(integers.map(Value::Integer));
    values.extend(bytes.map(|bytes| Value::Text(bytes.into())));
    values.extend(bytes.map(|bytes| Value::Blob(bytes.into())));
    values
}

fn any_value() -> impl Strategy<Value = Value> {
    let real = any::<u64>().prop_filter("SQLite stores no NaN", |bits| !f64::from_bits(*bits).is_nan());
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        real.prop_map(|bits| Value::Real(Real::from_bits(bits))),
        any::<String>().prop_map(Value::text),
        "[ -~]{0,20}".prop_map(Value::text),
        bytes().prop_map(|bytes| Value::Text(bytes.into())),
        bytes().prop_map(|bytes| Value::Blob(bytes.into())),
    ]
}

#[rstest]
#[tokio::test]
async fn corner_cases_over(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let values = corner_cases();
    assert_eq!(there_and_back(&mut server.session(engine).await, &values).await, values);
}

#[tokio::test]
async fn corner_cases_locally() {
    let server = Server::new();
    let values = corner_cases();
    let mut local = LocalSql::open(&server.database, OpenMode::ReadWrite, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(there_and_back(&mut local, &values).await, values);
}

#[rstest]
fn random_values_over(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = Server::new();
    let _inside = runtime.enter();
    let session = RefCell::new(runtime.block_on(server.session(engine)));
    TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&proptest::collection::vec(any_value(), 1..60), |values| {
        let back = runtime.block_on(there_and_back(&mut *session.borrow_mut(), &values));
        prop_assert_eq!(back, values);
        Ok(())
    })
    .unwrap();
}

/// The functions that the SQL relies on, beyond what reading and writing values shows.
#[rstest]
#[tokio::test]
async fn functions_agree_over(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let hash = "3A985DA74FE225B2045C172D6BD390BD855F086E3E9D525B46BFE24511431532";
    let twelve = "1A9A118CB653759C3FCB3BD5060E6F9910C8C27008DD11FE4315F4635C9CAA98";
    let cases = [
        ("hex(sha3('abc',256))", hash),
        ("hex(sha3(X'616263',256))", hash),
        ("hex(sha3(12,256))", twelve),
        ("typeof(sha3(NULL,256))", "null"),
        ("hex(ieee754_to_blob(1))", "3FF0000000000000"),
        ("typeof(ieee754_to_blob(NULL))", "null"),
        ("typeof(ieee754_from_blob(X'11'))", "null"),
        ("typeof(ieee754_from_blob(NULL))", "null"),
        ("typeof(ieee754_from_blob(X'7FF8000000000000'))", "null"),
    ];
    for (expression, expected) in cases {
        let rows = run(&mut session, &[&format!("SELECT 't'||{expression};")])
            .await
            .unwrap();
        assert_eq!(rows, [[Field::Value(Value::text(expected))]], "{expression}");
    }
}
