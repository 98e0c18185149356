//! Putting the service in place, and taking it away.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Manager, Pair, Scope, Service, render};

/// What to install or uninstall, and where.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// The daemon.
    pub service: Service,
    /// Who is to run it.
    pub manager: Manager,
    /// The folders of its file.
    pub folders: Folders,
    /// Only show the file.
    pub print: bool,
}

/// The folders in which service managers look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The user's, for [`Scope::User`].
    pub user: PathBuf,
    /// The machine's, for [`Scope::System`].
    pub system: PathBuf,
}

impl Folders {
    /// The usual ones. `config_home` is `$XDG_CONFIG_HOME` or `~/.config`; only systemd looks there.
    #[must_use]
    pub fn usual(manager: Manager, home: &Path, config_home: &Path) -> Self {
        match manager {
            Manager::Systemd => Self {
                user: config_home.join("systemd/user"),
                system: "/etc/systemd/system".into(),
            },
            Manager::Launchd => Self {
                user: home.join("Library/LaunchAgents"),
                system: "/Library/LaunchDaemons".into(),
            },
        }
    }
}

/// Runs `systemctl` and `launchctl`; tests record instead.
pub trait Runner {
    /// Runs a program to its end, with no input.
    ///
    /// # Errors
    /// When it cannot be started.
    fn run(&mut self, program: &str, arguments: &[&str]) -> io::Result<Output>;
}

/// Runs them for real.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commands;

impl Runner for Commands {
    fn run(&mut self, program: &str, arguments: &[&str]) -> io::Result<Output> {
        Command::new(program).args(arguments).stdin(Stdio::null()).output()
    }
}

/// Why the service could not be installed or uninstalled.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Neither systemd nor launchd.
    #[error(
        "install the service: systemd does not run this machine; start `modsyncd run` from its init, or see the unit \
         with `modsyncd install --print`"
    )]
    NoManager,
    /// A template cannot be installed, only its instances.
    #[error("install the service: a template has no database of its own; give a --name")]
    Template,
    /// The account of a system service is not there.
    #[error(
        "install the service: there is no account {0}; name one with --account, best the one whose database it is, or make \
         it: useradd --system --home-dir /var/lib/modsync --shell /usr/sbin/nologin {0}"
    )]
    NoAccount(String),
    /// A file or folder.
    #[error("{action} {}: {source}{}", path.display(), root_hint(source))]
    File {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("run {command}: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program failed.
    #[error("{command} failed: {said}{}", hint_for(said))]
    Failed {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// The text could not be shown.
    #[error("write the answer: {0}")]
    Output(io::Error),
}

fn root_hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "; a system service needs root: run it again with sudo, or leave --system out"
    } else {
        ""
    }
}

fn hint_for(said: &str) -> &'static str {
    if said.contains("Failed to connect to") {
        "; there is no systemd of this user here: log in properly (not by su or sudo), or use --system"
    } else {
        ""
    }
}

/// Writes the service's file, has it start now and from now on. Installing again is an update: the daemon restarts.
///
/// # Errors
/// See [`ServiceError`]. The file stays when the manager refuses it, to be looked at.
pub fn install(options: &InstallOptions, runner: &mut dyn Runner, out: &mut dyn Write) -> Result<(), ServiceError> {
    let service = &options.service;
    let text = render(service, options.manager);
    if options.print {
        return out.write_all(text.as_bytes()).map_err(ServiceError::Output);
    }
    if service.pair == Pair::Template {
        return Err(ServiceError::Template);
    }
    must_have_account(&service.scope, runner)?;
    let path = options.path();
    write_file(&path, &text)?;
    say(out, &format!("wrote {}", path.display()))?;
    for call in start_calls(options, &path) {
        call.run(runner)?;
    }
    say(out, &format!("{} is enabled and runs", options.called()))
}

/// Stops the service and removes its file. The config, the databases and the daemon's state stay.
///
/// # Errors
/// See [`ServiceError`]. A service that is not there is no error.
pub fn uninstall(options: &InstallOptions, runner: &mut dyn Runner, out: &mut dyn Write) -> Result<(), ServiceError> {
    let path = options.path();
    if !path.exists() {
        return say(
            out,
            &format!("{} is not installed: there is no {}", options.called(), path.display()),
        );
    }
    for call in stop_calls(options) {
        call.run(runner)?;
    }
    std::fs::remove_file(&path).map_err(|source| ServiceError::File {
        action: "remove",
        path: path.clone(),
        source,
    })?;
    if options.manager == Manager::Systemd {
        systemctl(&options.service.scope, &["daemon-reload"]).run(runner)?;
    }
    say(
        out,
        &format!("stopped {} and removed {}", options.called(), path.display()),
    )
}

