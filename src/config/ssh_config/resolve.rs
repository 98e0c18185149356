//! Puts one host's settings together, and the hosts on the way to it.

use std::path::{Path, PathBuf};

use super::jump::{self, Hop};
use super::settings::{Files, Proxy, Settings, Written};
use super::tokens::{Tokens, host_name};
use super::{SshConfigError, SshTarget, fail};
use crate::config::{Environment, Remote};

/// OpenSSH's default key files, the strongest first.
const IDENTITIES: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];
/// OpenSSH's default files of known hosts.
const USER_KNOWN_HOSTS: [&str; 2] = [".ssh/known_hosts", ".ssh/known_hosts2"];
const GLOBAL_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// Finds out where and how to log in, with this process's environment. `login_user` is the local user.
///
/// # Errors
/// When an ssh_config file cannot be read or followed, or the jump hosts go in a circle.
pub fn resolve(remote: &Remote, home: &Path, login_user: &str) -> Result<SshTarget, SshConfigError> {
    resolve_noting(remote, home, login_user, &Environment::of_process()).map(|(target, _)| target)
}

/// The same with a given environment; beside the target stands what could not be followed, for people.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_noting(
    remote: &Remote,
    home: &Path,
    login_user: &str,
    environment: &Environment,
) -> Result<(SshTarget, Vec<String>), SshConfigError> {
    if let Some(file) = remote.ssh_config.as_ref().filter(|file| !file.exists()) {
        return fail(format!(
            "read {} (remote.ssh_config): there is no such file",
            file.display()
        ));
    }
    let mut resolver = Resolver {
        remote,
        home,
        login_user,
        environment,
        notes: Vec::new(),
    };
    let server = Hop {
        host: remote.host.clone(),
        user: remote.user.clone(),
        port: remote.port,
    };
    let target = resolver.target(&server, Role::Server, &mut Vec::new())?;
    Ok((target, resolver.notes))
}

/// What a host is on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The end of the way.
    Server,
    /// The first jump host of a list: to reach it, its own jump hosts are passed first.
    FirstJump,
    /// Reached through the jump host before it, whatever ssh_config says of it.
    LaterJump,
}

/// A host as the loop check knows it.
type Visited = (String, u16, String);

struct Resolver<'a> {
    remote: &'a Remote,
    home: &'a Path,
    login_user: &'a str,
    environment: &'a Environment,
    notes: Vec<String>,
}

