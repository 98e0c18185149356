//! Table tests of the plan and its proof, on schemas that SQLite itself made and read.

use super::agreed::Agreed;
use super::plan::{Change, Drift};
use super::proof;
use crate::config::TableConfig;
use crate::model::{Object, ObjectKind, Schema, Side};
use crate::replica::sqlite::OpenMode;
use crate::replica::{LocalSql, Opening, Replica};

async fn schema_of(sql: &str) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let session = LocalSql::open(&path, OpenMode::ReadWrite, std::time::Duration::from_secs(5))
        .await
        .unwrap();
    let base = folder.path().join("base.db");
    let opening = Opening {
        side: Side::Local,
        sidecar: &base.to_string_lossy(),
        file: "",
        look_through: false,
    };
    Replica::open(Box::new(session), &opening).await.unwrap().1
}

/// What is agreed once both sides have this schema.
async fn agreed(sql: &str) -> Agreed {
    let schema = schema_of(sql).await;
    Drift::new([&schema, &schema], Agreed::default(), &[]).agreed
}

/// The plan, proved: changes as "side: statement", then what stays as "name: reason".
async fn planned(
    before: Option<&str>,
    local: &str,
    server: &str,
    config: &[TableConfig],
) -> (Vec<String>, Vec<String>) {
    let agreed = match before {
        Some(sql) => agreed(sql).await,
        None => Agreed::default(),
    };
    let (local, server) = (schema_of(local).await, schema_of(server).await);
    let mut drift = Drift::new([&local, &server], agreed, config);
    proof::prove(&mut drift, [&local, &server]);
    let changes = drift
        .changes
        .iter()
        .map(|change| format!("{}: {}", change.to, change.sql));
    let barred = drift.barred.iter().map(|barred| {
        format!(
            "{}{}: {}",
            if barred.held { "! " } else { "" },
            barred.table,
            barred.reason
        )
    });
    let notes = drift.notes.iter().map(|note| format!("{}: {}", note.name, note.reason));
    (changes.collect(), barred.chain(notes).collect())
}

struct Case {
    what: &'static str,
    before: Option<&'static str>,
    local: &'static str,
    server: &'static str,
    changes: &'static [&'static str],
    /// The beginnings of what is said.
    stays: &'static [&'static str],
}

const T: &str = "CREATE TABLE t(k TEXT PRIMARY KEY, v);";

