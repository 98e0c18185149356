//! The service files as the tools of their systems see them, and what `install` and `uninstall` do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use modsync::service::{
    Folders, InstallOptions, Manager, Pair, Runner, Scope, Service, ServiceError, install, offer_linger, render,
    uninstall,
};
use tempfile::TempDir;

/// Records the command lines; each line of `failing` is a start of one that fails, with what it says.
#[derive(Default)]
struct Recorder {
    calls: Vec<String>,
    failing: Vec<(&'static str, &'static str)>,
    /// What `loginctl show-user` says.
    linger: &'static str,
}

impl Runner for Recorder {
    fn run(&mut self, program: &str, arguments: &[&str]) -> io::Result<Output> {
        let call = format!("{program} {}", arguments.join(" "));
        let failure = self.failing.iter().find(|(start, _)| call.starts_with(start));
        let output = Output {
            status: ExitStatus::from_raw(if failure.is_some() { 256 } else { 0 }),
            stdout: if program == "loginctl" {
                self.linger.into()
            } else {
                Vec::new()
            },
            stderr: failure.map_or("", |(_, said)| said).into(),
        };
        self.calls.push(call);
        Ok(output)
    }
}

struct World {
    folder: TempDir,
    options: InstallOptions,
    recorder: Recorder,
}

