//! Answers without end: rows, one row, standard error, banners. What is taken of them is bounded.

use std::time::{Duration, Instant};

use modsync::config::EngineChoice;
use modsync::replica::{Script, Sql as _, SqlErrorKind};
use modsync::ssh::{Session, SessionOptions};
use serde_json::json;

use super::answers::columns;
use super::stage::{MEMORY, Stage, peak, refused};
use super::support::daemon::Daemon;
use super::support::local_transport::LocalTransport;

#[test]
fn rows_without_end_are_cut_off() {
    let mut stage = Stage::new();
    stage
        .world
        .settings
        .insert("safety", "max_answer = \"16MiB\"".to_owned());
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    let honest = peak(&daemon);
    // A row of `assessment_queue`: its id, and text in all other columns, the key among them.
    let row = |text: &str| format!("tchanged\ti0\ti{{}}{}\n", format!("\tt{text}").repeat(columns() - 1));
    for (what, on, text, words) in [
        (
            "new rows",
            "SELECT * FROM temp.modsync_report_0;",
            row("{}"),
            "more than 16 MiB",
        ),
        (
            "deletions",
            "SELECT 'tdeleted','i0'",
            "tdeleted\ti0\tt{}\tt{}\n".to_owned(),
            "more than 16 MiB",
        ),
        (
            "garbage",
            "SELECT 'thead'",
            "{} bottles of beer\n".to_owned(),
            "wire form",
        ),
        ("numbers", "SELECT 'thead'", "i{}\n".to_owned(), "has another shape"),
        (
            "rows where none was asked for",
            "BEGIN;DELETE FROM temp.modsync_head",
            "t{}\n".to_owned(),
            "has another shape",
        ),
        (
            "large rows",
            "SELECT * FROM temp.modsync_report_0;",
            row(&format!("{{}}{}", "x".repeat(100_000))),
            "more than 16 MiB",
        ),
    ] {
        stage.change_both();
        let before = stage.files();
        stage.lie(&[json!({"on": on, "lie": "count", "text": text})]);
        let error = refused(&daemon, 1, what);
        assert!(error.contains(words), "{what}: {error}");
        assert!(stage.files() == before, "{what}: a database was written");
        stage.be_honest();
        daemon.sync(&[], 0);
        stage.world.assert_equal();
    }
    let peak = peak(&daemon);
    assert!(peak < honest + MEMORY, "{peak} KiB, {honest} KiB in honest work");
}

#[test]
fn standard_error_without_end_is_read_and_forgotten() {
    let stage = Stage::new();
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    let honest = peak(&daemon);
    stage.change_both();
    let before = stage.files();
    let text = format!("Error: {}\n", "\u{1b}[31mall is lost".repeat(1000));
    stage.lie(&[json!({"on": "SELECT 'thead'", "lie": "shout", "times": 4000, "text": text})]);
    let error = refused(&daemon, 1, "standard error");
    assert!(error.contains("all is lost"), "{error}");
    assert!(stage.files() == before, "a database was written");
    stage.be_honest();
    daemon.sync(&[], 0);
    stage.world.assert_equal();
    let peak = peak(&daemon);
    assert!(peak < honest + MEMORY, "{peak} KiB, {honest} KiB in honest work");
}

/// Against the session alone, with limits that a test can reach.
async fn session(noise: &str, options: impl FnOnce(&mut SessionOptions)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("a.db");
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("CREATE TABLE t(k);")
        .unwrap();
    let transport = LocalTransport::default()
        .env("HOME", folder.path())
        .env("XDG_STATE_HOME", "")
        .before(noise);
    let mut chosen = SessionOptions::new(database.to_str().unwrap(), EngineChoice::Sqlite3, "base.db");
    options(&mut chosen);
    let opened = Session::open(&transport, &chosen).await;
    let mut session = match opened {
        Ok((session, _)) => session,
        Err(error) => return error.to_string(),
    };
    let mut script = Script::new();
    script.step("SELECT 'i'||value FROM generate_series(1,1000000000);");
    let error = session.run(&script, &mut |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Protocol, "{error}");
    error.message
}

#[tokio::test]
async fn an_answer_that_no_one_keeps_ends_as_well() {
    let error = session("", |options| options.max_answer = 4 << 20).await;
    assert!(error.contains("more than 4 MiB"), "{error}");
}

#[tokio::test]
async fn a_login_shell_that_never_speaks_is_given_up_in_time() {
    let began = Instant::now();
    let error = session("sleep 60 </dev/null; exit", |options| {
        options.greeting = Duration::from_millis(500)
    })
    .await;
    assert!(error.contains("0.5 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_banner_of_one_line_without_end_is_given_up() {
    let error = session("tr '\\0' x </dev/zero", |_| ()).await;
    assert!(error.contains("longer than allowed"), "{error}");
}
