use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::control::types::{ConflictRecord, CycleSummary, ShowRequest};
use crate::cycle::ancestors::Ancestors;
use crate::merge::{Conflict, Reason};
use crate::model::{Side, Value};
use crate::replica::Generation;

/// A history with the name of a client, of which every page but the first is zeros.
fn damaged_file(folder: &Path) -> PathBuf {
    let path = folder.join("history.db");
    let connection = connect(&path).unwrap();
    let connection = keep_client(connection, Some("0123456789abcdef0123456789abcdef".to_owned())).unwrap();
    connection.execute_batch("PRAGMA journal_mode=DELETE").unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_damaged_history_is_kept_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = damaged_file(folder.path());
    let (history, told) = History::open(&path).unwrap();
    assert!(told.unwrap().contains("history.db.damaged-"));
    assert_eq!(history.unseen_conflicts().await.unwrap(), 0);
    assert_eq!(history.renew_if_damaged().unwrap(), None);
}

#[tokio::test]
async fn so_is_one_that_was_damaged_while_it_was_open() {
    let folder = tempfile::tempdir().unwrap();
    let (history, told) = History::open(&folder.path().join("history.db")).unwrap();
    assert_eq!(told, None);
    let client = "0123456789abcdef0123456789abcdef".to_owned();
    history.keep_fact("client", client.clone()).await.unwrap();
    history.damaged.store(true, Ordering::Relaxed);

    let told = history.clone().renew_if_damaged().unwrap().unwrap();

    assert!(told.contains("history.db.damaged-"), "{told}");
    assert_eq!(
        history.fact("client").await.unwrap(),
        Some(client),
        "the base is found again"
    );
    assert_eq!(history.last().await.unwrap(), None);
    let names = std::fs::read_dir(folder.path()).unwrap();
    assert!(names.count() >= 2, "the old one is kept");
}

/// A record of so many cycles, each of which wrote a row of so many bytes, began an hour after the one before, and met a
/// conflict.
async fn recorded(folder: &Path, cycles: i64, bytes: usize) -> History {
    let (history, _) = History::open(&folder.join("history.db")).unwrap();
    for number in 0..cycles {
        let row = vec![Value::Integer(number), Value::Blob(vec![7; bytes].into())];
        let started = began(number);
        let conflict = Conflict {
            key: vec![Value::Integer(number)],
            columns: vec![1],
            base: None,
            local: Some(row.clone()),
            server: None,
            winner: Side::Local,
            reason: Reason::NewerRow,
        };
        let (columns, key) = (vec!["k".to_owned(), "v".to_owned()], vec!["k".to_owned()]);
        let table = JournalTable {
            table: "t".to_owned(),
            columns,
            key,
            keys: Vec::new(),
            at_server: Vec::new(),
            writes: vec![Written {
                side: Side::Server,
                before: None,
                after: Some(row),
            }],
            records: vec![record_of(number)],
            conflicts: vec![conflict],
        };
        let journal = Journal {
            from: generation(number),
            to: generation(number + 1),
            summary: CycleSummary {
                started: Some(started),
                ..CycleSummary::default()
            },
            tables: vec![table],
        };
        let cycle = history.begin(journal.clone()).await.unwrap();
        history.end(cycle, journal, Ancestors::default()).await.unwrap();
    }
    history
}

fn began(number: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::from_hours(number))
        .unwrap()
}

fn generation(number: i64) -> Generation {
    Generation {
        lineage: "line".to_owned(),
        number,
    }
}

fn record_of(number: i64) -> ConflictRecord {
    ConflictRecord {
        id: None,
        cycle: None,
        table: "t".to_owned(),
        key: BTreeMap::from([("k".to_owned(), number.into())]),
        winner: Side::Local,
        reason: String::new(),
        columns: Vec::new(),
        at: None,
        seen: false,
        resolved: None,
    }
}

/// The numbers of the cycles, of those with rows, and of those with conflicts.
fn kept(folder: &Path) -> [Vec<i64>; 3] {
    let connection = Connection::open(folder.join("history.db")).unwrap();
    ["cycle", "move", "conflict"].map(|table| {
        let mut statement = connection
            .prepare(&format!("SELECT cycle FROM {table} ORDER BY cycle"))
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    })
}

const NO_LIMIT: u64 = 1 << 40;

