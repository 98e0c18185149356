//! The files of a run, and its configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::{TimeZone, offset};
use modsync::config::{Backup, Config, Daemon, EngineChoice, History, Local, Log, Remote, Safety, Sync};
use rusqlite::Connection;

use super::ledger::Ledger;
use super::operations::{self, Program};
use super::scenario::{Place, Scenario};
use super::snapshot;
use super::world::World;

pub fn database(folder: &Path, place: Place) -> PathBuf {
    match place {
        Place::Server => folder.join("server.db"),
        Place::Laptop(laptop) => folder.join(format!("laptop{laptop}.db")),
    }
}

/// As the programs of the pair open their database.
pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::ZERO).unwrap();
    connection
        .execute_batch("PRAGMA synchronous=OFF;PRAGMA foreign_keys=ON;")
        .unwrap();
    connection
}

/// Makes all databases, alike.
pub fn make(folder: &Path, scenario: &Scenario, ledger: &mut Ledger) -> Vec<Connection> {
    std::fs::create_dir(folder.join("sidecars")).unwrap();
    let schema = &scenario.schema;
    let mut server = open(&database(folder, Place::Server));
    server.execute_batch(&schema.ddl).unwrap();
    let program = Program {
        schema,
        second: -100_000,
        zone: 0,
    };
    let nothing = snapshot::meaning(schema, &snapshot::read(&server, schema).unwrap());
    // A row that a constraint refuses is left out, and the others come.
    for change in &scenario.first {
        let _ = operations::write(&mut server, &program, std::slice::from_ref(change));
    }
    let first = snapshot::meaning(schema, &snapshot::read(&server, schema).unwrap());
    ledger.record(schema, &nothing, &first, "at first");
    let mut connections = vec![server];
    for laptop in 0..scenario.laptops {
        let path = database(folder, Place::Laptop(laptop));
        std::fs::copy(database(folder, Place::Server), &path).unwrap();
        connections.push(open(&path));
    }
    for (connection, wal) in connections.iter().zip(&scenario.wal) {
        set_mode(connection, *wal);
    }
    connections
}

fn set_mode(connection: &Connection, wal: bool) {
    let mode = if wal { "wal" } else { "delete" };
    connection
        .query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(()))
        .unwrap();
}

/// Deletes the laptop's base, or its sidecar among those on the server.
pub fn lose_base(state: &Path, sidecars: Option<&Path>) {
    let base = match sidecars {
        None => state.join("base.db"),
        Some(folder) => {
            let client = Connection::open(state.join("history.db")).and_then(|history| {
                history.query_row("SELECT value FROM fact WHERE name='client'", [], |row| {
                    row.get::<_, String>(0)
                })
            });
            let Ok(client) = client else { return };
            folder.join(format!("{client}.db"))
        }
    };
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // What is not there need not be removed.
        let _ = std::fs::remove_file(format!("{}{suffix}", base.display()));
    }
}

/// Puts a copy of the database in its own place, as somebody does who restores a backup while nothing runs.
pub fn replace(connection: &mut Connection, path: &Path, wal: bool) {
    let copy = path.with_extension("copy");
    connection
        .execute_batch(&format!("VACUUM INTO '{}'", copy.display()))
        .unwrap();
    *connection = Connection::open_in_memory().unwrap();
    std::fs::rename(&copy, path).unwrap();
    *connection = open(path);
    set_mode(connection, wal);
}

/// The configuration of a laptop's daemon.
pub fn config(world: &World, laptop: usize) -> Config {
    let scenario = &world.scenario;
    let [local, server] = scenario
        .zones
        .map(|hours| TimeZone::fixed(offset(i8::try_from(hours).unwrap())));
    let state_dir = world.state(laptop);
    Config {
        local: Local {
            database: world.path(Place::Laptop(laptop)),
            timezone: local,
        },
        remote: Remote {
            host: "simulated".to_owned(),
            user: None,
            port: None,
            identity_file: None,
            proxy_jump: None,
            database: world.path(Place::Server).to_string_lossy().into_owned(),
            engine: EngineChoice::Auto,
            timezone: server,
            known_hosts: None,
            password_command: None,
            passphrase_command: None,
            ssh_config: None,
            connect_timeout: Duration::from_secs(1),
        },
        sync: Sync {
            watch: false,
            debounce: Duration::ZERO,
            max_delay: Duration::ZERO,
            schedule: None,
            poll: Duration::from_secs(1),
        },
        safety: Safety {
            max_delete: if scenario.brakes { 0.25 } else { 1.0 },
            max_answer: 1 << 30,
        },
        backup: Backup {
            // Backups are named by the second, and two laptops are far faster here.
            enabled: scenario.backups && scenario.laptops == 1,
            min_interval: Duration::ZERO,
            keep_last: 1000,
            keep_daily: 0,
        },
        history: History {
            keep_days: 365,
            max_size: 1 << 40,
        },
        tables: scenario.schema.config.clone(),
        daemon: Daemon {
            name: None,
            socket: state_dir.join("socket"),
            state_dir,
        },
        log: Log {
            level: "off".to_owned(),
            keep_days: 1,
        },
    }
}
