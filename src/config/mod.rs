//! The configuration: what the user wrote, layered with the environment and the flags, checked and with defaults.
//!
//! [`load`] reads in four steps: [`Places`] says which file, the layers gather what was written by dotted key and
//! remember where, the reader takes each known key with its default and bounds, and what is left over is a mistake.
//! Every mistake is reported, not only the first. [`rules_for`] turns what was said about a table, and the built-in
//! preset, into merge rules; [`ssh_config`] turns `[remote]` and the user's ssh_config into a host to connect to.

mod build;
mod check;
mod environment;
mod layers;
mod load;
mod mistake;
mod places;
mod preset;
mod quantity;
mod reader;
mod rules;
pub mod ssh_config;
mod tables;
mod values;

pub use check::check;
pub use environment::Environment;
pub use load::{LoadOptions, Loaded, find_socket, load, load_noting, of_text};
pub use mistake::{ConfigErrors, Mistake, Origin};
pub use places::Places;
pub use quantity::{format_duration, parse_duration};
pub use rules::{TableSetup, rules_for, unmatched_tables};

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

/// Everything a daemon has to know. Paths are absolute, `~` and `$NAME` expanded.
#[derive(Clone, Debug)]
pub struct Config {
    /// The laptop's side.
    pub local: Local,
    /// The server's side.
    pub remote: Remote,
    /// When to sync.
    pub sync: Sync,
    /// When to stop before harm.
    pub safety: Safety,
    /// Backups on the server.
    pub backup: Backup,
    /// The record of past cycles.
    pub history: History,
    /// What the user said about single tables, in the file's order.
    pub tables: Vec<TableConfig>,
    /// The daemon's own places.
    pub daemon: Daemon,
    /// The log.
    pub log: Log,
}

/// `[local]`.
#[derive(Clone, Debug)]
pub struct Local {
    /// The database file.
    pub database: PathBuf,
    /// Zone of the naive times that local programs write. Default UTC.
    pub timezone: TimeZone,
}

/// `[remote]`. What is `None` is taken from ~/.ssh/config and then from OpenSSH's defaults.
#[derive(Clone, Debug)]
pub struct Remote {
    /// A host name, or a name in ~/.ssh/config.
    pub host: String,
    /// The user to log in as.
    pub user: Option<String>,
    /// The TCP port.
    pub port: Option<u16>,
    /// A private key file.
    pub identity_file: Option<PathBuf>,
    /// Hosts to go through, as OpenSSH writes them: `[user@]host[:port][,…]`.
    pub proxy_jump: Option<String>,
    /// Path of the database on the server, as written: the server's shell expands nothing in it.
    pub database: String,
    /// The program that speaks SQL at the far end.
    pub engine: EngineChoice,
    /// Zone of the naive times that the site writes. Default UTC.
    pub timezone: TimeZone,
    /// The file of the user's known host keys. `None`: what ~/.ssh/config says, else ~/.ssh/known_hosts. The system's
    /// count either way.
    pub known_hosts: Option<PathBuf>,
    /// A command whose first output line is the password. Run by `sh -c`, never logged.
    pub password_command: Option<String>,
    /// A command whose first output line is the passphrase of the identity file.
    pub passphrase_command: Option<String>,
    /// Which ssh_config to read. `None`: ~/.ssh/config.
    pub ssh_config: Option<PathBuf>,
    /// Limit of each step of reaching the server. Default 10 s.
    pub connect_timeout: Duration,
}

/// `[remote] engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The first of sqlite3, python3, php, modsyncd that works.
    Auto,
    /// The `sqlite3` command.
    Sqlite3,
    /// `python3` with its sqlite3 module.
    Python3,
    /// `php` with PDO sqlite.
    Php,
    /// `modsyncd` itself, where it is installed on the server.
    Modsyncd,
    /// Files alone, over SFTP, for hosts without a shell.
    Sftp,
}

/// `[sync]`.
#[derive(Clone, Debug)]
pub struct Sync {
    /// Whether local writes start a cycle.
    pub watch: bool,
    /// Quiet time after the last local write.
    pub debounce: Duration,
    /// A database that is never quiet is synced at least this often.
    pub max_delay: Duration,
    /// Cron expression, five or six fields or `@hourly` and the like, in the local time zone; `None` for no schedule.
    pub schedule: Option<String>,
    /// How often the server is asked whether it changed.
    pub poll: Duration,
}

/// `[safety]`.
#[derive(Clone, Debug)]
pub struct Safety {
    /// Share of a table's rows (0.0 to 1.0) that one cycle may delete unasked.
    pub max_delete: f64,
    /// How much memory the rows of one answer of the server may take, in bytes.
    pub max_answer: u64,
}

/// `[backup]`.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Whether the server's database is backed up before a push.
    pub enabled: bool,
    /// Least time between two backups that cycles take by themselves.
    pub min_interval: Duration,
    /// How many of the newest are kept.
    pub keep_last: u32,
    /// For how many days the newest of the day is kept beside those.
    pub keep_daily: u32,
}

/// `[history]`.
#[derive(Clone, Debug)]
pub struct History {
    /// Days that cycles are remembered with what they wrote.
    pub keep_days: u32,
    /// The size, in bytes, beyond which the oldest are forgotten sooner.
    pub max_size: u64,
}

/// `[[table]]`. The default says nothing: the table is synced by its schema and the preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// The table's name.
    pub name: String,
    /// The key columns; empty: from the schema.
    pub key: Vec<String>,
    /// The column that says when a row was last updated; `None`: `last_updated` if there is one.
    pub last_updated: Option<String>,
    /// Columns that move together.
    pub groups: Vec<GroupConfig>,
    /// `sync = false` leaves the table out.
    pub sync: bool,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            key: Vec::new(),
            last_updated: None,
            groups: Vec::new(),
            sync: true,
        }
    }
}

/// `[[table.group]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// The columns.
    pub columns: Vec<String>,
    /// The column with the time of the decision.
    pub newest_by: String,
}

/// `[daemon]`.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// The pair's name; `None` for the only pair, or the first.
    pub name: Option<String>,
    /// Where the base, the journal and the history live.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a tracing filter.
    pub level: String,
    /// Days that log files are kept.
    pub keep_days: u32,
}
