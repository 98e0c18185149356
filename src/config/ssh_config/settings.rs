//! What ssh_config files say of one host: the first value of a keyword wins, as in OpenSSH.

use std::path::{Path, PathBuf};

use super::lines::{matches_list, parse};
use super::{SshConfigError, fail};

/// How deep `Include` may nest; OpenSSH's own limit.
const INCLUDE_DEPTH: usize = 16;

/// A value and the line that it comes from, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub text: String,
    pub place: String,
}

/// What stands between the laptop and the host; whichever keyword comes first counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Jump(Written),
    Command(Written),
}

/// What the files say of one host, tokens not yet expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub host_name: Option<Written>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<Written>,
    pub identities_only: Option<bool>,
    pub identity_agent: Option<Written>,
    pub proxy: Option<Proxy>,
    pub user_known_hosts: Option<Vec<Written>>,
    pub global_known_hosts: Option<Vec<Written>>,
    pub host_key_alias: Option<String>,
}

/// Reads ssh_config files for one host.
pub(super) struct Files<'a> {
    /// The host as the user wrote it.
    pub alias: &'a str,
    /// The user to log in as, where that is known before the files are read.
    pub user: Option<&'a str>,
    /// The local user.
    pub login_user: &'a str,
    /// The home folder, for `~`.
    pub home: &'a Path,
    /// What the files say so far.
    pub settings: Settings,
    /// What could not be followed, for people.
    pub notes: Vec<String>,
}

