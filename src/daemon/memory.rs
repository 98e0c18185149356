//! What the daemon remembers over a restart, beside the history: the pause and the last cycles.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notices::Told;
use crate::control::types::{CycleSummary, Recent};

/// The file's contents. Unknown fields are left alone, missing ones have their default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The pause that a person asked for.
    pub pause: Option<Pause>,
    /// The last cycle that ran.
    pub last_cycle: Option<CycleSummary>,
    /// The cycles before it.
    pub recent: Recent,
    /// When a cycle last took a backup.
    pub last_backup: Option<Timestamp>,
    /// What a person was told.
    pub told: Told,
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    /// Its end; `None`: until `resume`.
    pub until: Option<Timestamp>,
}

/// Where it is kept.
#[derive(Clone, Debug)]
pub(super) struct MemoryFile(PathBuf);

impl MemoryFile {
    /// The file in this state folder.
    pub fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("daemon.json"))
    }

    /// What was kept; nothing if there is no file. A damaged file is reported and counts as none: what it holds is for
    /// people, no row depends on it.
    pub fn load(&self) -> Memory {
        let damaged = |cause: &dyn std::fmt::Display| {
            tracing::warn!(
                "cannot read {}: {cause}; a pause set before is forgotten",
                self.0.display()
            );
            Memory::default()
        };
        match fs::read(&self.0) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|cause| damaged(&cause)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Memory::default(),
            Err(cause) => damaged(&cause),
        }
    }

    /// Keeps it, whole or not at all. A failure is reported: the daemon goes on with what it has in memory.
    pub fn save(&self, memory: &Memory) {
        if let Err(cause) = self.write(memory) {
            tracing::warn!(
                "cannot write {}: {cause}; a restart will not know of this",
                self.0.display()
            );
        }
    }

    fn write(&self, memory: &Memory) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?; // 0600
        file.write_all(&serde_json::to_vec_pretty(memory)?)?;
        file.persist(&self.0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = MemoryFile::new(folder.path());
        assert_eq!(file.load(), Memory::default());
        let memory = Memory {
            pause: Some(Pause {
                until: Some(Timestamp::UNIX_EPOCH),
            }),
            last_cycle: Some(CycleSummary::default()),
            recent: Recent::default(),
            last_backup: None,
            told: Told::default(),
        };
        file.save(&memory);
        assert_eq!(file.load(), memory);
        assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = MemoryFile::new(folder.path());
        fs::write(&file.0, "{\"pause\": 7").unwrap();
        assert_eq!(file.load(), Memory::default());
    }
}
