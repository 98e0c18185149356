//! Processes that stand still, and clocks that jump.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::gate::{Gate, Held, lives};
use crate::rows::{SCHEMA, assert_all_there, assert_one_base, calm, eager, edit_both};
use crate::support::daemon::{Daemon, until};
use crate::support::world::{World, dump};

/// Longer than a dead line lasts: three keepalives, 10 s apart, and the limit of a silent login.
const LONG: Duration = Duration::from_secs(45);

/// A daemon with edits on both sides, and its cycle, which the server's engine stops before that line.
fn cycle_held_before(text: &str) -> (World, Daemon, Held) {
    let mut world = World::with_schema(SCHEMA);
    calm(&mut world);
    let gate = Gate::on(&world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    edit_both(&world, 0);
    gate.hold(text);
    assert_eq!(daemon.ctl(&["sync-now", "--no-wait"]).code, 0);
    let held = gate.held();
    (world, daemon, held)
}

/// A huge backup, a slow disk: the line lives, the engine says nothing.
#[test]
fn an_engine_that_says_nothing_for_long_is_waited_for() {
    let (world, daemon, held) = cycle_held_before("VACUUM main INTO");
    held.signal("STOP");
    let since = Instant::now();
    while since.elapsed() < LONG {
        let status = daemon.status();
        assert_eq!(
            (&status["state"], &status["in_sync"]),
            (&"syncing".into(), &false.into()),
            "{status:#}"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    held.signal("CONT");
    held.release();
    let status = daemon.until_in_sync();
    assert_eq!(
        status["last_cycle"]["trigger"], "sync-now",
        "the cycle that was begun ended: {status:#}"
    );
    assert!(
        status["last_cycle"]["duration_ms"].as_u64().unwrap() > 40_000,
        "{status:#}"
    );
    assert_all_there(&world, 1);
    assert_one_base(&world);
}

/// The machine at the far end hangs, its TCP answers: only SSH can tell.
#[test]
fn a_session_that_stands_still_is_given_up_and_does_nothing_when_it_wakes() {
    let (world, daemon, held) = cycle_held_before("WHERE 0;");
    world.sshd.signal_sessions("STOP");
    let since = Instant::now();
    let told = daemon.until_status("offline", |status| status["state"] == "offline");
    println!(
        "a session that stands still was noticed after {:?}: {}",
        since.elapsed(),
        told["reason"]
    );
    assert!(
        told["reason"].as_str().unwrap().contains("the SSH connection ended"),
        "{told:#}"
    );
    assert_ne!(told["in_sync"], true, "{told:#}");
    daemon.until_in_sync();
    assert_all_there(&world, 1);
    let before = dump(&world.open_remote());
    world.sshd.signal_sessions("CONT");
    held.release_to_its_end();
    assert!(before == dump(&world.open_remote()));
    assert_one_base(&world);
}

/// A laptop that was suspended with its processes, or a daemon behind Ctrl-Z.
#[test]
fn a_daemon_that_stood_still_goes_on() {
    let mut world = World::with_schema(SCHEMA);
    eager(&mut world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    daemon.signal("STOP");
    edit_both(&world, 0);
    let since = Instant::now();
    while since.elapsed() < LONG {
        assert!(lives(daemon.pid()));
        std::thread::sleep(Duration::from_millis(500));
    }
    daemon.signal("CONT");
    until_all_there(&world, &daemon, 1);
}

fn until_all_there(world: &World, daemon: &Daemon, edits: usize) {
    until("both sides hold the same", || {
        (dump(&world.open_local()) == dump(&world.open_remote())).then_some(())
    });
    daemon.until_in_sync();
    assert_all_there(world, edits);
    assert_one_base(world);
}

/// The wall clock of the daemon, as libfaketime shows it. The monotonic one is left alone, as when somebody sets a clock.
struct Clock {
    file: std::path::PathBuf,
}

impl Clock {
    fn of(world: &World) -> Self {
        let clock = Self {
            file: world.path("clock"),
        };
        clock.set("+0");
        clock
    }

    /// Moves the clock by that much against the true time.
    fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    fn environment(&self) -> Vec<(String, String)> {
        let shown = Command::new("faketime")
            .args(["-f", "+0", "printenv", "LD_PRELOAD"])
            .output();
        let shown = shown.expect("the package faketime is needed for this test").stdout;
        let library = String::from_utf8(shown).unwrap().trim().to_owned();
        // The loader itself fills in a `$LIB` of its path.
        assert!(library.ends_with(".so.1"), "faketime shows no library: {library:?}");
        [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

#[test]
fn a_clock_that_jumps_either_way_stops_nothing() {
    let mut world = World::with_schema(SCHEMA);
    eager(&mut world);
    let clock = Clock::of(&world);
    let daemon = Daemon::start_in(&world, clock.environment());
    daemon.until_in_sync();
    let mut edits = 0;
    let mut backups = Vec::new();
    for offset in ["+0", "+3d", "+3d", "-40d", "-40d", "+400d", "+0", "+0"] {
        clock.set(offset);
        edit_both(&world, edits);
        edits += 1;
        until_all_there(&world, &daemon, edits);
        let files = std::fs::read_dir(world.path("site")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        backups.push(names.filter(|name| name.contains(".backup_")).count());
    }
    // One at first, then one after each jump, and none where the clock runs on: the interval is 15 minutes.
    println!("backups after each step: {backups:?}");
    assert_eq!(backups, [1, 2, 2, 3, 3, 4, 5, 5]);
    let status = daemon.status();
    let ended: jiff::Timestamp = status["last_cycle"]["started"].as_str().unwrap().parse().unwrap();
    assert!(ended <= jiff::Timestamp::now(), "{status:#}");
}
