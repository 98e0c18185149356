//! A pair to examine, with a daemon or without.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::support::daemon::{Answer, Daemon};
use super::support::world::World;

/// A report that was asked for.
#[derive(Debug)]
pub struct Report {
    pub code: i32,
    pub json: Json,
}

impl Report {
    /// The check of that name.
    #[track_caller]
    pub fn check(&self, name: &str) -> &Json {
        let mut checks = self.json["checks"].as_array().unwrap().iter();
        checks
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no check {name}: {:#}", self.json))
    }

    /// The names of the checks that are false.
    pub fn wrong(&self) -> Vec<&str> {
        let checks = self.json["checks"].as_array().unwrap().iter();
        let wrong = checks.filter(|check| check["ok"] == false);
        wrong.map(|check| check["name"].as_str().unwrap()).collect()
    }

    /// Fails unless exactly this check is false, with these words in it; its fix.
    #[track_caller]
    pub fn assert_wrong(&self, name: &str, words: &[&str]) -> String {
        assert_eq!(self.wrong(), [name], "{:#}", self.json);
        self.assert_among_wrong(name, words)
    }

    /// The same, where others may be false besides.
    #[track_caller]
    pub fn assert_among_wrong(&self, name: &str, words: &[&str]) -> String {
        let check = self.check(name);
        let detail = check["detail"].as_str().unwrap();
        assert_eq!(check["ok"], false, "{check:#}");
        for word in words {
            assert!(detail.contains(word), "{word:?} is not in {detail:?}");
        }
        assert!(self.json["duration_ms"].as_u64().unwrap() < 5000, "{:#}", self.json);
        check["fix"]
            .as_str()
            .unwrap_or_else(|| panic!("no fix: {check:#}"))
            .to_owned()
    }

    #[track_caller]
    pub fn assert_well(&self) {
        assert_eq!((self.code, self.wrong()), (0, vec![]), "{:#}", self.json);
        assert_eq!(self.json["ok"], true);
    }
}

/// Asks the daemon.
pub fn ask(daemon: &Daemon) -> Report {
    let (code, json) = daemon.json(&["doctor"]);
    Report { code, json }
}

/// Examines without a daemon.
pub fn examine(world: &World) -> Report {
    examine_in(world, &[])
}

/// The same with variables in its environment.
pub fn examine_in(world: &World, environment: &[(&str, &str)]) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_modsyncd"))
        .args(["doctor", "--json", "--config"])
        .arg(world.config_file())
        .env("HOME", world.path("home"))
        .env_remove("SSH_AUTH_SOCK")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Report {
        code: output.status.code().unwrap(),
        json: serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Puts a program before those of its name on the server.
pub fn instead_of(world: &World, name: &str, script: &str) {
    let bin = world.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    set_mode(&bin.join(name), 0o755);
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a fix as a person would in a terminal, where `ssh` asks nothing that is not answered with yes.
pub fn paste(world: &World, fix: &str) -> Answer {
    let bin = world.path("pasted");
    std::fs::create_dir_all(&bin).unwrap();
    let ssh = "#!/bin/sh\nexec /usr/bin/ssh -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes \"$@\"\n";
    let ctl = format!(
        "#!/bin/sh\nMODSYNC_SOCKET='{}' exec '{}' \"$@\"\n",
        world.socket().display(),
        env!("CARGO_BIN_EXE_modsyncctl")
    );
    for (name, script) in [("ssh", ssh), ("modsyncctl", ctl.as_str())] {
        std::fs::write(bin.join(name), script).unwrap();
        set_mode(&bin.join(name), 0o755);
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").args(["-c", fix]).env("PATH", path).output().unwrap();
    let answer = Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(answer.code, 0, "{fix}: {answer:?}");
    answer
}
