//! The programs that write to the databases besides modsync, and a count of what they did.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Action;

use super::error::DemoError;

/// How long a writer waits for the other: as PHP's PDO does by default.
const BUSY: Duration = Duration::from_secs(60);

/// Rows that one hand wrote in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub new: u64,
    pub changed: u64,
    pub deleted: u64,
}

/// One side's own program: a connection that stays open all day, as PHP's does, with a count by SQLite itself of the
/// rows that it writes. What modsync writes goes over other connections and is not in it.
pub(super) struct Hand {
    pub conn: Connection,
    written: Arc<Mutex<BTreeMap<String, Written>>>,
}

impl Hand {
    /// Opens the side's database.
    pub fn open(path: &Path, side: &str) -> Result<Self, DemoError> {
        let written: Arc<Mutex<BTreeMap<String, Written>>> = Arc::default();
        let count = Arc::clone(&written);
        let open = || {
            let mut conn = Connection::open(path)?;
            conn.busy_timeout(BUSY)?;
            conn.update_hook(Some(move |action, _: &str, table: &str, _| {
                let mut tables = count.lock().unwrap_or_else(PoisonError::into_inner);
                let table = tables.entry(table.to_owned()).or_default();
                match action {
                    Action::SQLITE_INSERT => table.new += 1,
                    Action::SQLITE_UPDATE => table.changed += 1,
                    Action::SQLITE_DELETE => table.deleted += 1,
                    _ => {}
                }
            }))?;
            Ok(conn)
        };
        let conn = open().map_err(DemoError::database(format!("open the {side}'s database")))?;
        Ok(Self { conn, written })
    }

    /// What it wrote since it was opened, by table.
    pub fn written(&self) -> BTreeMap<String, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::data;

    #[test]
    fn counts_its_own_writes_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        data::create(&path, 24).unwrap();
        let mut phone = Hand::open(&path, "server").unwrap();
        data::phone_reviews(&mut phone.conn, 3).unwrap();
        data::laptop_adds(&mut Connection::open(&path).unwrap(), 2).unwrap();
        let reviewed = Written {
            changed: 3,
            ..Written::default()
        };
        let expected = [
            ("assessment_queue".to_owned(), reviewed),
            ("products".to_owned(), reviewed),
        ];
        assert_eq!(phone.written(), BTreeMap::from(expected));
    }
}
