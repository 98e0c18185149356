//! contrib/python/database_sync.py as the old project's callers use it: with the system's Python, without any package,
//! against the built daemon and a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::daemon::{Answer, Daemon};
use support::world::World;

fn shim() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/python/database_sync.py")
}

/// The system's Python with nothing of its packages (`-S`) nor of the environment and the folder (`-I`).
fn python() -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-I", "-S"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent");
    command
}

fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs lines of a caller that has imported the module, as the old callers do.
fn caller(socket: &Path, lines: &str) -> Answer {
    let folder = shim().parent().unwrap().display().to_string();
    let program = format!(
        "import sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, {folder:?})\nimport asyncio, logging\n\
         logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')\n\
         from database_sync import DatabaseSync, SyncError, sync_database_async, find_socket, _daemon_lines\n{lines}\n"
    );
    answer(python().env("MODSYNC_SOCKET", socket).arg("-c").arg(program))
}

/// A daemon that does nothing by itself: after a cycle that left one side alone another would follow at once.
fn calm() -> (World, Daemon) {
    let mut world = World::with_products(40);
    world.settings.insert("sync", "poll = \"1h\"\nwatch = false".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    daemon.ctl(&["pause"]);
    (world, daemon)
}

fn review(world: &World) {
    let sql = "SELECT product_url FROM assessment_queue WHERE status='pending' LIMIT 1";
    let url: String = world.open_remote().query_row(sql, [], |row| row.get(0)).unwrap();
    world.php(&["modest", &url]);
}

#[test]
fn the_old_calls_do_what_they_did() {
    let (world, _daemon) = calm();
    review(&world);
    world.python(&["--count", "3"]);
    let pulled = caller(&world.socket(), "print(DatabaseSync().pull_assessments_from_server())");
    assert_eq!(pulled.out, "(True, 1)\n", "{pulled:?}");
    let count = "SELECT count(*) FROM products";
    let products =
        |connection: rusqlite::Connection| -> i64 { connection.query_row(count, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        (products(world.open_local()), products(world.open_remote())),
        (43, 40),
        "nothing was sent"
    );

    let sent = caller(
        &world.socket(),
        "print(DatabaseSync().sync_to_server(create_backup=True, verify=True, pull_first=True))",
    );
    assert_eq!(sent.out, "True\n", "{sent:?}");
    assert!(
        sent.err.contains("INFO synced: 6 pushed, backup products.db.backup_"),
        "{sent:?}"
    );
    world.assert_equal();

    review(&world);
    let awaited = caller(&world.socket(), "print(asyncio.run(sync_database_async()))");
    assert_eq!(awaited.out, "True\n", "{awaited:?}");
    world.assert_equal();
}

#[test]
fn without_pulling_the_servers_newer_rows_stay_and_no_backup_is_taken_unasked() {
    let (world, _daemon) = calm();
    review(&world);
    world.python(&["--count", "1"]);
    let sent = caller(
        &world.socket(),
        "print(DatabaseSync().sync_to_server(False, False, pull_first=False))",
    );
    assert_eq!(sent.out, "True\n", "{sent:?}");
    assert!(!sent.err.contains("backup"), "{sent:?}");
    assert!(!sent.err.contains("pulled"), "{sent:?}");
    let reviewed = "SELECT count(*) FROM products WHERE lifecycle_stage LIKE 'assessed_%'";
    let reviewed =
        |connection: rusqlite::Connection| -> i64 { connection.query_row(reviewed, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        reviewed(world.open_remote()),
        reviewed(world.open_local()) + 1,
        "the review is on the server alone"
    );
}

#[test]
fn what_goes_wrong_is_false_and_logged_and_raised_for_those_who_ask() {
    let (mut world, daemon) = calm();
    world
        .open_remote()
        .execute_batch("PRAGMA foreign_keys=OFF; DELETE FROM products")
        .unwrap();
    let stopped = caller(
        &world.socket(),
        "print(DatabaseSync().sync_to_server(), DatabaseSync().pull_assessments_from_server())",
    );
    assert_eq!(
        (stopped.code, stopped.out.as_str()),
        (0, "False (False, 0)\n"),
        "{stopped:?}"
    );
    assert!(
        stopped.err.contains("ERROR sync: 40 rows are held back: products: "),
        "{stopped:?}"
    );

    world.sshd.kill_sessions();
    world.sshd.stop();
    let offline = caller(&world.socket(), "print(asyncio.run(sync_database_async()))");
    assert_eq!((offline.code, offline.out.as_str()), (0, "False\n"), "{offline:?}");
    let raised =
        "try:\n    DatabaseSync(raise_errors=True).sync_to_server()\nexcept SyncError as error:\n    print(error.code)";
    assert_eq!(caller(&world.socket(), raised).out, "5\n");

    drop(daemon);
    let gone = caller(&world.socket(), "print(DatabaseSync().sync_to_server())");
    assert_eq!((gone.code, gone.out.as_str()), (0, "False\n"), "{gone:?}");
    assert!(
        gone.err.contains("modsyncd is not running") && gone.err.contains("start it"),
        "{gone:?}"
    );
}

#[test]
fn it_runs_as_a_program_with_the_exit_codes_of_modsyncctl() {
    let (world, daemon) = calm();
    world.python(&["--count", "2"]);
    let socket = world.socket().display().to_string();
    let run = |arguments: &[&str]| answer(python().arg(shim()).args(["--socket", &socket]).args(arguments));
    let pulled = run(&["--pull-only"]);
    assert_eq!((pulled.code, pulled.err.as_str()), (0, ""), "{pulled:?}");
    assert!(pulled.out.starts_with("synced: nothing to do"), "{pulled:?}");
    let synced = run(&[]);
    assert!(synced.out.starts_with("synced: 4 pushed, backup "), "{synced:?}");
    assert_eq!(run(&["--pull-only", "--no-pull"]).code, 2);
    world
        .open_remote()
        .execute_batch("PRAGMA foreign_keys=OFF; DELETE FROM products")
        .unwrap();
    assert_eq!(run(&[]).code, 4);
    drop(daemon);
    let gone = run(&[]);
    assert_eq!((gone.code, gone.out.as_str()), (3, ""), "{gone:?}");
    assert!(gone.err.contains("hint: "), "{gone:?}");
}

/// Variables, and the pair's name.
type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);

/// As modsyncctl says it by its error, so does the module.
#[test]
fn the_socket_is_found_where_modsyncctl_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let write = |name: &str, text: &str| {
        let file = home.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write(
        "with/modsync/config.toml",
        "[local]\nsocket = \"/wrong\"\n[daemon] # where\nsocket = \"~/own.sock\" # here\n",
    );
    write("with/modsync/shop.toml", "[daemon]\nstate_dir = '$HOME/shop state'\n");
    write("broken/modsync/config.toml", "[daemon\nsocket = 7\n");
    let (with, broken) = (path("with"), path("broken"));
    let (elsewhere, runtime) = (path("with/modsync/shop.toml"), path("run"));
    let cases: &[Case<'_>] = &[
        (&[], None),
        (&[("MODSYNC_SOCKET", "/s")], None),
        (&[("MODSYNC_SOCKET", "/s")], Some("shop")),
        (&[("XDG_RUNTIME_DIR", &runtime)], None),
        (&[("XDG_RUNTIME_DIR", &runtime)], Some("shop")),
        (&[("XDG_RUNTIME_DIR", "relative")], None),
        (&[("XDG_STATE_HOME", &runtime)], Some("a.b")),
        (&[("XDG_CONFIG_HOME", &with)], None),
        (&[("XDG_CONFIG_HOME", &with)], Some("shop")),
        (
            &[
                ("XDG_CONFIG_HOME", &with),
                ("MODSYNC_NAME", "shop"),
                ("XDG_RUNTIME_DIR", &runtime),
            ],
            None,
        ),
        (&[("XDG_CONFIG_HOME", &with), ("MODSYNC_CONFIG", &elsewhere)], None),
        (&[("XDG_CONFIG_HOME", &broken)], None),
        (&[("XDG_CONFIG_HOME", &with), ("MODSYNC_DAEMON_SOCKET", "/d")], None),
        (&[("MODSYNC_DAEMON_STATE_DIR", "/d")], None),
    ];
    for (variables, name) in cases {
        let set = |command: &mut Command| {
            command
                .env_clear()
                .env("HOME", home.path())
                .env("PATH", "/usr/bin:/bin");
            command.envs(variables.iter().copied());
        };
        let mut ctl = Command::new(env!("CARGO_BIN_EXE_modsyncctl"));
        set(&mut ctl);
        ctl.arg("status").args(name.iter().flat_map(|name| ["--name", name]));
        let said = answer(&mut ctl).err;
        let folder = shim().parent().unwrap().display().to_string();
        for old_python in [false, true] {
            let program = format!(
                "import sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, {folder:?})\nimport database_sync\n\
                 {}print(database_sync.find_socket({}))",
                if old_python {
                    "database_sync.tomllib = None\n"
                } else {
                    ""
                },
                name.map_or("None".to_owned(), |name| format!("{name:?}"))
            );
            let mut command = Command::new("python3");
            set(&mut command);
            let found = answer(command.args(["-S", "-c", &program]));
            assert!(
                !found.out.trim().is_empty() && said.contains(&format!("listens on {}\n", found.out.trim())),
                "{variables:?} {name:?}: {found:?}, and modsyncctl: {said}"
            );
        }
    }
}
