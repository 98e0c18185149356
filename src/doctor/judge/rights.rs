//! Who may do what with a file, by its permission bits.

use super::super::findings::{Account, FileLook};

/// Read and write.
pub(super) const READ_WRITE: u32 = 0o6;
/// Read, write and enter.
pub(super) const ALL: u32 = 0o7;
/// Enter.
pub(super) const ENTER: u32 = 0o1;

/// Whether an account has these rights on a file. Access lists are not seen.
pub(super) fn may(account: &Account, file: &FileLook, rights: u32) -> bool {
    let class = if account.uid == 0 {
        return true;
    } else if account.uid == file.uid {
        file.mode >> 6
    } else if account.groups.contains(&file.gid) {
        file.mode >> 3
    } else {
        file.mode
    };
    class & rights == rights
}

/// A `-wal`, `-shm` or `-journal` that an account's SQLite would make: the database's permissions; as root also its owner
/// and group, as another user its own, and the folder's group where that hands it on (set-group-id).
pub(super) fn made_by(account: &Account, database: &FileLook, folder: &FileLook) -> FileLook {
    let hands_on = folder.mode & 0o2000 != 0;
    let (uid, gid) = match account.uid {
        0 => (database.uid, database.gid),
        uid if hands_on => (uid, folder.gid),
        uid => (uid, account.groups.first().copied().unwrap_or(uid)),
    };
    FileLook {
        uid,
        gid,
        mode: database.mode & 0o777,
        ..FileLook::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, groups: &[u32]) -> Account {
        Account {
            uid,
            groups: groups.to_vec(),
            ..Account::default()
        }
    }

    fn file(uid: u32, gid: u32, mode: u32) -> FileLook {
        FileLook {
            uid,
            gid,
            mode,
            ..FileLook::default()
        }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let site = account(33, &[33, 50]);
        assert!(may(&site, &file(33, 0, 0o600), READ_WRITE));
        assert!(may(&site, &file(0, 50, 0o660), READ_WRITE));
        assert!(may(&site, &file(0, 0, 0o666), READ_WRITE));
        assert!(!may(&site, &file(33, 0, 0o466), READ_WRITE));
        assert!(!may(&site, &file(0, 50, 0o646), READ_WRITE));
        assert!(!may(&site, &file(0, 0, 0o664), READ_WRITE));
        assert!(may(&account(0, &[0]), &file(33, 33, 0), ALL));
    }

    #[test]
    fn what_sqlite_makes_belongs_to_the_database_only_when_root_makes_it() {
        let database = file(33, 33, 0o644);
        let folder = file(33, 33, 0o755);
        assert_eq!(made_by(&account(0, &[0]), &database, &folder), file(33, 33, 0o644));
        assert_eq!(
            made_by(&account(1000, &[1000, 33]), &database, &folder),
            file(1000, 1000, 0o644)
        );
        let hands_on = file(33, 33, 0o2775);
        assert_eq!(
            made_by(&account(1000, &[1000, 33]), &database, &hands_on),
            file(1000, 33, 0o644)
        );
    }
}
