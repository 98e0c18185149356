//! What goes wrong ends the session with its reason, in time, and leaves the database as it was.

use std::time::{Duration, Instant};

use modsync::config::EngineChoice::{self, Auto, Modsyncd, Php, Python3, Sqlite3};
use modsync::replica::sqlite::OpenMode;
use modsync::replica::{LocalSql, Sql as _, SqlError, SqlErrorKind};
use modsync::ssh::{Session, SessionError};
use rstest::rstest;

use super::support::local_transport::LocalTransport;
use super::{Server, run, script};

const ENDLESS: &str =
    "SELECT 'i'||x FROM (WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c) SELECT x FROM c);";

#[rstest]
#[tokio::test]
async fn an_error_stops_what_follows_and_rolls_back(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let steps = [
        "INSERT INTO t VALUES(1,'kept');",
        "BEGIN IMMEDIATE; INSERT INTO t VALUES(2,'lost'); INSERT INTO t VALUES(1,'again'); COMMIT;",
        "INSERT INTO t VALUES(3,'never');",
    ];
    let error = run(&mut session, &steps).await.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Constraint, "{error}");
    assert!(error.message.contains("UNIQUE constraint failed: t.k"), "{error}");
    assert!(error.message.contains(server.database.to_str().unwrap()), "{error}");
    assert_eq!(server.count(), 1);
    assert_eq!(
        run(&mut session, &["SELECT 'n';"]).await.unwrap_err().kind,
        SqlErrorKind::Lost
    );
}

/// Else a truncated answer would pass for a whole one.
#[rstest]
#[tokio::test]
async fn an_error_amid_the_rows_is_an_error(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    server
        .other()
        .execute_batch("INSERT INTO t VALUES(1,1),(2,2),(3,-9223372036854775807-1),(4,4);")
        .unwrap();
    let error = run(
        &mut server.session(engine).await,
        &["SELECT 'i'||abs(v) FROM t ORDER BY k;"],
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Other, "{error}");
    assert!(error.message.contains("integer overflow"), "{error}");
}

