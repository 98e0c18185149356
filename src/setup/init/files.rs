//! The search for databases on a server that runs no commands: over SFTP, folder by folder.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, timeout_at};

use super::candidate::{Candidate, HEADER, is_named_so};
use super::visit::Found;
use crate::ssh::sftp::{DirEntry, Sftp, SftpError};
use crate::ssh::{Connection, TransportError};

/// How deep below a folder to begin with.
const DEPTH: usize = 5;
/// Folders besides the one that the user is in.
const SITES: [&str; 2] = ["/var/www", "/srv"];

/// The databases that are found by then, the nearest folders first. Such servers are often shown as a world of their own, so the
/// search begins where the user is.
pub(super) async fn search(connection: &Connection, deadline: Instant) -> Result<Found, TransportError> {
    let sftp = connection.sftp().await?;
    let mut found = Found::default();
    let home = sftp.realpath(".").await.unwrap_or_else(|_| "/".to_owned());
    let mut folders: VecDeque<(String, usize)> = std::iter::once(home)
        .chain(SITES.map(str::to_owned))
        .map(|folder| (folder, 0))
        .collect();
    while let Some((folder, depth)) = folders.pop_front() {
        let Ok(entries) = timeout_at(deadline, sftp.read_dir(&folder)).await else {
            return Ok(found);
        };
        for entry in entries.unwrap_or_default() {
            let path = format!("{}/{}", folder.trim_end_matches('/'), entry.name);
            if entry.name.starts_with('.') || entry.name == "node_modules" {
                continue;
            }
            if entry.info.is_dir() && depth < DEPTH {
                folders.push_back((path, depth + 1));
            } else if !entry.info.is_dir() && is_named_so(&entry.name) {
                match timeout_at(deadline, look(&sftp, &path, &entry)).await {
                    Ok(Ok(candidate)) => found.databases.extend(candidate),
                    Ok(Err(_)) => found.denied.push(path),
                    Err(_) => return Ok(found),
                }
            }
        }
    }
    found.complete = true;
    Ok(found)
}

async fn look(sftp: &Sftp, path: &str, entry: &DirEntry) -> Result<Option<Candidate>, SftpError> {
    let length = u32::try_from(HEADER.len()).unwrap_or_default();
    if sftp.beginning(path, length).await? != HEADER {
        return Ok(None);
    }
    // By this machine's clock, for such a server does not tell its own.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Candidate {
        path: path.to_owned(),
        size: entry.info.size,
        age: now.saturating_sub(Duration::from_secs(entry.info.mtime.into())),
    }))
}
