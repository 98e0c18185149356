//! `modsyncd check-config`: every mistake, or what is in effect.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::build::ENGINES;
use super::quantity::format_size;
use super::ssh_config::{SshTarget, resolve_noting};
use super::{Config, EngineChoice, LoadOptions, Loaded, TableConfig, format_duration, load_noting};

/// The configuration can be used.
const GOOD: u8 = 0;
/// It cannot, or the report could not be written.
const FAILED: u8 = 1;

/// Checks a configuration and the ssh_config that it relies on, without the network and without looking at the
/// databases. Writes each mistake on a line, or else what is in effect, and returns the exit code: 0 when the
/// configuration can be used, 1 when it cannot. Secrets and the commands that print them are not shown.
pub fn check(options: &LoadOptions, out: &mut dyn Write) -> u8 {
    try_check(options, out).unwrap_or(FAILED)
}

fn try_check(options: &LoadOptions, out: &mut dyn Write) -> io::Result<u8> {
    let loaded = match load_noting(options) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(out, "{errors}")?;
            return Ok(FAILED);
        }
    };
    let environment = &options.environment;
    let remote = &loaded.config.remote;
    let (target, notes) = match resolve_noting(remote, environment.home(), &environment.login_user(), environment) {
        Ok(resolved) => resolved,
        Err(error) => {
            writeln!(out, "{error}")?;
            return Ok(FAILED);
        }
    };
    for warning in loaded.warnings.iter().chain(&notes) {
        writeln!(out, "warning: {warning}")?;
    }
    summary(&loaded, &target, out)?;
    Ok(GOOD)
}

fn summary(loaded: &Loaded, target: &SshTarget, out: &mut dyn Write) -> io::Result<()> {
    let file = loaded.places.file.display();
    if loaded.from_file {
        writeln!(out, "{file}: no mistakes. In effect:")?;
    } else {
        writeln!(
            out,
            "{file}: not there; the environment and the command line say enough. In effect:"
        )?;
    }
    for (key, value) in effective(&loaded.config) {
        writeln!(out, "  {key:<23} {value}")?;
    }
    for table in &loaded.config.tables {
        writeln!(out, "  {:<23} {}", format!("table {}", table.name), describe(table))?;
    }
    writeln!(out, "  {:<23} {}", "connection", route(target))
}

/// Every key with its value, in the file's order; unset ones are left out.
fn effective(config: &Config) -> Vec<(&'static str, String)> {
    let Config {
        local,
        remote,
        sync,
        safety,
        backup,
        history,
        daemon,
        log,
        tables: _,
    } = config;
    let hidden = |command: &Option<String>| command.as_ref().map(|_| "(a command, not shown)".to_owned());
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let rows = [
        ("local.database", some(local.database.display())),
        ("local.timezone", zone(&local.timezone)),
        ("remote.host", some(&remote.host)),
        ("remote.user", remote.user.clone()),
        ("remote.port", remote.port.map(|port| port.to_string())),
        ("remote.identity_file", path(&remote.identity_file)),
        ("remote.proxy_jump", remote.proxy_jump.clone()),
        ("remote.database", some(&remote.database)),
        ("remote.engine", some(engine(remote.engine))),
        ("remote.timezone", zone(&remote.timezone)),
        ("remote.known_hosts", path(&remote.known_hosts)),
        ("remote.password_command", hidden(&remote.password_command)),
        ("remote.passphrase_command", hidden(&remote.passphrase_command)),
        ("remote.ssh_config", path(&remote.ssh_config)),
        ("remote.connect_timeout", time(remote.connect_timeout)),
        ("sync.watch", some(sync.watch)),
        ("sync.debounce", time(sync.debounce)),
        ("sync.max_delay", time(sync.max_delay)),
        ("sync.schedule", some(sync.schedule.as_deref().unwrap_or("off"))),
        ("sync.poll", time(sync.poll)),
        (
            "safety.max_delete",
            some(format!("{}%", (safety.max_delete * 1e6).round() / 1e4)),
        ),
        ("safety.max_answer", some(format_size(safety.max_answer))),
        ("backup.enabled", some(backup.enabled)),
        ("backup.min_interval", time(backup.min_interval)),
        ("backup.keep_last", some(backup.keep_last)),
        ("backup.keep_daily", some(backup.keep_daily)),
        ("history.keep_days", some(history.keep_days)),
        ("history.max_size", some(format_size(history.max_size))),
        ("daemon.state_dir", some(daemon.state_dir.display())),
        ("daemon.socket", some(daemon.socket.display())),
        ("log.level", some(&log.level)),
        ("log.keep_days", some(log.keep_days)),
    ];
    rows.into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

fn some(value: impl Display) -> Option<String> {
    Some(value.to_string())
}

fn time(duration: Duration) -> Option<String> {
    Some(format_duration(duration))
}

fn zone(zone: &TimeZone) -> Option<String> {
    zone.iana_name().map(str::to_owned)
}

fn engine(engine: EngineChoice) -> &'static str {
    ENGINES
        .iter()
        .find(|(_, choice)| *choice == engine)
        .map_or("auto", |(name, _)| name)
}

fn describe(table: &TableConfig) -> String {
    if !table.sync {
        return "left out".to_owned();
    }
    let mut parts = Vec::new();
    if !table.key.is_empty() {
        parts.push(format!("key {}", table.key.join(", ")));
    }
    if let Some(column) = &table.last_updated {
        parts.push(format!("last updated by {column}"));
    }
    for group in &table.groups {
        parts.push(format!(
            "{} together, newest by {}",
            group.columns.join(", "),
            group.newest_by
        ));
    }
    if parts.is_empty() {
        "synced".to_owned()
    } else {
        parts.join("; ")
    }
}

/// `root@assess.example.org:22 through ann@bastion:22`.
fn route(target: &SshTarget) -> String {
    let place = |target: &SshTarget| format!("{}@{}:{}", target.user, target.host, target.port);
    let jumps: Vec<String> = target.jumps.iter().map(place).collect();
    if jumps.is_empty() {
        place(target)
    } else {
        format!("{} through {}", place(target), jumps.join(", "))
    }
}
