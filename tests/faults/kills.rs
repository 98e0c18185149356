//! `kill -9` of the daemon, of the engine, and of the server's end of the line, at every step of a cycle.
//!
//! A step of the server is reached when its line has come to the engine, which is held before it (see [`Gate`]). A commit,
//! or the laptop's own steps, are reached behind a lock that the trial holds. The engines that a cut line leaves behind
//! are let go after the next cycle: what they still had to do must not be done any more.

use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use rusqlite::Connection;

use crate::gate::{Gate, Held};
use crate::rows::{SCHEMA, assert_all_there, assert_one_base, calm, edit_both, sidecar};
use crate::support::daemon::{Daemon, until};
use crate::support::world::{World, dump, open, rows};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Daemon,
    Engine,
    /// The process of sshd that serves the connection.
    Session,
}
use Victim::{Daemon as TheDaemon, Engine, Session};

/// Steps of opening a session, with a text that only their line has.
const OPENING: [(&str, &str); 3] = [
    ("connect", "PRAGMA foreign_keys=OFF"),
    ("attach the base", "CREATE TEMP TABLE modsync_head"),
    ("prepare", "CREATE TEMP VIEW modsync_delta_0"),
];

/// Steps of a cycle on the server.
const STEPS: [(&str, &str); 8] = [
    ("pull", "INSERT INTO temp.modsync_head"),
    ("answer the pull", "FROM temp.modsync_head;"),
    ("stage", "INSERT INTO temp.modsync_p_"),
    ("backup", "VACUUM main INTO"),
    ("push", "WHERE 0;"),
    ("answer the push", "SELECT 'trefused'"),
    ("move the base", "INSERT OR REPLACE INTO base.meta"),
    ("answer the agreement", "SELECT 'trows'"),
];

/// A world in sync whose daemon does nothing by itself, and the number of the next edits.
struct Stage {
    world: World,
    gate: Gate,
    daemon: Daemon,
    edits: usize,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::with_schema(SCHEMA);
        calm(&mut world);
        let gate = Gate::on(&world);
        let daemon = Daemon::start(&world);
        daemon.until_in_sync();
        Self {
            world,
            gate,
            daemon,
            edits: 0,
        }
    }

    fn edit(&mut self) {
        edit_both(&self.world, self.edits);
        self.edits += 1;
    }

    /// Begins a cycle, and holds the server's engine before a step of it.
    fn cycle_held_before(&self, text: &str, flags: &[&str]) -> Held {
        self.gate.hold(text);
        let asked = self.daemon.ctl(&[&["sync-now", "--no-wait"], flags].concat());
        assert_eq!(asked.code, 0, "{asked:?}");
        let held = self.gate.held();
        let status = self.daemon.status();
        assert_eq!(status["state"], "syncing", "before {text}");
        // Nobody has looked at the sides since the last cycle; what waits there is known once they have answered.
        let known = !text.contains("modsync_head");
        assert!(!known || status["in_sync"] == false, "before {text}: {status:#}");
        held
    }

    /// Kills one of the three. The daemon says what it has lost, or is started again.
    fn kill(&mut self, victim: Victim, held: &Held, step: &str) {
        let cause = match victim {
            TheDaemon => {
                self.daemon.kill();
                return self.daemon.again();
            }
            Engine => {
                held.kill();
                "ended without a word"
            }
            Session => {
                self.world.sshd.kill_sessions();
                "the SSH connection ended"
            }
        };
        let told = self
            .daemon
            .until_status("offline", |status| status["state"] == "offline");
        let reason = told["reason"].as_str().unwrap();
        assert!(reason.contains(cause), "{step}: {reason}");
        assert_ne!(told["in_sync"], true, "{step}: {told:#}");
    }

    /// The next cycle brings everything together, and what was left of the one before does nothing more.
    fn must_converge(&self, left_behind: Option<Held>, step: &str) {
        let summary = self.daemon.sync(&[], 0);
        assert_eq!(
            (&summary["conflicts"], &summary["held"]),
            (&0.into(), &0.into()),
            "{step}: {summary:#}"
        );
        self.daemon.until_in_sync();
        assert_all_there(&self.world, self.edits);
        assert_one_base(&self.world);
        let Some(held) = left_behind else { return };
        // What it would write is what stands there again: its guards would let it.
        let undo = format!("UPDATE item SET laptop=0 WHERE k='row {}'", (self.edits - 1) % 100 + 1);
        self.world.open_remote().execute_batch(&undo).unwrap();
        self.daemon.sync(&[], 0);
        let before = dump(&self.world.open_remote());
        held.release_to_its_end();
        assert!(
            before == dump(&self.world.open_remote()),
            "{step}: an engine of a cut line wrote"
        );
        assert_one_base(&self.world);
        self.world
            .on_both(&undo.replace("laptop=0", &format!("laptop={}", self.edits - 1)));
        self.daemon.sync(&[], 0);
    }
}

