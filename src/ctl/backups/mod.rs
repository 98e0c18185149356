//! `modsyncctl backups`.

mod list;
mod prune;
mod restore;
#[cfg(test)]
mod tests;

use super::Context;
use super::exit::Exit;
use super::out::Failure;
use crate::control::types::VerifyBackups;

/// The server's backups: list, take, look through, restore from, remove
///
/// They are complete databases beside the server's own, named DATABASE.backup_YYYYMMDD_HHMMSS (UTC). Cycles take them before they
/// write to the server; [backup] in the config says how often, and how many are kept.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl backups
  modsyncctl backups verify --all
  modsyncctl backups restore products.db.backup_20261123_103507 --dry-run
  modsyncctl backups --json | jq -r '.backups[0].name'";

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// The backups, newest first [default]
    #[command(after_help = list::EXAMPLES)]
    List,
    /// Take a backup now
    ///
    /// The server's SQLite writes a consistent copy beside the database, while the site goes on writing.
    #[command(after_help = list::CREATE_EXAMPLES)]
    Create,
    Verify(Verify),
    Restore(restore::Args),
    Prune(prune::Args),
}

/// Look backups through, and remember what was found
///
/// The server's SQLite opens each one read-only, checks it from end to end and counts its rows. Exits 1 when one is damaged.
#[derive(clap::Args, Debug)]
#[command(after_help = list::VERIFY_EXAMPLES)]
struct Verify {
    /// The backup, by its name in the list
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    backup: Option<String>,

    /// All of them
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => {
            let list = context.client.backups().await?;
            context.out.answer(&list, list::render)?;
            Ok(Exit::Done)
        }
        Verb::Create => {
            let backup = context.client.create_backup().await?;
            context.out.answer(&backup, list::render_created)?;
            Ok(Exit::Done)
        }
        Verb::Verify(Verify { backup, .. }) => {
            let list = context.client.verify_backups(&VerifyBackups { name: backup }).await?;
            context.out.answer(&list, list::render)?;
            let bad = list.backups.iter().any(|backup| backup.verified.is_none());
            Ok(if bad { Exit::Failed } else { Exit::Done })
        }
        Verb::Restore(args) => restore::run(args, context).await,
        Verb::Prune(args) => prune::run(&args, context).await,
    }
}
