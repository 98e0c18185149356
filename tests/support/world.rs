//! A laptop and a server on one machine: two databases, a real sshd between them, a configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use modsync::config::{self, Config, LoadOptions};
use modsync::control::types::{CycleSummary, Outcome, SyncRequest};
use modsync::cycle::{CycleError, Pair, Syncer as _, Trigger};
use modsync::demo::data;
use rusqlite::Connection;

use super::sshd::{Options, Sshd};

pub struct World {
    pub sshd: Sshd,
    folder: tempfile::TempDir,
    /// What the config's `[remote] port` says: the sshd's, or a proxy's.
    pub port: u16,
    /// Lines for the config file, by section.
    pub settings: BTreeMap<&'static str, String>,
    /// Who logs in at the server.
    pub user: String,
}

impl World {
    /// Both databases with the same sample products.
    pub fn with_products(products: usize) -> Self {
        let world = Self::empty();
        data::create(&world.local(), products).unwrap();
        std::fs::copy(world.local(), world.remote()).unwrap();
        world
    }

    /// Both databases made by the same SQL.
    pub fn with_schema(sql: &str) -> Self {
        let world = Self::empty();
        for path in [world.local(), world.remote()] {
            Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }
        world
    }

    /// Each database made by its own SQL.
    pub fn with_schemas(local: &str, server: &str) -> Self {
        let world = Self::empty();
        open(&world.local()).execute_batch(local).unwrap();
        open(&world.remote()).execute_batch(server).unwrap();
        world
    }

