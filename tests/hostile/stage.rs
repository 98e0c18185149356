//! A laptop with a real daemon, and a server whose `sqlite3` lies when it is told to.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use modsync::demo::data;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::support::daemon::Daemon;
use super::support::sshd::{Options, Sshd};
use super::support::world::World;

/// How much more memory than in honest work a daemon may ever have taken, in KiB, unless a case says otherwise.
pub const MEMORY: u64 = 96 * 1024;

pub struct Stage {
    pub world: World,
    liar: TempDir,
}

impl Stage {
    /// Both databases with the same twenty products, and no cycle but those that are asked for.
    pub fn new() -> Self {
        let mut stage = Self::empty("");
        data::create(&stage.world.local(), 20).unwrap();
        std::fs::copy(stage.world.local(), stage.world.remote()).unwrap();
        stage.quiet();
        stage
    }

    /// Neither database; and more lines of sshd_config.
    pub fn empty(config: &str) -> Self {
        let liar = tempfile::Builder::new().prefix("modsync-liar-").tempdir().unwrap();
        program("liar.py", &liar.path().join("sqlite3"));
        let server = Sshd::with(&Options {
            config: format!(
                "SetEnv PATH={}:{} XDG_STATE_HOME={}\n{config}",
                liar.path().display(),
                std::env::var("PATH").unwrap(),
                liar.path().join("state").display()
            ),
            ..Options::default()
        });
        let mut world = World::on(server);
        world.settings.insert("remote", "engine = \"sqlite3\"".to_owned());
        Self { world, liar }
    }

    /// No cycle but those that are asked for, and no backup: it would be a file of the server's.
    pub fn quiet(&mut self) {
        self.world
            .settings
            .insert("sync", "watch = false\npoll = \"1h\"".to_owned());
        self.world.settings.insert("backup", "enabled = false".to_owned());
    }

    /// What the server lies from now on.
    pub fn lie(&self, rules: &[Json]) {
        let beside = self.liar.path().join("lies.new");
        std::fs::write(&beside, json!(rules).to_string()).unwrap();
        std::fs::rename(beside, self.liar.path().join("lies")).unwrap();
    }

    /// It lies no more.
    pub fn be_honest(&self) {
        std::fs::remove_file(self.liar.path().join("lies")).unwrap();
    }

    /// Both database files, byte for byte.
    pub fn files(&self) -> [Vec<u8>; 2] {
        [self.world.local(), self.world.remote()].map(|path| std::fs::read(path).unwrap())
    }

    /// One row more on each side.
    pub fn change_both(&self) {
        data::laptop_adds(&mut self.world.open_local(), 1).unwrap();
        data::phone_reviews(&mut self.world.open_remote(), 1).unwrap();
    }
}

/// Puts a program of `tests/fixtures` somewhere.
pub fn program(name: &str, to: &Path) {
    let from: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::copy(from, to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The most memory that the daemon ever had, in KiB.
pub fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Asks for a cycle that must fail with that exit code and words that a person can do something with: the words.
pub fn refused(daemon: &Daemon, code: i32, what: &str) -> String {
    let (ended, answer) = daemon.json(&["sync-now"]);
    assert_eq!(ended, code, "{what}: {answer:#}");
    let words = answer["error"]
        .as_str()
        .or(answer["reason"].as_str())
        .unwrap_or_default();
    assert_message(words);
    words.to_owned()
}

/// A message names what was done, to what and why, at a bearable length and without what a terminal would
/// take for a command.
pub fn assert_message(message: &str) {
    assert!(
        (20..1500).contains(&message.len()),
        "{} bytes: {message:.300}",
        message.len()
    );
    assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "{message:?}");
}
