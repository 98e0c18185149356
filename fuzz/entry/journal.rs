//! The journal of a cycle that was cut off, and the summaries of those that ended, as the history's file has them.
//!
//! Property: a journal that is read is written as one that reads the same.

use std::cell::OnceCell;

use modsync::cycle::History;
use rusqlite::Connection;

struct File {
    _folder: tempfile::TempDir,
    history: History,
    by_hand: Connection,
}

pub fn run(data: &[u8]) {
    thread_local! {
        static FILE: OnceCell<File> = const { OnceCell::new() };
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    FILE.with(|cell| {
        let file = cell.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("history.db");
            let (history, _) = History::open(&path).unwrap();
            let by_hand = Connection::open(&path).unwrap();
            by_hand.execute_batch("PRAGMA synchronous=OFF").unwrap();
            File {
                _folder: folder,
                history,
                by_hand,
            }
        });
        let put = |body: &str| {
            file.by_hand
                .execute_batch("DELETE FROM journal; DELETE FROM cycle")
                .unwrap();
            file.by_hand
                .execute("INSERT INTO journal(cycle, body) VALUES(1, ?1)", [body])
                .unwrap();
            file.by_hand
                .execute("INSERT INTO cycle(cycle, summary) VALUES(2, ?1)", [body])
                .unwrap();
        };
        put(text);
        let last = super::block_on(file.history.last()).unwrap();
        let Some(interrupted) = super::block_on(file.history.interrupted()).unwrap() else {
            return;
        };
        let again = serde_json::to_string(&interrupted.journal).unwrap();
        put(&again);
        let read = super::block_on(file.history.interrupted()).unwrap().unwrap();
        assert_eq!(read.journal, interrupted.journal);
        assert!(last.is_none_or(|last| serde_json::to_string(&last).is_ok()));
        // What has been read can be the next cycle's.
        super::block_on(file.history.begin(read.journal)).unwrap();
    });
}
