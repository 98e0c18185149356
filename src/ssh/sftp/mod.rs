//! Files on the server, over SFTP: for servers without a shell, and for whole databases.

mod copy;
mod error;

use std::sync::Arc;

use russh::ChannelMsg;
use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, Packet, StatusCode};

use self::error::failed;
pub use self::error::{SftpError, SftpErrorKind};
use super::fault::within;
use super::{Connection, Traffic, Transport, TransportError};

/// Longest packet that is taken: a chunk with its header, or a page of a folder's names.
const MAX_PACKET: u32 = 64 * 1024;
/// Limit of one request. Generous, for it has to wait for those before it on a slow line; a dead line ends earlier, by
/// the connection's keepalives.
const REQUEST_SECONDS: u64 = 120;
/// A folder with more names than this is not one that a database lives in.
const MAX_NAMES: usize = 100_000;
const POSIX_RENAME: &str = "posix-rename@openssh.com";
const FSYNC: &str = "fsync@openssh.com";

/// An SFTP session on one channel. Dropping it closes the channel.
pub struct Sftp {
    raw: RawSftpSession,
    traffic: Arc<Traffic>,
    can_posix_rename: bool,
    can_fsync: bool,
}

/// What the server says of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Bytes.
    pub size: u64,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Last change of the contents, in seconds since 1970.
    pub mtime: u32,
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the folder.
    pub name: String,
    /// What stands behind it; of a symbolic link, the link itself.
    pub info: FileInfo,
}

impl FileInfo {
    /// Whether it is an ordinary file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

impl From<FileAttributes> for FileInfo {
    fn from(attributes: FileAttributes) -> Self {
        Self {
            size: attributes.size.unwrap_or_default(),
            mode: attributes.permissions.unwrap_or_default(),
            uid: attributes.uid.unwrap_or_default(),
            gid: attributes.gid.unwrap_or_default(),
            mtime: attributes.mtime.unwrap_or_default(),
        }
    }
}

impl Connection {
    /// Opens an SFTP session.
    ///
    /// # Errors
    /// When the connection is gone, or the server offers no SFTP.
    pub async fn sftp(&self) -> Result<Sftp, TransportError> {
        let step = format!("open an SFTP session on {}", self.server());
        let mut channel = self.channel().await?;
        self.traffic().add_round_trip();
        within(self.limit(), &step, async {
            channel.request_subsystem(true, "sftp").await.map_err(|error| self.lost(&step, &error))?;
            loop {
                match channel.wait().await {
                    Some(ChannelMsg::Success) => return Ok(()),
                    Some(ChannelMsg::Failure) => {
                        return Err(TransportError::setup(format!(
                            "cannot {step}: the server offers none; its sshd_config needs `Subsystem sftp internal-sftp`"
                        )));
                    }
                    Some(ChannelMsg::Close) | None => return Err(self.lost(&step, &russh::Error::Disconnect)),
                    Some(_) => {}
                }
            }
        })
        .await?;
        let config = Config {
            max_packet_len: MAX_PACKET,
            request_timeout_secs: REQUEST_SECONDS,
            ..Config::default()
        };
        let raw = RawSftpSession::new_with_config(channel.into_stream(), config);
        self.traffic().add_round_trip();
        let version = within(self.limit(), &step, async {
            raw.init()
                .await
                .map_err(|error| TransportError::setup(format!("cannot {step}: {error}")))
        })
        .await?;
        Ok(Sftp {
            raw,
            traffic: self.traffic(),
            can_posix_rename: version.extensions.contains_key(POSIX_RENAME),
            can_fsync: version.extensions.contains_key(FSYNC),
        })
    }
}

impl Sftp {
    /// The session, for a request that is waited for.
    fn ask(&self) -> &RawSftpSession {
        self.traffic.add_round_trip();
        &self.raw
    }

    /// What stands under a path, symbolic links followed.
    ///
    /// # Errors
    /// `NotFound` if there is nothing.
    pub async fn stat(&self, path: &str) -> Result<FileInfo, SftpError> {
        let attributes = self
            .ask()
            .stat(path)
            .await
            .map_err(|error| failed("look at", path, &error))?;
        Ok(attributes.attrs.into())
    }

    /// The absolute path, without symbolic links.
    ///
    /// # Errors
    /// When a part of it does not exist.
    pub async fn realpath(&self, path: &str) -> Result<String, SftpError> {
        let answer = self
            .ask()
            .realpath(path)
            .await
            .map_err(|error| failed("resolve", path, &error))?;
        let first = answer.files.into_iter().next();
        first
            .map(|file| file.filename)
            .ok_or_else(|| failed("resolve", path, &ProtocolError::UnexpectedPacket))
    }

