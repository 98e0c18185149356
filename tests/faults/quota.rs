//! The user's quota is used up, as it happens on shared hosts: there is room on the disk, and not for us.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::rows::{SCHEMA, assert_all_there, assert_one_base, calm, edit_both};
use crate::support::daemon::Daemon;
use crate::support::world::World;

/// The library that brings it about, built where the trial is.
fn library(world: &World) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/quota.c");
    let library = world.path("quota.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(built.expect("a C compiler is needed for this test").success());
    library
}

/// Which folder has the quota, on which end, and whose the reason says it is.
#[rstest]
#[case::of_the_laptops_database("laptop", "local database")]
#[case::of_the_laptops_state("state", "state/")]
#[case::of_the_servers_database("site", "server database")]
#[case::of_the_servers_base("remote", "server database")]
fn a_quota_that_is_used_up_stops_the_cycle_and_says_so(#[case] folder: &str, #[case] whose: &str) {
    let mut world = World::with_schema(SCHEMA);
    calm(&mut world);
    let used_up = world.path("used-up");
    let environment = [
        ("LD_PRELOAD", library(&world)),
        ("QUOTA_OF", world.path(folder)),
        ("QUOTA_USED_UP", used_up.clone()),
    ]
    .map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()));
    let at_home = ["laptop", "state"].contains(&folder);
    let daemon = if at_home {
        Daemon::start_in(&world, environment.to_vec())
    } else {
        let bin = world.path("bin");
        std::fs::create_dir(&bin).unwrap();
        let set = environment.map(|(name, value)| format!("{name}='{value}'")).join(" ");
        let program = bin.join("sqlite3");
        std::fs::write(&program, format!("#!/bin/sh\n{set} exec /usr/bin/sqlite3 \"$@\"\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Daemon::start(&world)
    };
    daemon.until_in_sync();
    edit_both(&world, 0);
    // Wide enough to need pages of their own wherever they go.
    for (connection, row) in [(world.open_local(), "here"), (world.open_remote(), "there")] {
        let sql = format!("INSERT INTO named(name,note) VALUES('wide {row}',hex(zeroblob(100000)))");
        connection.execute_batch(&sql).unwrap();
    }

    std::fs::write(&used_up, "").unwrap();
    assert_eq!(daemon.ctl(&["sync-now", "--no-wait", "--no-backup"]).code, 0);
    let status = daemon.until_status("attention", |status| status["state"] == "attention");
    let (reason, advice) = (&status["reason"], &status["recommendation"]);
    println!("{reason}: {advice}");
    assert!(reason.as_str().unwrap().contains("I/O error"), "{reason}");
    assert!(reason.as_str().unwrap().contains(whose), "{reason}");
    assert!(advice.as_str().unwrap().contains("quota"), "{advice}");
    assert_ne!(status["in_sync"], true, "{status:#}");

    std::fs::remove_file(&used_up).unwrap();
    daemon.sync(&["--no-backup"], 0);
    daemon.until_in_sync();
    assert_all_there(&world, 1);
    assert_one_base(&world);
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
}
