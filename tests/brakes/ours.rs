//! Files of modsync's own that cannot be read: kept under another name, made anew, and nothing is deleted.

use std::path::{Path, PathBuf};

use modsync::model::Side;
use rstest::rstest;

use crate::stage::{Stage, products};
use crate::support::world::rows;

#[derive(Clone, Copy, Debug, PartialEq)]
enum File {
    Base(Side),
    History,
}

fn path(stage: &Stage, file: File) -> PathBuf {
    match file {
        File::Base(side) => stage.base(side),
        File::History => stage.world.state().join("history.db"),
    }
}

fn garbage(path: &Path) {
    std::fs::write(path, "not what it was\n".repeat(2000)).unwrap();
}

fn truncated(path: &Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

/// Every page but the first is zeros.
fn zeros(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[4096..].fill(0);
    std::fs::write(path, bytes).unwrap();
}

/// Another program's database.
fn foreign(path: &Path) {
    std::fs::remove_file(path).unwrap();
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch("CREATE TABLE fact(a, b); CREATE TABLE cycle(a); CREATE TABLE bookmark(url); INSERT INTO bookmark VALUES(1)")
        .unwrap();
}

/// The files that were kept: `NAME.damaged-…`, without what SQLite keeps beside them.
fn kept(damaged: &Path) -> Vec<PathBuf> {
    let name = format!("{}.damaged-", damaged.file_name().unwrap().to_str().unwrap());
    let files = std::fs::read_dir(damaged.parent().unwrap()).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let of_it = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap();
        file.strip_prefix(&name)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_'))
    };
    files.filter(of_it).collect()
}

/// What waits when the damage is met: a row that the laptop deleted, and one that the server got.
fn work_that_waits(stage: &Stage) -> Vec<String> {
    let urls = rows(&stage.world.open_local(), "SELECT url FROM products");
    stage
        .world
        .open_local()
        .execute_batch("DELETE FROM retailer_url_patterns WHERE rowid=1")
        .unwrap();
    stage
        .world
        .open_remote()
        .execute_batch("INSERT INTO products(url,retailer,title) VALUES('https://new.example','Aab','new')")
        .unwrap();
    urls
}

#[rstest]
fn what_cannot_be_read_is_kept_and_made_anew(
    #[values(File::Base(Side::Local), File::Base(Side::Server), File::History)] file: File,
    #[values(garbage, truncated, zeros, foreign)] damage: fn(&Path),
) {
    let (stage, mut daemon) = products(Side::Local);
    daemon.terminate();
    work_that_waits(&stage);
    let patterns = rows(&stage.world.open_remote(), "SELECT * FROM retailer_url_patterns").len();
    let damaged = path(&stage, file);
    for companion in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{companion}", damaged.display()));
    }
    damage(&damaged);
    let bytes = std::fs::read(&damaged).unwrap();

    daemon.again();
    let status = daemon.until_in_sync();

    stage.world.assert_equal();
    assert_eq!(
        stage
            .world
            .both("SELECT title FROM products WHERE url='https://new.example'")
            .len(),
        1
    );
    let reason = status["last_cycle"]["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("nothing is told: {status:#}"));
    let kept = kept(&damaged);
    assert_eq!(kept.len(), 1, "{reason}");
    assert!(reason.contains(kept[0].to_str().unwrap()), "{reason}");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), bytes, "it is kept as it was");
    let left = stage.world.both("SELECT * FROM retailer_url_patterns").len();
    match file {
        File::Base(_) => {
            assert!(reason.ends_with("all rows were compared, and none deleted"), "{reason}");
            assert_eq!(left, patterns, "what was deleted meanwhile comes back");
        }
        // The name of the sidecar was in it: where it can still be read the base is found again.
        File::History => assert!(left == patterns || left == patterns - 1, "{left}"),
    }
    assert!(daemon.ctl(&["logs", "-n", "1000"]).out.contains("moved aside"));
    assert_eq!(daemon.sync(&[], 0)["outcome"], "unchanged");
}

#[rstest]
fn so_is_a_base_that_was_damaged_at_work(#[values(Side::Local, Side::Server)] side: Side) {
    let (stage, daemon) = products(side);
    work_that_waits(&stage);
    let base = stage.base(side);
    garbage(&base);

    let done = daemon.sync(&[], 0);

    assert!(
        done["reason"].as_str().unwrap().contains("could not be used"),
        "{done:#}"
    );
    assert_eq!(kept(&base).len(), 1);
    stage.world.assert_equal();
    assert_eq!(daemon.sync(&[], 0)["outcome"], "unchanged");
}