    /// The names in a folder, without `.` and `..`, in the server's order.
    ///
    /// # Errors
    /// When it is no folder, may not be read, or holds absurdly many names.
    pub async fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, SftpError> {
        let failed = |error| failed("list", path, &error);
        let handle = self.ask().opendir(path).await.map_err(failed)?.handle;
        let mut entries = Vec::new();
        let listed = loop {
            match self.ask().readdir(handle.as_str()).await {
                Ok(page) => entries.extend(
                    page.files
                        .into_iter()
                        .filter(|file| !matches!(&*file.filename, "." | "..")),
                ),
                Err(ProtocolError::Status(status)) if status.status_code == StatusCode::Eof => break Ok(()),
                Err(error) => break Err(error),
            }
            if entries.len() > MAX_NAMES {
                break Err(ProtocolError::Limited(format!("more than {MAX_NAMES} names")));
            }
        };
        let closed = self.ask().close(handle).await;
        listed.and(closed.map(drop)).map_err(failed)?;
        Ok(entries
            .into_iter()
            .map(|file| DirEntry {
                name: file.filename,
                info: file.attrs.into(),
            })
            .collect())
    }

    /// Sets permission bits.
    ///
    /// # Errors
    /// `Denied` if the file is another user's.
    pub async fn set_mode(&self, path: &str, mode: u32) -> Result<(), SftpError> {
        let attributes = FileAttributes {
            permissions: Some(mode & 0o7777),
            ..FileAttributes::empty()
        };
        self.ask()
            .setstat(path, attributes)
            .await
            .map(drop)
            .map_err(|error| failed("set the permissions of", path, &error))
    }

    /// Gives a file to another owner and group.
    ///
    /// # Errors
    /// `Denied` unless the user is root.
    pub async fn set_owner(&self, path: &str, uid: u32, gid: u32) -> Result<(), SftpError> {
        let attributes = FileAttributes {
            uid: Some(uid),
            gid: Some(gid),
            ..FileAttributes::empty()
        };
        self.ask()
            .setstat(path, attributes)
            .await
            .map(drop)
            .map_err(|error| failed("set the owner of", path, &error))
    }

    /// Renames a file unless there is one of the new name.
    ///
    /// # Errors
    /// `Exists` if there is one.
    pub async fn rename_if_absent(&self, from: &str, to: &str) -> Result<(), SftpError> {
        match self.ask().rename(from, to).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self
                .or_exists(to, failed("rename", &format!("{from} to {to}"), &error))
                .await),
        }
    }

    /// Renames a file in one step over one that may be there, as rename(2).
    ///
    /// # Errors
    /// `Unsupported` if the server is not OpenSSH's or the like.
    pub async fn posix_rename(&self, from: &str, to: &str) -> Result<(), SftpError> {
        let failed = |error| failed("rename", &format!("{from} to {to}"), &error);
        if !self.can_posix_rename {
            let kind = SftpErrorKind::Unsupported;
            let message = format!("cannot rename {from} to {to} on the server: it lacks {POSIX_RENAME}");
            return Err(SftpError { kind, message });
        }
        let mut names = Vec::new();
        for name in [from, to] {
            let length = u32::try_from(name.len()).map_err(|_| failed(ProtocolError::Limited("name".to_owned())))?;
            names.extend_from_slice(&length.to_be_bytes());
            names.extend_from_slice(name.as_bytes());
        }
        match self.ask().extended(POSIX_RENAME, names).await.map_err(failed)? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(failed(ProtocolError::Status(status))),
            _ => Err(failed(ProtocolError::UnexpectedPacket)),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn remove(&self, path: &str) -> Result<(), SftpError> {
        self.ask()
            .remove(path)
            .await
            .map(drop)
            .map_err(|error| failed("remove", path, &error))
    }

    /// SFTP has no number for "there is one already": turns a plain failure into `Exists` if there is.
    async fn or_exists(&self, path: &str, error: SftpError) -> SftpError {
        if error.kind != SftpErrorKind::Failed || self.ask().lstat(path).await.is_err() {
            return error;
        }
        SftpError {
            kind: SftpErrorKind::Exists,
            message: format!("{}: {path} is there already", error.message),
        }
    }
}