const CASES: &[Case] = &[
    Case {
        what: "the same schema, another order of columns, other blanks",
        before: None,
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v, w INT); CREATE VIEW s AS SELECT k FROM t; CREATE INDEX i ON t(v)",
        server: "CREATE TABLE T (\"W\" int, k TEXT PRIMARY KEY,\n v); CREATE VIEW s AS\n  SELECT \"k\" FROM t; CREATE INDEX j ON t(V)",
        changes: &[],
        stays: &[],
    },
    Case {
        what: "a first meeting: all of one side alone was added",
        before: None,
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v, w INT DEFAULT 5); CREATE TABLE here(k TEXT PRIMARY KEY); CREATE INDEX i ON here(k)",
        server: "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE VIEW s AS SELECT k FROM t; CREATE TABLE loose(a); CREATE VIRTUAL TABLE f USING fts5(x)",
        changes: &[
            "server: CREATE TABLE main.here(k TEXT PRIMARY KEY)",
            "server: ALTER TABLE main.\"t\" ADD COLUMN \"w\" INT DEFAULT 5",
            "server: CREATE INDEX main.i ON here(k)",
            "local: CREATE VIEW main.s AS SELECT k FROM t",
        ],
        stays: &[
            "t: column \"w\" is only on the laptop: the next cycle",
            "here: only on the laptop: the next cycle",
            "loose: only on the server: no key: declare one",
        ],
    },
    Case {
        what: "what both had and one lacks was dropped, and is not made again",
        before: Some(
            "CREATE TABLE t(k TEXT PRIMARY KEY, v, w INT); CREATE INDEX i ON t(v); CREATE VIEW s AS SELECT k FROM t; CREATE TABLE gone(a)",
        ),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v, w INT, x); CREATE INDEX i ON t(v); CREATE TABLE gone(a)",
        server: "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE VIEW s AS SELECT k FROM t",
        changes: &[],
        stays: &[
            "! t: column \"w\" is only on the laptop: both sides had it, and on the server it was dropped or renamed",
            "gone: only on the laptop: it was dropped on the server",
            "s: a view only on the server: it was dropped on the laptop",
        ],
    },
    Case {
        what: "a renamed column is a dropped one, and nothing of its table is touched",
        before: Some(T),
        local: T,
        server: "CREATE TABLE t(k TEXT PRIMARY KEY, renamed); CREATE INDEX i ON t(renamed)",
        changes: &[],
        stays: &["! t: column \"v\" is only on the laptop"],
    },
    Case {
        what: "columns that no ALTER TABLE adds hold their table",
        before: Some(
            "CREATE TABLE a(k TEXT PRIMARY KEY); CREATE TABLE b(k TEXT PRIMARY KEY); CREATE TABLE c(k TEXT PRIMARY KEY)",
        ),
        local: "CREATE TABLE a(k TEXT PRIMARY KEY, u UNIQUE, w); CREATE TABLE b(k TEXT PRIMARY KEY, n TEXT NOT NULL); \
                CREATE TABLE c(k TEXT PRIMARY KEY, at DEFAULT CURRENT_TIMESTAMP)",
        server: "CREATE TABLE a(k TEXT PRIMARY KEY); CREATE TABLE b(k TEXT PRIMARY KEY); CREATE TABLE c(k TEXT PRIMARY KEY)",
        changes: &[],
        stays: &[
            "! a: column \"u\" cannot be made on the server: Cannot add a UNIQUE column",
            "! b: column \"n\" cannot be made on the server: Cannot add a NOT NULL column with default value NULL",
            "! c: column \"at\" cannot be made on the server: Cannot add a column with non-constant default",
        ],
    },
    Case {
        what: "a table that is held for another type gets nothing else either",
        before: Some(T),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v INTEGER)",
        server: "CREATE TABLE t(k TEXT PRIMARY KEY, v, more); CREATE INDEX i ON t(k, v)",
        changes: &[],
        stays: &["! t: column \"v\" is INTEGER on the laptop and without a type on the server; the laptop changed it"],
    },
    Case {
        what: "columns with constraints that can be added",
        before: Some(T),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v, n INTEGER DEFAULT 1 CHECK(n > 0 AND n <> length(v)), p TEXT REFERENCES t(k) ON DELETE CASCADE)",
        server: T,
        changes: &[
            "server: ALTER TABLE main.\"t\" ADD COLUMN \"n\" INTEGER DEFAULT 1 CHECK(n > 0 AND n <> length(v))",
            "server: ALTER TABLE main.\"t\" ADD COLUMN \"p\" TEXT REFERENCES t(k) ON DELETE CASCADE",
        ],
        stays: &["t: column \"n\" is only on the laptop: the next cycle carries it over to the server"],
    },
    Case {
        what: "computed columns move no rows: one that cannot be added holds none",
        before: Some(T),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v, twice AS (v||v), kept AS (v) STORED)",
        server: T,
        changes: &["server: ALTER TABLE main.\"t\" ADD COLUMN \"twice\" AS (v||v)"],
        stays: &[
            "t: column \"twice\" is only on the laptop: the next cycle",
            "t.kept: column \"kept\" cannot be made on the server: cannot add a STORED column",
        ],
    },
    Case {
        what: "triggers stay, with their statement",
        before: Some(T),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
        server: T,
        changes: &[],
        stays: &["g: a trigger only on the laptop: none is carried over"],
    },
    Case {
        what: "names that mean something else there, or are not for users",
        before: Some(T),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE x(k TEXT PRIMARY KEY); CREATE TABLE modsync_y(k TEXT PRIMARY KEY); CREATE INDEX z ON t(v)",
        server: "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE INDEX x ON t(v, k); CREATE INDEX z ON t(v DESC)",
        changes: &[],
        stays: &[
            "! modsync_y: only on the laptop, and not made on the server: names that begin with modsync_",
            "! x: only on the laptop, and not made on the server: an index of that name is there",
            "z: an index that is not the same on both sides",
            "x: an index only on the server, and not made on the laptop: a table of that name is there",
        ],
    },
    Case {
        what: "views that what is there does not bear, and one on another",
        before: Some(T),
        local: "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE VIEW b AS SELECT * FROM a; CREATE VIEW a AS SELECT k FROM t; \
                CREATE VIEW c AS SELECT * FROM absent; CREATE VIEW d AS SELECT * FROM c; CREATE VIEW e AS SELECT load_extension(v) FROM t",
        server: T,
        changes: &[
            "server: CREATE VIEW main.a AS SELECT k FROM t",
            "server: CREATE VIEW main.b AS SELECT * FROM a",
        ],
        stays: &[
            "c: a view only on the laptop: it cannot be made on the server: no such table: main.absent",
            "d: a view only on the laptop: it cannot be made on the server: no such table: main.c",
            "e: a view only on the laptop: it cannot be made on the server: unsafe use of load_extension()",
        ],
    },
];

