//! The system unit's sandbox: what systemd thinks of it, and a daemon that syncs inside of it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use modsync::service::{Manager, Pair, Scope, Service, render};
use support::daemon::{Daemon, until};
use support::sshd::{Sshd, SystemUser};
use support::world::{World, run};

/// What `systemd-analyze security` may say of a unit at most, in tenths. docs/configuration.md tells the scores.
const SYSTEM_SCORE: &str = "17";
const USER_SCORE: &str = "64";

#[test]
fn systemd_calls_the_units_safe() {
    let folder = tempfile::tempdir().unwrap();
    for (scope, limit) in [(system("modsync"), SYSTEM_SCORE), (Scope::User, USER_SCORE)] {
        let unit = unit(&folder.path().join("modsyncd"), None, scope);
        let file = folder.path().join("modsyncd.service");
        std::fs::write(&file, unit).unwrap();
        let output = Command::new("systemd-analyze")
            .args([
                "security",
                "--offline=true",
                "--no-pager",
                &format!("--threshold={limit}"),
            ])
            .arg(&file)
            .output()
            .expect("systemd-analyze: install the package systemd");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Overall exposure level"), "{said}");
        assert!(output.status.success(), "worse than {limit}: {said}");
    }
}

#[test]
fn the_daemon_syncs_inside_the_system_units_sandbox() {
    let stage = Stage::set();
    // The shell becomes the sandbox, and the sandbox the daemon.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sandbox.py");
    let daemon = Daemon::after(
        &stage.world,
        &format!("exec python3 {} {}", script.display(), stage.unit.display()),
    );
    daemon.until_in_sync();

    let process = PathBuf::from(format!("/proc/{}", daemon.pid()));
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    for expected in [
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "CapBnd:\t0000000000000000",
        "CapEff:\t0000000000000000",
    ] {
        assert!(status.contains(expected), "{expected} is missing in:\n{status}");
    }
    assert!(!status.contains("Uid:\t0"), "it runs as root:\n{status}");
    let mounts = std::fs::read_to_string(process.join("mountinfo")).unwrap();
    for folder in ["/usr", "/etc"] {
        let read_only = |line: &str| line.contains(&format!(" {folder} ro"));
        assert!(mounts.lines().any(read_only), "{folder} can be written:\n{mounts}");
    }

    // Both ways, and without a word to the daemon.
    let local = stage.world.open_local();
    local
        .execute_batch("UPDATE products SET price=3 WHERE rowid=1")
        .unwrap();
    let server = stage.world.open_remote();
    server
        .execute_batch("UPDATE products SET title='by phone' WHERE rowid=2")
        .unwrap();
    until("both writes are on both sides", || {
        let arrived = |sql: &str| {
            stage
                .world
                .open_remote()
                .query_row(sql, [], |row| row.get::<_, bool>(0))
                .unwrap()
        };
        let came = |sql: &str| {
            stage
                .world
                .open_local()
                .query_row(sql, [], |row| row.get::<_, bool>(0))
                .unwrap()
        };
        let there = arrived("SELECT price=3 FROM products WHERE rowid=1");
        (there && came("SELECT title='by phone' FROM products WHERE rowid=2")).then_some(())
    });
    daemon.until_in_sync();
    stage.world.assert_equal();
    let log = daemon.errors();
    assert!(
        !log.contains(" WARN ") && !log.contains(" ERROR "),
        "it complained: {log}"
    );
}

fn system(account: &str) -> Scope {
    Scope::System {
        account: account.to_owned(),
    }
}

fn unit(binary: &Path, config: Option<PathBuf>, scope: Scope) -> String {
    let service = Service {
        binary: binary.to_owned(),
        config,
        pair: Pair::Only,
        scope,
    };
    render(&service, Manager::Systemd)
}

/// An account with a database, a key and a program, all where it can reach them without /tmp and without /root.
struct Stage {
    world: World,
    unit: PathBuf,
    /// Removed when dropped.
    _account: SystemUser,
}

impl Stage {
    fn set() -> Self {
        let account = SystemUser::with_password("unused");
        let folder = tempfile::Builder::new()
            .prefix("modsync-sandbox-")
            .tempdir_in("/var/lib")
            .unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let world = World::in_folder(folder, Sshd::start());
        modsync::demo::data::create(&world.local(), 20).unwrap();
        std::fs::copy(world.local(), world.remote()).unwrap();
        let binary = world.path("modsyncd");
        std::fs::copy(env!("CARGO_BIN_EXE_modsyncd"), &binary).unwrap();

        let usual = std::fs::read_to_string(world.config_file()).unwrap();
        let keys = world.path("home/keys");
        std::fs::create_dir(&keys).unwrap();
        for name in ["user", "known_hosts"] {
            std::fs::copy(world.sshd.folder().join(name), keys.join(name)).unwrap();
        }
        let config = world.path("sandbox.toml");
        let moved = usual.replace(&world.sshd.folder().display().to_string(), &keys.display().to_string());
        std::fs::write(&config, moved).unwrap();
        std::fs::create_dir(world.state()).unwrap();
        for owned in [keys, world.state(), world.path("laptop"), config.clone()] {
            run(Command::new("chown").args(["-R", &account.name]).arg(owned));
        }
        let unit_file = world.path("modsyncd.service");
        std::fs::write(&unit_file, unit(&binary, Some(config), system(&account.name))).unwrap();
        Self {
            world,
            unit: unit_file,
            _account: account,
        }
    }
}
