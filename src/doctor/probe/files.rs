//! What can be seen of a server that serves files alone.

use crate::cycle::CycleError;
use crate::doctor::findings::{Facts, FileLook};
use crate::ssh::Link;
use crate::ssh::sftp::{FileInfo, SftpError};

/// Looks at the database's file, its folder and what is beside it, over SFTP.
///
/// # Errors
/// When there is no SFTP, or the folder cannot be read.
pub(super) async fn look(link: &dyn Link, database: &str) -> Result<Facts, CycleError> {
    let failed = |error: SftpError| CycleError::failed(error.message);
    let sftp = link.sftp().await?;
    let real = sftp.realpath(database).await.map_err(failed)?;
    let (folder, name) = real.rsplit_once('/').unwrap_or((".", real.as_str()));
    let folder = if folder.is_empty() { "/" } else { folder };
    let mut facts = Facts {
        folder: Some(file(folder, &sftp.stat(folder).await.map_err(failed)?)),
        complete: true,
        ..Facts::default()
    };
    for entry in sftp.read_dir(folder).await.map_err(failed)? {
        let Some(tail) = entry.name.strip_prefix(name) else {
            continue;
        };
        let look = file(&format!("{folder}/{}", entry.name), &entry.info);
        match tail {
            "" => facts.database = Some(look),
            "-wal" | "-shm" | "-journal" => facts.beside.push(look),
            _ => {
                let backup = tail
                    .strip_prefix(".backup_")
                    .map(|time| (entry.info.size > 0, time.to_owned()));
                facts.backups.extend(backup);
            }
        }
    }
    Ok(facts)
}

fn file(path: &str, info: &FileInfo) -> FileLook {
    FileLook {
        path: path.to_owned(),
        uid: info.uid,
        gid: info.gid,
        mode: info.mode & 0o7777,
        ..FileLook::default()
    }
}
