//! The server: which one, its host key, and the way in.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::answers::Answers;
use super::{InitArgs, no_answer};
use crate::config::ssh_config::{SshTarget, aliases};
use crate::config::{Environment, Places};
use crate::setup::terminal::{Terminal, picked, yes_or_no};
use crate::ssh::known_hosts::{self, HostKey, KnownHosts, LookupName, Verdict};
use crate::ssh::{ConnectOptions, Connection, TransportError, TransportErrorKind, scan_host_key};

/// How many names of ~/.ssh/config are shown.
const SHOWN: usize = 20;

/// Asks which server is meant, unless a flag says it.
pub(super) async fn ask(
    args: &InitArgs,
    answers: &mut Answers,
    environment: &Environment,
    places: &Places,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    if let Some(host) = &args.host {
        answers.host.clone_from(host);
        return Ok(());
    }
    if !terminal.attended() {
        return Err(no_answer("--host", "the server, or its name in ~/.ssh/config", &[]));
    }
    let mut names = aliases(environment.home());
    names.truncate(SHOWN);
    if !names.is_empty() {
        terminal.say("Servers in ~/.ssh/config:")?;
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (index, name) in names.iter().enumerate() {
            let named = Answers {
                host: name.clone(),
                ..answers.clone()
            };
            let place = named
                .target(environment, places)
                .map_or_else(|_| String::new(), |target| place(&target));
            terminal.say(&format!("  {}  {name:<width$}  {place}", index + 1))?;
        }
    }
    let (question, default) = match names.len() {
        0 => ("The server: [user@]host[:port]", None),
        1 => ("Which one has the website? A number, or [user@]host[:port]", Some("1")),
        _ => ("Which one has the website? A number, or [user@]host[:port]", None),
    };
    loop {
        let answer = terminal.ask(question, default).await?.unwrap_or_default();
        match picked(&answer, &names) {
            Some(name) => answers.host.clone_from(name),
            None => match address(&answer) {
                Some((user, host, port)) => {
                    answers.user = args.user.clone().or(user);
                    answers.port = args.port.or(port);
                    answers.host = host;
                }
                None => {
                    terminal.say("That is no server: a name, or an address such as root@192.0.2.10:22.")?;
                    continue;
                }
            },
        }
        return who(answers, &names, environment, places, terminal).await;
    }
}

/// Asks for the user where nothing says who it is there.
async fn who(
    answers: &mut Answers,
    names: &[String],
    environment: &Environment,
    places: &Places,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let here = environment.login_user();
    let said = answers.user.is_some() || names.contains(&answers.host);
    if said || answers.target(environment, places)?.user != here {
        return Ok(());
    }
    let user = terminal
        .ask("The user to log in as", Some(&here))
        .await?
        .unwrap_or_default();
    answers.user = (user != here).then_some(user);
    Ok(())
}

/// `[user@]host[:port]`; an IPv6 address with a port stands in brackets.
fn address(text: &str) -> Option<(Option<String>, String, Option<u16>)> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), rest),
        None => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None if rest.matches(':').count() == 1 => rest.split_once(':').map(|(host, port)| (host, Some(port)))?,
        None => (rest, None),
    };
    let plain = !host.is_empty() && !host.starts_with('-') && !host.contains(|c: char| c.is_whitespace() || c == '/');
    let port = port.map(str::parse).transpose().ok()?;
    plain.then(|| (user, host.to_owned(), port))
}

/// `root@192.0.2.10:22`.
pub(super) fn place(target: &SshTarget) -> String {
    format!("{}@{}:{}", target.user, target.host, target.port)
}

/// Settles the host keys of the jump hosts on the way, then that of the server.
pub(super) async fn settle_host_keys(
    args: &InitArgs,
    target: &SshTarget,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    for (index, jump) in target.jumps.iter().enumerate() {
        let hop = SshTarget {
            jumps: target.jumps.iter().take(index).cloned().collect(),
            ..jump.clone()
        };
        settle_host_key(args, &hop, false, terminal).await?;
    }
    settle_host_key(args, target, true, terminal).await
}

/// Shows an unknown key's fingerprint as `ssh` does, and trusts it only when told to.
async fn settle_host_key(
    args: &InitArgs,
    target: &SshTarget,
    is_server: bool,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let key = scan_host_key(target, &ConnectOptions::default()).await?;
    let name = LookupName::new(&target.host, target.port, target.host_key_alias.as_deref());
    let known = KnownHosts::parse(&known_hosts::read(&target.known_hosts)?);
    match known.verify(&name, &key) {
        Verdict::Known => return Ok(terminal.say(&format!("The host key of {name} is known."))?),
        Verdict::Changed(place) => bail!(
            "the host key of {name} is not the one in {place}: it is now {} ({}); if the server was set up anew, check the \
             fingerprint there with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`, then run `ssh-keygen -R '{name}'` and init again",
            key.fingerprint_sha256,
            key.algorithm
        ),
        Verdict::Revoked(place) => bail!("the host key of {name} is revoked by {place}: do not connect"),
        Verdict::Unknown => {}
    }
    terminal.say(&format!("The authenticity of {name} is not known yet."))?;
    terminal.say(&format!(
        "Its {} key has the fingerprint {}.",
        key.algorithm, key.fingerprint_sha256
    ))?;
    if !is_trusted(
        args.accept_fingerprint.as_deref().filter(|_| is_server),
        args.yes,
        &key,
        terminal,
    )
    .await?
    {
        bail!(
            "the host key of {name} is not trusted, so nothing was connected; look at the fingerprint on the server's console \
             with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`, then run init again with --accept-fingerprint SHA256:…"
        );
    }
    let file = target
        .known_hosts
        .first()
        .context("no known_hosts file is configured")?;
    known_hosts::add(file, &name, &key)?;
    terminal.say(&format!("Added it to {}.", file.display()))?;
    Ok(())
}

