//! `modsyncd init`: a config from questions or flags, and a host key that a person has looked at.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::config::ssh_config::{SshTarget, resolve};
use crate::config::{self, Config, EngineChoice, Environment, LoadOptions, Places};
use crate::model::to_hex;
use crate::ssh::known_hosts::{self, KnownHosts, LookupName, Verdict};
use crate::ssh::{
    ConnectOptions, Connection, DatabaseState, Link as _, SessionError, SessionOptions, TransportError,
    TransportErrorKind, scan_host_key,
};

/// What `init` would otherwise ask for.
#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// The config file to write [default: ~/.config/modsync/config.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The pair of that name: writes ~/.config/modsync/NAME.toml.
    #[arg(long, conflicts_with = "config")]
    name: Option<String>,
    /// The laptop's database.
    #[arg(long, value_name = "FILE")]
    local: Option<String>,
    /// The server: a host, or a name in ~/.ssh/config.
    #[arg(long)]
    host: Option<String>,
    /// The server's database.
    #[arg(long, value_name = "PATH")]
    remote: Option<String>,
    /// The user to log in as [default: what ~/.ssh/config says].
    #[arg(long)]
    user: Option<String>,
    /// The TCP port [default: what ~/.ssh/config says, or 22].
    #[arg(long)]
    port: Option<u16>,
    /// The private key [default: what ~/.ssh/config says].
    #[arg(long, value_name = "FILE")]
    identity_file: Option<String>,
    /// The program that speaks SQL on the server: auto, sqlite3, python3, php, modsyncd; or sftp, the second best, for
    /// hosts without a shell [default: auto].
    #[arg(long)]
    engine: Option<String>,
    /// The file of known host keys [default: ~/.ssh/known_hosts].
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<String>,
    /// Trust the server's host key if it has this fingerprint (SHA256:…), without asking.
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<String>,
    /// Write over a config that is there.
    #[arg(long)]
    force: bool,
}

/// Writes the config, settles the host key and looks whether the server can be used.
///
/// # Errors
/// When an answer is missing, the config would be wrong, or the server cannot be used as it says.
pub(super) fn init(args: &InitArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let places =
        Places::find(&environment, args.config.as_deref(), args.name.as_deref(), false).map_err(anyhow::Error::msg)?;
    let file = &places.file;
    if file.exists() && !args.force {
        bail!(
            "{} is there already; change it in an editor, or write over it with --force",
            file.display()
        );
    }
    let text = config_text(args, out)?;
    write_private(file, &text, args.force).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(out, "Wrote {}.", file.display())?;
    let options = LoadOptions {
        file: Some(file.clone()),
        ..LoadOptions::default()
    };
    let config =
        config::load(&options).with_context(|| format!("{} was written, but it cannot be used", file.display()))?;
    let target = resolve(&config.remote, environment.home(), &environment.login_user())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(settle_host_key(args, &target, out))?;
    match runtime.block_on(try_server(&config, &target, out)) {
        Err(error) if load_key(&error, &target, out)? => runtime.block_on(try_server(&config, &target, out))?,
        tried => tried?,
    }
    next_steps(args, out)?;
    Ok(())
}

fn config_text(args: &InitArgs, out: &mut dyn Write) -> anyhow::Result<String> {
    let local = answer(args.local.as_deref(), "--local", "The database on this machine", out)?;
    let host = answer(
        args.host.as_deref(),
        "--host",
        "The server (a host, or a name in ~/.ssh/config)",
        out,
    )?;
    let remote = answer(args.remote.as_deref(), "--remote", "The database on the server", out)?;
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = String::from(
        "# modsync keeps these two databases in sync. All keys: config/modsync.example.toml.\n\n[local]\n",
    );
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "database = {}\n\n[remote]\nhost = {}\n",
        quoted(&local),
        quoted(&host)
    );
    let set = [
        ("user", &args.user),
        ("identity_file", &args.identity_file),
        ("known_hosts", &args.known_hosts),
        ("engine", &args.engine),
    ];
    for (key, value) in set {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
    }
    if let Some(port) = args.port {
        let _ = writeln!(text, "port = {port}");
    }
    let _ = writeln!(text, "database = {}", quoted(&remote));
    Ok(text)
}

/// What a flag says, or else the person at the terminal.
fn answer(flag: Option<&str>, name: &str, question: &str, out: &mut dyn Write) -> anyhow::Result<String> {
    if let Some(value) = flag {
        return Ok(value.to_owned());
    }
    match ask(question, out)? {
        Some(answer) if !answer.is_empty() => Ok(answer),
        _ => bail!("{name} is needed; there was no answer to \"{question}\""),
    }
}

/// One line from the terminal; `None` where there is no terminal.
fn ask(question: &str, out: &mut dyn Write) -> io::Result<Option<String>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    write!(out, "{question}: ")?;
    out.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(Some(line.trim().to_owned()))
}

fn write_private(file: &Path, text: &str, force: bool) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(file)?.write_all(text.as_bytes())
}