#[rstest]
#[tokio::test]
async fn reasons_are_told_apart(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let cases = [
        (
            "PRAGMA query_only=ON; INSERT INTO t VALUES(1,1);",
            SqlErrorKind::ReadOnly,
        ),
        (
            "PRAGMA max_page_count=2; INSERT INTO t VALUES(1,zeroblob(100000));",
            SqlErrorKind::Full,
        ),
        ("ATTACH '/no/such/folder/x.db' AS x;", SqlErrorKind::CannotOpen),
        (
            "INSERT INTO t VALUES(1,1); INSERT INTO t VALUES(1,1);",
            SqlErrorKind::Constraint,
        ),
        ("INSERT INTO nothing VALUES(1);", SqlErrorKind::Other),
        ("SELECT 'n' FROM nothing;", SqlErrorKind::Other),
    ];
    for (step, kind) in cases {
        let server = Server::new();
        let error = run(&mut server.session(engine).await, &[step]).await.unwrap_err();
        // The shell prints what a pragma answers.
        let kind_here = if engine == Sqlite3 && kind == SqlErrorKind::Full {
            SqlErrorKind::Protocol
        } else {
            kind
        };
        assert_eq!(error.kind, kind_here, "{step}: {error}");
        let mut local = LocalSql::open(&server.database, OpenMode::ReadWrite, Duration::ZERO)
            .await
            .unwrap();
        if kind != SqlErrorKind::Constraint {
            let error = run(&mut local, &[step]).await.unwrap_err();
            assert_eq!(error.kind, kind, "local: {step}: {error}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_lock_is_waited_for_and_then_told(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let other = server.other();
    other.execute_batch("BEGIN IMMEDIATE;").unwrap();
    let mut options = server.options(engine);
    options.busy_timeout = Duration::from_millis(300);
    let (mut session, _) = Session::open(&server.transport, &options).await.unwrap();
    let start = Instant::now();
    let error = run(&mut session, &["BEGIN IMMEDIATE; INSERT INTO t VALUES(1,1); COMMIT;"])
        .await
        .unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Busy, "{error}");
    assert!(start.elapsed() >= options.busy_timeout, "{:?}", start.elapsed());
}

#[rstest]
#[tokio::test]
async fn damage_is_told_as_damage(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    std::fs::write(&server.database, "no database at all ".repeat(500)).unwrap();
    let error = match server.open(engine).await {
        Err(SessionError::Sql(error)) => error,
        Err(error) => panic!("{error:?}"),
        Ok((mut session, _)) => run(&mut session, &["SELECT 'i'||count(*) FROM t;"]).await.unwrap_err(),
    };
    assert_eq!(error.kind, SqlErrorKind::Corrupt, "{error}");
}

#[rstest]
#[tokio::test]
async fn a_killed_engine_is_noticed_at_once(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let pid = server.transport.last_pid().to_string();
    let mut rows = 0;
    let mut kill_at_first_row = |_| {
        if rows == 0 {
            assert!(
                std::process::Command::new("kill")
                    .args(["-9", &pid])
                    .status()
                    .unwrap()
                    .success()
            );
        }
        rows += 1;
        Ok(())
    };
    let start = Instant::now();
    let error = session
        .run(&script(&[ENDLESS]), &mut kill_at_first_row)
        .await
        .unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Lost, "{error}");
    assert!(
        rows > 0 && start.elapsed() < Duration::from_secs(20),
        "{rows} rows, {:?}",
        start.elapsed()
    );
}

#[rstest]
#[tokio::test]
async fn silence_has_a_limit(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let other = server.other();
    other.execute_batch("BEGIN IMMEDIATE;").unwrap();
    let mut options = server.options(engine);
    options.busy_timeout = Duration::from_secs(60);
    options.patience = Duration::from_millis(300);
    let (mut session, _) = Session::open(&server.transport, &options).await.unwrap();
    let start = Instant::now();
    let error = run(&mut session, &["INSERT INTO t VALUES(1,1);"]).await.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Lost, "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_login_that_hangs_is_given_up() {
    let server = Server::with(LocalTransport::default().before("exec sleep 60"));
    let mut options = server.options(Auto);
    options.greeting = Duration::from_millis(300);
    let opened = tokio::spawn(async move { Session::open(&server.transport, &options).await.map(drop) }).await;
    let error = opened.unwrap().unwrap_err();
    assert!(
        matches!(&error, SessionError::Sql(error) if error.kind == SqlErrorKind::Lost),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_flood_on_standard_error_blocks_nothing() {
    let server = Server::with(LocalTransport::default().before("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2"));
    let mut session = server.session(Auto).await;
    let error = run(&mut session, &["SELECT nonsense;"]).await.unwrap_err();
    assert!(
        error.message.contains("no such column: nonsense") && error.message.len() < 1000,
        "{error}"
    );
}

#[rstest]
#[tokio::test]
async fn a_refused_row_ends_the_session(#[values(Sqlite3, Php)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let mut refuse = |_| {
        Err(SqlError {
            kind: SqlErrorKind::Other,
            message: "enough".to_owned(),
        })
    };
    let error = session.run(&script(&[ENDLESS]), &mut refuse).await.unwrap_err();
    assert_eq!(error.message, "enough");
    assert_eq!(
        run(&mut session, &["SELECT 'n';"]).await.unwrap_err().kind,
        SqlErrorKind::Lost
    );
}

#[tokio::test]
async fn the_local_side_fails_alike() {
    let server = Server::new();
    let open = || LocalSql::open(&server.database, OpenMode::ReadWrite, Duration::ZERO);
    let mut local = open().await.unwrap();
    let steps = [
        "BEGIN; INSERT INTO t VALUES(1,1);",
        "INSERT INTO t VALUES(1,2);",
        "COMMIT;",
    ];
    let error = run(&mut local, &steps).await.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Constraint, "{error}");
    assert_eq!(
        run(&mut local, &["SELECT 'n';"]).await.unwrap_err().kind,
        SqlErrorKind::Lost
    );
    drop(local);
    assert_eq!(server.count(), 0);

    let mut local = open().await.unwrap();
    let mut refuse = |_| {
        Err(SqlError {
            kind: SqlErrorKind::Other,
            message: "enough".to_owned(),
        })
    };
    let error = local.run(&script(&[ENDLESS]), &mut refuse).await.unwrap_err();
    assert_eq!(error.message, "enough");
    drop(local);

    let mut local = open().await.unwrap();
    let endless_count = format!("SELECT 'i'||count(*) FROM ({});", ENDLESS.trim_end_matches(';'));
    let given_up = tokio::time::timeout(Duration::from_millis(100), run(&mut local, &[&endless_count])).await;
    assert!(given_up.is_err());
    // Interrupts what runs.
    drop(local);

    let error = LocalSql::open(&server.home.path().join("none.db"), OpenMode::ReadWrite, Duration::ZERO)
        .await
        .err();
    assert_eq!(error.unwrap().kind, SqlErrorKind::CannotOpen);
    assert!(!server.home.path().join("none.db").exists());
}
