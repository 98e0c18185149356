//! Other programs hold locks, for shorter and for longer than modsync waits (5 s), and rebuild the file under it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rstest::rstest;
use rusqlite::Connection;

use crate::rows::{SCHEMA, assert_all_there, assert_one_base, calm, edit_both};
use crate::support::daemon::Daemon;
use crate::support::world::World;

/// Shorter than the time that modsync waits for a lock.
const SHORT: Duration = Duration::from_secs(2);
/// Longer.
const LONG: Duration = Duration::from_secs(8);

const READS: &str = "SELECT count(*) FROM item";
const WRITES: &str = "UPDATE item SET laptop=laptop WHERE k='row 99'";

/// The site's PHP in a transaction of this long.
fn php(database: &Path, begin: &str, sql: &str, long: Duration) -> Child {
    let script = format!(
        "$db = new PDO('sqlite:{}'); $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION); $db->exec('{begin}'); \
         $db->query(\"{sql}\")->fetchAll(); echo \"held\\n\"; usleep({}); $db->exec('COMMIT');",
        database.display(),
        long.as_micros()
    );
    holding(Command::new("php").args(["-r", &script]))
}

/// A workflow of the laptop in a transaction of this long.
fn python(database: &Path, begin: &str, sql: &str, long: Duration) -> Child {
    let script = format!(
        "import sqlite3, time\ndb = sqlite3.connect('{}', isolation_level=None)\ndb.execute('{begin}')\n\
         db.execute(\"{sql}\").fetchall()\nprint('held', flush=True)\ntime.sleep({})\ndb.execute('COMMIT')",
        database.display(),
        long.as_secs_f32()
    );
    holding(Command::new("python3").args(["-c", &script]))
}

/// Starts it, and waits until it has its lock.
fn holding(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "held\n", "{command:?}");
    child
}

/// What a cycle meets.
#[derive(Debug, PartialEq)]
enum Meets {
    /// Nothing: it does not even wait.
    Nothing,
    /// It waits, and gets through.
    Wait,
    /// It gives up and says why; the next one gets through.
    Refusal,
}

#[rstest]
#[case::php_writes_for_a_while("delete", true, WRITES, SHORT, Meets::Wait)]
#[case::php_writes_for_long("delete", true, WRITES, LONG, Meets::Refusal)]
#[case::php_writes_for_long_with_wal("wal", true, WRITES, LONG, Meets::Refusal)]
#[case::php_reads_for_a_while("delete", true, READS, SHORT, Meets::Wait)]
#[case::php_reads_for_long("delete", true, READS, LONG, Meets::Refusal)]
#[case::php_reads_for_long_with_wal("wal", true, READS, LONG, Meets::Nothing)]
#[case::python_writes_for_a_while("delete", false, WRITES, SHORT, Meets::Wait)]
#[case::python_writes_for_long("delete", false, WRITES, LONG, Meets::Refusal)]
#[case::python_writes_for_long_with_wal("wal", false, WRITES, LONG, Meets::Refusal)]
#[case::python_reads_for_long("delete", false, READS, LONG, Meets::Refusal)]
#[case::python_reads_for_long_with_wal("wal", false, READS, LONG, Meets::Nothing)]
fn a_lock_is_waited_for_and_then_told(
    #[case] journal_mode: &str,
    #[case] at_server: bool,
    #[case] sql: &str,
    #[case] long: Duration,
    #[case] meets: Meets,
) {
    let mut world = World::with_schema(SCHEMA);
    world.on_both(&format!("PRAGMA journal_mode={journal_mode}"));
    calm(&mut world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    edit_both(&world, 0);

    let begin = if sql == WRITES { "BEGIN IMMEDIATE" } else { "BEGIN" };
    let asked = Instant::now();
    let mut holder = match at_server {
        true => php(&world.remote(), begin, sql, long),
        false => python(&world.local(), begin, sql, long),
    };
    let code = if meets == Meets::Refusal { 1 } else { 0 };
    let summary = daemon.sync(&["--no-backup"], code);
    match meets {
        Meets::Nothing => assert!(holder.try_wait().unwrap().is_none(), "it waited: {:?}", asked.elapsed()),
        Meets::Wait => assert!(asked.elapsed() >= SHORT, "{:?}", asked.elapsed()),
        Meets::Refusal => {
            let side = if at_server { "server" } else { "local" };
            let error = summary["error"].as_str().unwrap();
            assert!(error.contains("database is locked") && error.contains(side), "{error}");
            let status = daemon.status();
            assert_ne!(status["in_sync"], true, "{status:#}");
            assert!(
                status["reason"].as_str().is_none_or(|reason| reason.contains("locked")),
                "{status:#}"
            );
        }
    }
    assert!(holder.wait().unwrap().success(), "the other program got its commit");
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    assert_all_there(&world, 1);
    assert_one_base(&world);
}

/// VACUUM, changes of the journal mode and checkpoints, again and again on both ends, while cycles run.
#[test]
fn a_file_that_is_rebuilt_all_the_time_is_still_synced() {
    const CYCLES: usize = 8;
    let mut world = World::with_schema(SCHEMA);
    calm(&mut world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let over = AtomicBool::new(false);
    let rebuilt = std::thread::scope(|scope| {
        let rebuilders = [world.local(), world.remote()].map(|database| scope.spawn(|| rebuild(database, &over)));
        for n in 0..CYCLES {
            edit_both(&world, n);
            // Whether this one gets its locks or the next one.
            let done = daemon.ctl(&["sync-now", "--no-backup"]);
            assert!([0, 1].contains(&done.code), "{done:?}");
            let known = ["locked", "changed again and again", "do not read back"];
            assert!(
                done.code == 0 || known.iter().any(|words| done.err.contains(words)),
                "{done:?}"
            );
        }
        over.store(true, Ordering::SeqCst);
        rebuilders.map(|rebuilder| rebuilder.join().unwrap())
    });
    println!("rebuilt (of VACUUM, wal, delete, checkpoint, those that got their lock): {rebuilt:?}");
    assert!(rebuilt.iter().all(|count| *count > 0), "{rebuilt:?}");
    daemon.sync(&[], 0);
    daemon.until_in_sync();
    assert_all_there(&world, CYCLES);
    assert_one_base(&world);
}

/// Rebuilds until told to stop, and counts how often it got its lock.
fn rebuild(database: std::path::PathBuf, over: &AtomicBool) -> usize {
    let connection = Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_millis(50)).unwrap();
    let mut done = 0;
    while !over.load(Ordering::SeqCst) {
        for sql in [
            "VACUUM",
            "PRAGMA journal_mode=WAL",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA journal_mode=DELETE",
        ] {
            done += usize::from(connection.execute_batch(sql).is_ok());
            // A program that never lets go starves all others, not only modsync.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    done
}
