//! Expands `%` tokens, `~` and `${NAME}` in ssh_config's paths (ssh_config(5), TOKENS and ENVIRONMENT VARIABLES).

use std::path::{Path, PathBuf};

use super::settings::Written;
use super::{SshConfigError, fail};
use crate::config::Environment;

/// What the tokens stand for.
pub(super) struct Tokens<'a> {
    /// `%n`: the host as written.
    pub alias: &'a str,
    /// `%h`: the host to dial.
    pub host: &'a str,
    /// `%p`
    pub port: u16,
    /// `%r`: the user to log in as.
    pub user: &'a str,
    /// `%u`: the local user.
    pub login_user: &'a str,
    /// `%k`: the host key's alias, else the host as written.
    pub key_name: &'a str,
    /// `%d` and `~`
    pub home: &'a Path,
    /// For `${NAME}`.
    pub environment: &'a Environment,
}

impl Tokens<'_> {
    /// The local path that a value means. Relative ones stay so: OpenSSH takes them from the working folder, which a
    /// daemon does not have, so they are refused.
    pub fn path(&self, written: &Written) -> Result<PathBuf, SshConfigError> {
        let text = self.expand(written)?;
        let path = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(&text),
        };
        if !path.is_absolute() {
            return fail(format!(
                "{}: \"{text}\" is not an absolute path: begin it with / or ~/",
                written.place
            ));
        }
        Ok(path)
    }

    fn expand(&self, written: &Written) -> Result<String, SshConfigError> {
        let mut out = String::new();
        let mut rest = written.text.as_str();
        while let Some(at) = rest.find(['%', '$']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            if let Some(variable) = from.strip_prefix("${") {
                let Some((name, after)) = variable.split_once('}') else {
                    return fail(format!(
                        "{}: \"{}\": a brace is not closed",
                        written.place, written.text
                    ));
                };
                let Some(value) = self.environment.get(name) else {
                    return fail(format!(
                        "{}: \"{}\": the variable {name} is not set",
                        written.place, written.text
                    ));
                };
                out.push_str(value);
                rest = after;
            } else if let Some(after) = from.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else {
                let mut chars = from.chars();
                let token = chars.nth(1);
                out.push_str(&self.token(token, written)?);
                rest = chars.as_str();
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn token(&self, token: Option<char>, written: &Written) -> Result<String, SshConfigError> {
        Ok(match token {
            Some('%') => "%".to_owned(),
            Some('d') => self.home.display().to_string(),
            Some('h') => self.host.to_owned(),
            Some('k') => self.key_name.to_owned(),
            Some('n') => self.alias.to_owned(),
            Some('p') => self.port.to_string(),
            Some('r') => self.user.to_owned(),
            Some('u') => self.login_user.to_owned(),
            token => {
                let token = token.map(String::from).unwrap_or_default();
                return fail(format!(
                    "{}: \"{}\": the token %{token} is not supported here: %%, %d, %h, %k, %n, %p, %r and %u are",
                    written.place, written.text
                ));
            }
        })
    }
}

/// The host to dial: `HostName` with `%h` for the host as written.
pub(super) fn host_name(written: &Written, alias: &str) -> Result<String, SshConfigError> {
    let mut out = String::new();
    let mut chars = written.text.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => match chars.next() {
                Some('h') => out.push_str(alias),
                Some('%') => out.push('%'),
                _ => {
                    let message = "is not a HostName: only %h and %% are expanded in it";
                    return fail(format!("{}: \"{}\" {message}", written.place, written.text));
                }
            },
            c => out.push(c),
        }
    }
    Ok(out)
}