    /// Neither database.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("modsync-world-").tempdir().unwrap();
        // What a test puts into the folder `bin` is found before the programs of that name.
        let sshd = Sshd::with(&Options {
            config: format!(
                "SetEnv XDG_STATE_HOME={} PATH={}:/usr/local/bin:/usr/bin:/bin",
                folder.path().join("remote").display(),
                folder.path().join("bin").display()
            ),
            ..Options::default()
        });
        Self::in_folder(folder, sshd)
    }

    /// Neither database, and a server of the test's own making.
    pub fn on(sshd: Sshd) -> Self {
        Self::in_folder(
            tempfile::Builder::new().prefix("modsync-world-").tempdir().unwrap(),
            sshd,
        )
    }

    /// The same in a folder of the test's own choice.
    pub fn in_folder(folder: tempfile::TempDir, sshd: Sshd) -> Self {
        for name in ["laptop", "site", "home"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let port = sshd.port();
        Self {
            sshd,
            folder,
            port,
            settings: BTreeMap::new(),
            user: super::sshd::user(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn local(&self) -> PathBuf {
        self.path("laptop/products.db")
    }

    pub fn remote(&self) -> PathBuf {
        self.path("site/products.db")
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Where modsync keeps the server's base.
    pub fn remote_state(&self) -> PathBuf {
        self.path("remote/modsync")
    }

    pub fn open_local(&self) -> Connection {
        open(&self.local())
    }

    pub fn open_remote(&self) -> Connection {
        open(&self.remote())
    }

    /// Writes the config file and gives its path.
    pub fn config_file(&self) -> PathBuf {
        let host = format!("[127.0.0.1]:{} {}", self.port, self.sshd.host_key("ed25519"));
        let known_hosts = self.sshd.known_hosts(&format!("{host}\n"));
        let set = |section: &str| self.settings.get(section).cloned().unwrap_or_default();
        let database = if set("remote").contains("database =") {
            String::new()
        } else {
            format!("database = \"{}\"\n", self.remote().display())
        };
        let text = format!(
            "[local]\ndatabase = \"{}\"\n{}\n[remote]\nhost = \"127.0.0.1\"\nuser = \"{}\"\nport = {}\nidentity_file = \"{}\"\n\
             known_hosts = \"{}\"\n{database}{}\n[sync]\n{}\n[safety]\n{}\n[backup]\n{}\n[notify]\n{}\n[daemon]\nstate_dir = \"{}\"\n\
             socket = \"{}\"\n{}\n",
            self.local().display(),
            set("local"),
            self.user,
            self.port,
            self.sshd.user_key().display(),
            known_hosts.display(),
            set("remote"),
            set("sync"),
            set("safety"),
            set("backup"),
            self.settings.get("notify").map_or("enabled = false", String::as_str),
            self.state().display(),
            self.socket().display(),
            set("table"),
        );
        let path = self.path("config.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn socket(&self) -> PathBuf {
        self.path("state/modsyncd.sock")
    }

    pub fn config(&self) -> Config {
        let options = LoadOptions {
            file: Some(self.config_file()),
            ..LoadOptions::default()
        };
        config::load(&options).unwrap()
    }

    pub async fn pair(&self) -> Pair {
        Pair::open(self.config()).await.unwrap()
    }

    /// Whether both databases hold the same rows in every ordinary table, value by value, and are whole; says what
    /// differs.
    pub fn assert_equal(&self) {
        self.assert_equal_without(&[]);
    }

    /// The same, without some tables.
    pub fn assert_equal_without(&self, left_out: &[&str]) {
        let (ours, theirs) = (self.open_local(), self.open_remote());
        for (whose, connection) in [("laptop", &ours), ("server", &theirs)] {
            assert_eq!(
                rows(connection, "PRAGMA integrity_check"),
                [text("ok")],
                "the {whose}'s database"
            );
            assert_eq!(
                rows(connection, "PRAGMA foreign_key_check"),
                [""; 0],
                "the {whose}'s references"
            );
        }
        let (mut local, mut remote) = (dump(&ours), dump(&theirs));
        for table in left_out {
            local.remove(*table);
            remote.remove(*table);
        }
        assert_eq!(local.keys().collect::<Vec<_>>(), remote.keys().collect::<Vec<_>>());
        for (table, rows) in &local {
            let theirs = remote.get(table).unwrap();
            let extra = |a: &Vec<String>, b: &Vec<String>| {
                let extra = a.iter().filter(|row| !b.contains(row));
                extra
                    .map(|row| row.chars().take(2000).collect())
                    .collect::<Vec<String>>()
            };
            assert!(
                rows == theirs,
                "{table} differs:\nonly on the laptop: {:#?}\nonly on the server: {:#?}",
                extra(rows, theirs),
                extra(theirs, rows)
            );
        }
    }

    /// Runs SQL on both sides.
    pub fn on_both(&self, sql: &str) {
        self.open_local().execute_batch(sql).unwrap();
        self.open_remote().execute_batch(sql).unwrap();
    }

    /// The rows of a query, which must be the same on both sides.
    pub fn both(&self, sql: &str) -> Vec<String> {
        let (ours, theirs) = (rows(&self.open_local(), sql), rows(&self.open_remote(), sql));
        assert_eq!(ours, theirs, "{sql}: laptop and server");
        ours
    }

    /// Runs the site's PHP.
    pub fn php(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/site/review.php");
        run(Command::new("php").arg(script).arg(self.remote()).args(arguments))
    }

    /// Runs the laptop's Python workflow.
    pub fn python(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/workflow.py");
        run(Command::new("python3").arg(script).arg(self.local()).args(arguments))
    }
}

/// Fails unless the cycle moved what there was to move, and nothing was in its way.
#[track_caller]
pub fn assert_synced(done: &CycleSummary) {
    assert_eq!(
        (done.outcome, done.conflicts, done.held),
        (Outcome::Synced, 0, 0),
        "{done:?}"
    );
}

/// Runs a cycle without a backup, and kills the server's sessions after that moment. Whether this cut it off; a cycle that
/// came through met no conflict and held nothing.
pub async fn cut_off(world: &World, pair: &mut Pair, moment: Duration) -> bool {
    let killed = async {
        tokio::time::sleep(moment).await;
        world.sshd.kill_sessions();
    };
    let request = SyncRequest {
        no_backup: true,
        ..SyncRequest::default()
    };
    let (done, ()) = tokio::join!(try_sync(pair, &request), killed);
    if let Ok(done) = &done {
        assert_eq!((done.conflicts, done.held), (0, 0), "cut after {moment:?}: {done:?}");
    }
    done.is_err()
}

pub async fn sync(pair: &mut Pair) -> CycleSummary {
    try_sync(pair, &SyncRequest::default()).await.unwrap()
}

pub async fn try_sync(pair: &mut Pair, request: &SyncRequest) -> Result<CycleSummary, CycleError> {
    pair.sync(request, Trigger::SyncNow, &|_| ()).await
}

pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

/// Every row of every ordinary table, as SQL literals, sorted.
pub fn dump(connection: &Connection) -> BTreeMap<String, Vec<String>> {
    let names: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    names
        .into_iter()
        .map(|name| {
            (
                name.clone(),
                rows(
                    connection,
                    &format!("SELECT * FROM main.\"{}\"", name.replace('"', "\"\"")),
                ),
            )
        })
        .collect()
}

/// A text as [`rows`] shows it.
pub fn text(text: &str) -> String {
    format!("{:?}", rusqlite::types::ValueRef::Text(text.as_bytes()))
}

/// The rows of a query, each with its values as `Integer(1)`, `Real(1.0)`, `Text([…])`, joined by commas, sorted.
pub fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows: Vec<String> = statement
        .query_map([], |row| {
            let cells = (0..columns).map(|index| format!("{:?}", row.get_ref(index).unwrap()));
            Ok(cells.collect::<Vec<_>>().join(","))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    rows.sort();
    rows
}

/// Runs a program that has to succeed; what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