impl Files<'_> {
    /// Reads one file. Relative includes are looked for in `folder`.
    ///
    /// # Errors
    /// When the file cannot be read or a line that counts is wrong. A file that is missing says nothing.
    pub fn read(&mut self, file: &Path, folder: &Path) -> Result<(), SshConfigError> {
        self.read_nested(file, folder, 0)
    }

    fn read_nested(&mut self, file: &Path, folder: &Path, depth: usize) -> Result<(), SshConfigError> {
        let text = match std::fs::read(file) {
            // A comment in another encoding is no reason to fail.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return fail(format!("read {}: {error}", file.display())),
        };
        let mut active = true;
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), number + 1);
            let (keyword, arguments) = match parse(line) {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(message) => return fail(format!("{place}: {message}")),
            };
            match keyword.as_str() {
                "host" => active = matches_list(self.alias, arguments.iter().map(String::as_str)),
                "match" => active = self.matches(&arguments, &place)?,
                _ if !active => {}
                "include" => self.include(&arguments, folder, depth, &place)?,
                _ => self.set(&keyword, &arguments, place)?,
            }
        }
        Ok(())
    }

    /// Whether a `Match` block counts. Those that run commands or depend on a second pass are left out, and noted.
    fn matches(&mut self, arguments: &[String], place: &str) -> Result<bool, SshConfigError> {
        let mut arguments = arguments.iter();
        let mut result = true;
        while let Some(criterion) = arguments.next() {
            let (negated, name) = match criterion.strip_prefix('!') {
                Some(name) => (true, name.to_lowercase()),
                None => (false, criterion.to_lowercase()),
            };
            if name == "all" {
                result &= !negated;
                continue;
            }
            let value = match name.as_str() {
                // Host names compare without case here, though not in a Host line.
                "host" => self.host().to_lowercase(),
                "originalhost" => self.alias.to_lowercase(),
                "user" => self
                    .user
                    .or(self.settings.user.as_deref())
                    .unwrap_or(self.login_user)
                    .to_owned(),
                "localuser" => self.login_user.to_owned(),
                _ => {
                    self.notes.push(format!(
                        "{place}: Match {name} is not evaluated, so its block is left out"
                    ));
                    return Ok(false);
                }
            };
            let Some(patterns) = arguments.next() else {
                return fail(format!("{place}: Match {name} needs a pattern"));
            };
            let patterns = if name.ends_with("host") {
                patterns.to_lowercase()
            } else {
                patterns.clone()
            };
            result &= matches_list(&value, patterns.split(',')) != negated;
        }
        Ok(result)
    }

    /// The host to dial, as far as it is known.
    fn host(&self) -> String {
        match &self.settings.host_name {
            Some(name) => name.text.replace("%h", self.alias),
            None => self.alias.to_owned(),
        }
    }

    fn include(
        &mut self,
        arguments: &[String],
        folder: &Path,
        depth: usize,
        place: &str,
    ) -> Result<(), SshConfigError> {
        if depth >= INCLUDE_DEPTH {
            return fail(format!("{place}: Include nests deeper than {INCLUDE_DEPTH} files"));
        }
        for argument in arguments {
            let path = match argument.strip_prefix("~/") {
                Some(rest) => self.home.join(rest),
                None => folder.join(argument),
            };
            let found = glob::glob(&path.to_string_lossy()).map_err(|error| SshConfigError {
                message: format!("{place}: Include {argument}: {error}"),
            })?;
            let found: Vec<PathBuf> = found.filter_map(Result::ok).filter(|file| !file.is_dir()).collect();
            for file in found {
                self.read_nested(&file, folder, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Takes a value, unless an earlier line gave one. Keywords that do not concern modsync are passed over.
    fn set(&mut self, keyword: &str, arguments: &[String], place: String) -> Result<(), SshConfigError> {
        const KNOWN: [&str; 11] = [
            "hostname",
            "user",
            "port",
            "identityfile",
            "identitiesonly",
            "identityagent",
            "proxyjump",
            "proxycommand",
            "userknownhostsfile",
            "globalknownhostsfile",
            "hostkeyalias",
        ];
        if !KNOWN.contains(&keyword) {
            return Ok(());
        }
        let Some(first) = arguments.first() else {
            return fail(format!("{place}: {keyword} has no value"));
        };
        let settings = &mut self.settings;
        let written = Written {
            text: first.clone(),
            place,
        };
        match keyword {
            "hostname" => settings.host_name = settings.host_name.take().or(Some(written)),
            "user" => settings.user = settings.user.take().or_else(|| Some(first.clone())),
            "port" => settings.port = Some(settings.port.map_or_else(|| port(&written), Ok)?),
            "identityfile" if settings.identity_files.iter().any(|file| file.text == written.text) => {}
            "identityfile" => settings.identity_files.push(written),
            "identitiesonly" => {
                settings.identities_only = Some(settings.identities_only.map_or_else(|| boolean(&written), Ok)?);
            }
            "identityagent" => settings.identity_agent = settings.identity_agent.take().or(Some(written)),
            "proxyjump" => settings.proxy = settings.proxy.take().or(Some(Proxy::Jump(written))),
            "proxycommand" => settings.proxy = settings.proxy.take().or(Some(Proxy::Command(written))),
            "userknownhostsfile" => {
                settings
                    .user_known_hosts
                    .get_or_insert_with(|| list(arguments, &written.place));
            }
            "globalknownhostsfile" => {
                settings
                    .global_known_hosts
                    .get_or_insert_with(|| list(arguments, &written.place));
            }
            _ => settings.host_key_alias = settings.host_key_alias.take().or_else(|| Some(first.clone())),
        }
        Ok(())
    }
}

fn port(written: &Written) -> Result<u16, SshConfigError> {
    match written.text.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => fail(format!(
            "{}: Port \"{}\" is not a port: 1 to 65535",
            written.place, written.text
        )),
    }
}

fn boolean(written: &Written) -> Result<bool, SshConfigError> {
    match written.text.to_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => fail(format!(
            "{}: IdentitiesOnly \"{}\" is not allowed: yes or no",
            written.place, written.text
        )),
    }
}

/// A list of files; `none` alone is the empty one.
fn list(arguments: &[String], place: &str) -> Vec<Written> {
    match arguments {
        [only] if only.eq_ignore_ascii_case("none") => Vec::new(),
        _ => arguments
            .iter()
            .map(|text| Written {
                text: text.clone(),
                place: place.to_owned(),
            })
            .collect(),
    }
}
