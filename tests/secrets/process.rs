//! The process itself: no core file, and nothing to see for others.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::daemon::{Daemon, until};
use crate::support::world::World;

#[test]
fn the_daemon_and_what_it_starts_leave_no_core_file() {
    let mut world = World::with_schema("CREATE TABLE item(k TEXT PRIMARY KEY, v)");
    // A command that stays, to be looked at. The key does not open the door, so a password is asked for.
    let authorized = world.sshd.folder().join("authorized_keys");
    fs::write(authorized, "").unwrap();
    world
        .settings
        .insert("remote", "password_command = \"exec sleep 55\"".to_owned());
    let port = world.sshd.port();
    assert!(port > 0);
    let daemon = Daemon::after(&world, "ulimit -c unlimited");
    let limit = |pid: &str| {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        line.split_whitespace()
            .skip(4)
            .map(str::to_owned)
            .take(2)
            .collect::<Vec<_>>()
    };
    assert_eq!(limit(&daemon.pid().to_string()), ["0", "0"]);
}

/// Linux gives what tells of a process that must not be dumped to root.
#[test]
fn other_programs_of_the_same_user_may_not_look_into_the_daemon() {
    let world = World::with_schema("CREATE TABLE item(k TEXT PRIMARY KEY, v)");
    for path in ["", "home", "laptop"] {
        std::os::unix::fs::chown(world.path(path), Some(65534), Some(65534)).unwrap();
    }
    std::os::unix::fs::chown(world.local(), Some(65534), Some(65534)).unwrap();
    let nobody = "set -- setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"; exec \"$@\"";
    let daemon = Daemon::after(&world, nobody);
    let owner = |file: &str| fs::metadata(format!("/proc/{}/{file}", daemon.pid())).unwrap().uid();
    until("the daemon runs as nobody", || {
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        status.contains("Uid:\t65534").then_some(())
    });
    for file in ["mem", "environ", "maps"] {
        assert_eq!(owner(file), 0, "{file}");
    }
}
