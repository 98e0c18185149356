//! Brings files of the server here, each as it is at one moment.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep};

use super::copies::failed as failed_here;
use super::site::{Site, of_files};
use super::stamp::{HEADER, Stamp};
use crate::replica::{SqlError, SqlErrorKind};
use crate::ssh::sftp::SftpErrorKind;

/// How often a file is read that is written to meanwhile.
const READS: u32 = 8;
/// The server tells times in whole seconds. A file must have been seen unchanged for longer before it is read, or a
/// write in the same second could go unseen.
const SECOND: Duration = Duration::from_millis(1100);
/// A file that is brought again so soon is one that is written to all the time.
const OFTEN: Duration = Duration::from_secs(5);
/// By how much the two clocks may differ where a file's time is long past.
const SKEW: u64 = 120;

impl Site {
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
        let length = match self.sftp.download(path, 0..stamp.size, &mut file, |_| ()).await {
            Ok(length) => length,
            Err(error) if error.kind == SftpErrorKind::Resized => return Ok(false),
            Err(error) => return Err(of_files(error)),
        };
        file.sync_all()
            .await
            .map_err(|error| failed_here("write", to, &error))?;
        let bytes = tokio::fs::File::open(to)
            .await
            .map_err(|error| failed_here("read", to, &error))?;
        let mut header = Vec::new();
        let mut bytes = bytes.take(HEADER as u64);
        let read = bytes.read_to_end(&mut header).await;
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
}