#[tokio::test]
async fn additions_are_told_from_what_was_dropped() {
    for case in CASES {
        let (changes, stays) = planned(case.before, case.local, case.server, &[]).await;
        assert_eq!(changes, case.changes, "{}: {stays:#?}", case.what);
        assert_eq!(stays.len(), case.stays.len(), "{}: {stays:#?}", case.what);
        for expected in case.stays {
            assert!(
                stays.iter().any(|said| said.starts_with(expected)),
                "{}: {expected}: {stays:#?}",
                case.what
            );
        }
    }
}

#[tokio::test]
async fn tables_that_the_config_leaves_out_stay() {
    let private = TableConfig {
        name: "Private".into(),
        key: vec![],
        last_updated: None,
        groups: vec![],
        sync: false,
    };
    let local = "CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE private(k TEXT PRIMARY KEY, x); CREATE INDEX i ON private(x)";
    let (changes, stays) = planned(None, local, T, &[private]).await;
    assert_eq!((changes.len(), stays.len()), (0, 0), "{changes:?} {stays:?}");
}

#[tokio::test]
async fn an_old_sqlite_gets_nothing_that_it_cannot_read() {
    let mut server = schema_of(T).await;
    server.sqlite = [3, 27, 2];
    let local = schema_of(
        "CREATE TABLE t(k TEXT PRIMARY KEY, v, twice AS (v||v)); CREATE TABLE s(k TEXT PRIMARY KEY) STRICT; CREATE TABLE ok(k TEXT PRIMARY KEY) WITHOUT ROWID",
    )
    .await;
    let drift = Drift::new([&local, &server], agreed(T).await, &[]);
    let names: Vec<&str> = drift.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(names, ["ok"]);
    assert_eq!(
        drift.bar("s").unwrap().reason,
        "only on the laptop, and not made on the server: STRICT needs SQLite 3.37.0, and there is 3.27.2"
    );
    assert!(
        drift
            .notes
            .iter()
            .any(|note| note.reason.contains("generated columns needs SQLite 3.31.0")),
        "{drift:?}"
    );
}

/// A statement that calls itself the making of one object and is something else.
#[tokio::test]
async fn text_of_the_other_side_does_nothing_but_make_its_object() {
    let target = schema_of("CREATE TABLE t(k TEXT PRIMARY KEY, v); INSERT INTO t VALUES('a',1)").await;
    let forged = |kind, name: &str, sql: &str| Object {
        kind,
        name: name.into(),
        table: if kind == ObjectKind::Index {
            "t".into()
        } else {
            name.into()
        },
        sql: sql.into(),
        columns: vec![],
        unique: vec![],
    };
    let forgeries = [
        forged(ObjectKind::View, "w", "CREATE VIEW w AS SELECT 1; DROP TABLE t"),
        forged(ObjectKind::View, "w", "CREATE VIEW other AS SELECT 1"),
        forged(ObjectKind::View, "w", "DROP TABLE t"),
        forged(ObjectKind::View, "w", "CREATE TEMP VIEW w AS SELECT 1"),
        forged(ObjectKind::View, "w", "CREATE VIEW w AS SELECT load_extension('x')"),
        forged(
            ObjectKind::View,
            "w",
            "CREATE VIEW w AS SELECT * FROM pragma_writable_schema",
        ),
        forged(ObjectKind::View, "w", "CREATE VIEW temp.w AS SELECT 1"),
        forged(ObjectKind::View, "w", "CREATE VIEW w AS SELECT 1\n/\n.5"),
        forged(
            ObjectKind::Index,
            "i",
            "CREATE INDEX i ON t(v); PRAGMA writable_schema=ON",
        ),
        forged(ObjectKind::Index, "i", "CREATE INDEX j ON t(v)"),
        forged(ObjectKind::Index, "i", "CREATE INDEX i ON t(load_extension(v))"),
    ];
    for forgery in forgeries {
        let mut source = target.clone();
        source.objects.push(forgery.clone());
        for schemas in [[&source, &target], [&target, &source]] {
            let mut drift = Drift::new(schemas, Agreed::default(), &[]);
            proof::prove(&mut drift, schemas);
            assert_eq!(drift.changes, [], "{}", forgery.sql);
            assert!(
                drift.notes.iter().any(|note| note.name == forgery.name),
                "{}: {drift:?}",
                forgery.sql
            );
        }
    }
}