impl Resolver<'_> {
    fn target(&mut self, hop: &Hop, role: Role, way: &mut Vec<Visited>) -> Result<SshTarget, SshConfigError> {
        let settings = self.settings(hop)?;
        let host = match &settings.host_name {
            Some(written) => host_name(written, &hop.host)?,
            None => hop.host.clone(),
        }
        .to_ascii_lowercase();
        let user = hop
            .user
            .as_ref()
            .or(settings.user.as_ref())
            .map_or(self.login_user, String::as_str)
            .to_owned();
        if user.contains([':', '@']) {
            let name = user.split([':', '@']).next().unwrap_or_default();
            return fail(format!(
                "the user of {host} is a name with a ':' or '@' (\"{name}…\"): write the name alone; a password does not \
                 belong into any configuration, a command can print it (remote.password_command)"
            ));
        }
        let port = hop.port.or(settings.port).unwrap_or(22);
        let visited = (host.clone(), port, user.clone());
        if way.contains(&visited) {
            return fail(format!(
                "the jump hosts go in a circle: {user}@{host}:{port} is reached through itself"
            ));
        }
        way.push(visited);
        let jumps = self.jumps(&settings, role, way)?;
        way.pop();
        let tokens = Tokens {
            alias: &hop.host,
            host: &host,
            port,
            user: &user,
            login_user: self.login_user,
            key_name: settings.host_key_alias.as_deref().unwrap_or(&hop.host),
            home: self.home,
            environment: self.environment,
        };
        let server = role == Role::Server;
        let own_key = self
            .remote
            .identity_file
            .as_ref()
            .filter(|_| server || settings.identity_files.is_empty());
        Ok(SshTarget {
            identity_files: self.identity_files(&settings, &tokens, role)?,
            identities_only: settings.identities_only.unwrap_or(false),
            identity_agent: self.identity_agent(&settings, &tokens)?,
            known_hosts: self.known_hosts(&settings, &tokens)?,
            connect_timeout: self.remote.connect_timeout,
            password_command: self.remote.password_command.clone().filter(|_| server),
            passphrase_command: self
                .remote
                .passphrase_command
                .clone()
                .filter(|_| server || own_key.is_some()),
            alias: hop.host.clone(),
            host_key_alias: settings.host_key_alias.clone(),
            jumps,
            host,
            port,
            user,
        })
    }

    /// What ssh_config says of a host: the file that is named, else the user's and then the system's.
    fn settings(&mut self, hop: &Hop) -> Result<Settings, SshConfigError> {
        let mut files = Files {
            alias: &hop.host,
            user: hop.user.as_deref(),
            login_user: self.login_user,
            home: self.home,
            settings: Settings::default(),
            notes: Vec::new(),
        };
        let folder = self.home.join(".ssh");
        match &self.remote.ssh_config {
            Some(file) => files.read(file, &folder)?,
            None => {
                files.read(&folder.join("config"), &folder)?;
                files.read(Path::new("/etc/ssh/ssh_config"), Path::new("/etc/ssh"))?;
            }
        }
        let new: Vec<String> = files
            .notes
            .into_iter()
            .filter(|note| !self.notes.contains(note))
            .collect();
        self.notes.extend(new);
        Ok(files.settings)
    }

    /// The hosts to pass, in the order to dial them.
    fn jumps(
        &mut self,
        settings: &Settings,
        role: Role,
        way: &mut Vec<Visited>,
    ) -> Result<Vec<SshTarget>, SshConfigError> {
        let hops = match (role, &self.remote.proxy_jump, &settings.proxy) {
            (Role::LaterJump, ..) => Vec::new(),
            (Role::Server, Some(list), _) => jump::parse(list).map_err(|message| SshConfigError {
                message: format!("remote.proxy_jump: {message}"),
            })?,
            (_, _, Some(Proxy::Jump(list))) => jump::parse(&list.text).map_err(|message| SshConfigError {
                message: format!("{}: ProxyJump: {message}", list.place),
            })?,
            (_, _, Some(Proxy::Command(command))) if command.text != "none" => {
                return fail(format!(
                    "{}: ProxyCommand is not supported: use ProxyJump, or set remote.proxy_jump (\"none\" for no jump)",
                    command.place
                ));
            }
            _ => Vec::new(),
        };
        let mut out = Vec::new();
        for (index, hop) in hops.iter().enumerate() {
            let role = if index == 0 { Role::FirstJump } else { Role::LaterJump };
            let mut target = self.target(hop, role, way)?;
            out.append(&mut target.jumps);
            out.push(target);
        }
        Ok(out)
    }

    /// The keys to try. A jump host for which ssh_config names none is offered modsync's own before the defaults.
    fn identity_files(
        &self,
        settings: &Settings,
        tokens: &Tokens<'_>,
        role: Role,
    ) -> Result<Vec<PathBuf>, SshConfigError> {
        let own = self.remote.identity_file.clone();
        match own {
            Some(own) if role == Role::Server => Ok(vec![own]),
            own if settings.identity_files.is_empty() => Ok(own
                .into_iter()
                .chain(IDENTITIES.map(|file| self.home.join(file)))
                .collect()),
            _ => {
                let named = settings
                    .identity_files
                    .iter()
                    .filter(|file| !file.text.eq_ignore_ascii_case("none"));
                named.map(|file| tokens.path(file)).collect()
            }
        }
    }

    fn identity_agent(&self, settings: &Settings, tokens: &Tokens<'_>) -> Result<Option<PathBuf>, SshConfigError> {
        let variable = |name: &str| self.environment.get(name).map(PathBuf::from);
        let Some(written) = &settings.identity_agent else {
            return Ok(variable("SSH_AUTH_SOCK"));
        };
        match written.text.as_str() {
            "none" => Ok(None),
            "SSH_AUTH_SOCK" => Ok(variable("SSH_AUTH_SOCK")),
            text => match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                Some(name) => Ok(variable(name)),
                None => tokens.path(written).map(Some),
            },
        }
    }

    /// modsync's own file takes the place of the user's files. The system's always count: they may revoke keys.
    fn known_hosts(&self, settings: &Settings, tokens: &Tokens<'_>) -> Result<Vec<PathBuf>, SshConfigError> {
        let paths = |files: &[Written]| {
            files
                .iter()
                .map(|file| tokens.path(file))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut out = match (&self.remote.known_hosts, &settings.user_known_hosts) {
            (Some(own), _) => vec![own.clone()],
            (None, Some(files)) => paths(files)?,
            (None, None) => USER_KNOWN_HOSTS.iter().map(|file| self.home.join(file)).collect(),
        };
        match &settings.global_known_hosts {
            Some(files) => out.extend(paths(files)?),
            None => out.extend(GLOBAL_KNOWN_HOSTS.map(PathBuf::from)),
        }
        Ok(out)
    }
}
