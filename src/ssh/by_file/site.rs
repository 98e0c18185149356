//! The server's end: the database, what lies beside it, and a folder of ours.
//!
//! | beside `products.db` | what |
//! |---|---|
//! | `.products.db.modsync-CLIENT/` | the *den*, one for each laptop, which only its owner may enter |
//! | … `CLIENT.den` | tells whose it is, wherever it stands |
//! | … `CLIENT.new`, `CLIENT.old-N` | a file on its way up; files that were replaced and are still watched |
//! | `.products.db.modsync-lock` | there while a laptop exchanges the file |
//! | `products.db-journal` | SQLite's; for the instant of an exchange, the den |

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::sftp::{FileInfo, Sftp, SftpError, SftpErrorKind};
use super::stamp::{HEADER, Stamp};
use crate::replica::{SqlError, SqlErrorKind};

/// How long a writer of the site's is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before another look.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// A den that stands at the gate for so long was left there. It stands there for an instant.
const STALE_GATE: Duration = Duration::from_secs(1);

/// What stands under the name of SQLite's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    None,
    /// A file without contents: kept by a program for its next transaction.
    Empty,
    /// A transaction is under way, or was cut off.
    Active,
    /// A den: an exchange is under way, or was cut off.
    Den,
}

/// What a look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// The database; `None` when it is not there.
    pub stamp: Option<Stamp>,
    pub info: FileInfo,
    pub journal: Journal,
    /// Bytes in the `-wal`.
    pub wal: u64,
    /// The watched files, those that are there.
    pub watched: Vec<Option<Stamp>>,
}

impl Sight {
    /// Whether the file is the one with that stamp, with nobody in the midst of writing to it.
    pub(super) fn is_still(&self, stamp: &Stamp) -> bool {
        self.stamp.as_ref() == Some(stamp) && self.journal == Journal::None && self.wal == 0
    }
}

/// The database on the server and its surroundings.
pub(super) struct Site {
    pub sftp: Sftp,
    pub database: String,
    pub(super) client: String,
    /// The last stamp, and since when it has been seen.
    pub(super) first_seen: Option<(Stamp, Instant)>,
    /// When the database was last brought.
    pub(super) fetched: Option<Instant>,
    /// Whether it is known that files can be exchanged here.
    pub(super) prepared: bool,
}

impl Site {
    pub(super) fn new(sftp: Sftp, database: String, client: String) -> Self {
        Self {
            sftp,
            database,
            client,
            first_seen: None,
            fetched: None,
            prepared: false,
        }
    }

    pub(super) fn beside(&self, what: &str) -> String {
        let (folder, name) = self.database.rsplit_once('/').unwrap_or((".", &self.database));
        format!("{folder}/.{name}.modsync-{what}")
    }

    pub(super) fn den_of(&self, client: &str) -> String {
        self.beside(client)
    }

    pub(super) fn den(&self) -> String {
        self.den_of(&self.client)
    }

    pub(super) fn journal(&self) -> String {
        format!("{}-journal", self.database)
    }

    fn wal(&self) -> String {
        format!("{}-wal", self.database)
    }

    pub(super) fn new_name(&self) -> String {
        format!("{}.new", self.client)
    }

    pub(super) fn old_name(&self, number: u64) -> String {
        format!("{}.old-{number}", self.client)
    }

    /// Where a file that is replaced stands afterwards.
    pub(super) fn old_path(&self, number: u64) -> String {
        format!("{}/{}", self.den(), self.old_name(number))
    }

