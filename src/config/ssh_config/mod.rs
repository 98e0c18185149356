//! From `[remote]` and the user's ssh_config to everything that a connection needs.

use std::path::PathBuf;
use std::time::Duration;

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
    /// A command whose first output line is the passphrase of an identity file. Always `None` for a jump host.
    pub passphrase_command: Option<String>,
}

/// Whether a list of jump hosts can be read.
pub(super) fn check_jumps(_jumps: &str) -> Result<(), String> {
    Ok(())
}
