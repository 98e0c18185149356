//! The laptop's database: what there is to pick from, and the question.

use std::collections::VecDeque;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;

use super::candidate::{Candidate, HEADER, is_named_so, lines, rank};
use super::{InitArgs, no_answer};
use crate::config::Environment;
use crate::setup::terminal::{Terminal, picked};

/// How deep below the home folder.
const DEPTH: usize = 5;
/// How long it may take: a home folder can be a slow network disk.
const TIME: Duration = Duration::from_secs(2);
/// Folders in which no database of a person's lies.
const PASSED_OVER: [&str; 6] = ["node_modules", "target", "venv", "__pycache__", "Library", "snap"];
/// Asks which database of this machine is meant, unless a flag says it. As it is to stand in the config.
pub(super) async fn ask(
    args: &InitArgs,
    environment: &Environment,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<String> {
    if let Some(local) = &args.local {
        let path = written(local, environment)?;
        return match state_of(&path, environment)? {
            State::Other => bail!("--local {local}: the file is there, but it is no SQLite database"),
            State::Database | State::Missing => Ok(path),
        };
    }
    let mut found = search(environment.home());
    rank(&mut found, args.remote.as_deref().map(super::candidate::file_name));
    if let ([only], true) = (found.as_slice(), args.yes) {
        return Ok(only.path.clone());
    }
    if !terminal.attended() {
        return Err(no_answer("--local", "the database on this machine", &found));
    }
    if !found.is_empty() {
        terminal.say("Databases on this machine:")?;
        lines(&found).iter().try_for_each(|line| terminal.say(line))?;
    }
    let (question, default) = match found.first() {
        Some(_) => ("Which one is to be kept in sync? A number or a path", Some("1")),
        None => ("The path of the database on this machine", None),
    };
    loop {
        let answer = terminal.ask(question, default).await?.unwrap_or_default();
        if let Some(candidate) = picked(&answer, &found) {
            return Ok(candidate.path.clone());
        }
        match written(&answer, environment).and_then(|path| Ok((state_of(&path, environment)?, path))) {
            Err(why) => terminal.say(&format!("{why:#}"))?,
            Ok((State::Database, path)) => return Ok(path),
            Ok((State::Other, path)) => terminal.say(&format!("{path} is no SQLite database."))?,
            Ok((State::Missing, path)) => {
                terminal.say(&format!(
                    "{path} is not there: the first sync would fetch the server's copy."
                ))?;
                if terminal.agrees("Is that meant?").await? {
                    return Ok(path);
                }
            }
        }
    }
}

enum State {
    Database,
    Missing,
    Other,
}

fn state_of(path: &str, environment: &Environment) -> anyhow::Result<State> {
    let path = environment.expand(path).map_err(anyhow::Error::msg)?;
    Ok(match fs::metadata(&path) {
        Err(_) => State::Missing,
        Ok(about) if about.is_file() && has_header(&path) => State::Database,
        Ok(_) => State::Other,
    })
}

/// A path as it is to stand in the config: absolute, or below `~`.
fn written(path: &str, environment: &Environment) -> anyhow::Result<String> {
    if path.is_empty() {
        bail!("a path is needed");
    }
    if path.starts_with(['/', '~', '$']) {
        environment.expand(path).map_err(anyhow::Error::msg)?;
        return Ok(path.to_owned());
    }
    Ok(below_home(&std::path::absolute(path)?, environment.home()))
}

fn below_home(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => path.display().to_string(),
    }
}

/// The databases below the home folder, as far as they are found in time: the nearest folders first.
fn search(home: &Path) -> Vec<Candidate> {
    let (deadline, now) = (Instant::now() + TIME, SystemTime::now());
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(home.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop_front() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if Instant::now() > deadline {
                return found;
            }
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() && depth < DEPTH && !PASSED_OVER.contains(&&*name) {
                folders.push_back((path, depth + 1));
            } else if !kind.is_dir() && is_named_so(&name) {
                found.extend(candidate(&path, home, now));
            }
        }
    }
    found
}

fn candidate(path: &PathBuf, home: &Path, now: SystemTime) -> Option<Candidate> {
    let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    has_header(path).then(|| Candidate {
        path: below_home(path, home),
        size: about.len(),
        age: about
            .modified()
            .ok()
            .and_then(|written| now.duration_since(written).ok())
            .unwrap_or_default(),
    })
}

fn has_header(path: &Path) -> bool {
    let mut begin = [0; HEADER.len()];
    fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok()) && begin == HEADER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_known_by_their_header_and_hidden_folders_are_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str, contents: &[u8]| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        };
        let database = [HEADER, b"rest"].concat();
        make("shop/Shared/products.db", &database);
        make("notes.sqlite3", &database);
        make("thumbs.db", b"something else altogether");
        make("products.db.backup_20260101_000000", &database);
        make(".cache/browser.db", &database);
        make("site/node_modules/x/test.db", &database);
        let mut paths: Vec<String> = search(home.path()).into_iter().map(|found| found.path).collect();
        paths.sort();
        assert_eq!(paths, ["~/notes.sqlite3", "~/shop/Shared/products.db"]);
    }
}
