//! Several files looked at at once: their attributes and first bytes, in two round trips.

use futures_util::future::{join, join_all};
use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};

use super::error::failed;
use super::{FileInfo, Sftp, SftpError};

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ssh) struct Glance {
    /// Its attributes; of a symbolic link, of what it leads to.
    pub info: FileInfo,
    /// Its first bytes, fewer where it is shorter; none of what is no file.
    pub head: Vec<u8>,
}

impl Sftp {
    /// Looks at files and their first `length` bytes; `None` where there is nothing. Requests travel together, and a
    /// server like OpenSSH's serves them in this order.
    ///
    /// # Errors
    /// When one of them may not be read.
    pub(in crate::ssh) async fn glance(&self, paths: &[&str], length: u32) -> Result<Vec<Option<Glance>>, SftpError> {
        self.traffic.add_round_trip();
        let opened = join_all(paths.iter().map(|path| {
            let open = self.raw.open(*path, OpenFlags::READ, FileAttributes::empty());
            join(self.raw.stat(*path), open)
        }))
        .await;
        if opened.iter().any(|(_, open)| open.is_ok()) {
            self.traffic.add_round_trip();
        }
        let read = opened.into_iter().zip(paths).map(|((stat, open), path)| async move {
            let head = match &open {
                Ok(file) => {
                    let (read, closed) =
                        join(self.raw.read(&*file.handle, 0, length), self.raw.close(&*file.handle)).await;
                    closed.map_err(|error| failed("close", path, &error))?;
                    Some(read)
                }
                Err(_) => None,
            };
            let info: FileInfo = match stat {
                Ok(found) => found.attrs.into(),
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) => return Err(failed("look at", path, &error)),
            };
            let head = match head {
                _ if !info.is_file() => Vec::new(),
                Some(Ok(data)) => data.data,
                Some(Err(ProtocolError::Status(status))) if status.status_code == StatusCode::Eof => Vec::new(),
                Some(Err(error)) => return Err(failed("read", path, &error)),
                None => match open {
                    // Gone in between.
                    Err(error) if is_missing(&error) => return Ok(None),
                    Err(error) => return Err(failed("open", path, &error)),
                    Ok(_) => Vec::new(),
                },
            };
            Ok(Some(Glance { info, head }))
        });
        join_all(read).await.into_iter().collect()
    }
}

fn is_missing(error: &ProtocolError) -> bool {
    matches!(error, ProtocolError::Status(status) if status.status_code == StatusCode::NoSuchFile)
}
