//! What tells one state of a database file from another without reading it.

use serde::{Deserialize, Serialize};

use super::super::sftp::{FileInfo, Glance};

/// Length of the header of a SQLite database, in bytes. <https://www.sqlite.org/fileformat.html>, section 1.3.
pub(super) const HEADER: usize = 100;
/// Where the header has its file change counter, and the copy of it that says for which state the header's size holds.
const COUNTERS: [usize; 2] = [24, 92];
/// Where the header has the versions of the format for writing and reading; 2 is WAL.
const VERSIONS: [usize; 2] = [18, 19];
const WAL: u8 = 2;

/// A file's size, time and header. Every commit in rollback mode changes the counter in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last write, in seconds since 1970 by the server's clock.
    pub mtime: u32,
    /// The first hundred bytes, fewer in a file that is shorter.
    pub header: Vec<u8>,
}

impl Stamp {
    pub(super) fn of(info: &FileInfo, head: Vec<u8>) -> Self {
        Self {
            size: info.size,
            mtime: info.mtime,
            header: head,
        }
    }

    /// SQLite's file change counter; 0 in what has no whole header.
    pub(super) fn counter(&self) -> u32 {
        let bytes = self.header.get(COUNTERS[0]..COUNTERS[0] + 4);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes)
    }

    /// Whether the file is a database in WAL mode.
    pub(super) fn is_wal(&self) -> bool {
        VERSIONS.iter().any(|&at| self.header.get(at) == Some(&WAL))
    }

    /// Whether the counter has gone back since: an older file was put in this one's place. It wraps, so what is less
    /// than half of its range behind is behind.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.counter().wrapping_sub(other.counter()) > u32::MAX / 2
    }

    /// Size and header, the time left out: equal for a file and its copy.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.size, &self.header) == (other.size, &other.header)
    }
}

impl From<Glance> for Stamp {
    fn from(glance: Glance) -> Self {
        Self::of(&glance.info, glance.head)
    }
}

/// The header with another change counter. `false` if there is no whole header.
pub(super) fn set_counter(header: &mut [u8], counter: u32) -> bool {
    if header.len() < HEADER {
        return false;
    }
    for at in COUNTERS {
        if let Some(bytes) = header.get_mut(at..at + 4) {
            bytes.copy_from_slice(&counter.to_be_bytes());
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_counter(counter: u32) -> Stamp {
        let mut header = vec![0; HEADER];
        assert!(set_counter(&mut header, counter));
        Stamp {
            size: 1,
            mtime: 1,
            header,
        }
    }

    #[test]
    fn a_counter_is_written_and_read_and_compares_across_its_wrap() {
        assert_eq!(with_counter(0xfedc_ba98).counter(), 0xfedc_ba98);
        assert!(with_counter(5).is_before(&with_counter(6)));
        assert!(!with_counter(6).is_before(&with_counter(6)));
        assert!(!with_counter(3).is_before(&with_counter(u32::MAX - 3)));
        assert!(with_counter(u32::MAX - 3).is_before(&with_counter(3)));
    }

    #[test]
    fn a_short_file_is_no_database_in_any_mode() {
        let stamp = Stamp {
            size: 3,
            mtime: 1,
            header: b"abc".to_vec(),
        };
        assert_eq!((stamp.counter(), stamp.is_wal()), (0, false));
        assert!(!set_counter(&mut [0; 99], 1));
    }

    #[test]
    fn the_mode_is_read_as_sqlite_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        for (mode, wal) in [("WAL", true), ("DELETE", false)] {
            let database = rusqlite::Connection::open(&path).unwrap();
            database.pragma_update(None, "journal_mode", mode).unwrap();
            database
                .execute_batch("CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1)")
                .unwrap();
            drop(database);
            let bytes = std::fs::read(&path).unwrap();
            let stamp = Stamp {
                size: 0,
                mtime: 0,
                header: bytes[..HEADER].to_vec(),
            };
            assert_eq!(stamp.is_wal(), wal, "{mode}");
        }
    }
}
