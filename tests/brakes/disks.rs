//! Disks without room for what a cycle is about to write. They are small ones, mounted by the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use modsync::demo::data;
use modsync::model::Side;
use rstest::rstest;

use crate::stage::WayOn::PutRight;
use crate::stage::{Stage, calm, play};
use crate::support::daemon::Daemon;
use crate::support::world::World;

/// The size of such a disk, in bytes.
const SIZE: u64 = 4 << 20;

/// How much is left of it, in bytes: less than any cycle that moves rows.
const LEFT: u64 = 200 << 10;

/// A file system in memory. Unmounted when dropped, before the world's folder goes.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let size = format!("size={SIZE}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(
            mounted.status.success(),
            "the tests of full disks mount a small one, which takes root: {said}"
        );
        Self(folder.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let free = fs_free(&self.0);
        std::fs::write(self.filler(), vec![0; usize::try_from(free - LEFT).unwrap()]).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon or a session that is being ended may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn fs_free(folder: &Path) -> u64 {
    let said = Command::new("df").args(["-Pk"]).arg(folder).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let free = said.lines().last().unwrap().split_whitespace().nth(3).unwrap();
    free.parse::<u64>().unwrap() * 1024
}

/// A pair in sync of which one folder is a disk of its own.
fn with_disk(side: Side, folder: &str) -> (Stage, Daemon) {
    let world = World::empty();
    let disk = Disk::mount(&world.path(folder));
    data::create(&world.local(), 30).unwrap();
    std::fs::copy(world.local(), world.remote()).unwrap();
    let world = calm(world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let held = vec![Box::new(disk) as Box<dyn std::any::Any>];
    (Stage { world, side, held }, daemon)
}

fn disk(stage: &Stage) -> &Disk {
    stage.held[0].downcast_ref().unwrap()
}

/// Both sides have something for the other, and the disk is full.
fn fill(stage: &mut Stage) {
    stage.world.python(&["--count", "2"]);
    stage.world.php(&["--every-ms", "1", "--count", "1"]);
    disk(stage).fill();
}

fn make_room(stage: &mut Stage) {
    std::fs::remove_file(disk(stage).filler()).unwrap();
}

#[rstest]
#[case::laptops_database("disk-of-database", Side::Local, "laptop")]
#[case::laptops_state("disk-of-state", Side::Local, "state")]
#[case::servers_database("disk-of-database", Side::Server, "site")]
#[case::servers_state("disk-of-state", Side::Server, "remote")]
fn a_disk_without_room_stops_the_cycle_before_it_writes(#[case] name: &str, #[case] side: Side, #[case] folder: &str) {
    play(name, 4, with_disk(side, folder), fill, &PutRight(make_room));
}
