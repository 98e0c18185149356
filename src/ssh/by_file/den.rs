//! What is done beside the database: uploads, the lock among laptops, the exchange, and the tidying up.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::sftp::{Exchange, Exchanged, FileInfo, SftpErrorKind};
use super::copies::failed as failed_here;
use super::site::{PAUSE, Site, of_files};
use crate::replica::{SqlError, SqlErrorKind};

/// A lock that has not changed for so long is nobody's any more. It is held for some round trips.
const STALE_LOCK: Duration = Duration::from_secs(10);

impl Site {
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
    pub(super) async fn open_gate(&self) -> Result<(), SqlError> {
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
}
