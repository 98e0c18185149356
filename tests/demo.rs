//! `modsyncd demo`, run as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::CommandCargoExt as _;
use modsync::demo::data;
use rusqlite::Connection;
use tempfile::TempDir;

/// The demo, with a folder for temporary files of its own and nobody at the keyboard.
fn demo(temporary: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("modsyncd").unwrap();
    command
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn assert_nothing_is_left_in(folder: &Path) {
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The command lines of the processes that were started with a path in that folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let output = Command::new("ps").args(["-e", "-o", "args="]).output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let folder = folder.to_str().unwrap();
    lines
        .lines()
        .filter(|line| line.contains(folder))
        .map(str::to_owned)
        .collect()
}

/// Waits until no process is left; one that was killed needs a moment to be gone.
fn assert_no_process_is_left(folder: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let left = processes_of(folder);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn tells_the_story_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&temporary, &[]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stderr, b"");
    for line in [
        "ok        the phone's 5 reviews are on both sides",
        "ok        the laptop's 7 new products and queue entries are on both sides",
        "ok        both queue entries that were written as",
        "ok        the two writes while online are on both sides",
        "rows from before the train are still on both sides",
        "tables are equal on both sides, value by value",
        "ok        integrity_check and foreign_key_check",
        "Nothing was lost.",
    ] {
        assert!(text.contains(line), "'{line}' is missing in:\n{text}");
    }
    assert!(!text.contains("FAILED") && !text.contains('\x1b'), "{text}");
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{text}");
    assert_nothing_is_left_in(temporary.path());
    assert_no_process_is_left(temporary.path());
}

#[test]
fn keep_leaves_the_folder_and_says_how_to_look_around() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&temporary, &["--keep"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_no_process_is_left(temporary.path());

    // The commands that it prints name the two databases.
    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sqlite3 "))
        .collect();
    let [laptop, server] = named[..] else { panic!("{text}") };
    for path in [laptop, server] {
        let conn = Connection::open(path).unwrap();
        let reviewed: i64 = conn
            .query_row(
                "SELECT count(*) FROM assessment_queue WHERE reviewer_notes = 'seen on the phone'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(reviewed, 6, "{path}");
        assert!(
            data::create(Path::new(path), 1).is_err(),
            "the tables are there already"
        );
    }
}

#[test]
fn stopped_in_the_middle_it_cleans_up() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = demo(&temporary, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("On the train")));
    assert_ne!(processes_of(temporary.path()), [""; 0]);

    let interrupted = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "modsyncd: stopped before the end\n"
    );
    assert_nothing_is_left_in(temporary.path());
    assert_no_process_is_left(temporary.path());
}