#[tokio::test]
async fn tables_that_are_more_than_a_table_are_not_made() {
    let target = schema_of(T).await;
    for sql in [
        "CREATE TABLE n(k TEXT PRIMARY KEY) AS SELECT 1",
        "CREATE TABLE n AS SELECT load_extension('x') AS k",
        "CREATE TABLE n(k TEXT PRIMARY KEY, v DEFAULT (load_extension('x')))",
        "CREATE TABLE n(k TEXT PRIMARY KEY, v CHECK(load_extension('x')))",
        "CREATE TABLE n(k TEXT PRIMARY KEY); ATTACH '/tmp/x' AS y",
        "CREATE TABLE temp.n(k TEXT PRIMARY KEY)",
        "CREATE TEMP TABLE n(k TEXT PRIMARY KEY)",
        "CREATE TABLE m(k TEXT PRIMARY KEY)",
        "CREATE VIRTUAL TABLE n USING fts5(k)",
        "ATTACH '/tmp/x' AS n",
        "PRAGMA writable_schema=ON",
    ] {
        let mut source = schema_of("CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE n(k TEXT PRIMARY KEY)").await;
        source
            .objects
            .iter_mut()
            .filter(|object| object.name == "n")
            .for_each(|object| object.sql = sql.into());
        let schemas = [&target, &source];
        let mut drift = Drift::new(schemas, Agreed::default(), &[]);
        proof::prove(&mut drift, schemas);
        assert_eq!(drift.changes, [], "{sql}");
        assert!(drift.bar("n").unwrap().held, "{sql}: {drift:?}");
    }
}

#[tokio::test]
async fn a_column_s_text_adds_that_column_alone() {
    let target = schema_of(T).await;
    for sql in [
        "CREATE TABLE t(k TEXT PRIMARY KEY, v, w DEFAULT (load_extension('x')))",
        "CREATE TABLE t(k TEXT PRIMARY KEY, v, w; DROP TABLE t)",
        "CREATE TABLE t(k TEXT PRIMARY KEY, v, w PRIMARY KEY)",
        "CREATE TABLE t(k TEXT PRIMARY KEY, v, w AS (load_extension('x')))",
    ] {
        let mut source = schema_of("CREATE TABLE t(k TEXT PRIMARY KEY, v, w)").await;
        source.objects[0].sql = sql.into();
        let schemas = [&target, &source];
        let mut drift = Drift::new(schemas, Agreed::default(), &[]);
        proof::prove(&mut drift, schemas);
        assert_eq!(drift.changes, [], "{sql}");
        assert!(drift.bar("t").unwrap().held, "{sql}: {drift:?}");
    }
}

#[tokio::test]
async fn a_column_that_comes_back_is_known_to_have_been_away() {
    let (with, without) = (
        schema_of("CREATE TABLE t(k TEXT PRIMARY KEY, v, w)").await,
        schema_of(T).await,
    );
    let at_first = Drift::new([&with, &with], Agreed::default(), &[]);
    assert_eq!(at_first.returned, []);
    let away = Drift::new([&with, &without], at_first.agreed, &[]);
    assert!(away.bar("t").unwrap().held);
    let still = Drift::new([&with, &without], away.agreed, &[]);
    let back = Drift::new([&with, &with], still.agreed.clone(), &[]);
    assert_eq!(back.returned, [("t".to_owned(), "w".to_owned())]);
    let both_lost = Drift::new([&without, &without], still.agreed, &[]);
    let again = Drift::new([&with, &without], both_lost.agreed, &[]);
    assert_eq!(
        again.changes.len(),
        1,
        "what both had dropped and one makes again is an addition"
    );
}

#[test]
fn giving_a_column_up_takes_what_depends_on_it_along() {
    let change = |kind, name: &str| Change {
        to: Side::Server,
        kind,
        table: "t".into(),
        name: name.into(),
        sql: String::new(),
        computed: false,
        unique: vec![],
    };
    let mut drift = Drift {
        changes: vec![
            change(ObjectKind::Column, "a"),
            change(ObjectKind::Column, "b"),
            change(ObjectKind::Index, "i"),
        ],
        ..Drift::default()
    };
    let first = drift.changes[0].clone();
    drift.give_up(&first, "why");
    assert_eq!(drift.changes, []);
    assert!(drift.bar("T").unwrap().held);
}
