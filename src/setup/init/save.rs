//! Puts the config in its place, whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::Builder;

/// Who may read a config: its owner alone, or everybody that may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// That of a user's own daemon.
    Owner,
    /// That of a system service, which runs as another account than the one that writes it.
    All,
}

/// Writes a file, and its folder if need be. A file that is there is replaced only if that is meant.
///
/// # Errors
/// When the folder or the file cannot be written, or, unless `replace`, when a file is there by now.
pub(super) fn save(file: &Path, text: &str, replace: bool, readers: Readers) -> io::Result<()> {
    let (folder_mode, mode) = match readers {
        Readers::Owner => (0o700, 0o600),
        Readers::All => (0o755, 0o644),
    };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(folder_mode)
        .create(folder)?;
    // In the same folder, so that it takes its name in one step; readable for its owner alone from the start.
    let mut new = Builder::new().prefix(".modsync-").suffix(".toml").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(Permissions::from_mode(mode))?;
    new.as_file().sync_all()?;
    let named = if replace {
        new.persist(file)
    } else {
        new.persist_noclobber(file)
    };
    named.map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_replaced_only_if_that_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.toml");
        save(&file, "one", false, Readers::Owner).unwrap();
        let refused = save(&file, "two", false, Readers::Owner).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
        save(&file, "three", true, Readers::Owner).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "three");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let left: Vec<_> = std::fs::read_dir(folder.path().join("new")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing half-written beside it: {left:?}");
    }

    #[test]
    fn the_account_of_a_system_service_can_read_its_config() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modsync/config.toml");
        save(&file, "", false, Readers::All).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o644);
    }
}
