//! Every value arrives exactly, and what differs to the bit is told apart.

use std::collections::HashSet;

use modsync::control::types::Outcome;
use modsync::cycle::Syncer as _;
use modsync::model::Value;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params};

use crate::support::world::{World, assert_synced, sync};

struct Cell<'a>(&'a Value);

impl rusqlite::ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use rusqlite::types::ValueRef;
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(real.get()),
            Value::Text(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn values() -> Vec<Value> {
    let mut values = vec![Value::Null];
    values.extend([0, 1, -1, 42, i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1].map(Value::Integer));
    let reals = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e15,
        9_007_199_254_740_993.0,
    ];
    values.extend(reals.map(Value::real));
    let texts: [&[u8]; 14] = [
        b"",
        b"1",
        b"1.0",
        b" ",
        b"a\0b",
        b"\0",
        b"line\nline\r\n",
        b"tab\t'quote' \"double\" \\",
        b"\xff\xfe",
        b"\xc3\x28",
        "\u{1f600}ключ".as_bytes(),
        b"modsync-",
        b"=",
        b"n",
    ];
    values.extend(texts.map(|bytes| Value::Text(bytes.into())));
    let blobs: [&[u8]; 4] = [b"", b"\0", b"1", b"\xff\x00\x0a"];
    values.extend(blobs.map(|bytes| Value::Blob(bytes.into())));
    values
}

const SCHEMA: &str = "CREATE TABLE v(k TEXT PRIMARY KEY, none, t TEXT, n NUMERIC, i INTEGER, r REAL, b BLOB, touched)";