async fn is_trusted(
    expected: Option<&str>,
    yes: bool,
    key: &HostKey,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<bool> {
    if let Some(expected) = expected {
        return Ok(expected == key.fingerprint_sha256);
    }
    if yes {
        terminal.say("It is trusted at first sight, as --yes says.")?;
        return Ok(true);
    }
    let question = "Is it the one that the server's owner told you? (yes, no, or the fingerprint that you were told)";
    loop {
        let Some(answer) = terminal.ask(question, None).await? else {
            return Ok(false);
        };
        match yes_or_no(&answer) {
            Some(trusted) => return Ok(trusted),
            None if answer == key.fingerprint_sha256 => return Ok(true),
            None if answer.starts_with("SHA256:") => {
                terminal.say("That is another fingerprint: do not trust this key unless you know why.")?;
            }
            None => terminal.say("Please type yes, no, or a fingerprint that begins with SHA256:.")?,
        }
    }
}

/// Logs in; with a person at the terminal it tries the keys that this person names.
pub(super) async fn log_in(
    answers: &mut Answers,
    environment: &Environment,
    places: &Places,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Connection> {
    loop {
        let target = answers.target(environment, places)?;
        let error = match Connection::open(&target, &ConnectOptions::default()).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if error.kind != TransportErrorKind::Authentication || !terminal.attended() {
            return Err(error.into());
        }
        if load_key(&error, &target, terminal).await? {
            continue;
        }
        terminal.say(&error.to_string())?;
        let keys = private_keys(environment.home(), &target.identity_files);
        if !keys.is_empty() {
            terminal.say("Other keys in ~/.ssh:")?;
            for (index, key) in keys.iter().enumerate() {
                terminal.say(&format!("  {}  {key}", index + 1))?;
            }
        }
        let question = "Another key to log in with? A number or a path, nothing to stop";
        match terminal.ask(question, None).await?.filter(|answer| !answer.is_empty()) {
            Some(answer) => answers.identity_file = Some(picked(&answer, &keys).cloned().unwrap_or(answer)),
            None => return Err(error.into()),
        }
    }
}

/// The private keys in ~/.ssh that were not tried, as they are to stand in the config: each has its public half beside it.
fn private_keys(home: &Path, tried: &[PathBuf]) -> Vec<String> {
    let files = std::fs::read_dir(home.join(".ssh")).into_iter().flatten().flatten();
    let mut keys: Vec<String> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "pub") && !tried.contains(path))
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| home.join(".ssh").join(format!("{name}.pub")).exists())
        .map(|name| format!("~/.ssh/{name}"))
        .collect();
    keys.sort();
    keys
}

/// Offers to load a key with a passphrase into the agent, which is where the daemon can find it open: `ssh-add` asks for
/// the passphrase itself, and modsync never sees it. Whether it is worth another try.
async fn load_key(error: &TransportError, target: &SshTarget, terminal: &mut Terminal<'_>) -> anyhow::Result<bool> {
    let key = target.identity_files.iter().find(|file| file.exists());
    let (true, Some(_), Some(key)) = (
        error.message.contains("needs a passphrase"),
        &target.identity_agent,
        key,
    ) else {
        return Ok(false);
    };
    let question = format!(
        "{} has a passphrase. Load it into the agent with ssh-add?",
        key.display()
    );
    if !terminal.agrees(&question).await? {
        return Ok(false);
    }
    let loaded = Command::new("ssh-add")
        .arg(key)
        .status()
        .context("cannot run ssh-add")?;
    Ok(loaded.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_type_them() {
        let read = |text| address(text).map(|(user, host, port)| (user.unwrap_or_default(), host, port.unwrap_or(0)));
        let parts = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(read("example.org"), parts("", "example.org", 0));
        assert_eq!(read("root@192.0.2.10:2222"), parts("root", "192.0.2.10", 2222));
        assert_eq!(read("ann@[2001:db8::1]:22"), parts("ann", "2001:db8::1", 22));
        assert_eq!(read("2001:db8::1"), parts("", "2001:db8::1", 0));
        for wrong in ["", "-oProxyCommand=x", "a b", "host:port", "host:99999", "/etc/passwd"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
