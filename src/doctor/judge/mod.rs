//! From what was seen to the checks: pure, one file a part of the way from here to the server's disk.

mod file;
mod home;
mod rights;
mod there;
mod upkeep;
mod way;
mod web;

use super::Subject;
use super::findings::{Findings, Server, Way};
use super::remedy::{note, unknown};
use crate::config::{Config, EngineChoice};
use crate::control::types::{Check, Level};

pub(super) use home::{config, daemon};

/// What is tested behind a login, in order.
const BEHIND_LOGIN: [&str; 11] = [
    "engine",
    "server_database",
    "web_access",
    "journal_mode",
    "schema",
    "clock",
    "server_disk",
    "server_state",
    "web_root",
    "backups",
    "laptops",
];

/// What is tested with a config, in order.
const WITH_CONFIG: [&str; 7] = [
    "state_folder",
    "local_database",
    "local_disk",
    "key",
    crate::control::doctor::SERVER,
    "host_key",
    "login",
];

/// All checks, in the order in which they build on each other.
pub(super) fn all(subject: &Subject, config: &Config, seen: &Findings) -> Vec<Check> {
    let mut checks = vec![self::config(subject), daemon(subject, Some(config), seen)];
    checks.extend(home::disks(config, seen));
    checks.push(way::key(config, seen));
    checks.extend(way::reach(config, seen));
    match &seen.way {
        Some(Way::In(server)) => checks.extend(behind_login(config, seen, server)),
        _ => checks.extend(BEHIND_LOGIN.map(|name| unknown(name, "not tested: nobody could log in"))),
    }
    checks
}

/// The checks where there is no config to go by.
pub(super) fn without_config(subject: &Subject, seen: &Findings) -> Vec<Check> {
    let untested = WITH_CONFIG.iter().chain(&BEHIND_LOGIN);
    let untested = untested.map(|name| unknown(name, "not tested: the config cannot be used"));
    [config(subject), daemon(subject, None, seen)]
        .into_iter()
        .chain(untested)
        .collect()
}

/// What a shell has to tell. Where files alone are served nobody can, and there is nothing to be put right in that.
const ASKS_SHELL: [&str; 4] = ["web_access", "schema", "clock", "server_disk"];

fn behind_login(config: &Config, seen: &Findings, server: &Server) -> Vec<Check> {
    let mut checks = vec![
        there::engine(config, seen, server),
        file::database(config, server),
        web::access(config, server),
        there::journal_mode(config, server),
        there::schema(config, seen, server),
        upkeep::clock(config, server),
        upkeep::disk(config, server),
        upkeep::state(config, server),
        web::root(config, server),
        upkeep::backups(config, seen, server),
        upkeep::laptops(config, server),
    ];
    let files_alone = config.remote.engine == EngineChoice::Sftp && server.known().is_some();
    for check in checks.iter_mut().filter(|_| files_alone) {
        if check.level == Level::Unknown && ASKS_SHELL.contains(&check.name.as_str()) {
            *check = note(&check.name, "cannot be tested where files alone are served", None);
        }
    }
    checks
}
