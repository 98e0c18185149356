//! The files beside the server's database that are backups: listed and removed, by commands or, where none can be run, by SFTP.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::CycleError;
use super::super::backup::{INFIX, command, path, quoted, time};
use crate::config::EngineChoice;
use crate::ssh::Link;
use crate::ssh::sftp::{SftpError, SftpErrorKind};

/// Stands beside a backup that is being taken, or was cut off.
const JOURNAL: &str = "-journal";
/// Says that the listing came to its end.
const END: &str = "end of the listing";
/// Names on one command line.
const NAMES: usize = 100;

/// One backup, as its file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cycle) struct Kept {
    /// The time in its name.
    pub time: Timestamp,
    /// Bytes.
    pub size: u64,
    /// Last change of its contents, in seconds since 1970.
    pub changed: i64,
    /// Whether it came to its end.
    pub whole: bool,
}

/// The backups of a database on the server, newest first.
pub(in crate::cycle) async fn list(
    link: &dyn Link,
    engine: EngineChoice,
    database: &str,
) -> Result<Vec<Kept>, CycleError> {
    let mut kept = match engine {
        EngineChoice::Sftp => by_files(link, database).await?,
        _ => by_command(link, database).await?,
    };
    kept.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.time));
    Ok(kept)
}

/// The path of the database behind all symbolic links, which need not be there: backups lie beside the file itself.
pub(super) async fn resolve(link: &dyn Link, engine: EngineChoice, database: &str) -> Result<String, CycleError> {
    if engine == EngineChoice::Sftp {
        let sftp = link.sftp().await?;
        return Ok(sftp.realpath(database).await.unwrap_or_else(|_| database.to_owned()));
    }
    let said = command(
        link,
        &format!("readlink -f -- {0} || printf '%s\\n' {0}", quoted(database)?),
    )
    .await?;
    Ok(said.strip_suffix('\n').unwrap_or(&said).to_owned())
}

/// Removes backups, with the journals of those that were cut off.
pub(in crate::cycle) async fn remove(
    link: &dyn Link,
    engine: EngineChoice,
    database: &str,
    times: &[Timestamp],
) -> Result<(), CycleError> {
    let paths = times.iter().map(|time| path(database, *time));
    let paths: Vec<String> = paths.flat_map(|path| [format!("{path}{JOURNAL}"), path]).collect();
    if engine == EngineChoice::Sftp {
        let sftp = link.sftp().await?;
        for path in &paths {
            match sftp.remove(path).await {
                Err(error) if error.kind != SftpErrorKind::NotFound => return Err(of_files(error)),
                _ => {}
            }
        }
        return Ok(());
    }
    for paths in paths.chunks(NAMES) {
        let names = paths.iter().map(|path| quoted(path)).collect::<Result<Vec<_>, _>>()?;
        let said = command(link, &format!("rm -f -- {0} 2>&1", names.join(" "))).await?;
        if let Some(line) = said.lines().next() {
            return Err(CycleError::attention(
                format!("remove old backups on the server: {line}"),
                "the SSH user needs write permission on the database's folder",
            ));
        }
    }
    Ok(())
}

/// A file of ours is no link, and has a name that we give.
async fn by_command(link: &dyn Link, database: &str) -> Result<Vec<Kept>, CycleError> {
    // Exactly names that we give: what else stands in the folder, and in its names, is not even told.
    let digits = |count| "[0-9]".repeat(count);
    let pattern = format!("{}{INFIX}{}_{}", quoted(database)?, digits(8), digits(6));
    let script = format!(
        "for f in {pattern}; do [ -f \"$f\" ] && [ ! -L \"$f\" ] || continue; \
         facts=$(stat -c '%s %Y' -- \"$f\" 2>/dev/null || stat -f '%z %m' -- \"$f\" 2>/dev/null); \
         if [ -e \"$f{JOURNAL}\" ]; then kind=part; else kind=whole; fi; \
         printf '%s %s %s\\n' \"$kind\" \"${{facts:-0 0}}\" \"${{f##*{INFIX}}}\"; done; echo '{END}'"
    );
    let listing = command(link, &script).await?;
    if listing.lines().last() != Some(END) {
        return Err(CycleError::failed(format!(
            "list the backups of {database} on the server: its shell said \"{}\"",
            listing.lines().last().unwrap_or("nothing")
        )));
    }
    let kept = listing.lines().filter_map(|line| {
        let mut words = line.splitn(4, ' ');
        let (kind, size, changed) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Kept {
            time: time("", &format!("{INFIX}{}", words.next()?))?,
            size,
            changed,
            whole: kind == "whole" && size > 0,
        })
    });
    Ok(kept.collect())
}

async fn by_files(link: &dyn Link, database: &str) -> Result<Vec<Kept>, CycleError> {
    let sftp = link.sftp().await?;
    let (folder, name) = database.rsplit_once('/').unwrap_or((".", database));
    let folder = if folder.is_empty() { "/" } else { folder };
    let entries = sftp.read_dir(folder).await.map_err(of_files)?;
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let kept = entries.iter().filter(|entry| entry.info.is_file()).filter_map(|entry| {
        Some(Kept {
            time: time(name, &entry.name)?,
            size: entry.info.size,
            changed: entry.info.mtime.into(),
            whole: entry.info.size > 0 && !names.contains(format!("{}{JOURNAL}", entry.name).as_str()),
        })
    });
    Ok(kept.collect())
}

pub(super) fn of_files(error: SftpError) -> CycleError {
    CycleError::failed(error.message)
}
