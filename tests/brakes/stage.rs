//! How a scenario is played: a pair in sync, a damage, what is said of it, and the way on.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use modsync::model::Side;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};

use crate::support::daemon::{Answer, Daemon};
use crate::support::world::World;

/// What a damage is done to.
pub struct Stage {
    /// What has to end before the world does: a process that holds a lock, a disk.
    pub held: Vec<Box<dyn std::any::Any>>,
    pub world: World,
    pub side: Side,
}

/// How the person goes on.
pub enum WayOn {
    /// Pastes the command of that number in the hint, from 0; then both sides are alike.
    Paste(usize),
    /// Puts right what was damaged, and asks for a cycle.
    PutRight(fn(&mut Stage)),
}

/// Files that must not change, and the generations of both bases.
#[derive(Debug, PartialEq)]
struct Evidence {
    files: BTreeMap<PathBuf, Vec<u8>>,
    generations: Vec<Option<(String, i64)>>,
}

impl Stage {
    /// The database of the side that is damaged.
    pub fn path(&self) -> PathBuf {
        self.path_of(self.side)
    }

    pub fn path_of(&self, side: Side) -> PathBuf {
        match side {
            Side::Local => self.world.local(),
            Side::Server => self.world.remote(),
        }
    }

    pub fn open(&self) -> Connection {
        let database = crate::support::world::open(&self.path());
        database.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
        database
    }

    /// Runs SQL on the side that is damaged.
    pub fn run(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    /// The base's file of a side.
    pub fn base(&self, side: Side) -> PathBuf {
        match side {
            Side::Local => self.world.state().join("base.db"),
            Side::Server => {
                let names = std::fs::read_dir(self.world.remote_state()).unwrap();
                let mut paths = names.map(|entry| entry.unwrap().path());
                paths
                    .find(|path| path.extension().is_some_and(|kind| kind == "db"))
                    .unwrap()
            }
        }
    }

    fn evidence(&self) -> Evidence {
        let mut files = BTreeMap::new();
        for side in [Side::Local, Side::Server] {
            let path = self.path_of(side);
            for companion in ["", "-wal"] {
                let path = PathBuf::from(format!("{}{companion}", path.display()));
                if let Ok(bytes) = std::fs::read(&path) {
                    files.insert(path, bytes);
                }
            }
        }
        Evidence {
            files,
            generations: [Side::Local, Side::Server]
                .map(|side| generation(&self.base(side)))
                .into(),
        }
    }
}

/// The generation that a base's file has.
pub fn generation(base: &Path) -> Option<(String, i64)> {
    let connection = Connection::open_with_flags(base, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let row = connection.query_row("SELECT lineage, number FROM meta", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    row.ok()
}

/// A daemon that does nothing by itself but look at the laptop's file.
pub fn calm(mut world: World) -> World {
    world.settings.insert("sync", "poll = \"1h\"\nwatch = false".to_owned());
    world
}

/// A pair that has synced, with a backup on the server and nothing left to do.
pub fn in_sync(world: World, side: Side) -> (Stage, Daemon) {
    let world = calm(world);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let stage = Stage {
        world,
        side,
        held: Vec::new(),
    };
    (stage, daemon)
}

/// Sixty products, and one cycle that took a backup.
pub fn products(side: Side) -> (Stage, Daemon) {
    let (stage, daemon) = in_sync(World::with_products(60), side);
    stage.world.python(&["--count", "1"]);
    let done = daemon.sync(&[], 0);
    assert!(done["backup"].is_string(), "{done:#}");
    (stage, daemon)
}

/// Plays a scenario to its end: the damage comes while the daemon runs.
pub fn play(name: &str, code: i32, (mut stage, daemon): (Stage, Daemon), damage: fn(&mut Stage), way_on: &WayOn) {
    damage(&mut stage);
    let before = stage.evidence();
    see_through(name, code, (stage, daemon), &before, way_on);
}

/// The same where the damage comes while the daemon is stopped.
pub fn play_at_rest(
    name: &str,
    code: i32,
    (mut stage, mut daemon): (Stage, Daemon),
    damage: fn(&mut Stage),
    way_on: &WayOn,
) {
    daemon.terminate();
    damage(&mut stage);
    let before = stage.evidence();
    daemon.again();
    see_through(name, code, (stage, daemon), &before, way_on);
}

fn see_through(name: &str, code: i32, (mut stage, daemon): (Stage, Daemon), before: &Evidence, way_on: &WayOn) {
    let told = tell(&stage, &daemon, code);
    assert_same(&stage.evidence(), before);
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(format!("{name}-{}", stage.side), told);
    });
    go_on(&mut stage, &daemon, way_on);
}

fn assert_same(now: &Evidence, before: &Evidence) {
    let names = |evidence: &Evidence| evidence.files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(now), names(before));
    for (path, bytes) in &now.files {
        assert!(before.files[path] == *bytes, "{} was written", path.display());
    }
    assert_eq!(now.generations, before.generations, "a base has moved");
}

