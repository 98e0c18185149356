//! Where an answer begins and ends, whatever comes around it and however large it is.

use std::time::Duration;

use modsync::config::EngineChoice::{self, Auto, Modsyncd, Php, Python3, Sqlite3};
use modsync::model::Value;
use modsync::replica::{Field, Sql as _, SqlErrorKind};
use modsync::ssh::{Session, SessionError, Transport as _};
use rstest::rstest;

use super::support::local_transport::LocalTransport;
use super::{Server, run, script};

fn text(text: &str) -> Vec<Field> {
    vec![Field::Value(Value::text(text))]
}

#[rstest]
#[tokio::test]
async fn answers_come_in_order(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let before = server.transport.traffic().round_trips();
    let steps = [
        "INSERT INTO t VALUES(1,'a'); INSERT INTO t VALUES(2,'b');",
        "SELECT 't'||v FROM t ORDER BY k;",
        "SELECT 't'||v FROM t WHERE 0;",
        "DELETE FROM t WHERE k=1;",
        "SELECT 'i'||count(*), '=', 'n' FROM t;",
    ];
    let counts = vec![Field::Value(Value::Integer(1)), Field::Same, Field::Value(Value::Null)];
    assert_eq!(run(&mut session, &steps).await.unwrap(), [text("a"), text("b"), counts]);
    assert_eq!(run(&mut session, &[]).await.unwrap(), Vec::<Vec<Field>>::new());
    assert_eq!(server.transport.traffic().round_trips() - before, 2);
    assert_eq!(server.count(), 1);
}

#[rstest]
#[tokio::test]
async fn a_step_may_have_several_lines(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let trigger = "CREATE TEMP TRIGGER r AFTER INSERT ON t WHEN new.k<10\nBEGIN\n  -- a remark; with an end\n\
        \n  INSERT INTO t VALUES(new.k+10,\n'x');\n\
        \n\n  INSERT INTO t SELECT 99,'.quit\n.quit\n#' WHERE new.k=2;\nEND;";
    let rows = run(
        &mut session,
        &[
            trigger,
            "INSERT INTO t VALUES(1,'y');",
            "SELECT\n't'||v\nFROM t ORDER BY k;",
        ],
    )
    .await;
    assert_eq!(rows.unwrap(), [text("y"), text("x")]);
}

#[tokio::test]
async fn banners_and_start_files_are_passed_over() {
    let noise = "echo Welcome; echo modsync-0000 database 00; printf 'last login: \\377 never'; echo warning >&2";
    let server = Server::with(LocalTransport::default().before(noise));
    let rc = ".mode html\n.headers on\nSELECT 1, 2;\n.print nonsense\n.timeout x\nnonsense;\n";
    std::fs::write(server.home.path().join(".sqliterc"), rc).unwrap();
    let (mut session, hello) = server.open(Auto).await.unwrap();
    assert_eq!(hello.engine.unwrap().name, "sqlite3");
    assert_eq!(run(&mut session, &["SELECT 't';"]).await.unwrap(), [text("")]);
}

#[tokio::test]
async fn a_banner_without_end_is_given_up() {
    let server = Server::with(LocalTransport::default().before("yes Welcome"));
    let error = server.open(Auto).await.err().unwrap();
    assert!(
        matches!(&error, SessionError::Sql(error) if error.kind == SqlErrorKind::Protocol),
        "{error:?}"
    );
}

#[rstest]
#[case::no_wire_form("SELECT 'modsync-0123456789abcdef0123456789abcdef 1';")]
#[case::two_lines("SELECT 'n'||char(10)||'q';")]
#[case::empty("SELECT '';")]
#[tokio::test]
async fn rows_that_are_not_in_the_wire_form_are_refused(#[case] select: &str) {
    let server = Server::new();
    let error = run(&mut server.session(Sqlite3).await, &[select]).await.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Protocol, "{error}");
}

#[rstest]
#[tokio::test]
async fn a_row_longer_than_allowed_is_refused(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut options = server.options(engine);
    options.max_line = 100_000;
    let (mut session, _) = Session::open(&server.transport, &options).await.unwrap();
    assert_eq!(
        run(&mut session, &["SELECT 'b'||hex(zeroblob(40000));"])
            .await
            .unwrap()
            .len(),
        1
    );
    let error = run(&mut session, &["SELECT 'b'||hex(zeroblob(60000));"])
        .await
        .unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Protocol, "{error}");
}

/// The answer begins while the request is still being sent, and both are larger than any pipe.
#[rstest]
#[tokio::test]
async fn large_requests_and_answers_pass_each_other(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let step = format!("SELECT 'b'||hex(zeroblob(100000)), 't{}';", "x".repeat(100_000));
    let script = script(&vec![step.as_str(); 100]);
    let (mut rows, mut bytes) = (0, 0);
    let mut take = |row: Vec<Field>| {
        rows += 1;
        for field in row {
            match field {
                Field::Value(Value::Blob(blob)) => bytes += blob.len(),
                Field::Value(Value::Text(text)) => bytes += text.len(),
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    };
    let answer = session.run(&script, &mut take);
    tokio::time::timeout(Duration::from_secs(60), answer)
        .await
        .expect("no deadlock")
        .unwrap();
    assert_eq!((rows, bytes), (100, 20_000_000));
}