impl InstallOptions {
    /// The service's file.
    fn path(&self) -> PathBuf {
        let folder = match self.service.scope {
            Scope::User => &self.folders.user,
            Scope::System { .. } => &self.folders.system,
        };
        folder.join(self.service.file_name(self.manager))
    }

    /// What the manager calls the service.
    fn called(&self) -> String {
        match self.manager {
            Manager::Systemd => self.service.unit_name(),
            Manager::Launchd => self.service.label(),
        }
    }

    /// launchd's domain of the service.
    fn domain(&self) -> String {
        match self.service.scope {
            Scope::User => format!("gui/{}", rustix::process::getuid().as_raw()),
            Scope::System { .. } => "system".to_owned(),
        }
    }
}

/// A system service whose account is missing would be started, and fail, again and again.
fn must_have_account(scope: &Scope, runner: &mut dyn Runner) -> Result<(), ServiceError> {
    let Scope::System { account } = scope else {
        return Ok(());
    };
    let known = runner
        .run("id", &["-u", account])
        .map_err(|source| ServiceError::Start {
            command: format!("id -u {account}"),
            source,
        })?;
    if known.status.success() {
        return Ok(());
    }
    Err(ServiceError::NoAccount(account.clone()))
}

/// A command line, and whether it may fail.
pub(super) struct Call {
    program: &'static str,
    arguments: Vec<String>,
    may_fail: bool,
}

impl Call {
    pub(super) fn run(&self, runner: &mut dyn Runner) -> Result<(), ServiceError> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let command = || format!("{} {}", self.program, self.arguments.join(" "));
        let output = runner
            .run(self.program, &arguments)
            .map_err(|source| ServiceError::Start {
                command: command(),
                source,
            })?;
        if output.status.success() || self.may_fail {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(ServiceError::Failed {
            command: command(),
            said: if said.is_empty() {
                output.status.to_string()
            } else {
                said
            },
        })
    }
}

fn systemctl(scope: &Scope, arguments: &[&str]) -> Call {
    let user = (*scope == Scope::User).then_some("--user");
    Call {
        program: "systemctl",
        arguments: user
            .into_iter()
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect(),
        may_fail: false,
    }
}

/// A call of `loginctl` for whoever runs this.
pub(super) fn loginctl(arguments: &[&str]) -> Call {
    Call {
        program: "loginctl",
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        may_fail: false,
    }
}

fn launchctl(arguments: [&str; 2], path: Option<&Path>, may_fail: bool) -> Call {
    let path = path.map(|path| path.to_string_lossy().into_owned());
    Call {
        program: "launchctl",
        arguments: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .chain(path)
            .collect(),
        may_fail,
    }
}

fn start_calls(options: &InstallOptions, path: &Path) -> Vec<Call> {
    let name = options.called();
    match options.manager {
        Manager::Systemd => {
            let scope = &options.service.scope;
            vec![
                systemctl(scope, &["daemon-reload"]),
                systemctl(scope, &["enable", &name]),
                systemctl(scope, &["restart", &name]),
            ]
        }
        Manager::Launchd => {
            let domain = options.domain();
            let target = format!("{domain}/{name}");
            vec![
                // An older one, if there is one.
                launchctl(["bootout", &target], None, true),
                // `bootstrap` refuses a service that was disabled once.
                launchctl(["enable", &target], None, false),
                launchctl(["bootstrap", &domain], Some(path), false),
            ]
        }
    }
}

fn stop_calls(options: &InstallOptions) -> Vec<Call> {
    let name = options.called();
    match options.manager {
        Manager::Systemd => vec![systemctl(&options.service.scope, &["disable", "--now", &name])],
        // It fails when the service is not loaded, and then there is nothing to stop.
        Manager::Launchd => vec![launchctl(
            ["bootout", &format!("{}/{name}", options.domain())],
            None,
            true,
        )],
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), ServiceError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ServiceError::File { action, path, source }
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    }
    std::fs::write(path, text).map_err(failed("write", path))
}

pub(super) fn say(out: &mut dyn Write, line: &str) -> Result<(), ServiceError> {
    writeln!(out, "{line}").map_err(ServiceError::Output)
}
