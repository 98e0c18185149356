//! The way to the server: the key, the network, the host key, the login.

use super::super::findings::{Findings, Way};
use super::super::remedy::{copy_key, failure, good, log_in_once, note, unknown, warning};
use crate::config::Config;
use crate::control::doctor::SERVER;
use crate::control::types::Check;
use crate::cycle::advice::{way as way_of, word, word_of};
use crate::ssh::known_hosts::{LookupName, Verdict};
use crate::ssh::{AgentLook, KeyLook, KeyState, Keys, TransportError, TransportErrorKind};

/// What there is to log in with.
pub(super) fn key(config: &Config, seen: &Findings) -> Check {
    let name = "key";
    let Some(keys) = &seen.keys else {
        return failure(
            name,
            format!(
                "a key or the agent did not answer within {:.1} s",
                seen.limit.as_secs_f32()
            ),
            "ssh-add -l",
        );
    };
    let named = config.remote.identity_file.as_ref();
    let named = named.and_then(|path| keys.files.iter().find(|file| &file.path == path));
    let usable = keys.files.iter().find(|file| is_usable(file, config));
    let logged_in = matches!(seen.way, Some(Way::In(_)));
    match (named.filter(|file| !is_usable(file, config)), usable) {
        (Some(file), _) if logged_in => {
            let (why, mend) = trouble(config, file, &keys.agent);
            warning(name, format!("{why}; something else logged in instead"), mend)
        }
        (Some(file), _) => {
            let (why, mend) = trouble(config, file, &keys.agent);
            failure(name, why, mend)
        }
        (None, Some(file)) => good(name, described(file)),
        (None, None) => without_files(config, keys, logged_in),
    }
}

fn without_files(config: &Config, keys: &Keys, logged_in: bool) -> Check {
    let name = "key";
    if let AgentLook::Holds(count @ 1..) = keys.agent {
        return good(
            name,
            format!("the agent holds {}", crate::ctl::text::count(count as u64, "key")),
        );
    }
    if config.remote.password_command.is_some() {
        return good(name, "no key, and a password_command");
    }
    if logged_in {
        return note(name, "no key was needed", None);
    }
    match keys.files.iter().find(|file| file.state != KeyState::Missing) {
        Some(file) => {
            let (why, mend) = trouble(config, file, &keys.agent);
            failure(name, why, mend)
        }
        None => {
            let path = keys
                .files
                .first()
                .map_or_else(|| "~/.ssh/id_ed25519".to_owned(), |file| word_of(&file.path));
            failure(
                name,
                format!(
                    "there is no key: no key file, {}, no password_command",
                    agent(&keys.agent)
                ),
                format!("ssh-keygen -t ed25519 -f {path}\n{}", copy_key(config, &path)),
            )
        }
    }
}

fn is_usable(file: &KeyLook, config: &Config) -> bool {
    match file.state {
        KeyState::Ready | KeyState::InAgent => true,
        KeyState::Encrypted => config.remote.passphrase_command.is_some(),
        KeyState::Missing | KeyState::Exposed(_) | KeyState::Unusable(_) => false,
    }
}

fn described(file: &KeyLook) -> String {
    let how = match file.state {
        KeyState::InAgent => "the agent has it",
        KeyState::Encrypted => "encrypted; passphrase_command opens it",
        _ => "ready",
    };
    format!("{}: {how}", file.path.display())
}

/// What is wrong with a key file, and what to do.
fn trouble(config: &Config, file: &KeyLook, held: &AgentLook) -> (String, String) {
    let (shown, quoted) = (file.path.display(), word_of(&file.path));
    match &file.state {
        KeyState::Missing => (
            format!("{shown} is not there"),
            format!(
                "ssh-keygen -t ed25519 -f {quoted}\n{}",
                copy_key(config, &file.path.to_string_lossy())
            ),
        ),
        KeyState::Exposed(mode) => (
            format!("{shown} may be read by others (mode {mode:04o}), so it is not used"),
            format!("chmod 600 {quoted}"),
        ),
        KeyState::Encrypted => (
            format!(
                "{shown} has a passphrase, {}, and no passphrase_command is set",
                agent(held)
            ),
            format!(
                "ssh-add {quoted}\nsystemctl --user import-environment SSH_AUTH_SOCK && systemctl --user restart modsyncd"
            ),
        ),
        KeyState::Unusable(why) => (format!("{shown}: {why}"), format!("ssh-keygen -y -f {quoted}")),
        KeyState::Ready | KeyState::InAgent => (described(file), String::new()),
    }
}

fn agent(look: &AgentLook) -> String {
    match look {
        AgentLook::None => "no agent is known (SSH_AUTH_SOCK is not set for this process)".to_owned(),
        AgentLook::Silent(socket, why) => format!("the agent {} does not answer ({why})", socket.display()),
        AgentLook::Holds(0) => "the agent holds no key".to_owned(),
        AgentLook::Holds(_) => "the agent does not hold it".to_owned(),
    }
}

/// Whether the server answers, its host key, and the login.
pub(super) fn reach(config: &Config, seen: &Findings) -> [Check; 3] {
    let host = &config.remote.host;
    let no_server = |detail: String| {
        let untested = |name| unknown(name, "not tested: the server cannot be reached");
        let verbose = format!(
            "ssh -v -o ConnectTimeout=5 {} true",
            way_of(&config.remote, "-p").join(" ")
        );
        [
            failure(SERVER, detail, verbose),
            untested("host_key"),
            untested("login"),
        ]
    };
    match &seen.way {
        None => no_server(format!(
            "{host} was not logged in to within {:.1} s",
            seen.limit.as_secs_f32()
        )),
        Some(Way::In(_)) => [
            good(SERVER, format!("{host} answers")),
            good("host_key", "known"),
            good("login", "logged in"),
        ],
        Some(Way::Barred(error, shown)) => {
            let answers = good(SERVER, format!("{host} answers"));
            let not_in = |because: &str| unknown("login", format!("not tested: {because}"));
            match error.kind {
                TransportErrorKind::Unreachable => no_server(error.message.clone()),
                TransportErrorKind::HostKey => {
                    let not_in = not_in("the host key is not trusted");
                    [answers, host_key(config, error, shown.as_ref()), not_in]
                }
                TransportErrorKind::Authentication => [answers, good("host_key", "known"), login(config, error, seen)],
                TransportErrorKind::Setup => [
                    failure(SERVER, error.message.clone(), "modsyncd check-config"),
                    unknown("host_key", "not tested: the way to the server is not set up"),
                    not_in("the way to the server is not set up"),
                ],
            }
        }
    }
}

fn host_key(config: &Config, error: &TransportError, shown: Option<&(LookupName, Verdict)>) -> Check {
    let accept = log_in_once(config);
    let fix = match shown {
        Some((name, Verdict::Changed(place))) => {
            format!(
                "ssh-keygen -R {} -f {}\n{accept}",
                word(&name.to_string()),
                word_of(&place.file)
            )
        }
        _ => accept,
    };
    failure("host_key", error.message.clone(), fix)
}

fn login(config: &Config, error: &TransportError, seen: &Findings) -> Check {
    let files = seen.keys.iter().flat_map(|keys| &keys.files);
    let key = files.into_iter().find(|file| is_usable(file, config));
    let fix = match key {
        Some(file) => copy_key(config, &file.path.to_string_lossy()),
        None => log_in_once(config),
    };
    failure("login", error.message.clone(), fix)
}