#[tokio::test]
async fn old_cycles_are_forgotten_but_never_a_conflict_that_nobody_has_seen() {
    let folder = tempfile::tempdir().unwrap();
    let history = recorded(folder.path(), 5, 10).await;
    let record = Record::of(folder.path());
    assert_eq!(record.mark_seen(vec![1, 3, 4, 5]).await.unwrap(), 1);
    let keep = Keep {
        since: began(3),
        max_size: NO_LIMIT,
    };
    assert_eq!(history.prune(keep).await.unwrap(), 2);
    assert_eq!(kept(folder.path()), [vec![2, 4, 5], vec![4, 5], vec![2, 4, 5]]);
    let conflict = record.conflict(2).await.unwrap();
    assert_eq!(conflict.at, Some(began(1)), "its cycle still says when");
    // However old, the newest cycle stays: it is the last one.
    record.mark_seen(vec![2]).await.unwrap();
    let keep = Keep {
        since: began(100),
        max_size: NO_LIMIT,
    };
    history.prune(keep).await.unwrap();
    assert_eq!(kept(folder.path()), [vec![5], vec![5], vec![5]]);
}

#[tokio::test]
async fn the_journal_and_the_facts_are_never_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let history = recorded(folder.path(), 3, 10).await;
    Record::of(folder.path()).mark_seen(vec![1, 2, 3]).await.unwrap();
    history.keep_fact("client", "me".to_owned()).await.unwrap();
    let mut ancestors = Ancestors::default();
    ancestors.insert("t", &["k".to_owned()], vec![Value::Integer(1)], None);
    history.keep_ancestors(ancestors.clone()).await.unwrap();
    let journal = Journal {
        from: generation(3),
        to: generation(4),
        summary: CycleSummary::default(),
        tables: Vec::new(),
    };
    history.begin(journal.clone()).await.unwrap();
    let keep = Keep {
        since: Timestamp::MAX,
        max_size: 0,
    };
    history.prune(keep).await.unwrap();
    assert_eq!(history.interrupted().await.unwrap().unwrap().cycle, 4);
    assert_eq!(history.fact("client").await.unwrap().as_deref(), Some("me"));
    assert_eq!(history.ancestors().await.unwrap(), ancestors);
    // What is forgotten leaves the numbers as they were.
    history.end(4, journal.clone(), Ancestors::default()).await.unwrap();
    assert_eq!(history.begin(journal.clone()).await.unwrap(), 5);
}

#[tokio::test]
async fn a_record_that_grew_too_large_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let history = recorded(folder.path(), 40, 100_000).await;
    Record::of(folder.path()).mark_seen((1..=40).collect()).await.unwrap();
    let size = || std::fs::metadata(folder.path().join("history.db")).unwrap().len();
    let keep = Keep {
        since: began(0),
        max_size: 1 << 20,
    };
    assert!(history.prune(keep).await.unwrap() > 20);
    assert!(size() <= 1 << 20, "{}", size());
    let [cycles, ..] = kept(folder.path());
    assert_eq!(cycles.last(), Some(&40), "the oldest go first: {cycles:?}");
    assert!(cycles.len() > 1, "{cycles:?}");
    // One who cannot get below does not try for ever.
    let keep = Keep {
        since: began(0),
        max_size: 0,
    };
    history.prune(keep).await.unwrap();
    assert_eq!(kept(folder.path())[0], [40]);
}

#[tokio::test]
async fn a_record_made_before_rows_were_named_is_read_and_gets_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE cycle(cycle INTEGER PRIMARY KEY AUTOINCREMENT, summary TEXT NOT NULL);
         CREATE TABLE journal(cycle INTEGER PRIMARY KEY, body TEXT NOT NULL);
         CREATE TABLE move(cycle INTEGER NOT NULL, side TEXT NOT NULL, tbl TEXT NOT NULL, columns TEXT NOT NULL, before TEXT, after TEXT);
         CREATE TABLE conflict(id INTEGER PRIMARY KEY AUTOINCREMENT, cycle INTEGER NOT NULL, tbl TEXT NOT NULL,
             columns TEXT NOT NULL, body TEXT NOT NULL, record TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0);
         INSERT INTO cycle(summary) VALUES('{}');
         INSERT INTO move VALUES(1,'local','t','[\"k\"]',NULL,'[1]');",
    )
    .unwrap();
    drop(old);
    let (history, told) = History::open(&path).unwrap();
    assert_eq!(told, None);
    let shown = Record::of(folder.path()).show(1, ShowRequest::default()).await.unwrap();
    assert_eq!((shown.total, shown.moves[0].action.as_str()), (1, "insert"));
    assert!(shown.summary.reason.unwrap().contains("cannot be read"));
    assert_eq!(history.writes_of(1).await.unwrap().unwrap().len(), 1);
}
