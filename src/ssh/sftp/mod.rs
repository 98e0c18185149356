//! Files on the server, over SFTP: for servers without a shell, and for whole databases.

mod copy;
mod error;
mod exchange;
mod glance;

use std::sync::Arc;

use russh::ChannelMsg;
use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};

use self::error::failed;
pub use self::error::{SftpError, SftpErrorKind};
pub(super) use self::exchange::{Exchange, Exchanged};
pub(super) use self::glance::Glance;
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
const HARDLINK: &str = "hardlink@openssh.com";

/// An SFTP session on one channel. Dropping it closes the channel.
pub struct Sftp {
    raw: RawSftpSession,
    traffic: Arc<Traffic>,
    can_posix_rename: bool,
    can_fsync: bool,
    can_hardlink: bool,
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
            can_hardlink: version.extensions.contains_key(HARDLINK),
        })
    }
}

impl Sftp {
    /// The session, for a request that is waited for.
    fn ask(&self) -> &RawSftpSession {
        self.traffic.add_round_trip();
        &self.raw
    }

    /// What an exchange of files needs and this server does not offer.
    pub(super) fn lacks(&self) -> Vec<&'static str> {
        let offered = [
            (POSIX_RENAME, self.can_posix_rename),
            (FSYNC, self.can_fsync),
            (HARDLINK, self.can_hardlink),
        ];
        offered
            .into_iter()
            .filter(|(_, there)| !there)
            .map(|(name, _)| name)
            .collect()
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

    /// The bytes with which a file begins, at most so many.
    ///
    /// # Errors
    /// When it is not there or may not be read.
    pub async fn beginning(&self, path: &str, length: u32) -> Result<Vec<u8>, SftpError> {
        let failed = |error| failed("read", path, &error);
        let attributes = FileAttributes::empty();
        let opened = self
            .ask()
            .open(path, OpenFlags::READ, attributes)
            .await
            .map_err(failed)?;
        let read = self.ask().read(opened.handle.as_str(), 0, length).await;
        // Read or not, the file is not needed any more.
        let _ = self.ask().close(opened.handle).await;
        match read {
            Ok(data) => Ok(data.data),
            Err(ProtocolError::Status(status)) if status.status_code == StatusCode::Eof => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
        }
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
        let names = strings(&[from, to]).map_err(failed)?;
        self.traffic.add_round_trip();
        self.extended_status(POSIX_RENAME, names).await.map_err(failed)
    }

    /// A request that OpenSSH has added, answered by a status. Counts no round trip.
    async fn extended_status(&self, request: &str, data: Vec<u8>) -> Result<(), ProtocolError> {
        match self.raw.extended(request, data).await? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(ProtocolError::Status(status)),
            _ => Err(ProtocolError::UnexpectedPacket),
        }
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// `Exists` if there is something of that name.
    pub async fn make_dir(&self, path: &str, mode: u32) -> Result<(), SftpError> {
        let attributes = FileAttributes {
            permissions: Some(mode & 0o7777),
            ..FileAttributes::empty()
        };
        match self.ask().mkdir(path, attributes).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.or_exists(path, failed("make the folder", path, &error)).await),
        }
    }

    /// Makes an empty file that only its owner may open.
    ///
    /// # Errors
    /// `Exists` if there is something of that name.
    pub async fn make_file(&self, path: &str) -> Result<(), SftpError> {
        let attributes = FileAttributes {
            permissions: Some(0o600),
            ..FileAttributes::empty()
        };
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        match self.ask().open(path, flags, attributes).await {
            Ok(opened) => self
                .ask()
                .close(opened.handle)
                .await
                .map(drop)
                .map_err(|error| failed("close", path, &error)),
            Err(error) => Err(self.or_exists(path, failed("create", path, &error)).await),
        }
    }

    /// Gives a file a second name.
    ///
    /// # Errors
    /// `Unsupported` if the server is not OpenSSH's or the like, `Denied` where the user may not, `Exists` if there is
    /// something of that name.
    pub async fn hard_link(&self, from: &str, to: &str) -> Result<(), SftpError> {
        match self.ask().hardlink(from, to).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self
                .or_exists(to, failed("link", &format!("{from} to {to}"), &error))
                .await),
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

/// Strings as the protocol has them.
fn strings(words: &[&str]) -> Result<Vec<u8>, ProtocolError> {
    let mut bytes = Vec::new();
    for word in words {
        let length = u32::try_from(word.len()).map_err(|_| ProtocolError::Limited("name".to_owned()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(word.as_bytes());
    }
    Ok(bytes)
}