/// Sees that a cycle stops or holds for a reason that names these, writes nothing, and goes on afterwards.
pub fn stops((mut stage, daemon): (Stage, Daemon), damage: fn(&mut Stage), names: &[&str], way_on: &WayOn) {
    damage(&mut stage);
    let before = stage.evidence();
    let told = tell(&stage, &daemon, 4);
    assert_same(&stage.evidence(), &before);
    for name in names {
        assert!(told.contains(name), "{name} is not told: {told}");
    }
    go_on(&mut stage, &daemon, way_on);
}

/// Asks for a cycle, twice, and for the status; what is said, and that the exit codes are as expected.
fn tell(stage: &Stage, daemon: &Daemon, code: i32) -> String {
    let text = daemon.ctl(&["sync-now"]);
    let (json_code, summary) = daemon.json(&["sync-now"]);
    daemon.until_status("a person is asked for", |status| status["state"] == "attention");
    let (status_code, status) = daemon.json(&["status"]);
    assert_ne!(status["in_sync"], true);
    assert_eq!(
        (text.code, json_code, status_code),
        (code, code, 4),
        "{text:?}\n{summary:#}\n{status:#}"
    );
    let pick = |document: &Json, fields: &[&str]| -> Json {
        let picked = fields
            .iter()
            .filter_map(|field| Some((*field, document.get(field)?.clone())));
        json!(picked.collect::<BTreeMap<_, _>>())
    };
    let cycle = [
        "code", "error", "hint", "outcome", "reason", "held", "pulled", "pushed", "deleted", "backup",
    ];
    let mut standing = pick(&status, &["state", "reason", "recommendation"]);
    standing["last_cycle"] = pick(&status["last_cycle"], &["outcome", "reason", "hint", "held"]);
    let told = format!(
        "$ modsyncctl sync-now\n{}exit code {}\n\n$ modsyncctl sync-now --json\n{:#}\n\n$ modsyncctl status --json\n{:#}\n",
        text.out + &text.err,
        text.code,
        pick(&summary, &cycle),
        standing
    );
    redacted(stage, &told)
}

/// Without what is another one each time.
fn redacted(stage: &Stage, told: &str) -> String {
    let sshd = &stage.world.sshd;
    let known_hosts = sshd.folder().join("known_hosts");
    let told = told
        .replace(&format!("-i {} ", sshd.user_key().display()), "")
        .replace(&format!("-o 'UserKnownHostsFile={}' ", known_hosts.display()), "")
        .replace(stage.world.path("").to_str().unwrap(), "/")
        .replace(&stage.world.port.to_string(), "PORT")
        .replace(&format!("{}@", stage.world.user), "USER@");
    let told = mask(&told, "backup_", |c| c.is_ascii_digit() || c == '_');
    let told = mask(&told, "damaged-", |c| c.is_ascii_digit() || c == '_');
    let told = mask(&told, "near line ", |c| c.is_ascii_digit());
    let told = mask(&told, "on /site/products.db: ", |c| {
        c != ':' && c != ';' && c != '"' && c != '\n'
    });
    let told = mask(&told, "server database: ", |c| c != ' ');
    let told = mask(&told, "is damaged: ", |c| c != ';');
    let lines = told.lines().filter(|line| !line.contains("round trip"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What follows each `mark`, as long as it consists of such characters, as `[…]`.
fn mask(text: &str, mark: &str, of: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |masked, part| {
        masked + mark + "[…]" + part.trim_start_matches(&of)
    })
}

fn go_on(stage: &mut Stage, daemon: &Daemon, way_on: &WayOn) {
    match way_on {
        WayOn::Paste(number) => {
            let status = daemon.status();
            let hint = status["recommendation"].as_str().unwrap();
            let command = hint
                .split('`')
                .skip(1)
                .step_by(2)
                .nth(*number)
                .unwrap_or_else(|| panic!("no such command: {hint}"));
            let pasted = paste(stage, command);
            assert_eq!(pasted.code, 0, "{command}: {pasted:?}");
        }
        WayOn::PutRight(put_right) => {
            put_right(stage);
            daemon.sync(&[], 0);
        }
    }
    stage.world.assert_equal();
    let again = daemon.sync(&[], 0);
    assert_eq!(again["outcome"], "unchanged", "{again:#}");
    let status = daemon.until_in_sync();
    assert!(status["reason"].is_null(), "{status:#}");
}

/// Runs a command as the person would in a terminal. `ssh` goes to this machine, and a question is answered with yes.
pub fn paste(stage: &Stage, command: &str) -> Answer {
    let bin = stage.world.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let socket = stage.world.socket();
    let ctl = format!(
        "#!/bin/sh\ncase \"$*\" in *--allow-deletes*) set -- \"$@\" --yes;; esac\nexport MODSYNC_SOCKET='{}'\nexec '{}' \"$@\"\n",
        socket.display(),
        env!("CARGO_BIN_EXE_modsyncctl")
    );
    let ssh = "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n";
    for (name, script) in [("modsyncctl", ctl.as_str()), ("ssh", ssh)] {
        std::fs::write(bin.join(name), script).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", command])
        .env("PATH", path)
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
