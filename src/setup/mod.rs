//! The verbs of `modsyncd`: their flags, and what each one calls.

mod init;
mod pages;
mod terminal;
mod unit;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, LoadOptions};
use crate::daemon::{self, Databases};
use crate::demo;
use crate::replica::engine;

/// Exit code for wrong usage, which a service manager does not start again.
const USAGE: u8 = 2;

/// Keeps a SQLite database on this machine and its sibling on a server in two-way sync over SSH.
#[derive(Debug, Parser)]
#[command(name = "modsyncd", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  modsyncd demo                       the whole story on this machine, with no set-up
  modsyncd init                       writes a config from questions, and tries the server
  modsyncd check-config               what the config says, or what is wrong with it
  modsyncd run --config shop.toml     the daemon in the foreground
  modsyncd install                    the daemon as a service of this user";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the daemon in the foreground.
    #[command(after_help = "Examples:\n  modsyncd run --config ~/.config/modsync/shop.toml")]
    Run(Config),
    /// Writes a config from questions or flags, and checks it against the server.
    #[command(
        after_help = "Examples:\n  modsyncd init\n  modsyncd init --local ~/shop/products.db --host assess --remote /var/www/data/products.db\n  modsyncd init --local ~/a.db --host 192.0.2.10 --user root --remote /srv/a.db --accept-fingerprint SHA256:…\n  modsyncd init --name shop"
    )]
    Init(init::InitArgs),
    /// Checks the config and names every mistake with its line.
    #[command(after_help = "Examples:\n  modsyncd check-config --config shop.toml")]
    CheckConfig(Config),
    /// Installs the daemon as a service, enables and starts it.
    #[command(
        after_help = "Examples:\n  modsyncd install\n  modsyncd install --linger\n  modsyncd install --name shop\n  modsyncd install --print\n  sudo modsyncd install --system --account modsync"
    )]
    Install(unit::InstallArgs),
    /// Stops the service and removes it. The config and the state stay.
    #[command(after_help = "Examples:\n  modsyncd uninstall\n  modsyncd uninstall --name shop")]
    Uninstall(unit::Unit),
    /// Shows the whole story on this machine: an SSH server, two databases, a real daemon.
    #[command(after_help = "Examples:\n  modsyncd demo\n  modsyncd demo --keep")]
    Demo {
        /// Leave the folder, and say how to look around in it.
        #[arg(long)]
        keep: bool,
    },
    /// Prints the completion script of a shell.
    #[command(
        after_help = "Examples:\n  modsyncd completions bash > ~/.local/share/bash-completion/completions/modsyncd\n  modsyncd completions zsh > ~/.zfunc/_modsyncd\n  modsyncd completions fish > ~/.config/fish/completions/modsyncd.fish"
    )]
    Completions(pages::CompletionsArgs),
    /// Writes the man pages of both programs and of each of their verbs.
    #[command(after_help = "Examples:\n  modsyncd man ~/.local/share/man/man1\n  modsyncd man . --of modsyncctl")]
    Man(pages::ManArgs),
    /// Runs SQL from standard input: the far end of a session with a server where modsync is installed.
    #[command(hide = true)]
    Engine {
        /// The database file; it is never created.
        #[arg(long)]
        database: PathBuf,
        /// How long a statement waits for a lock, in milliseconds.
        #[arg(long, default_value_t = 5000)]
        busy_timeout: u64,
    },
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
struct Config {
    /// The config file [default: ~/.config/modsync/config.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The pair of that name: ~/.config/modsync/NAME.toml.
    #[arg(long, conflicts_with = "config")]
    name: Option<String>,
    /// The system's: /etc/modsync/config.toml.
    #[arg(long)]
    system: bool,
    /// Overrides one key, such as sync.poll=5s.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it is no KEY=VALUE, such as sync.poll=5s")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Runs `modsyncd` with the process's arguments and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Run(which) => return run(&which.options()),
        Verb::CheckConfig(which) => return ExitCode::from(config::check(&which.options(), &mut io::stdout().lock())),
        Verb::Init(args) => init::init(&args, &mut io::stdout()),
        Verb::Install(args) => unit::install(args, &mut io::stdout()),
        Verb::Uninstall(which) => unit::uninstall(which, &mut io::stdout()),
        Verb::Demo { keep } => demo::run(keep, &mut io::stdout()).map_err(anyhow::Error::from),
        Verb::Completions(args) => pages::completions(&args, &mut io::stdout()),
        Verb::Man(args) => pages::man(&args, &mut io::stdout()),
        Verb::Engine { database, busy_timeout } => {
            let output = io::BufWriter::new(io::stdout().lock());
            engine::serve(
                &database,
                Duration::from_millis(busy_timeout),
                io::stdin().lock(),
                output,
            )
            .map_err(anyhow::Error::from)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &LoadOptions) -> ExitCode {
    let loaded = match config::load_noting(options) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            say(&mistakes.to_string());
            if mistakes.mistakes.iter().any(|mistake| mistake.key.is_some()) {
                say("correct that, see with `modsyncd check-config` whether it is right, and start again");
            }
            return ExitCode::from(USAGE);
        }
    };
    for warning in &loaded.warnings {
        say(&format!("warning: {warning}"));
    }
    let runtime = tokio::runtime::Runtime::new();
    let ended = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let ended = runtime.block_on(daemon::run(loaded.config, || config::load(options), Databases));
        // A thread that still waits for a disk must not keep a process that was told to end.
        runtime.shutdown_timeout(Duration::from_secs(1));
        ended.map_err(anyhow::Error::from)
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Config {
    fn options(self) -> LoadOptions {
        LoadOptions {
            file: self.config,
            name: self.name,
            system: self.system,
            overrides: self.overrides,
            ..LoadOptions::default()
        }
    }
}

fn say(message: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "modsyncd: {message}");
}
