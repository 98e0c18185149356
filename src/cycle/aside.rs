//! Files of modsync's own that cannot be read: moved aside, kept under another name, and made anew.
//!
//! A base is a copy; without it the next cycle compares all rows and deletes none. The history holds losing values, so it
//! is kept whatever its state.

use std::path::Path;

use jiff::Timestamp;

use super::backup::{command, quoted};
use super::{CycleError, Pair};
use crate::config::EngineChoice;
use crate::ssh::{Link, lasting_base};

/// What SQLite keeps beside a file: part of it, so it goes along.
const COMPANIONS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Where a base's file lies.
pub(super) enum Base<'a> {
    Here,
    There(&'a dyn Link),
}

/// The name under which a damaged file is kept.
fn kept_as(path: &str) -> String {
    format!("{path}.damaged-{}", Timestamp::now().strftime("%Y%m%d_%H%M%S"))
}

/// Moves a file of this machine aside. Nothing may have it open.
pub(super) fn put_aside(path: &Path) -> Result<String, CycleError> {
    let from = path.to_string_lossy().into_owned();
    let to = kept_as(&from);
    for companion in COMPANIONS {
        match std::fs::rename(format!("{from}{companion}"), format!("{to}{companion}")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(CycleError::failed(format!("move {from}{companion} aside: {error}")));
            }
            Ok(()) => {}
        }
    }
    Ok(to)
}

/// Removes a file of this machine with all that belongs to it. Nothing may have it open.
pub(super) fn remove(path: &Path) -> Result<(), CycleError> {
    for companion in COMPANIONS {
        let path = format!("{}{companion}", path.display());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CycleError::failed(format!("remove the damaged file {path}: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same as [`put_aside`] on the server.
async fn put_aside_there(link: &dyn Link, path: &str) -> Result<String, CycleError> {
    let to = kept_as(path);
    let mut script = String::new();
    for companion in COMPANIONS {
        let (from, to) = (
            quoted(&format!("{path}{companion}"))?,
            quoted(&format!("{to}{companion}"))?,
        );
        script += &format!("[ ! -e {from} ] || mv -- {from} {to} || exit 1; ");
    }
    let said = command(link, &format!("{script}echo moved")).await?;
    match said.trim() {
        "moved" => Ok(to),
        _ => Err(CycleError::failed(format!(
            "move {path} aside on the server: it did not say that it was moved"
        ))),
    }
}

impl Pair {
    /// Keeps a base that cannot be used under another name, and takes note of it for the record of the next cycle.
    pub(super) async fn put_base_aside(&mut self, base: Base<'_>, path: &str, cause: &str) -> Result<(), CycleError> {
        let (whose, kept) = match base {
            Base::Here => ("laptop's", put_aside(Path::new(path))?),
            // This engine keeps it here.
            Base::There(_) if self.config.remote.engine == EngineChoice::Sftp => {
                ("server's", put_aside(Path::new(&lasting_base(path)))?)
            }
            Base::There(link) => ("server's", put_aside_there(link, path).await?),
        };
        tracing::warn!(
            path,
            kept,
            cause,
            "the {whose} base cannot be used: it was moved aside, and is made anew"
        );
        self.note(format!(
            "the {whose} base could not be used ({cause}) and is kept as {kept}"
        ));
        Ok(())
    }

    /// Remembers something for the record of the next cycle.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