#[rstest]
fn killed_before_any_step_on_the_server(#[values(TheDaemon, Engine, Session)] victim: Victim) {
    let mut stage = Stage::new();
    for (step, text) in OPENING.into_iter().chain(STEPS) {
        stage.edit();
        let opening = OPENING.iter().any(|(name, _)| *name == step);
        let held = if opening {
            stage.daemon.kill();
            stage.gate.hold(text);
            stage.daemon.again();
            stage.gate.held()
        } else {
            stage.cycle_held_before(text, &[])
        };
        stage.kill(victim, &held, step);
        let left_behind = match victim {
            Engine => {
                held.release();
                None
            }
            _ => Some(held),
        };
        stage.must_converge(left_behind, step);
        println!("{victim:?} killed before: {step}");
    }
}

/// The commit waits for a reader, with the rollback journal on disk: a kill leaves a hot journal.
#[rstest]
fn killed_in_the_middle_of_the_servers_commit(#[values(TheDaemon, Engine, Session)] victim: Victim) {
    let mut stage = Stage::new();
    for _ in 0..2 {
        stage.edit();
        let reader = reading(&stage.world.remote(), "item");
        let held = stage.cycle_held_before("WHERE 0;", &["--no-backup"]);
        let engine = held.clone();
        held.release();
        until_hot(&stage.world.remote());
        stage.kill(victim, &engine, "commit");
        assert_ne!(stage.daemon.status()["in_sync"], true);
        drop(reader);
        stage.must_converge(None, "commit");
    }
}

#[test]
fn the_daemon_killed_in_its_own_steps() {
    let mut stage = Stage::new();
    let history = stage.world.state().join("history.db");
    let base = stage.world.state().join("base.db");

    stage.edit();
    let held = stage.cycle_held_before("FROM temp.modsync_head;", &[]);
    let lock = writing(&history);
    held.release();
    // Nothing shows that it waits for this lock; a kill that comes too early only repeats another step.
    std::thread::sleep(Duration::from_millis(200));
    stage.daemon.kill();
    drop(lock);
    stage.daemon.again();
    stage.must_converge(None, "journal");

    stage.edit();
    let reader = reading(&stage.world.local(), "item");
    assert_eq!(stage.daemon.ctl(&["sync-now", "--no-wait"]).code, 0);
    until_hot(&stage.world.local());
    stage.daemon.kill();
    drop(reader);
    stage.daemon.again();
    stage.must_converge(None, "merge into local");

    stage.edit();
    let held = stage.cycle_held_before("SELECT 'trows'", &["--no-backup"]);
    let reader = reading(&base, "meta");
    held.release();
    until_hot(&base);
    stage.daemon.kill();
    drop(reader);
    stage.daemon.again();
    stage.must_converge(None, "agree");

    stage.edit();
    let held = stage.cycle_held_before("SELECT 'trows'", &["--no-backup"]);
    let lock = writing(&history);
    held.release();
    let generation = |path: &Path| rows(&open(path), "SELECT number FROM meta");
    until("the laptop's base has moved", || {
        (generation(&base) == generation(&sidecar(&stage.world))).then_some(())
    });
    stage.daemon.kill();
    drop(lock);
    stage.daemon.again();
    stage.must_converge(None, "record");
}

/// A connection that reads, and so keeps others from committing, for as long as it is kept.
fn reading(path: &Path, table: &str) -> Connection {
    let connection = open(path);
    connection
        .execute_batch(&format!("BEGIN; SELECT * FROM {table} LIMIT 1"))
        .unwrap();
    connection
}

/// A connection that keeps others from writing, for as long as it is kept.
fn writing(path: &Path) -> Connection {
    let connection = open(path);
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// Waits until a transaction is being committed: its rollback journal is there.
fn until_hot(database: &Path) {
    let journal = database.with_extension("db-journal");
    until("a rollback journal", || journal.exists().then_some(()));
}
