//! One daemon for each state folder.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::FatalError;

/// Held while the daemon lives. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the state folder if need be, closes it to others, and takes its lock.
    ///
    /// # Errors
    /// When another daemon has it, or when the folder or the file cannot be made.
    pub fn take(state_dir: &Path) -> Result<Self, FatalError> {
        prepare(state_dir).map_err(|cause| FatalError::StateDir {
            path: state_dir.to_owned(),
            cause,
        })?;
        let path = state_dir.join("modsyncd.lock");
        let failed = |cause: io::Error| FatalError::StateDir {
            path: path.clone(),
            cause,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(fs4::TryLockError::Error(cause)) => return Err(failed(cause)),
            Err(fs4::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid); // the message can do without
                return Err(FatalError::AlreadyRunning {
                    pid: pid.trim().parse().ok(),
                    state_dir: state_dir.to_owned(),
                });
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Makes a folder that only its owner may enter, and closes one that others may.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_daemon_is_told_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b");
        let lock = Lock::take(&state).unwrap();
        let refused = Lock::take(&state).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(lock);
        Lock::take(&state).unwrap();
    }

    #[test]
    fn the_folder_and_the_file_are_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let _lock = Lock::take(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("modsyncd.lock")), 0o600);
    }
}
