//! What the probes saw: plain data, from which the checks are judged.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::control::types::Status;
use crate::cycle::CycleError;
use crate::model::Schema;
use crate::replica::OpenError;
use crate::ssh::known_hosts::{LookupName, Verdict};
use crate::ssh::{Hello, Keys, SessionError, TransportError};

/// What a probe saw; `None`: it was cut because it took too long.
pub(super) type Seen<T> = Option<T>;

/// The daemon, as whoever asks meets it.
#[derive(Clone, Debug)]
pub enum DaemonLook {
    /// It answers, with this status.
    Runs(Box<Status>),
    /// Nobody listens.
    Stopped,
    /// Somebody listens, and this came of asking.
    Mute(String),
}

/// The service manager's file for the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServiceLook {
    /// There is one, here.
    Installed(PathBuf),
    /// There is none.
    Missing,
    /// Nothing on this machine runs services.
    NoManager,
}

/// This machine's files.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub service: ServiceLook,
    /// The number of the user that looks.
    pub uid: u32,
    /// The state folder and the files in it that are there.
    pub state: Vec<FileLook>,
    /// The database's file, and its folder.
    pub database: Option<FileLook>,
    pub folder: Option<FileLook>,
    /// Whether this user may write the two.
    pub may_write: [bool; 2],
    /// Free bytes beside the database, and in the state folder.
    pub free: [Option<u64>; 2],
    /// The last backup that was taken, and the schema that both sides agreed on, by the record.
    pub last_backup: Option<String>,
    pub agreed: Option<String>,
}

/// A file or folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileLook {
    pub path: String,
    pub uid: u32,
    pub gid: u32,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// The owner's name and the group's, where they are known.
    pub owner: String,
    pub group: String,
}

/// One of the two databases, opened by SQLite.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub schema: Schema,
    /// "wal", "delete" and so on.
    pub journal: String,
    /// Its size, in bytes.
    pub bytes: u64,
    pub whole: Whole,
}

/// What SQLite's quick_check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// Nothing is wrong.
    Yes,
    /// The verdict.
    No(OpenError),
    /// It was not asked: the file is too large to be read in passing.
    TooLarge,
    /// It took longer than this.
    Slow(Duration),
}

/// What opening a session came to: what the launch script found, and the database.
pub(super) type Opened = Result<(Hello, Result<Database, OpenError>), SessionError>;

/// The server's side.
pub(super) struct Server {
    /// When the server's clock was asked, and when it had answered for certain.
    pub asked: [Timestamp; 2],
    /// What its shell says; `None` where none does.
    pub facts: Seen<Option<Facts>>,
    /// What opening a session there came to.
    pub session: Seen<Opened>,
    /// What was seen of its files alone, where the engine works on such.
    pub files: Option<Seen<Result<Facts, CycleError>>>,
}

/// What logging in came to.
pub(super) enum Way {
    /// In; what was seen there.
    In(Box<Server>),
    /// Not in; and where it is the host key, under which name it was looked up, and what the files say of it.
    Barred(TransportError, Option<(LookupName, Verdict)>),
}

/// What the server's shell says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// The server's clock, in seconds since 1970.
    pub clock: Option<f64>,
    /// Who is logged in.
    pub me: Account,
    /// Whether the path names a symbolic link.
    pub link: bool,
    /// The database's file behind all links, what SQLite keeps beside it, its folder.
    pub database: Option<FileLook>,
    pub beside: Vec<FileLook>,
    pub folder: Option<FileLook>,
    /// The folders above that one, the nearest first.
    pub above: Vec<FileLook>,
    /// Accounts that run PHP, that run other web servers, and that do so by custom.
    pub php: Vec<Account>,
    pub web: Vec<Account>,
    pub custom: Vec<Account>,
    /// Free KiB and percent in use, of the database's disk and of the state folder's.
    pub disk: Option<(u64, u8)>,
    pub states_disk: Option<(u64, u8)>,
    /// modsync's folder there.
    pub states: Option<FileLook>,
    /// Other laptops' and our own base: the file's name, and when it was last written, in seconds since 1970.
    pub laptops: Vec<(String, i64)>,
    /// Backups: whether each is whole, and its name's end.
    pub backups: Vec<(bool, String)>,
    /// Files that tell Apache to deny.
    pub denied: Vec<String>,
    /// Addresses under which the web server gave the database.
    pub served: Vec<String>,
    /// Whether the script came to its end.
    pub complete: bool,
}

/// An account on the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub uid: u32,
    pub name: String,
    /// Its groups, the primary one first.
    pub groups: Vec<u32>,
}

/// Everything that was seen.
pub(super) struct Findings {
    pub daemon: DaemonLook,
    pub home: Seen<Home>,
    pub local: Seen<Result<Database, OpenError>>,
    pub keys: Seen<Keys>,
    pub way: Seen<Way>,
    /// After how long what is missing above was cut.
    pub limit: Duration,
}
