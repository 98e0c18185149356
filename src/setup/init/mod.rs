//! `modsyncd init`: a config from a conversation or from flags, and a host key that a person has looked at.
//!
//! Nothing is written before the end, and then in one step; the host key's line in `known_hosts` is the one exception, which
//! is written when a person has said yes to it.

mod answers;
mod candidate;
mod files;
mod local;
mod remote;
mod save;
mod server;
mod tables;
mod visit;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};

use self::answers::{Answers, Notes};
use self::candidate::{Candidate, lines};
use self::save::{Readers, save};
use self::visit::Visit;
use super::terminal::Terminal;
use crate::config::{Environment, LoadOptions, Places};
use crate::cycle::Foresight;
use crate::model::Schema;
use crate::replica::sqlite::OpenMode;
use crate::replica::{LocalSql, schema_of};

/// How long the local database may be locked by others.
const BUSY: Duration = Duration::from_secs(5);

/// What `init` would otherwise ask for.
#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// The config file to write [default: ~/.config/modsync/config.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The pair of that name: writes ~/.config/modsync/NAME.toml.
    #[arg(long, conflicts_with = "config")]
    name: Option<String>,
    /// The config of a system service: writes /etc/modsync/config.toml.
    #[arg(long, conflicts_with = "config")]
    system: bool,
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
    /// The program that speaks SQL on the server [default: the first of sqlite3, python3, php, modsyncd that works].
    #[arg(long, value_enum)]
    engine: Option<EngineWord>,
    /// The file of known host keys [default: ~/.ssh/known_hosts].
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<String>,
    /// Trust the server's host key if it has this fingerprint, without asking.
    #[arg(long, alias = "fingerprint", value_name = "SHA256:…", value_parser = fingerprint)]
    accept_fingerprint: Option<String>,
    /// Do not ask: trust an unknown host key at first sight (never a changed one), and take a database that is the only one
    /// found. --accept-fingerprint is the safer half of it.
    #[arg(long, short)]
    yes: bool,
    /// Write the config without a look at the server.
    #[arg(long)]
    no_check: bool,
    /// Write over a config that is there.
    #[arg(long)]
    force: bool,
}

/// The words of `remote.engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineWord {
    /// The first of the next four that works.
    Auto,
    /// The command of that name.
    Sqlite3,
    /// Python with its sqlite3 module.
    Python3,
    /// PHP with pdo_sqlite.
    Php,
    /// modsync itself, where it is installed there.
    Modsyncd,
    /// Files alone, the second best, for hosts without a shell.
    Sftp,
}

impl EngineWord {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sqlite3 => "sqlite3",
            Self::Python3 => "python3",
            Self::Php => "php",
            Self::Modsyncd => "modsyncd",
            Self::Sftp => "sftp",
        }
    }
}

fn fingerprint(text: &str) -> Result<String, String> {
    // 32 bytes in base64 without padding, as `ssh-keygen -lf` shows them.
    let is_one = text.strip_prefix("SHA256:").is_some_and(|digest| digest.len() == 43);
    is_one
        .then(|| text.to_owned())
        .ok_or_else(|| "a fingerprint is SHA256: and 43 characters, as `ssh-keygen -lf` shows it".to_owned())
}

/// Writes the config, settles the host key and looks whether the server can be used.
///
/// # Errors
/// When an answer is missing, the config would be wrong, or the server cannot be used as it says.
pub(super) fn init(args: &InitArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async {
        let visit = Visit::new();
        let mut terminal = Terminal::of_process(out);
        let ended = tokio::select! {
            ended = converse(args, &visit, &mut terminal) => ended,
            // From here on the signal does not end the process by itself.
            _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped; no config was written")),
        };
        visit.leave().await;
        ended
    });
    // A thread may still wait for an answer that nobody needs any more.
    runtime.shutdown_background();
    ended
}

async fn converse(args: &InitArgs, visit: &Visit, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    let places = LoadOptions {
        file: args.config.as_deref().map(std::path::absolute).transpose()?,
        name: args.name.clone(),
        system: args.system,
        environment: environment.clone(),
        ..LoadOptions::default()
    }
    .places()?;
    let replace = may_replace(args, &places.file, terminal).await?;
    must_say_enough(args, terminal)?;
    if terminal.attended() {
        terminal.say("modsync keeps a SQLite database on this machine and its sibling on a server in sync.")?;
        terminal.say("Return takes what stands in brackets; Ctrl-C ends this, and nothing has been written.\n")?;
    }
    let mut answers = Answers {
        local: local::ask(args, &environment, terminal).await?,
        user: args.user.clone(),
        port: args.port,
        identity_file: args.identity_file.clone(),
        known_hosts: args.known_hosts.clone(),
        engine: args.engine,
        remote: args.remote.clone(),
        ..Answers::default()
    };
    server::ask(args, &mut answers, &environment, &places, terminal).await?;
    let notes = if args.no_check {
        Notes::default()
    } else {
        check(args, &mut answers, visit, &environment, &places, terminal).await?
    };
    let file = &places.file;
    // What stands there now is what the daemon will read.
    answers.config(&environment, &places)?;
    let readers = if places.system { Readers::All } else { Readers::Owner };
    save(file, &answers.text(&notes), replace, readers).with_context(|| format!("cannot write {}", file.display()))?;
    terminal.say(&format!("Wrote {}.", file.display()))?;
    next_steps(args, terminal)
}

