//! The SQL session over every engine, on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::Path;

use modsync::config::EngineChoice;
use modsync::model::Value;
use modsync::replica::{Field, Script, Sql as _, SqlError, wire};
use modsync::ssh::{Hello, Session, SessionOptions};
use support::local_transport::LocalTransport;
use tempfile::TempDir;

async fn rows(session: &mut Session, steps: &[&str]) -> Result<Vec<Vec<Field>>, SqlError> {
    let mut script = Script::new();
    for step in steps {
        script.step(*step);
    }
    let mut rows = Vec::new();
    session
        .run(&script, &mut |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
    Ok(rows)
}

#[tokio::test]
async fn first() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t(a);")
        .unwrap();
    let transport = LocalTransport::default().env("HOME", dir.path());
    for engine in [
        EngineChoice::Sqlite3,
        EngineChoice::Python3,
        EngineChoice::Php,
        EngineChoice::Auto,
    ] {
        let options = SessionOptions::new(path.to_str().unwrap(), engine, "base.db");
        let (mut session, hello) = Session::open(&transport, &options).await.unwrap();
        eprintln!("{hello:?}");
        eprintln!(
            "{:?}",
            rows(
                &mut session,
                &["SELECT 'i'||data_version, 'i'||moved FROM modsync_look;"]
            )
            .await
        );
        eprintln!("{:?}", rows(&mut session, &["SELECT x;"]).await);
    }
}
