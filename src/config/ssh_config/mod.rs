//! From `[remote]` and the user's ssh_config to everything that a connection needs.
//!
//! What modsync's own configuration says wins over ssh_config, which wins over OpenSSH's defaults. The files are read
//! here and not by a library, because a block that does not concern the host must not: each reading is held against
//! `ssh -G` of the real client in the tests. Read are `Host`, `Match` (all, host, originalhost, user, localuser),
//! `Include`, `HostName`, `User`, `Port`, `IdentityFile`, `IdentitiesOnly`, `IdentityAgent`, `ProxyJump`,
//! `UserKnownHostsFile`, `GlobalKnownHostsFile` and `HostKeyAlias`. `ProxyCommand` is refused where it counts.

mod aliases;
mod jump;
mod lines;
mod resolve;
mod settings;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

pub use aliases::aliases;
pub use resolve::{resolve, resolve_noting};

/// Where and how to log in: one host, and the hosts on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// The name as the user wrote it: what ssh_config's `Host` lines were matched against, and what messages say.
    pub alias: String,
    /// The host name or address to dial.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// Private key files in the order to try them. Those that were not named but are OpenSSH's defaults may be missing.
    pub identity_files: Vec<PathBuf>,
    /// Offer only `identity_files`, not every key that the agent holds.
    pub identities_only: bool,
    /// The agent's socket; `None` for no agent.
    pub identity_agent: Option<PathBuf>,
    /// Files of known host keys, the user's before the system's. Any may be missing.
    pub known_hosts: Vec<PathBuf>,
    /// The name to look up in `known_hosts` instead of `host`.
    pub host_key_alias: Option<String>,
    /// The hosts to go through, the first to dial first. Theirs are already among them: their own `jumps` are empty.
    pub jumps: Vec<SshTarget>,
    /// Limit of each step of reaching the host.
    pub connect_timeout: Duration,
    /// A command whose first output line is the password. Always `None` for a jump host.
    pub password_command: Option<String>,
    /// A command whose first output line is the passphrase of `remote.identity_file`; also for a jump host that is
    /// offered that file.
    pub passphrase_command: Option<String>,
}

/// Why ssh_config could not be followed: the file, the line, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SshConfigError {
    /// For people.
    pub message: String,
}

fn fail<T>(message: String) -> Result<T, SshConfigError> {
    Err(SshConfigError { message })
}

/// Says what is wrong with a list of jump hosts, if something is.
pub(super) fn check_jumps(list: &str) -> Result<(), String> {
    jump::parse(list).map(|_| ())
}
