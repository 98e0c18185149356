//! The server's end: the database, what lies beside it, and a folder of ours.
//!
//! | beside `products.db` | what |
//! |---|---|
//! | `.products.db.modsync-CLIENT/` | the *den*, one for each laptop, which only its owner may enter |
//! | … `CLIENT.den` | tells whose it is, wherever it stands |
//! | … `CLIENT.new`, `CLIENT.old-N` | a file on its way up; files that were replaced and are still watched |
//! | `.products.db.modsync-lock` | there while a laptop exchanges the file |
//! | `products.db-journal` | SQLite's; for the instant of an exchange, the den |

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use super::super::sftp::{Exchange, Exchanged, FileInfo, Sftp, SftpError, SftpErrorKind};
use super::copies::failed as failed_here;
use super::stamp::{HEADER, Stamp};
use crate::replica::{SqlError, SqlErrorKind};

/// How long a writer of the site's is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before another look.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a file is read that is written to meanwhile.
const READS: u32 = 8;
/// A lock that has not changed for so long is nobody's any more. It is held for some round trips.
const STALE_LOCK: Duration = Duration::from_secs(10);
/// A den that stands at the gate for so long was left there. It stands there for an instant.
const STALE_GATE: Duration = Duration::from_secs(1);
/// The server tells times in whole seconds. A file must have been seen unchanged for longer before it is read, or a
/// write in the same second could go unseen.
const SECOND: Duration = Duration::from_millis(1100);
/// A file that is brought again so soon is one that is written to all the time.
const OFTEN: Duration = Duration::from_secs(5);
/// By how much the two clocks may differ where a file's time is long past.
const SKEW: u64 = 120;

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
    client: String,
    /// The last stamp, and since when it has been seen.
    first_seen: Option<(Stamp, Instant)>,
    /// When the database was last brought.
    fetched: Option<Instant>,
    prepared: bool,
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

    fn beside(&self, what: &str) -> String {
        let (folder, name) = self.database.rsplit_once('/').unwrap_or((".", &self.database));
        format!("{folder}/.{name}.modsync-{what}")
    }

    fn den_of(&self, client: &str) -> String {
        self.beside(client)
    }

    fn den(&self) -> String {
        self.den_of(&self.client)
    }

    fn journal(&self) -> String {
        format!("{}-journal", self.database)
    }

    fn wal(&self) -> String {
        format!("{}-wal", self.database)
    }

    fn new_name(&self) -> String {
        format!("{}.new", self.client)
    }

    fn old_name(&self, number: u64) -> String {
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

    /// Brings the database, as it is at one moment, into a file here; and whether it is unsure that it is.
    ///
    /// A commit changes the header, so that the same header and no journal, before and after, mean that nothing was
    /// committed in between. What leaves no mark is a large transaction that was rolled back; the file's time shows it,
    /// unless all that happened within one second. So the second is let pass first, but not under a site that writes so
    /// often that nothing else would come of it.
    pub(super) async fn fetch(&mut self, to: &Path) -> Result<(Stamp, bool), SqlError> {
        for _ in 0..READS {
            let (mut before, _) = self.quiet(&[]).await?;
            let hurry = self.fetched.is_some_and(|last| last.elapsed() < OFTEN);
            let mut young = self.youth(&before);
            if !young.is_zero() && !hurry {
                sleep(young).await;
                before = self.quiet(&[]).await?.0;
                young = self.youth(&before);
            }
            self.fetched = Some(Instant::now());
            let path = self.database.clone();
            if self.bring(&path, to, &before).await? && self.quiet(&[]).await?.0 == before {
                return Ok((before, !young.is_zero()));
            }
        }
        Err(self.busy("it was written to each time that it was read"))
    }

    /// Brings a file that was replaced.
    pub(super) async fn fetch_old(&mut self, path: &str, to: &Path) -> Result<Stamp, SqlError> {
        for _ in 0..READS {
            let before = self.look(&[path]).await?.watched.into_iter().next().flatten();
            let Some(before) = before else {
                return Err(self.failed(SqlErrorKind::CannotOpen, &format!("the replaced file {path} is gone")));
            };
            sleep(SECOND).await;
            if self.bring(path, to, &before).await?
                && self.look(&[path]).await?.watched.first() == Some(&Some(before.clone()))
            {
                return Ok(before);
            }
        }
        Err(self.busy(&format!("the replaced file {path} is still written to")))
    }

    /// Downloads one file; whether it is the one with that stamp.
    async fn bring(&self, path: &str, to: &Path, stamp: &Stamp) -> Result<bool, SqlError> {
        let mut options = tokio::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let mut file = options
            .open(to)
            .await
            .map_err(|error| failed_here("make", to, &error))?;
        let length = match self.sftp.download(path, 0, &mut file, |_| ()).await {
            Ok(length) => length,
            // It became shorter meanwhile.
            Err(error) if error.message.contains("wrong number of bytes") => return Ok(false),
            Err(error) => return Err(of_files(error)),
        };
        file.sync_all()
            .await
            .map_err(|error| failed_here("write", to, &error))?;
        let bytes = tokio::fs::File::open(to)
            .await
            .map_err(|error| failed_here("read", to, &error))?;
        let mut header = Vec::new();
        let mut bytes = tokio::io::AsyncReadExt::take(bytes, HEADER as u64);
        let read = tokio::io::AsyncReadExt::read_to_end(&mut bytes, &mut header).await;
        read.map_err(|error| failed_here("read", to, &error))?;
        Ok(length == stamp.size && header == stamp.header)
    }

    /// How long it takes until the second in which the file was written has passed for certain.
    fn youth(&self, stamp: &Stamp) -> Duration {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|now| now.as_secs())
            .unwrap_or_default();
        if u64::from(stamp.mtime) + SKEW < now {
            return Duration::ZERO;
        }
        let since = self
            .first_seen
            .as_ref()
            .map(|(_, since)| since.elapsed())
            .unwrap_or_default();
        SECOND.saturating_sub(since)
    }

    /// Makes sure, once in a session, that files can be exchanged here.
    pub(super) async fn prepare(&mut self) -> Result<(), SqlError> {
        if !self.prepared {
            self.make_den().await?;
            self.try_link().await?;
            self.prepared = true;
        }
        Ok(())
    }

    /// Makes our den, if it is not there.
    async fn make_den(&self) -> Result<(), SqlError> {
        let lacks = self.sftp.lacks();
        if !lacks.is_empty() {
            let why = format!(
                "the server's SFTP lacks {}, without which a file cannot be exchanged under a program that has it open. Changes \
                 of the server still come here. Use a server with OpenSSH, or another engine",
                lacks.join(", ")
            );
            return Err(self.failed(SqlErrorKind::Unsuitable, &why));
        }
        let den = self.den();
        match self.sftp.make_dir(&den, 0o700).await {
            Ok(()) => {}
            Err(error) if error.kind == SftpErrorKind::Exists => return Ok(()),
            Err(error) => return Err(of_files(error)),
        }
        let mark = format!("{den}/{}.den", self.client);
        self.sftp.make_file(&mark).await.map_err(of_files)
    }

    /// Uploads a file into the den, with the owner, group and permissions of the one that it is to replace.
    pub(super) async fn upload(&self, from: &Path, like: &FileInfo) -> Result<(), SqlError> {
        let path = format!("{}/{}", self.den(), self.new_name());
        self.remove(&path).await?;
        self.upload_to(from, &path, like).await
    }

    /// Uploads a copy of the database under another name; nothing may have it.
    pub(super) async fn upload_to(&self, from: &Path, path: &str, like: &FileInfo) -> Result<(), SqlError> {
        let file = tokio::fs::File::open(from)
            .await
            .map_err(|error| failed_here("read", from, &error))?;
        self.sftp
            .upload(file, path, like.mode & 0o777, |_| ())
            .await
            .map_err(of_files)?;
        let made = self.sftp.stat(path).await.map_err(of_files)?;
        if (made.uid, made.gid) == (like.uid, like.gid) {
            return Ok(());
        }
        let given = match self.sftp.set_owner(path, like.uid, like.gid).await {
            Ok(()) => self.sftp.stat(path).await.map_err(of_files)?,
            Err(_) => made.clone(),
        };
        if (given.uid, given.gid, given.mode) == (like.uid, like.gid, like.mode) {
            return Ok(());
        }
        self.remove(path).await?;
        let why = format!(
            "it belongs to user {} and group {}, and a file that takes its place would belong to {} and {}: the site might no \
             longer write to it. Connect as the user that owns the database",
            like.uid, like.gid, made.uid, made.gid
        );
        Err(self.failed(SqlErrorKind::Unsuitable, &why))
    }

    /// Whether this user may give the database a second name; Linux forbids it for files of others that it may not write.
    async fn try_link(&self) -> Result<(), SqlError> {
        let probe = format!("{}/{}.probe", self.den(), self.client);
        self.remove(&probe).await?;
        self.sftp.hard_link(&self.database, &probe).await.map_err(|error| match error.kind {
            SftpErrorKind::Lost => of_files(error),
            _ => self.failed(
                SqlErrorKind::Unsuitable,
                &format!(
                    "{}; without a second name for the replaced file, a late write to it could not be saved. Changes of the \
                     server still come here. Connect as the user that owns the database",
                    error.message
                ),
            ),
        })?;
        self.remove(&probe).await
    }

    /// Waits for the lock among laptops.
    pub(super) async fn lock(&self) -> Result<(), SqlError> {
        let lock = self.beside("lock");
        let (mut held, mut since) = (None, Instant::now());
        loop {
            match self.sftp.make_file(&lock).await {
                Err(error) if error.kind == SftpErrorKind::Exists => {}
                made => return made.map_err(of_files),
            }
            let now = self.sftp.stat(&lock).await.ok().map(|info| info.mtime);
            if now != held {
                (held, since) = (now, Instant::now());
            } else if since.elapsed() > STALE_LOCK {
                tracing::warn!(lock, "a laptop left its lock behind: removing it");
                self.remove(&lock).await?;
            }
            sleep(PAUSE).await;
        }
    }

    /// Gives the lock back. If that fails, others wait until it is stale.
    pub(super) async fn unlock(&self) {
        if let Err(error) = self.sftp.remove(&self.beside("lock")).await {
            tracing::debug!(%error, "the lock among laptops stays");
        }
    }

    /// Puts the uploaded file in the database's place, if no journal is there.
    pub(super) async fn exchange(&self, number: u64) -> Result<Exchanged, SqlError> {
        let (den, gate, new, old) = (self.den(), self.journal(), self.new_name(), self.old_name(number));
        let exchange = Exchange {
            den: &den,
            gate: &gate,
            new: &new,
            old: &old,
            target: &self.database,
        };
        self.sftp.exchange(&exchange).await.map_err(of_files)
    }

    /// Moves a den that an exchange left at the gate back to its place, whichever laptop's it is.
    async fn open_gate(&self) -> Result<(), SqlError> {
        let gate = self.journal();
        let names = match self.sftp.read_dir(&gate).await {
            Ok(names) => names,
            Err(error) if error.kind == SftpErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(of_files(error)),
        };
        let Some(client) = names.iter().find_map(|entry| entry.name.strip_suffix(".den")) else {
            return Err(self.failed(
                SqlErrorKind::CannotOpen,
                &format!("{gate} is a folder and no journal, and not of modsync's making: move it away"),
            ));
        };
        tracing::warn!(
            gate,
            "an exchange was cut off and left its folder under the journal's name: moving it back"
        );
        self.sftp
            .posix_rename(&gate, &self.den_of(client))
            .await
            .map_err(of_files)
    }

    /// Removes what an earlier session left: uploads that came to nothing, and replaced files that nobody watches.
    pub(super) async fn tidy(&self, watched: &[&str], locked: bool) -> Result<(), SqlError> {
        let den = self.den();
        if locked {
            self.unlock().await;
        }
        let gate = self.journal();
        if self.sftp.stat(&format!("{gate}/{}.den", self.client)).await.is_ok() {
            self.open_gate().await?;
        }
        let names = match self.sftp.read_dir(&den).await {
            Ok(names) => names,
            Err(error) if error.kind == SftpErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(of_files(error)),
        };
        for entry in names {
            let path = format!("{den}/{}", entry.name);
            if !entry.name.ends_with(".den") && !watched.contains(&&*path) {
                self.remove(&path).await?;
            }
        }
        Ok(())
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

    pub(super) fn busy(&self, why: &str) -> SqlError {
        self.failed(SqlErrorKind::Busy, why)
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
        SftpErrorKind::Exists | SftpErrorKind::Local | SftpErrorKind::Failed => SqlErrorKind::Other,
    };
    SqlError {
        kind,
        message: error.message,
    }
}
