//! `modsyncctl completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Context;
use super::args::Cli;
use super::exit::Exit;
use super::out::Failure;

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl completions bash > ~/.local/share/bash-completion/completions/modsyncctl
  modsyncctl completions zsh > ~/.zfunc/_modsyncctl
  modsyncctl completions fish > ~/.config/fish/completions/modsyncctl.fish";

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "modsyncctl", &mut script);
    context.out.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