    /// Looks at the database, its journals, and other files: two round trips.
    pub(super) async fn look(&mut self, watched: &[&str]) -> Result<Sight, SqlError> {
        let (journal, wal) = (self.journal(), self.wal());
        let paths: Vec<&str> = [&*self.database, &*journal, &*wal]
            .into_iter()
            .chain(watched.iter().copied())
            .collect();
        let found = self.sftp.glance(&paths, HEADER as u32).await.map_err(of_files)?;
        let mut found = found.into_iter();
        let (database, journal, wal) = (found.next().flatten(), found.next().flatten(), found.next().flatten());
        let info = database.as_ref().map(|glance| glance.info.clone()).unwrap_or_default();
        let stamp: Option<Stamp> = database.map(Into::into);
        if self.first_seen.as_ref().map(|(stamp, _)| stamp) != stamp.as_ref() {
            self.first_seen = stamp.clone().map(|stamp| (stamp, Instant::now()));
        }
        Ok(Sight {
            stamp,
            info,
            journal: match journal {
                None => Journal::None,
                Some(glance) if glance.info.is_dir() => Journal::Den,
                Some(glance) if glance.info.size == 0 => Journal::Empty,
                Some(_) => Journal::Active,
            },
            wal: wal.map_or(0, |glance| glance.info.size),
            watched: found.map(|glance| glance.map(Into::into)).collect(),
        })
    }

    /// The same at a moment when nobody writes; a writer is waited for a while.
    ///
    /// # Errors
    /// When there is no database, one in WAL mode, or one with a journal that stays.
    pub(super) async fn quiet(&mut self, watched: &[&str]) -> Result<(Stamp, Sight), SqlError> {
        let began = Instant::now();
        loop {
            let sight = self.look(watched).await?;
            let stamp = sight.stamp.clone().ok_or_else(|| self.gone())?;
            if stamp.is_wal() {
                return Err(self.in_wal_mode());
            }
            if matches!(sight.journal, Journal::None | Journal::Empty) && sight.wal == 0 {
                return Ok((stamp, sight));
            }
            if sight.journal == Journal::Den && began.elapsed() > STALE_GATE {
                self.open_gate().await?;
            } else if began.elapsed() > PATIENCE {
                return Err(match sight.wal {
                    0 => self.journal_stays(),
                    _ => self.in_wal_mode(),
                });
            }
            sleep(PAUSE).await;
        }
    }

    /// Removes a file, if it is there.
    pub(super) async fn remove(&self, path: &str) -> Result<(), SqlError> {
        match self.sftp.remove(path).await {
            Err(error) if error.kind != SftpErrorKind::NotFound => Err(of_files(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn failed(&self, kind: SqlErrorKind, why: &str) -> SqlError {
        SqlError {
            kind,
            message: format!("{}: {why}", self.database),
        }
    }

    /// Tried again by the next cycle. Nobody need hold a lock, so it is none of SQLite's kinds of failure.
    pub(super) fn busy(&self, why: &str) -> SqlError {
        self.failed(SqlErrorKind::Other, why)
    }

    fn gone(&self) -> SqlError {
        self.failed(SqlErrorKind::CannotOpen, "there is no such file any more")
    }

    fn in_wal_mode(&self) -> SqlError {
        let why = format!(
            "it is in WAL mode, where a part of it stands in {} and engine = \"sftp\" can do nothing safely; run \
             `PRAGMA journal_mode=DELETE` on it, in the site's programs too, or use another engine where a shell is allowed",
            self.wal()
        );
        self.failed(SqlErrorKind::Unsuitable, &why)
    }

    fn journal_stays(&self) -> SqlError {
        self.busy(&format!(
            "{} has been there for {} s: a program is in the midst of a transaction; or was killed in one, which the next \
             program of the site that opens the database undoes; or keeps its journal, and needs journal_mode=DELETE",
            self.journal(),
            PATIENCE.as_secs()
        ))
    }
}

/// What an error of the file transfer means to a session.
pub(super) fn of_files(error: SftpError) -> SqlError {
    let kind = match error.kind {
        SftpErrorKind::NotFound => SqlErrorKind::CannotOpen,
        SftpErrorKind::Denied => SqlErrorKind::ReadOnly,
        SftpErrorKind::Lost => SqlErrorKind::Lost,
        SftpErrorKind::Unsupported => SqlErrorKind::Unsuitable,
        SftpErrorKind::Exists | SftpErrorKind::Resized | SftpErrorKind::Local | SftpErrorKind::Failed => {
            SqlErrorKind::Other
        }
    };
    SqlError {
        kind,
        message: error.message,
    }
}
