//! A real daemon, more clients than it has places for, and cycles that have to go on.

use crate::support::daemon::{Daemon as Resident, until};
use crate::support::world::{World, rows};

use super::*;

/// A pair that syncs soon after an edit.
fn pair() -> World {
    let mut world = World::with_schema("CREATE TABLE item(k TEXT PRIMARY KEY, v)");
    let soon = "poll = \"200ms\"\ndebounce = \"50ms\"";
    world.settings.insert("sync", soon.to_owned());
    world
}

/// One that means no good: connects, and says what is rude.
fn rude(socket: &Path, kind: usize) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_nonblocking(true).unwrap();
    let ask = "GET /v1/status HTTP/1.1\r\nHost: modsync\r\n\r\n";
    let words = match kind % 5 {
        0 => String::new(),
        1 => "GET /v1/status HTTP/1.1\r\nHost: mod".to_owned(),
        2 => "POST /v1/pause HTTP/1.1\r\nHost: modsync\r\nContent-Length: 60000\r\n\r\n{".to_owned(),
        3 => "GET /v1/events HTTP/1.1\r\nHost: modsync\r\n\r\n".to_owned(),
        _ => ask.repeat(1000),
    };
    // As much of it as goes in. What comes back is never read.
    let _ = stream.write(words.as_bytes());
    stream
}

/// The most memory that the process ever had, in KiB.
fn most_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A row that is written on the laptop is on the server soon, and one of the server's on the laptop.
fn assert_that_rows_travel(world: &World, name: &str) {
    for (from, to) in [
        (world.open_local(), world.open_remote()),
        (world.open_remote(), world.open_local()),
    ] {
        let key = format!("{name} from {}", from.path().unwrap());
        from.execute("INSERT INTO item VALUES(?1,1)", [&key]).unwrap();
        until("the row is on the other side", || {
            let there = rows(&to, &format!("SELECT v FROM item WHERE k='{key}'"));
            (!there.is_empty()).then_some(())
        });
    }
}

#[test]
fn a_thousand_clients_stop_no_cycle() {
    let world = pair();
    let daemon = Resident::start(&world);
    daemon.until_in_sync();
    let before = most_memory(daemon.pid());
    let crowd: Vec<_> = (0..1000).map(|kind| rude(&world.socket(), kind)).collect();
    assert_that_rows_travel(&world, "in the crowd");
    let grown = most_memory(daemon.pid()) - before;
    println!("a thousand clients took {grown} KiB");
    assert!(grown < 64 * 1024, "{grown} KiB more");
    drop(crowd);
    until("the daemon answers again", || {
        (daemon.ctl(&["status"]).code == 0).then_some(())
    });
}

#[test]
fn clients_leave_a_daemon_that_may_open_few_files_what_a_cycle_needs() {
    let world = pair();
    let daemon = Resident::after(&world, "ulimit -n 64");
    daemon.until_in_sync();
    let crowd: Vec<_> = (0..300).map(|kind| rude(&world.socket(), kind)).collect();
    // A new connection and new sessions need files, too.
    world.sshd.kill_sessions();
    assert_that_rows_travel(&world, "with few files");
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    assert!(open < 64, "{open} files are open");
    drop(crowd);
    until("the daemon answers again", || {
        (daemon.ctl(&["status"]).code == 0).then_some(())
    });
    assert!(!daemon.errors().contains("cannot accept"), "{}", daemon.errors());
}

#[test]
fn a_daemon_that_may_open_no_more_files_goes_on_once_it_may() {
    let world = pair();
    let daemon = Resident::start(&world);
    daemon.until_in_sync();
    let pid = daemon.pid().to_string();
    let allow = |files: &str| {
        let allowed = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--nofile={files}:")])
            .status();
        assert!(allowed.unwrap().success());
    };
    allow("5");
    let mut waiting = UnixStream::connect(world.socket()).unwrap();
    waiting
        .write_all(b"GET /v1/status HTTP/1.1\r\nHost: modsync\r\nConnection: close\r\n\r\n")
        .unwrap();
    until("the log says so", || {
        daemon.errors().contains("cannot accept clients").then_some(())
    });
    allow("1024");
    waiting.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        daemon.errors().matches("cannot accept clients").count(),
        1,
        "it is said once"
    );
    assert_that_rows_travel(&world, "afterwards");
}
