//! Completion scripts and man pages, made of the command trees: a verb that is added is in them by itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, roman};

use super::Cli;
use crate::ctl;

/// The section of all pages: both programs are for any user.
const SECTION: &str = "1";

/// Which script.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Where the pages go.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The folder, such as ~/.local/share/man/man1. It is made if need be.
    folder: PathBuf,
    /// The pages of one program alone [default: both].
    #[arg(long, value_name = "NAME")]
    of: Option<Program>,
}

/// A program of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Program {
    /// The daemon.
    Modsyncd,
    /// Its client.
    Modsyncctl,
}

impl Program {
    /// Its command tree, with what clap adds to it.
    fn command(self) -> Command {
        let mut command = match self {
            Self::Modsyncd => Cli::command(),
            Self::Modsyncctl => ctl::Cli::command(),
        }
        .disable_help_subcommand(true);
        command.build();
        command
    }
}

/// Writes the completion script of `modsyncd`; `modsyncctl` writes its own.
///
/// # Errors
/// When standard output is gone.
pub(super) fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "modsyncd", &mut script);
    Ok(out.write_all(&script)?)
}

/// Writes a man page for each program and each of its verbs, and names the files.
///
/// # Errors
/// When the folder or a page cannot be written.
pub(super) fn man(args: &ManArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.folder)
        .with_context(|| format!("cannot make the folder {}", args.folder.display()))?;
    let programs = args
        .of
        .map_or_else(|| vec![Program::Modsyncd, Program::Modsyncctl], |of| vec![of]);
    for program in programs {
        write_tree(&program.command(), &args.folder, out)?;
    }
    Ok(())
}

fn write_tree(command: &Command, folder: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let file = folder.join(format!("{}.{SECTION}", page_name(command)));
    let mut text = Vec::new();
    page(command, &mut text)?;
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(out, "{}", file.display())?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_tree(verb, folder, out)?;
    }
    Ok(())
}

/// `modsyncctl-backups-list` of `modsyncctl backups list`.
fn page_name(command: &Command) -> String {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned()
}

fn page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone())
        .section(SECTION)
        .source(concat!("modsync ", env!("CARGO_PKG_VERSION")))
        .manual("modsync");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        man.render_subcommands_section(out)?;
    }
    for (title, body) in sections(&after_help(command)) {
        section(&title, &body, out)?;
    }
    see_also(command, out)
}

/// What stands below the options in `--help`: the examples, and what a program adds to them.
fn after_help(command: &Command) -> String {
    let help = command.get_after_long_help().or_else(|| command.get_after_help());
    help.map(ToString::to_string).unwrap_or_default()
}

/// Its paragraphs, each with its title: what stands before the first colon of its first line.
fn sections(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let (title, rest) = paragraph.split_once(':').unwrap_or(("Notes", paragraph));
        let lines = rest.lines().map(str::trim_end).filter(|line| !line.is_empty());
        found.push((title.to_uppercase(), lines.map(str::to_owned).collect()));
    }
    found
}

/// Indented lines as they are, in a typewriter's way; others as running text.
fn section(title: &str, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", [title]);
    let verbatim = lines.iter().all(|line| line.starts_with("  "));
    if verbatim {
        roff.control("nf", []);
    }
    for line in lines {
        roff.text([roman(
            line.strip_prefix("  ")
                .unwrap_or(line)
                .trim_start_matches(|c| !verbatim && c == ' '),
        )]);
    }
    if verbatim {
        roff.control("fi", []);
    }
    roff.to_writer(out)
}

fn see_also(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let name = page_name(command);
    let mut pages: Vec<&str> = ["modsyncd", "modsyncctl"]
        .into_iter()
        .filter(|page| *page != name)
        .collect();
    pages.sort_unstable();
    let mut text: Vec<Inline> = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        if index > 0 {
            text.push(roman(", "));
        }
        text.push(clap_mangen::roff::bold(*page));
        text.push(roman(format!("({SECTION})")));
    }
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    roff.text(text);
    roff.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every verb that a person can see, the programs themselves among them.
    fn visible(command: &Command) -> Vec<&Command> {
        let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        std::iter::once(command).chain(verbs.flat_map(visible)).collect()
    }

    #[test]
    fn every_verb_shows_an_example_of_itself() {
        for program in [Program::Modsyncd, Program::Modsyncctl] {
            let tree = program.command();
            for command in visible(&tree) {
                let words = page_name(command).replacen('-', " ", 1);
                let help = after_help(command);
                let examples = help.split("\n\n").find(|part| part.starts_with("Examples:\n"));
                let examples = examples.unwrap_or_else(|| panic!("`{words} --help` has no Examples: {help}"));
                let program = words.split(' ').next().unwrap();
                assert!(
                    examples.lines().skip(1).any(|line| line.contains(program)),
                    "the examples of `{words}` do not show it: {examples}"
                );
            }
        }
    }

    #[test]
    fn every_flag_and_every_verb_is_explained() {
        for program in [Program::Modsyncd, Program::Modsyncctl] {
            let tree = program.command();
            for command in visible(&tree) {
                assert!(command.get_about().is_some(), "{}: no description", page_name(command));
                for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                    let explained = argument.get_help().or_else(|| argument.get_long_help()).is_some();
                    assert!(
                        explained,
                        "{}: {} is not explained",
                        page_name(command),
                        argument.get_id()
                    );
                }
            }
        }
    }

    #[test]
    fn paragraphs_below_the_options_become_sections() {
        let text = "Examples:\n  a --b\n  c\n\nExit codes: 0 done,\n1 failed.";
        let expected = [
            ("EXAMPLES".to_owned(), vec!["  a --b".to_owned(), "  c".to_owned()]),
            (
                "EXIT CODES".to_owned(),
                vec![" 0 done,".to_owned(), "1 failed.".to_owned()],
            ),
        ];
        assert_eq!(sections(text), expected);
    }
}
