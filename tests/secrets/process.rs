//! The process itself: no core file, and nothing to see for others.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::daemon::{Daemon, until};
use crate::support::world::World;

#[test]
fn the_daemon_and_what_it_starts_leave_no_core_file() {
    let mut world = World::with_schema("CREATE TABLE item(k TEXT PRIMARY KEY, v)");
    // A command that stays, to be looked at: the key does not open the door, so a password is asked for.
    fs::write(world.sshd.folder().join("authorized_keys"), "").unwrap();
    let config = world.sshd.folder().join("sshd_config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("PasswordAuthentication yes\n{text}")).unwrap();
    world.sshd.restart();
    let child = world.path("child");
    let command = format!("password_command = \"echo $$ > {}; exec sleep 55\"", child.display());
    world.settings.insert("remote", command);
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
    let child = until("the command runs", || {
        fs::read_to_string(&child).ok().filter(|pid| pid.ends_with('\n'))
    });
    assert_eq!(limit(child.trim()), ["0", "0"]);
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
