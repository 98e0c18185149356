//! The service that keeps the daemon running: systemd on Linux, launchd on macOS.
//!
//! [`render`] makes the file's text and touches nothing; the files in `systemd/` and `launchd/` are what
//! it gives for [`DEFAULT_BINARY`]. [`install`] and [`uninstall`] put them in place and run `systemctl` or `launchctl`.

mod install;
mod launchd;
mod linger;
mod systemd;

use std::path::{Path, PathBuf};

pub use install::{Commands, Folders, InstallOptions, Runner, ServiceError, install, uninstall};
pub use linger::{LINGER_QUESTION, offer_linger};

/// Where the files in `systemd/` and `launchd/` expect the daemon.
pub const DEFAULT_BINARY: &str = "/usr/local/bin/modsyncd";

/// The account of `systemd/modsyncd-system.service`.
pub const DEFAULT_ACCOUNT: &str = "modsync";

/// One daemon as a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The daemon's program file, absolute.
    pub binary: PathBuf,
    /// The config file, absolute; `None` for the usual one of its pair.
    pub config: Option<PathBuf>,
    /// Which pair of databases it keeps.
    pub pair: Pair,
    /// Whose service it is.
    pub scope: Scope,
}

/// Which of several pairs of databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pair {
    /// The only one, or the one without a name: `config.toml`.
    Only,
    /// The one of that name: `NAME.toml`, and `modsyncd@NAME.service`.
    Named(String),
    /// All named ones: systemd's template, which `systemctl enable modsyncd@NAME` fills in.
    Template,
}

/// Whose service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The user's own: runs while the user is logged in, or always with lingering.
    User,
    /// The machine's: runs from boot on, as that account.
    System {
        /// The account's name.
        account: String,
    },
}

/// The program that runs services here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// systemd, since version 247 (Debian 11, Ubuntu 22.04).
    Systemd,
    /// launchd, since macOS 10.11.
    Launchd,
}

impl Manager {
    /// The one of this machine.
    ///
    /// # Errors
    /// When it has neither: a container, or Linux with another init.
    pub fn here() -> Result<Self, ServiceError> {
        if cfg!(target_os = "macos") {
            Ok(Self::Launchd)
        } else if Path::new("/run/systemd/system").is_dir() {
            // sd_booted(3): the folder is there exactly when systemd is the init.
            Ok(Self::Systemd)
        } else {
            Err(ServiceError::NoManager)
        }
    }
}

/// The text of the service's file: a systemd unit or a launchd property list. Its comments are for who opens it.
#[must_use]
pub fn render(service: &Service, manager: Manager) -> String {
    match manager {
        Manager::Systemd => systemd::unit(service),
        Manager::Launchd => launchd::plist(service),
    }
}

impl Service {
    /// The file's name in the folder of units or agents.
    #[must_use]
    pub fn file_name(&self, manager: Manager) -> String {
        match manager {
            Manager::Systemd => self.unit_name(),
            Manager::Launchd => format!("{}.plist", self.label()),
        }
    }

    /// systemd's name: `modsyncd.service`, `modsyncd@NAME.service`.
    #[must_use]
    pub fn unit_name(&self) -> String {
        match &self.pair {
            Pair::Only => "modsyncd.service".to_owned(),
            Pair::Named(name) => format!("modsyncd@{name}.service"),
            Pair::Template => "modsyncd@.service".to_owned(),
        }
    }

    /// launchd's name: `com.modsync.modsyncd`, `com.modsync.modsyncd.NAME`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.pair {
            Pair::Named(name) => format!("com.modsync.modsyncd.{name}"),
            Pair::Only | Pair::Template => "com.modsync.modsyncd".to_owned(),
        }
    }
}