impl World {
    fn new(manager: Manager, pair: Pair, scope: Scope) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = InstallOptions {
            service: Service {
                binary: "/opt/modsyncd".into(),
                config: None,
                pair,
                scope,
            },
            manager,
            folders: Folders {
                user: folder.path().join("a/user"),
                system: folder.path().join("system"),
            },
            print: false,
        };
        Self {
            folder,
            options,
            recorder: Recorder::default(),
        }
    }

    fn install(&mut self) -> Result<String, ServiceError> {
        let mut out = Vec::new();
        install(&self.options, &mut self.recorder, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn uninstall(&mut self) -> Result<String, ServiceError> {
        let mut out = Vec::new();
        uninstall(&self.options, &mut self.recorder, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// What is said of lingering to somebody who answers that.
    fn linger(&mut self, yes: bool) -> String {
        let mut out = Vec::new();
        offer_linger(&self.options, &mut self.recorder, &mut out, |_| Ok(yes)).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.recorder.calls)
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

fn system() -> Scope {
    Scope::System {
        account: "root".to_owned(),
    }
}

#[test]
fn a_user_unit_is_written_enabled_and_started_then_removed() {
    let mut world = World::new(Manager::Systemd, Pair::Only, Scope::User);
    let file = world.file("a/user/modsyncd.service");

    let said = world.install().unwrap();
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        render(&world.options.service, Manager::Systemd)
    );
    assert_eq!(
        world.calls(),
        [
            "systemctl --user daemon-reload",
            "systemctl --user enable modsyncd.service",
            "systemctl --user restart modsyncd.service"
        ]
    );
    assert!(said.contains("modsyncd.service is enabled and runs"), "{said}");

    world.uninstall().unwrap();
    assert!(!file.exists());
    assert_eq!(
        world.calls(),
        [
            "systemctl --user disable --now modsyncd.service",
            "systemctl --user daemon-reload"
        ]
    );
}

#[test]
fn a_named_system_unit_goes_to_the_machine() {
    let mut world = World::new(Manager::Systemd, Pair::Named("shop".to_owned()), system());
    let said = world.install().unwrap();
    assert!(world.file("system/modsyncd@shop.service").exists());
    assert_eq!(
        world.calls(),
        [
            "id -u root",
            "systemctl daemon-reload",
            "systemctl enable modsyncd@shop.service",
            "systemctl restart modsyncd@shop.service"
        ]
    );
    assert!(said.contains("modsyncd@shop.service is enabled and runs"), "{said}");
    assert_eq!(world.linger(true), "", "it runs from boot on as it is");
    assert!(world.calls().is_empty());
}

#[test]
fn a_system_unit_without_its_account_is_not_installed() {
    let mut world = World::new(Manager::Systemd, Pair::Only, system());
    world.recorder.failing.push(("id -u root", "no such user"));
    let error = world.install().unwrap_err().to_string();
    assert!(
        error.contains("there is no account root") && error.contains("useradd --system"),
        "{error}"
    );
    assert!(!world.file("system").exists());
}

#[test]
fn lingering_is_explained_and_turned_on_after_a_yes_alone() {
    let mut world = World::new(Manager::Systemd, Pair::Only, Scope::User);
    let user = rustix::process::getuid().as_raw();
    let asked = format!("loginctl show-user {user} --property=Linger");
    world.recorder.linger = "Linger=no\n";
    let said = world.linger(false);
    assert!(
        said.contains("stops it when you log out") && said.contains("loginctl enable-linger"),
        "{said}"
    );
    assert_eq!(world.calls(), [&*asked]);
    let said = world.linger(true);
    assert!(said.contains("lingering is on"), "{said}");
    assert_eq!(world.calls(), [&*asked, "loginctl enable-linger"]);

    world.recorder.linger = "Linger=yes\n";
    assert_eq!(world.linger(true), "", "nothing to explain");
    assert_eq!(world.calls(), [asked]);
}

#[test]
fn a_launchd_agent_replaces_the_one_that_is_loaded() {
    let mut world = World::new(Manager::Launchd, Pair::Only, system());
    // What launchctl says when there is none.
    world
        .recorder
        .failing
        .push(("launchctl bootout", "Boot-out failed: 3: No such process"));
    world.install().unwrap();
    let file = world.file("system/com.modsync.modsyncd.plist");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        render(&world.options.service, Manager::Launchd)
    );
    assert_eq!(
        world.calls(),
        [
            "id -u root".to_owned(),
            "launchctl bootout system/com.modsync.modsyncd".to_owned(),
            "launchctl enable system/com.modsync.modsyncd".to_owned(),
            format!("launchctl bootstrap system {}", file.display()),
        ]
    );
}

#[test]
fn print_shows_the_file_and_does_nothing() {
    let mut world = World::new(Manager::Systemd, Pair::Only, Scope::User);
    world.options.print = true;
    assert_eq!(
        world.install().unwrap(),
        render(&world.options.service, Manager::Systemd)
    );
    assert!(world.calls().is_empty());
    assert!(!world.file("a").exists());
}

#[test]
fn without_a_systemd_of_the_user_the_error_says_what_to_do() {
    let mut world = World::new(Manager::Systemd, Pair::Only, Scope::User);
    world
        .recorder
        .failing
        .push(("systemctl", "Failed to connect to bus: No medium found"));
    let error = world.install().unwrap_err().to_string();
    assert_eq!(
        error,
        "systemctl --user daemon-reload failed: Failed to connect to bus: No medium found; there is no systemd of this \
         user here: log in properly (not by su or sudo), or use --system"
    );
}

#[test]
fn what_is_not_installed_need_not_be_uninstalled() {
    let mut world = World::new(Manager::Systemd, Pair::Only, Scope::User);
    let said = world.uninstall().unwrap();
    assert!(said.starts_with("modsyncd.service is not installed"), "{said}");
    assert!(world.calls().is_empty());
}

#[test]
fn a_template_cannot_be_installed() {
    let mut world = World::new(Manager::Systemd, Pair::Template, Scope::User);
    assert!(matches!(world.install(), Err(ServiceError::Template)));
    assert!(!world.file("a").exists());
}

/// The daemon that was just built: `systemd-analyze verify` wants the program to be there.
fn built(pair: Pair, scope: Scope) -> Service {
    Service {
        binary: env!("CARGO_BIN_EXE_modsyncd").into(),
        config: None,
        pair,
        scope,
    }
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for (manager, scope) in [("--user", Scope::User), ("--system", system())] {
        for pair in [Pair::Only, Pair::Template, Pair::Named("shop".to_owned())] {
            let service = built(pair, scope.clone());
            // A template is checked by one of its instances.
            let name = service.unit_name().replace("@.", "@blue.");
            let file = folder.path().join(&name);
            std::fs::write(&file, render(&service, Manager::Systemd)).unwrap();
            let output = verify(manager, &file, folder.path());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && !said.contains(&name),
                "{manager} {name}: {said}"
            );
        }
    }
}

#[cfg(target_os = "linux")]
fn verify(manager: &str, file: &Path, runtime: &Path) -> Output {
    Command::new("systemd-analyze")
        .args([manager, "verify"])
        .arg(file)
        .env("XDG_RUNTIME_DIR", runtime)
        .output()
        .expect("systemd-analyze: install the package systemd")
}

#[test]
fn python_reads_the_property_lists() {
    let folder = tempfile::tempdir().unwrap();
    for scope in [Scope::User, system()] {
        let service = Service {
            config: Some("/Users/a&b/<c>.toml".into()),
            ..built(Pair::Only, scope.clone())
        };
        let file = folder.path().join("agent.plist");
        std::fs::write(&file, render(&service, Manager::Launchd)).unwrap();
        let script = "import plistlib, sys; d = plistlib.load(open(sys.argv[1], 'rb'))
print(d['ProgramArguments'][1:], d['RunAtLoad'], d['KeepAlive'], d['Umask'], d.get('UserName'))";
        let output = Command::new("python3")
            .args(["-c", script])
            .arg(&file)
            .output()
            .expect("install python3");
        let account = if scope == Scope::User { "None" } else { "root" };
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("['run', '--config', '/Users/a&b/<c>.toml'] True {{'SuccessfulExit': False}} 63 {account}\n"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