/// Shows an unknown key's fingerprint as `ssh` does, and trusts it only when told to.
async fn settle_host_key(args: &InitArgs, target: &SshTarget, out: &mut dyn Write) -> anyhow::Result<()> {
    let key = scan_host_key(target, &ConnectOptions::default()).await?;
    let name = LookupName::new(&target.host, target.port, target.host_key_alias.as_deref());
    let known = KnownHosts::parse(&known_hosts::read(&target.known_hosts)?);
    match known.verify(&name, &key) {
        Verdict::Known => return Ok(writeln!(out, "The host key of {name} is known.")?),
        Verdict::Changed(place) => bail!(
            "the host key of {name} is not the one in {place}: it is now {} ({}); if the server was set up anew, check the \
             fingerprint there with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`, then run `ssh-keygen -R '{name}'` and init again",
            key.fingerprint_sha256,
            key.algorithm
        ),
        Verdict::Revoked(place) => bail!("the host key of {name} is revoked by {place}: do not connect"),
        Verdict::Unknown => {}
    }
    writeln!(out, "The authenticity of {name} is not known yet.")?;
    writeln!(
        out,
        "Its {} key has the fingerprint {}.",
        key.algorithm, key.fingerprint_sha256
    )?;
    let trusted = match &args.fingerprint {
        Some(expected) => *expected == key.fingerprint_sha256,
        None => ask("Is it the one that the server's owner told you? (yes/no)", out)?.is_some_and(|said| said == "yes"),
    };
    if !trusted {
        bail!(
            "the host key of {name} is not trusted, so nothing was connected; look at the fingerprint on the server with \
             `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`, then run init again with --force --fingerprint SHA256:…"
        );
    }
    let file = target
        .known_hosts
        .first()
        .context("no known_hosts file is configured")?;
    known_hosts::add(file, &name, &key)?;
    writeln!(out, "Added it to {}.", file.display())?;
    Ok(())
}

/// Logs in and starts an engine on the database, as the daemon will.
async fn try_server(config: &Config, target: &SshTarget, out: &mut dyn Write) -> anyhow::Result<()> {
    let connection = Connection::open(target, &ConnectOptions::default()).await?;
    let sidecar = format!("init-{}.db", to_hex(&std::process::id().to_be_bytes()));
    let mut options = SessionOptions::new(&config.remote.database, config.remote.engine, sidecar);
    // Made by the engine that needs it alone, and for this look alone.
    options.copies = config.daemon.state_dir.join(format!("init-{}", std::process::id()));
    let opened = connection.open_session(&options).await;
    let _ = fs::remove_dir_all(&options.copies);
    let local = config.local.database.exists();
    match opened {
        Ok((session, hello)) => {
            drop(session);
            // The sidecar was made for this look alone; a leftover is empty and in nobody's way.
            if config.remote.engine != EngineChoice::Sftp
                && let Ok(sftp) = connection.sftp().await
            {
                let _ = sftp.remove(&hello.sidecar).await;
            }
            let engine = hello.engine.map(|engine| engine.to_string()).unwrap_or_default();
            writeln!(out, "Logged in as {}; {engine} opens {}.", hello.user, hello.database)?;
            if !local {
                writeln!(
                    out,
                    "{} is not there: the first sync fetches the server's.",
                    config.local.database.display()
                )?;
            }
        }
        Err(SessionError::NoDatabase { hello, .. }) if hello.state == DatabaseState::Missing && local => {
            writeln!(
                out,
                "Logged in as {}; {} is not there: the first sync sends this machine's.",
                hello.user, hello.database
            )?;
        }
        Err(error) => return Err(error.into()),
    }
    connection.close().await;
    Ok(())
}

/// Offers to load a key with a passphrase into the agent, which is where the daemon can find it open: `ssh-add` asks for
/// the passphrase itself, and modsync never sees it. Whether it is worth another try.
fn load_key(error: &anyhow::Error, target: &SshTarget, out: &mut dyn Write) -> anyhow::Result<bool> {
    let refused = error.downcast_ref::<TransportError>();
    let locked = refused.filter(|error| {
        error.kind == TransportErrorKind::Authentication && error.message.contains("needs a passphrase")
    });
    let key = target.identity_files.iter().find(|file| file.exists());
    let (Some(_), Some(_), Some(key)) = (locked, &target.identity_agent, key) else {
        return Ok(false);
    };
    let question = format!(
        "{} has a passphrase. Load it into the agent with ssh-add? (yes/no)",
        key.display()
    );
    if ask(&question, out)?.is_none_or(|said| said != "yes") {
        return Ok(false);
    }
    let loaded = Command::new("ssh-add")
        .arg(key)
        .status()
        .context("cannot run ssh-add")?;
    Ok(loaded.success())
}

fn next_steps(args: &InitArgs, out: &mut dyn Write) -> io::Result<()> {
    let which = match (&args.name, &args.config) {
        (Some(name), _) => format!(" --name {name}"),
        (None, Some(file)) => format!(" --config {}", file.display()),
        (None, None) => String::new(),
    };
    writeln!(
        out,
        "\nNext:\n  modsyncd install{which}    runs the daemon as a service, now and after each login"
    )?;
    writeln!(
        out,
        "  modsyncd run{which}        runs it in this terminal\n  modsyncctl status          says what it does"
    )
}
