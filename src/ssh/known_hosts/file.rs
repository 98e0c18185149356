//! Reading known_hosts files, and adding a line to one.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{HostKey, LookupName};
use crate::ssh::TransportError;

/// Reads the files that are there, for [`super::KnownHosts::parse`]. A file that does not exist knows no host.
///
/// # Errors
/// When a file is there but cannot be read: it could hold a `@revoked` line.
pub fn read(files: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, TransportError> {
    let mut texts = Vec::new();
    for file in files {
        match std::fs::read(file) {
            Ok(bytes) => texts.push((file.clone(), String::from_utf8_lossy(&bytes).into_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => {
                return Err(TransportError::setup(format!(
                    "cannot read the known host keys in {}: {e}; make it readable, or name another file in `[remote] known_hosts`",
                    file.display()
                )));
            }
        }
    }
    Ok(texts)
}

/// Adds a line that makes `key` known for `host`. Creates the file, for its owner alone, and its folder if need be.
///
/// # Errors
/// When the file or its folder cannot be made or written.
pub fn add(file: &Path, host: &LookupName, key: &HostKey) -> Result<(), TransportError> {
    append(file, &format!("{host} {}\n", key.openssh_line))
        .map_err(|e| TransportError::setup(format!("cannot add the host key of {host} to {}: {e}", file.display())))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    let text = if ends_in_mid_line(&mut file)? {
        format!("\n{line}")
    } else {
        line.to_owned()
    };
    // One write, so that another program that appends at the same time cannot tear the line.
    file.write_all(text.as_bytes())
}

fn ends_in_mid_line(file: &mut std::fs::File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
