//! What is at the path, told as an engine's launch script would.

use super::super::session::{DatabaseState, Engine, FileFacts, Hello, SessionError};
use super::super::sftp::{FileInfo, Sftp, SftpErrorKind};
use super::site::of_files;

/// The database's path behind all symbolic links, and what stands there.
///
/// # Errors
/// `NoDatabase` when there is none that this user can read.
pub(super) async fn find(sftp: &Sftp, path: &str) -> Result<(String, Hello), SessionError> {
    let mut hello = Hello {
        user: "the SFTP user".to_owned(),
        engine: Some(Engine {
            name: "sftp".to_owned(),
            version: "(second best: it exchanges whole files)".to_owned(),
        }),
        ..Hello::default()
    };
    let resolved = match sftp.realpath(path).await {
        Ok(resolved) => resolved,
        Err(error) if error.kind == SftpErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(of_files(error).into()),
    };
    hello.database.clone_from(&resolved);
    let folder = resolved.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let folder = if folder.is_empty() { "/" } else { folder };
    hello.folder = sftp.stat(folder).await.ok().map(|info| facts(&info));
    let wrong = match sftp.glance(&[&resolved], 1).await {
        Ok(found) => match found.into_iter().next().flatten() {
            Some(found) if found.info.is_file() => {
                hello.state = DatabaseState::Present;
                hello.file = Some(facts(&found.info));
                return Ok((resolved, hello));
            }
            Some(_) => {
                hello.state = DatabaseState::NotAFile;
                "this is no file"
            }
            None => {
                hello.state = DatabaseState::Missing;
                "there is no such file. Where SFTP shows a part of the server alone, the path is the one that `sftp` shows"
            }
        },
        Err(error) if error.kind == SftpErrorKind::Denied => {
            hello.state = DatabaseState::Unreadable;
            "this user may not read it, or not enter its folder: give it permission, or connect as another user"
        }
        Err(error) => return Err(of_files(error).into()),
    };
    let message = format!("cannot open the server's database {resolved}: {wrong}");
    Err(SessionError::NoDatabase {
        hello: Box::new(hello),
        message,
    })
}

/// SFTP tells no inode, and no rights other than the permission bits.
fn facts(info: &FileInfo) -> FileFacts {
    FileFacts {
        device: 0,
        inode: 0,
        uid: info.uid,
        gid: info.gid,
        mode: info.mode & 0o7777,
        writable: info.mode & 0o222 != 0,
    }
}