/// Asks before a config is written over. Whether there is one.
async fn may_replace(args: &InitArgs, file: &Path, terminal: &mut Terminal<'_>) -> anyhow::Result<bool> {
    if !file.exists() || args.force {
        return Ok(args.force);
    }
    if terminal
        .agrees(&format!("{} is there already. Write over it?", file.display()))
        .await?
    {
        return Ok(true);
    }
    bail!(
        "{} is there already; change it in an editor, write over it with --force, or make another pair with --name NAME",
        file.display()
    )
}

/// Without a person to ask, names every flag that is missing at once.
fn must_say_enough(args: &InitArgs, terminal: &Terminal<'_>) -> anyhow::Result<()> {
    if terminal.attended() || args.yes {
        return Ok(());
    }
    let needed = [
        ("--local", args.local.is_some()),
        ("--host", args.host.is_some()),
        ("--remote", args.remote.is_some()),
    ];
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(_, there)| !there)
        .map(|(flag, _)| *flag)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "there is no terminal to ask at: {} must be given as well; see `modsyncd init --help`",
        missing.join(" and ")
    )
}

/// Why a question could not be answered, with what there would be to choose from.
fn no_answer(flag: &str, what: &str, found: &[Candidate]) -> anyhow::Error {
    let list: String = lines(found).iter().map(|line| format!("\n{line}")).collect();
    match found.len() {
        0 => anyhow!("{flag} must be given: {what}; there is no terminal to ask at"),
        _ => anyhow!("{flag} must be given: {what}; there is no terminal to ask at, and these were found:{list}"),
    }
}

/// Logs in and opens the server's database as the daemon will.
async fn check(
    args: &InitArgs,
    answers: &mut Answers,
    visit: &Visit,
    environment: &Environment,
    places: &Places,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Notes> {
    let target = answers.target(environment, places)?;
    server::settle_host_keys(args, &target, terminal).await?;
    let connection = visit.arrive(server::log_in(answers, environment, places, terminal).await?);
    if terminal.attended() {
        terminal.say(&format!(
            "Logged in as {}.",
            server::place(&answers.target(environment, places)?)
        ))?;
    }
    let seen = remote::settle(args, answers, visit, connection, environment, places, terminal).await?;
    let local = local_schema(answers, environment, places).await?;
    let engine = seen.hello.engine.as_ref().map(ToString::to_string);
    let opened = engine.as_deref().unwrap_or("files alone, over SFTP");
    terminal.say(&format!(
        "{opened} opens {} as {}.",
        seen.hello.database, seen.hello.user
    ))?;
    let (local, server) = match (&local, &seen.schema) {
        (None, None) => bail!("neither database is there: one of the two has to exist"),
        (None, Some(server)) => {
            terminal.say(&format!(
                "{} is not there: the first sync fetches the server's.",
                answers.local
            ))?;
            (server, server)
        }
        (Some(local), None) => (local, local),
        (Some(local), Some(server)) => (local, server),
    };
    let foresight = Foresight::new(local, server, &[]);
    if foresight.tables.is_empty() && foresight.carried.is_empty() {
        terminal.say("The two databases have no table in common that can be synced: check both paths.")?;
    }
    tables::told(&foresight)
        .iter()
        .try_for_each(|line| terminal.say(line))?;
    Ok(Notes {
        engine,
        zone: seen.zone,
        tables: tables::proposed(&foresight),
    })
}

/// The schema of this machine's database; `None` where there is none yet.
async fn local_schema(answers: &Answers, environment: &Environment, places: &Places) -> anyhow::Result<Option<Schema>> {
    let path = answers.config(environment, places)?.local.database;
    if !path.exists() {
        return Ok(None);
    }
    let mut sql = LocalSql::open(&path, OpenMode::ReadOnly, BUSY).await?;
    Ok(Some(schema_of(&mut sql).await?))
}

fn next_steps(args: &InitArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let (which, service, client) = match (&args.name, &args.config) {
        (Some(name), _) => (
            format!(" --name {name}"),
            format!(" --name {name}"),
            format!(" --name {name}"),
        ),
        (None, Some(file)) => {
            let which = format!(" --config {}", file.display());
            (which.clone(), which, String::new())
        }
        (None, None) if args.system => (
            " --system".to_owned(),
            " --system --account NAME".to_owned(),
            String::new(),
        ),
        (None, None) => (String::new(), String::new(), String::new()),
    };
    terminal.say("\nNext:")?;
    let steps = [
        (
            format!("modsyncd run{which}"),
            "the daemon in this terminal, to see its first cycle",
        ),
        (
            format!("modsyncd install{service}"),
            "the daemon as a service, now and after each login",
        ),
        (format!("modsyncctl status{client}"), "what it does"),
    ];
    let width = steps
        .iter()
        .map(|(command, _)| command.chars().count())
        .max()
        .unwrap_or(0);
    for (command, what) in &steps {
        terminal.say(&format!("  {command:<width$}  {what}"))?;
    }
    Ok(())
}
