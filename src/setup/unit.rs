//! `modsyncd install` and `uninstall`: from their flags to the service, and what a person is asked.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::terminal::Terminal;
use crate::config::{Environment, LoadOptions, load};
use crate::service::{self, Commands, Folders, InstallOptions, LINGER_QUESTION, Manager, Pair, Scope, Service};

/// What `install` takes.
#[derive(Args, Debug)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    unit: Unit,
    /// Only show the file.
    #[arg(long)]
    print: bool,
    /// Have it run without a login, too: turns systemd's lingering on for this user.
    #[arg(long, conflicts_with = "system")]
    linger: bool,
}

/// Which service.
#[derive(Args, Debug)]
pub(super) struct Unit {
    /// The config file, where it is not the usual one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The pair of that name.
    #[arg(long, conflicts_with = "config")]
    name: Option<String>,
    /// A service of the machine instead of this user's.
    #[arg(long)]
    system: bool,
    /// The account that a system service runs as [default: who called sudo, else root].
    #[arg(long, requires = "system")]
    account: Option<String>,
}

/// Writes the service's file, and has it start now and from now on.
///
/// # Errors
/// When the config could not be used, or the service manager refuses.
pub(super) fn install(args: InstallArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let options = args.unit.options(args.print)?;
    if !args.print {
        must_have_config(&options)?;
    }
    service::install(&options, &mut Commands, out)?;
    let linger = args.linger;
    service::offer_linger(&options, &mut Commands, out, |out| {
        if linger {
            return Ok(true);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut terminal = Terminal::of_process(out);
        runtime
            .block_on(terminal.agrees(LINGER_QUESTION))
            .map_err(std::io::Error::other)
    })?;
    Ok(())
}

/// Stops the service and removes its file.
///
/// # Errors
/// When the service manager refuses, or the file cannot be removed.
pub(super) fn uninstall(unit: Unit, out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(service::uninstall(&unit.options(false)?, &mut Commands, out)?)
}

/// A service without a config that can be used would only fail to start.
fn must_have_config(options: &InstallOptions) -> anyhow::Result<()> {
    let service = &options.service;
    let name = match &service.pair {
        Pair::Named(name) => Some(name.clone()),
        Pair::Only | Pair::Template => None,
    };
    let which = LoadOptions {
        file: service.config.clone(),
        name,
        system: service.scope != Scope::User,
        ..LoadOptions::default()
    };
    load(&which)
        .map(drop)
        .context("the service was not installed, for it could not start")
}

impl Unit {
    fn options(self, print: bool) -> anyhow::Result<InstallOptions> {
        let manager = if print && !cfg!(target_os = "macos") {
            Manager::Systemd
        } else {
            Manager::here()?
        };
        let environment = Environment::of_process();
        let account = self.account.or_else(|| environment.get("SUDO_USER").map(str::to_owned));
        let scope = match self.system {
            true => Scope::System {
                account: account.unwrap_or_else(|| "root".to_owned()),
            },
            false => Scope::User,
        };
        let config_home = environment
            .get("XDG_CONFIG_HOME")
            .map_or_else(|| environment.home().join(".config"), PathBuf::from);
        Ok(InstallOptions {
            folders: Folders::usual(manager, environment.home(), &config_home),
            service: Service {
                binary: std::env::current_exe()?,
                config: self.config.map(std::path::absolute).transpose()?,
                pair: self.name.map_or(Pair::Only, Pair::Named),
                scope,
            },
            manager,
            print,
        })
    }
}
