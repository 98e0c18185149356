//! The SQL session over every engine, on this machine. The engines themselves have to be installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cut;
mod failures;
mod framing;
mod launch;
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use modsync::config::EngineChoice;
use modsync::replica::{Field, Script, Sql, SqlError};
use modsync::ssh::{Hello, Session, SessionError, SessionOptions};
use support::local_transport::LocalTransport;
use tempfile::TempDir;

/// A home folder on the "server" with a database in it.
struct Server {
    home: TempDir,
    database: PathBuf,
    transport: LocalTransport,
}

impl Server {
    /// With a database that holds an empty table `t(k INTEGER PRIMARY KEY, v)`.
    fn new() -> Self {
        Self::with(LocalTransport::default())
    }

    fn with(transport: LocalTransport) -> Self {
        let home = TempDir::new().unwrap();
        let database = home.path().join("products.db");
        create(&database);
        let transport = transport
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", "")
            .env("PATH", path_with_modsyncd(""));
        Self {
            home,
            database,
            transport,
        }
    }

    /// A program that is found before the real one of that name.
    fn fake(self, program: &str, script: &str) -> Self {
        let bin = self.home.path().join("fake");
        std::fs::create_dir_all(&bin).unwrap();
        let file = bin.join(program);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let transport = self.transport.env("PATH", path_with_modsyncd(bin.to_str().unwrap()));
        Self { transport, ..self }
    }

    fn options(&self, engine: EngineChoice) -> SessionOptions {
        options(&self.database, engine)
    }

    async fn open(&self, engine: EngineChoice) -> Result<(Session, Hello), SessionError> {
        Session::open(&self.transport, &self.options(engine)).await
    }

    async fn session(&self, engine: EngineChoice) -> Session {
        self.open(engine).await.unwrap().0
    }

    /// Another program's connection to the same database.
    fn other(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.database).unwrap()
    }

    fn count(&self) -> i64 {
        self.other()
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }
}

fn path_with_modsyncd(first: &str) -> std::ffi::OsString {
    let bin = Path::new(env!("CARGO_BIN_EXE_modsyncd")).parent().unwrap().to_owned();
    let rest = std::env::var_os("PATH").unwrap();
    let all = [PathBuf::from(first), bin]
        .into_iter()
        .chain(std::env::split_paths(&rest));
    std::env::join_paths(all.filter(|path| !path.as_os_str().is_empty())).unwrap()
}

fn options(database: &Path, engine: EngineChoice) -> SessionOptions {
    SessionOptions::new(database.to_str().unwrap(), engine, "base-laptop.db")
}

fn create(database: &Path) {
    rusqlite::Connection::open(database)
        .unwrap()
        .execute_batch("CREATE TABLE t(k INTEGER PRIMARY KEY, v);")
        .unwrap();
}

fn script(steps: &[&str]) -> Script<'static> {
    let mut script = Script::new();
    for step in steps {
        script.step(*step);
    }
    script
}

/// Runs steps and collects their rows.
async fn run(sql: &mut impl Sql, steps: &[&str]) -> Result<Vec<Vec<Field>>, SqlError> {
    let mut rows = Vec::new();
    let mut take = |row| {
        rows.push(row);
        Ok(())
    };
    // No test waits longer, whatever breaks.
    tokio::time::timeout(Duration::from_secs(60), sql.run(&script(steps), &mut take))
        .await
        .expect("an answer in time")?;
    Ok(rows)
}

/// The value of `modsync_look`: its version of the data, and whether the file was replaced.
async fn look(session: &mut Session) -> (Field, bool) {
    let mut rows = run(session, &["SELECT 'i'||data_version, 'i'||moved FROM modsync_look;"])
        .await
        .unwrap();
    let mut row = rows.remove(0);
    let moved = row.remove(1);
    let is = |integer| Field::Value(modsync::model::Value::Integer(integer));
    assert!(moved == is(0) || moved == is(1), "{moved:?}");
    (row.remove(0), moved == is(1))
}