fn put(connection: &Connection, key: &str, value: &Value) {
    let cell = Cell(value);
    connection
        .execute(
            "INSERT INTO v(k,none,t,n,i,r,b) VALUES(?1,?2,?2,?2,?2,?2,?2)",
            params![key, cell],
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_arrives_exactly_in_every_column() {
    let world = World::with_schema(SCHEMA);
    let (local, server) = (world.open_local(), world.open_remote());
    for (index, value) in values().iter().enumerate() {
        put(&local, &format!("laptop {index}"), value);
        put(&server, &format!("server {index}"), value);
    }
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    world.assert_equal();
    let kinds = world.both("SELECT DISTINCT typeof(none) FROM v");
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_value_is_seen() {
    // Each value becomes the next one: what SQLite takes for equal (1 and 1.0, 0.0 and -0.0) is among the neighbours.
    let mut all = values();
    all.extend([
        Value::Integer(1),
        Value::real(1.0),
        Value::text("1"),
        Value::Blob((*b"1").into()),
        Value::real(0.0),
        Value::real(-0.0),
        Value::Integer(0),
        Value::real(-0.0),
    ]);
    assert!(all.iter().collect::<HashSet<_>>().len() > 30);
    let world = World::with_schema(SCHEMA);
    let (local, server) = (world.open_local(), world.open_remote());
    for (index, value) in all.iter().enumerate() {
        put(&local, &index.to_string(), value);
    }
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    for (index, pair_of_values) in all.windows(2).enumerate() {
        let side = if index % 2 == 0 { &local } else { &server };
        let (key, value) = (index.to_string(), Cell(&pair_of_values[1]));
        side.execute("UPDATE v SET none=?2,b=?2,t=?2 WHERE k=?1", params![key, value])
            .unwrap();
        let other = if index % 2 == 0 { &server } else { &local };
        other.execute("UPDATE v SET touched=1 WHERE k=?1", [key]).unwrap();
    }
    let done = sync(&mut pair).await;
    assert_synced(&done);
    world.assert_equal();
    assert!(pair.verify().await.unwrap().equal);
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_differ_in_type_alone() {
    let world = World::with_schema(
        "CREATE TABLE k(k PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE u(k TEXT PRIMARY KEY, u UNIQUE)",
    );
    let (local, server) = (world.open_local(), world.open_remote());
    local
        .execute_batch("INSERT INTO k VALUES(1,0),('1',0),(x'31',0),(0.0,0),(2,0),(7,0),(8,0),(9,0); INSERT INTO u VALUES('a',1),('b',2.5),('c',3),('d',4);")
        .unwrap();
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world.assert_equal();
    // 1 becomes 1.0, 0.0 becomes -0.0: the same keys for SQLite, other values for a reader.
    local.execute_batch("UPDATE k SET k=1.0,v='l' WHERE typeof(k)='integer' AND k=1; UPDATE k SET v='x' WHERE k=2; UPDATE u SET u=1.0 WHERE k='a'").unwrap();
    server
        .execute("UPDATE k SET k=?1 WHERE typeof(k)='real'", [-0.0])
        .unwrap();
    server.execute_batch("UPDATE k SET v='text' WHERE k='1'").unwrap();
    let done = sync(&mut pair).await;
    assert_synced(&done);
    world.assert_equal();
    assert_eq!(world.both("SELECT k,v FROM k WHERE v='l'"), ["Real(1.0),Text([108])"]);
    assert_eq!(world.both("SELECT k FROM k WHERE k=0"), ["Real(-0.0)"]);
    assert_eq!(world.both("SELECT count(*) FROM k"), ["Integer(8)"]);
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_unique_index_takes_for_equal_meets_on_both_sides() {
    let world = World::with_schema(
        "CREATE TABLE f(k TEXT PRIMARY KEY COLLATE NOCASE, v); CREATE TABLE n(k PRIMARY KEY, v); CREATE TABLE u(k TEXT PRIMARY KEY, u TEXT UNIQUE COLLATE RTRIM)",
    );
    world.on_both(
        "INSERT INTO f VALUES('x',0),('y',0); INSERT INTO n VALUES(5,0),(6,0); INSERT INTO u VALUES('x','x'),('y','y')",
    );
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world
        .open_local()
        .execute_batch(
            "INSERT INTO f VALUES('Key','laptop'); INSERT INTO n VALUES(1,'laptop'); INSERT INTO u VALUES('l','same ')",
        )
        .unwrap();
    world.open_remote().execute_batch("INSERT INTO f VALUES('kEY','server'); INSERT INTO n VALUES(1.0,'server'); INSERT INTO u VALUES('s','same')").unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.outcome, done.conflicts), (Outcome::Attention, 3), "{done:?}");
    world.assert_equal();
    // The server's row stands; the laptop's is in the record.
    assert_eq!(
        world.both("SELECT hex(k)='6B4559',v='server' FROM f WHERE k='key'"),
        ["Integer(1),Integer(1)"]
    );
    assert_eq!(
        world.both("SELECT k,v='server' FROM n WHERE k=1"),
        ["Real(1.0),Integer(1)"]
    );
    assert_eq!(world.both("SELECT count(*) FROM u"), ["Integer(3)"]);
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_travel_both_ways() {
    let world = World::with_schema("CREATE TABLE big(k INTEGER PRIMARY KEY, b BLOB, t TEXT)");
    let insert = "INSERT INTO big VALUES(?1, randomblob(1048576), hex(randomblob(262144))||char(10)||char(233))";
    for key in 1..4 {
        world.open_local().execute(insert, [key]).unwrap();
        world.open_remote().execute(insert, [key + 10]).unwrap();
    }
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    world.assert_equal();
    world
        .open_remote()
        .execute_batch("UPDATE big SET b=randomblob(1048576) WHERE k=1; UPDATE big SET t='' WHERE k=2")
        .unwrap();
    world
        .open_local()
        .execute_batch("UPDATE big SET b=x'' WHERE k=2")
        .unwrap();
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    world.assert_equal();
    assert_eq!(
        world.both("SELECT typeof(b)||length(b)||typeof(t)||length(t)='blob0text0' FROM big WHERE k=2"),
        ["Integer(1)"]
    );
}
