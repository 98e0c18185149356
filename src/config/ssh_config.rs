//! What ~/.ssh/config says of a host.

use std::path::PathBuf;
use std::time::Duration;

/// A host to connect to, with everything that OpenSSH would know of it.
#[derive(Clone, Debug)]
pub struct SshTarget {
    /// The name as the user wrote it.
    pub alias: String,
    /// The host name or address to connect to.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// Private key files, in the order in which they are tried.
    pub identity_files: Vec<PathBuf>,
    /// Whether keys of the agent are only offered when they are among `identity_files`.
    pub identities_only: bool,
    /// The agent's socket; `None`: none is asked.
    pub identity_agent: Option<PathBuf>,
    /// The files of known host keys, in the order in which they are read.
    pub known_hosts: Vec<PathBuf>,
    /// The name under which the host key is looked up, in place of the host's name and port.
    pub host_key_alias: Option<String>,
    /// Hosts to go through, in order, before `host`.
    pub jumps: Vec<SshTarget>,
    /// Limit of each step of connecting.
    pub connect_timeout: Duration,
    /// A command whose first output line is the password.
    pub password_command: Option<String>,
    /// A command whose first output line is the passphrase of the identity files.
    pub passphrase_command: Option<String>,
}
