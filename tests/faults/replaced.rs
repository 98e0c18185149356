//! The database is another file by now, or holds what it held yesterday: on either side, under a daemon that runs or not.

use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::rows::{SCHEMA, eager, edit_both};
use crate::support::daemon::{Daemon, until};
use crate::support::world::{World, dump, open, rows};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Laptop,
    Server,
}
use Side::{Laptop, Server};

/// How an old copy takes the database's place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    /// Moved over it: another file under its name.
    Rename,
    /// The name is a link, which now leads to the copy.
    Link,
    /// Copied over it, byte by byte, while nobody has it open: the same file.
    CopyOver,
    /// `.restore` of the sqlite3 shell: the same file, through SQLite.
    Restore,
}
use How::{CopyOver, Link, Rename, Restore};

fn path(world: &World, side: Side) -> PathBuf {
    match side {
        Laptop => world.local(),
        Server => world.remote(),
    }
}

/// Makes the database's name a link to it.
fn behind_a_link(database: &Path) {
    let real = database.with_extension("real");
    std::fs::rename(database, &real).unwrap();
    std::os::unix::fs::symlink(real, database).unwrap();
}

fn put(copy: &Path, database: &Path, how: How) {
    match how {
        Rename => std::fs::rename(copy, database).unwrap(),
        Link => {
            let link = database.with_extension("link");
            std::os::unix::fs::symlink(copy, &link).unwrap();
            std::fs::rename(link, database).unwrap();
        }
        CopyOver => drop(std::fs::copy(copy, database).unwrap()),
        Restore => {
            let restored = Command::new("sqlite3")
                .arg(database)
                .arg(format!(".restore '{}'", copy.display()))
                .status();
            assert!(restored.unwrap().success());
        }
    }
}

/// What stands in the history of a table's rows that were deleted.
fn deleted(world: &World, table: &str) -> Vec<String> {
    let history = open(&world.path("state/history.db"));
    let sql = format!("SELECT json_extract(before,'$[1]') FROM move WHERE tbl='{table}' AND after IS NULL");
    rows(&history, &sql)
}

fn words(world: &World) -> Vec<String> {
    world.both("SELECT word FROM grow ORDER BY 1")
}

#[rstest]
#[case::under_the_daemon(true, Rename)]
#[case::under_the_daemon(true, Link)]
#[case::under_the_daemon(true, Restore)]
#[case::between_two_daemons(false, Rename)]
#[case::between_two_daemons(false, Link)]
#[case::between_two_daemons(false, CopyOver)]
fn an_old_copy_in_its_place_loses_no_row_unseen(
    #[case] running: bool,
    #[case] how: How,
    #[values(Laptop, Server)] side: Side,
) {
    let mut world = World::with_schema(SCHEMA);
    let database = path(&world, side);
    if how == Link {
        behind_a_link(&database);
    }
    eager(&mut world);
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    edit_both(&world, 0);
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    let copy = database.with_extension("old");
    open(&database)
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    edit_both(&world, 1);
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    let before = words(&world);
    assert_eq!(before.len(), 4);

    if !running {
        daemon.kill();
    }
    put(&copy, &database, how);
    if !running {
        daemon.again();
    }
    let other = path(&world, if side == Laptop { Server } else { Laptop });
    if how == Rename || how == Link {
        // Another file: nothing says that its rows were deleted, so they come back.
        until("the rows are there again", || {
            (dump(&open(&database))["grow"].len() == 4).then_some(())
        });
        daemon.until_in_sync();
        assert_eq!(words(&world), before);
    } else {
        // The same file: half of its rows were deleted, for all that can be known, and that is not done unasked.
        let told = daemon.until_status("attention", |status| status["state"] == "attention");
        let reason = told["reason"].as_str().unwrap();
        assert!(reason.contains("max_delete"), "{reason}");
        assert_ne!(told["in_sync"], true, "{told:#}");
        assert_eq!(dump(&open(&other))["grow"].len(), 4, "the other side still has them");
        daemon.sync(&["--allow-deletes", "--yes"], 0);
        assert_eq!(
            (words(&world).len(), deleted(&world, "grow").len()),
            (2, 2),
            "they stand in the history"
        );
    }
    world.assert_equal();
    edit_both(&world, 2);
    daemon.sync(&[], 0);
    world.assert_equal();
    let last = world.both("SELECT word FROM grow WHERE word LIKE '% 2'");
    assert_eq!(last.len(), 2, "{last:?}");
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
}

/// The folder is gone, as after an unmount, and comes back.
#[rstest]
fn a_folder_that_goes_away_is_told_and_waited_for(#[values(Laptop, Server)] side: Side) {
    let mut world = World::with_schema(SCHEMA);
    eager(&mut world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let folder = path(&world, side).parent().unwrap().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::create_dir(&folder).unwrap();

    let told = daemon.until_status("attention", |status| status["state"] == "attention");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("is gone") && reason.contains("products.db"), "{reason}");
    assert_ne!(told["in_sync"], true, "{told:#}");
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        0,
        "nothing is made in its place"
    );

    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    edit_both(&world, 0);
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    world.assert_equal();
}
