//! Keys, constraints, names: the shapes that a table can have.

use modsync::control::types::{CycleSummary, Outcome};
use modsync::cycle::Syncer as _;

use crate::support::world::{World, assert_synced, rows, sync, text};

/// What happens in one table: rows that both sides know, then edits on either side before one cycle.
struct Case {
    schema: &'static str,
    seed: &'static str,
    local: &'static str,
    server: &'static str,
    /// Queries and what they answer on both sides after the cycle.
    expect: &'static [(&'static str, &'static [&'static str])],
}

/// Runs all cases in one pair of databases; gives the world and what the cycle with the edits did.
async fn run(cases: &[Case]) -> (World, CycleSummary) {
    let join = |part: fn(&Case) -> &str| cases.iter().map(part).collect::<Vec<_>>().join("\n");
    let world = World::with_schemas(
        &(join(|case| case.schema) + &join(|case| case.seed)),
        &join(|case| case.schema),
    );
    let mut pair = world.pair().await;
    assert_eq!(
        sync(&mut pair).await.outcome,
        Outcome::Synced,
        "the first cycle copies the seed"
    );
    world.assert_equal();
    for (connection, part) in [
        (world.open_local(), join(|case| case.local)),
        (world.open_remote(), join(|case| case.server)),
    ] {
        connection.execute_batch("PRAGMA foreign_keys=ON").unwrap();
        connection.execute_batch(&part).unwrap();
    }
    let done = sync(&mut pair).await;
    world.assert_equal();
    for (sql, expected) in cases.iter().flat_map(|case| case.expect) {
        assert_eq!(world.both(sql), *expected, "{sql}");
    }
    let again = sync(&mut pair).await;
    assert_eq!(
        (again.outcome, again.pulled, again.pushed),
        (Outcome::Unchanged, 0, 0),
        "{again:?}"
    );
    assert!(pair.verify().await.unwrap().equal);
    (world, done)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind() {
    let cases = [
        Case {
            schema: "CREATE TABLE one(k TEXT PRIMARY KEY, a, b, c);",
            seed: "INSERT INTO one VALUES('x',1,1,1),('y',1,1,1),('z',1,1,1),('gone here',1,1,1),('gone there',1,1,1),('w',0,0,0),('v',0,0,0),('u',0,0,0);",
            local: "UPDATE one SET a=2 WHERE k='x'; DELETE FROM one WHERE k='gone here'; INSERT INTO one VALUES('ours',1,2,3);",
            server: "UPDATE one SET b=3 WHERE k='x'; DELETE FROM one WHERE k='gone there'; INSERT INTO one VALUES('theirs',1,2,3);",
            expect: &[
                ("SELECT a||'-'||b||'-'||c='2-3-1' FROM one WHERE k='x'", &["Integer(1)"]),
                ("SELECT count(*) FROM one", &["Integer(8)"]),
                ("SELECT count(*) FROM one WHERE k IN('ours','theirs')", &["Integer(2)"]),
            ],
        },
        Case {
            schema: "CREATE TABLE two(a INTEGER, b TEXT, v, PRIMARY KEY(b,a));",
            seed: "INSERT INTO two VALUES(1,'x',0),(2,'x',0),(1,'y',0),(2,'y',0),(3,'y',0);",
            local: "UPDATE two SET v='l' WHERE a=1 AND b='x'; DELETE FROM two WHERE a=3; INSERT INTO two VALUES(5,'l',1);",
            server: "UPDATE two SET v='s' WHERE a=2 AND b='x'; INSERT INTO two VALUES(6,'s',1);",
            expect: &[
                ("SELECT v='l' FROM two WHERE a=1 AND b='x'", &["Integer(1)"]),
                ("SELECT count(*) FROM two", &["Integer(6)"]),
            ],
        },
        Case {
            schema: "CREATE TABLE blobs(k BLOB PRIMARY KEY NOT NULL, v); CREATE TABLE ints(k INTEGER PRIMARY KEY, v);
                     CREATE TABLE reals(k REAL PRIMARY KEY NOT NULL, v);",
            seed: "INSERT INTO blobs VALUES(x'',0),(x'00',0),(x'0001ff',0),(x'31',0),('1',0),(1,0);
                   INSERT INTO ints VALUES(-9223372036854775808,0),(0,0),(5,0),(9007199254740993,0);
                   INSERT INTO reals VALUES(1,0),(0.1,0),(1e300,0),(9e999,0),(-9e999,0),(5e-324,0);",
            local: "UPDATE blobs SET v='l' WHERE k=x''; UPDATE ints SET v='l' WHERE k<0; UPDATE reals SET v='l' WHERE k=0.1;
                    INSERT INTO blobs VALUES(x'0002',0); DELETE FROM reals WHERE k=1e300;",
            server: "UPDATE blobs SET v='s' WHERE k=1; UPDATE ints SET v='s' WHERE k=9007199254740993; UPDATE reals SET v='s' WHERE k=9e999;
                     INSERT INTO blobs VALUES('0002',0); INSERT INTO ints VALUES(77,0);",
            expect: &[
                ("SELECT v FROM blobs WHERE typeof(k)='integer' AND v='s'", &["Text([115])"]),
                ("SELECT count(*) FROM blobs", &["Integer(8)"]),
                ("SELECT k FROM ints WHERE v='s'", &["Integer(9007199254740993)"]),
                ("SELECT count(*) FROM reals", &["Integer(5)"]),
            ],
        },
        Case {
            schema: "CREATE TABLE norowid(k TEXT, n INT, v, PRIMARY KEY(k,n)) WITHOUT ROWID;
                     CREATE TABLE rowid(rowid TEXT PRIMARY KEY NOT NULL, oid, _rowid_);",
            seed: "INSERT INTO norowid VALUES('a',1,0),('a',2,0),('b',1,0),('b',2,0);
                   INSERT INTO rowid VALUES('1',1,1),('2',2,2),('3',NULL,3),('4',4,NULL);",
            local: "UPDATE norowid SET v=1 WHERE k='a'; DELETE FROM norowid WHERE k='b' AND n=1; UPDATE rowid SET oid=9 WHERE rowid='1'; DELETE FROM rowid WHERE rowid='4';",
            server: "INSERT INTO norowid VALUES('c',1,x'00'); INSERT INTO rowid VALUES('5',5,5); UPDATE rowid SET _rowid_=8 WHERE rowid='1';",
            expect: &[
                ("SELECT count(*) FROM norowid", &["Integer(4)"]),
                ("SELECT oid,_rowid_ FROM rowid WHERE rowid='1'", &["Integer(9),Integer(8)"]),
                ("SELECT count(*) FROM rowid", &["Integer(4)"]),
            ],
        },
        Case {
            schema: "CREATE TABLE folded(k TEXT PRIMARY KEY COLLATE NOCASE NOT NULL, v TEXT COLLATE NOCASE);
                     CREATE TABLE trimmed(k TEXT COLLATE RTRIM NOT NULL UNIQUE, v TEXT COLLATE RTRIM);
                     CREATE TABLE exact(k TEXT COLLATE NOCASE NOT NULL, v, UNIQUE(k COLLATE BINARY));",
            seed: "INSERT INTO folded VALUES('a','a'),('b','b'),('c','c'),('d','d'),('e','e');
                   INSERT INTO trimmed VALUES('a','a'),('b','b'),('c ','c'),('d','d'),('e','e');
                   INSERT INTO exact VALUES('a',1),('A',2),('b',1),('B',2),('c',1),('C',2),('d',1),('D',2);",
            local: "UPDATE folded SET v='A' WHERE k='a'; UPDATE folded SET k='B' WHERE k='b'; UPDATE trimmed SET k='a  ',v='x' WHERE k='a';
                    UPDATE exact SET v='l' WHERE k='a' COLLATE BINARY; DELETE FROM exact WHERE k='B' COLLATE BINARY;",
            server: "UPDATE folded SET v='C' WHERE k='c'; DELETE FROM folded WHERE k='d'; UPDATE trimmed SET v='b ' WHERE k='b';
                     UPDATE exact SET v='s' WHERE k='A' COLLATE BINARY; DELETE FROM exact WHERE k='c' COLLATE BINARY;",
            expect: &[
                ("SELECT group_concat(hex(k)||hex(v)) FROM (SELECT * FROM folded ORDER BY k)", &[
                    // 6141,4262,6343,6565
                    "Text([54, 49, 52, 49, 44, 52, 50, 54, 50, 44, 54, 51, 52, 51, 44, 54, 53, 54, 53])",
                ]),
                ("SELECT length(k) FROM trimmed WHERE v='x'", &["Integer(3)"]),
                ("SELECT v FROM exact WHERE hex(k)='61'", &["Text([108])"]),
                ("SELECT v FROM exact WHERE hex(k)='41'", &["Text([115])"]),
                ("SELECT count(*) FROM exact", &["Integer(6)"]),
            ],
        },
    ];
    let (_, done) = run(&cases).await;
    assert_synced(&done);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_both_sides_hand_out() {
    let cases = [
        Case {
            schema: "CREATE TABLE parent(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, v);
                     CREATE TABLE child(id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL REFERENCES parent(id) ON DELETE CASCADE, word TEXT);
                     CREATE TABLE grandchild(id INTEGER PRIMARY KEY, child INTEGER REFERENCES child);",
            seed: "INSERT INTO parent(name) VALUES('a'),('b'),('c'),('d'),('e'),('f'),('g'),('h'); INSERT INTO child(parent,word) VALUES(1,'a1'),(2,'b1'),(1,'a2'),(3,'c1'),(4,'d1'),(5,'e1'),(8,'h1');
                   INSERT INTO grandchild VALUES(1,1),(2,2),(3,3),(4,5);",
            local: "INSERT INTO parent(name) VALUES('laptop'); INSERT INTO child(parent,word) SELECT id,'of laptop' FROM parent WHERE name='laptop';
                    INSERT INTO grandchild(child) SELECT id FROM child WHERE word='of laptop'; DELETE FROM parent WHERE name='h';",
            server: "INSERT INTO parent(name) VALUES('server'); INSERT INTO child(parent,word) SELECT id,'of server' FROM parent WHERE name='server';
                     INSERT INTO grandchild(child) SELECT id FROM child WHERE word='of server'; INSERT INTO parent(name) VALUES('server 2');",
            expect: &[
                ("SELECT id FROM parent WHERE name='server'", &["Integer(9)"]),
                ("SELECT id>10 FROM parent WHERE name='laptop'", &["Integer(1)"]),
                ("SELECT p.name||':'||c.word='laptop:of laptop' FROM grandchild g JOIN child c ON c.id=g.child JOIN parent p ON p.id=c.parent WHERE p.name='laptop'", &["Integer(1)"]),
                ("SELECT p.name||':'||c.word='server:of server' FROM grandchild g JOIN child c ON c.id=g.child JOIN parent p ON p.id=c.parent WHERE p.name='server'", &["Integer(1)"]),
                ("SELECT count(*) FROM child", &["Integer(8)"]),
                ("SELECT count(*) FROM grandchild", &["Integer(6)"]),
            ],
        },
        Case {
            schema: "CREATE TABLE product(url TEXT PRIMARY KEY); CREATE TABLE todo(id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT REFERENCES product(url), what TEXT);",
            seed: "INSERT INTO product VALUES('u1'),('u2'); INSERT INTO todo(url,what) VALUES('u1','a'),('u1','b'),('u2','c'),('u2','d'),('u2','e');",
            local: "INSERT INTO todo(url,what) VALUES('u1','laptop'),('u1','laptop 2'); DELETE FROM todo WHERE what='a'; UPDATE todo SET what='B' WHERE what='b';",
            server: "INSERT INTO todo(url,what) VALUES('u2','server'); UPDATE todo SET what='C' WHERE what='c';",
            expect: &[
                ("SELECT id FROM todo WHERE what='server'", &["Integer(6)"]),
                ("SELECT id FROM todo WHERE what IN('laptop','laptop 2') AND url='u1' AND id>6", &["Integer(7)", "Integer(8)"]),
                ("SELECT count(*) FROM todo", &["Integer(7)"]),
            ],
        },
    ];
    let (world, done) = run(&cases).await;
    assert_synced(&done);
    for connection in [world.open_local(), world.open_remote()] {
        let sequence = rows(
            &connection,
            "SELECT seq>=(SELECT max(id) FROM todo) FROM sqlite_sequence WHERE name='todo'",
        );
        assert_eq!(sequence, ["Integer(1)"], "ids are not handed out again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_constraints_of_every_kind() {
    let cases = [
        Case {
            schema: "CREATE TABLE generated(k TEXT PRIMARY KEY, a INT, s INT GENERATED ALWAYS AS (a*2) STORED, v TEXT AS (k||'!') VIRTUAL, b INT, UNIQUE(s));",
            seed: "INSERT INTO generated(k,a,b) VALUES('x',1,1),('y',2,1),('z',3,1),('w',4,1),('v',5,1);",
            local: "UPDATE generated SET a=10 WHERE k='x'; INSERT INTO generated(k,a,b) VALUES('l',20,1);",
            server: "UPDATE generated SET b=10 WHERE k='x'; DELETE FROM generated WHERE k='z';",
            expect: &[("SELECT s,b FROM generated WHERE v='x!'", &["Integer(20),Integer(10)"])],
        },
        Case {
            schema: "CREATE TABLE strict(k ANY PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;",
            seed: "INSERT INTO strict VALUES(1,1,1,'1',x'31',1),('1',1,1,'1',x'31',1.0),(x'31',1,1.5,'',x'','1'),(2.5,NULL,NULL,NULL,NULL,x'31');",
            local: "UPDATE strict SET a=1.0 WHERE k=1; UPDATE strict SET t='l' WHERE k=x'31';",
            server: "UPDATE strict SET a=1 WHERE k='1'; UPDATE strict SET r=2 WHERE k=x'31'; INSERT INTO strict VALUES(7,7,7,7,x'07',7);",
            expect: &[
                ("SELECT typeof(a) FROM strict WHERE k=1", &["Text([114, 101, 97, 108])"]),
                ("SELECT t,r FROM strict WHERE k=x'31'", &["Text([108]),Real(2.0)"]),
            ],
        },
        Case {
            schema: "CREATE TABLE uniques(k INTEGER PRIMARY KEY, u TEXT UNIQUE, v); CREATE UNIQUE INDEX partly ON uniques(v) WHERE v>100;
                     CREATE UNIQUE INDEX expressed ON uniques(lower(u)||'x'); CREATE INDEX plain ON uniques(v, u);",
            seed: "INSERT INTO uniques VALUES(1,'one',1),(2,'two',2),(3,'three',3),(4,'four',4),(5,'five',5),(6,'six',6),(7,'seven',7),(8,'eight',8);",
            local: "UPDATE uniques SET u='tmp' WHERE k=1; UPDATE uniques SET u='one' WHERE k=2; UPDATE uniques SET u='two' WHERE k=1;
                    UPDATE uniques SET u='freed' WHERE k=3;",
            server: "UPDATE uniques SET u='4' WHERE k=4; INSERT INTO uniques VALUES(9,'four',9); DELETE FROM uniques WHERE k=5; UPDATE uniques SET u='five' WHERE k=6;",
            expect: &[
                ("SELECT u FROM uniques WHERE k IN(1,2,9) ORDER BY k", &["Text([102, 111, 117, 114])", "Text([111, 110, 101])", "Text([116, 119, 111])"]),
                ("SELECT k FROM uniques WHERE u='five'", &["Integer(6)"]),
                ("SELECT k FROM uniques WHERE u='three'", &[]),
            ],
        },
        Case {
            schema: "CREATE TABLE mum(k TEXT PRIMARY KEY); CREATE TABLE kid(k TEXT PRIMARY KEY, mum TEXT REFERENCES mum(k) ON DELETE CASCADE ON UPDATE CASCADE);",
            seed: "INSERT INTO mum VALUES('a'),('b'),('c'),('d'),('e'),('f'); INSERT INTO kid VALUES('a1','a'),('a2','a'),('b1','b'),('c1','c'),('d1','d'),('e1','e'),('e2','e'),('f1','f');",
            local: "DELETE FROM mum WHERE k='a';",
            server: "UPDATE mum SET k='B' WHERE k='b';",
            expect: &[
                ("SELECT count(*) FROM kid", &["Integer(6)"]),
                ("SELECT hex(mum) FROM kid WHERE k='b1'", &["Text([52, 50])"]),
            ],
        },
    ];
    let (_, done) = run(&cases).await;
    assert_synced(&done);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_every_kind() {
    let names = [
        "p",
        "q",
        "t",
        "l",
        "b",
        "d",
        "r",
        "base",
        "main",
        "temp",
        "t_x",
        "t_t_x",
        "x",
        "meta",
        "modsync_p_0",
        "modsync_d_1",
        "modsync_look",
        "modsync_assert",
        "select",
        "a.b",
        "a b",
        "it's",
        "say \"x\"",
        "ключ",
        "日本",
        "[x]",
        "`x`",
        "-- x",
        "semi;colon",
        "tab\there",
        "new\nline",
        "%s",
        "\\",
    ];
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns = [
        "k",
        "select",
        "o0",
        "n1",
        "m1",
        "ok",
        "op",
        "seq",
        "a b",
        "it's",
        "say \"x\"",
        "ключ",
        "new\nline",
        "p",
        "t",
        "b",
    ];
    let list = columns.iter().map(|name| quote(name)).collect::<Vec<_>>();
    let schema: String = names
        .iter()
        .map(|name| {
            format!(
                "CREATE TABLE {}({} TEXT PRIMARY KEY,{});",
                quote(name),
                list[0],
                list[1..].join(",")
            )
        })
        .collect();
    let trigger = "CREATE TRIGGER \"modsync t\" AFTER UPDATE ON modsync_d_1 BEGIN UPDATE modsync_d_1 SET ok='fired' WHERE k=new.k; END;";
    let world = World::with_schema(&(schema + trigger));
    let fill = |key: &str| -> String {
        let values = (1..columns.len())
            .map(|index| format!(",'{key}{index}'"))
            .collect::<String>();
        names
            .iter()
            .map(|name| format!("INSERT INTO {} VALUES('{key}'{values});", quote(name)))
            .collect()
    };
    for key in ["a", "b", "c", "d"] {
        world.open_local().execute_batch(&fill(key)).unwrap();
    }
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced);
    world.assert_equal();

    let change = |set: &str, key: &str| -> String {
        names
            .iter()
            .map(|name| format!("UPDATE {} SET {set} WHERE k='{key}';", quote(name)))
            .collect()
    };
    let local = world.open_local();
    local.execute_batch(&change("\"new\nline\"='l',op='l'", "a")).unwrap();
    local.execute_batch(&fill("laptop")).unwrap();
    let server = world.open_remote();
    server
        .execute_batch(&change("seq='s',\"say \"\"x\"\"\"='s'", "a"))
        .unwrap();
    let delete: String = names
        .iter()
        .map(|name| format!("DELETE FROM {} WHERE k='d';", quote(name)))
        .collect();
    server.execute_batch(&delete).unwrap();
    let done = sync(&mut pair).await;
    assert_eq!((done.conflicts, done.held), (0, 0), "{done:?}");
    world.assert_equal();
    for name in names {
        let sql = format!("SELECT op||seq FROM {} WHERE k='a' AND \"new\nline\"='l'", quote(name));
        assert_eq!(world.both(&sql), [text("ls")], "{name}");
        assert_eq!(
            world.both(&format!("SELECT count(*) FROM {}", quote(name))),
            ["Integer(4)"],
            "{name}"
        );
    }
    assert_eq!(
        world.both("SELECT sql FROM sqlite_master WHERE type='trigger'"),
        [text(trigger.strip_suffix(';').unwrap())]
    );
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
}
