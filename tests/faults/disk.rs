//! No room left, and no right to write: on the disk of either database, of the state folder, of the server's base.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

use crate::gate::Gate;
use crate::rows::{SCHEMA, assert_all_there, assert_one_base, calm, edit_both, sidecar};
use crate::support::daemon::Daemon;
use crate::support::world::World;

/// The largest `/dev/shm` that is filled where nothing may be mounted. Docker's has 64 MiB.
const LARGEST: u64 = 256 << 20;

/// A small disk in a folder's place. The folder is empty, or not there yet.
struct Disk {
    folder: PathBuf,
    ballast: PathBuf,
    mounted: bool,
}

impl Disk {
    /// Mounts one; where that is not allowed, the folder becomes a link into `/dev/shm`, if that is small.
    fn at(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=700", "modsync-test"])
            .arg(folder)
            .output()
            .unwrap();
        if mounted.status.success() {
            return Self {
                folder: folder.to_owned(),
                ballast: folder.join("ballast"),
                mounted: true,
            };
        }
        let size = Command::new("stat")
            .args(["-f", "-c", "%S %b", "/dev/shm"])
            .output()
            .unwrap()
            .stdout;
        let size: u64 = String::from_utf8(size)
            .unwrap()
            .split_whitespace()
            .map(|n| n.parse::<u64>().unwrap())
            .product();
        assert!(
            (1..=LARGEST).contains(&size),
            "a full disk cannot be had here: mount says \"{}\", and /dev/shm, with {size} bytes, is none to fill",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        let there = tempfile::Builder::new()
            .prefix("modsync-disk-")
            .tempdir_in("/dev/shm")
            .unwrap()
            .keep();
        std::fs::remove_dir(folder).unwrap();
        std::os::unix::fs::symlink(&there, folder).unwrap();
        Self {
            ballast: there.join("ballast"),
            folder: there,
            mounted: false,
        }
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(&self.ballast).unwrap();
        let mut chunk = vec![0; 64 * 1024];
        while !chunk.is_empty() {
            match file.write(&chunk) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => chunk.truncate(chunk.len() / 2),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives the room back.
    fn empty(&self) {
        std::fs::remove_file(&self.ballast).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still has a file open there keeps the disk until it ends.
        let _ = match self.mounted {
            true => Command::new("umount").arg("-l").arg(&self.folder).status().map(drop),
            false => std::fs::remove_dir_all(&self.folder),
        };
    }
}

/// Which folder of the world is on a disk that is full, whose the reason says it is, and when it fills up: before the
/// cycle, or while the server's engine is held before a line with this text.
#[rstest]
#[case::of_the_laptops_database("laptop", "laptop's database", None)]
#[case::of_the_laptops_state("state", "laptop's state folder", None)]
#[case::of_the_servers_database("site", "server's database", None)]
#[case::of_the_servers_base("remote", "server's state folder", None)]
#[case::of_the_server_at_its_backup("site", "server database", Some("VACUUM main INTO"))]
#[case::of_the_server_at_the_push("site", "server database", Some("WHERE 0;"))]
#[case::of_the_server_when_its_base_moves("remote", "server database", Some("INSERT OR REPLACE INTO base.meta"))]
#[case::of_the_laptop_when_its_base_moves("state", "the history", Some("SELECT 'trows'"))]
fn a_full_disk_stops_the_cycle_and_says_whose_it_is(
    #[case] folder: &str,
    #[case] whose: &str,
    #[case] before: Option<&str>,
) {
    let mut world = World::empty();
    let disk = Disk::at(&world.path(folder));
    world.on_both(SCHEMA);
    calm(&mut world);
    let gate = Gate::on(&world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    edit_both(&world, 0);
    // Wide enough to need pages of their own wherever they go.
    for (connection, row) in [(world.open_local(), "here"), (world.open_remote(), "there")] {
        let sql = format!("INSERT INTO named(name,note) VALUES('wide {row}',hex(zeroblob(100000)))");
        connection.execute_batch(&sql).unwrap();
    }

    match before {
        None => disk.fill(),
        Some(text) => gate.hold(text),
    }
    assert_eq!(daemon.ctl(&["sync-now", "--no-wait"]).code, 0);
    if before.is_some() {
        let held = gate.held();
        disk.fill();
        held.release();
    }
    let status = daemon.until_status("attention", |status| status["state"] == "attention");
    let reason = status["reason"].as_str().unwrap();
    println!("{reason}: {}", status["recommendation"]);
    assert!(
        reason.contains(whose) && (reason.contains("disk is full") || reason.contains("free")),
        "{reason}"
    );
    assert!(
        status["recommendation"].as_str().unwrap().contains("space"),
        "{status:#}"
    );
    assert_ne!(status["in_sync"], true, "{status:#}");

    disk.empty();
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    assert_all_there(&world, 1);
    assert_one_base(&world);
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
}

/// Makes the server's engine run as a user whom permissions hold back, whoever logs in.
fn engine_of_nobody(world: &World) {
    let bin = world.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = bin.join("sqlite3");
    let script = format!(
        "#!/bin/sh\nchown -R 65534 '{}'\nexec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/sqlite3 \"$@\"\n",
        world.path("remote").display()
    );
    std::fs::write(&program, script).unwrap();
    mode(&program, 0o755);
    for path in ["", "site", "site/products.db", "remote", "remote/modsync"] {
        mode(&world.path(path), 0o777);
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// What is taken away from the server's user. The next cycle after it is given back goes on.
#[rstest]
#[case::the_file(|world: &World| world.remote(), 0o444)]
#[case::the_folder(|world: &World| world.path("site"), 0o555)]
#[case::the_base(sidecar, 0o444)]
fn a_permission_that_is_taken_away_is_told_and_given_back(#[case] what: fn(&World) -> PathBuf, #[case] left: u32) {
    let mut world = World::with_schema(SCHEMA);
    std::fs::create_dir_all(world.remote_state()).unwrap();
    engine_of_nobody(&world);
    calm(&mut world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    edit_both(&world, 0);

    let what = what(&world);
    mode(&what, left);
    world.sshd.kill_sessions();
    let (code, refused) = daemon.json(&["sync-now", "--no-backup"]);
    assert!([4, 5].contains(&code), "{code}: {refused:#}");
    let status = daemon.until_status("attention", |status| status["state"] == "attention");
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.contains("server") && reason.contains("readonly database"),
        "{reason}"
    );
    let advice = status["recommendation"].as_str().unwrap();
    assert!(advice.contains("write permission"), "{advice}");
    assert_ne!(status["in_sync"], true, "{status:#}");

    mode(&what, 0o777);
    daemon.sync(&["--no-backup"], 0);
    daemon.until_in_sync();
    assert_all_there(&world, 1);
    assert_one_base(&world);
}

/// A daemon whom permissions hold back also when the tests are run by root.
const HELD_BACK: &str = "if [ $(id -u) = 0 ]; then set -- setpriv --bounding-set=-dac_override,-dac_read_search \"$0\" \"$@\"; \
                         exec \"$@\"; fi";

/// What is taken away on the laptop, where the daemon finds it at its next start. The next cycle after it is given back goes on.
#[rstest]
#[case::the_file("laptop/products.db", 0o444)]
#[case::the_folder("laptop", 0o555)]
#[case::the_base("state/base.db", 0o444)]
fn a_permission_that_is_taken_away_here_is_told_and_given_back(#[case] what: &str, #[case] left: u32) {
    let mut world = World::with_schema(SCHEMA);
    calm(&mut world);
    let mut daemon = Daemon::after(&world, HELD_BACK);
    daemon.until_in_sync();
    edit_both(&world, 0);

    daemon.terminate();
    let what = world.path(what);
    mode(&what, left);
    daemon.again();
    let status = daemon.until_status("attention", |status| status["state"] == "attention");
    let (reason, advice) = (&status["reason"], &status["recommendation"]);
    println!("{reason}: {advice}");
    assert!(reason.as_str().unwrap().contains("readonly database"), "{status:#}");
    assert!(advice.as_str().unwrap().contains("write permission"), "{status:#}");
    assert_ne!(status["in_sync"], true, "{status:#}");

    mode(&what, 0o755);
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    assert_all_there(&world, 1);
    assert_one_base(&world);
}
