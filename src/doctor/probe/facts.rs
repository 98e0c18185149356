//! The script that tells what the server's side looks like, and the reading of what it says.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::cycle::advice::word;
use crate::doctor::findings::{Account, Facts, FileLook};
use crate::model::from_hex;
use crate::random;
use crate::ssh::{Link, TransportError};

const SCRIPT: &str = include_str!("facts.sh");

/// How much of what it says is read, in bytes.
const MAX_SAID: u64 = 256 * 1024;

/// How many of a kind of line are kept: a folder may hold any number of backups.
const MAX_LINES: usize = 2000;

/// Runs the script: two round trips. `None` where no shell answers.
///
/// # Errors
/// When the connection is gone or refuses the channel.
pub(in crate::doctor) async fn ask(
    link: &dyn Link,
    database: &str,
    host: &str,
) -> Result<Option<Facts>, TransportError> {
    let Ok(token) = random::name() else { return Ok(None) };
    let set = |name: &str, value: &str| format!("{name}={}\n", word(value));
    let script = set("token", &token) + &set("database", database) + &set("name", host) + SCRIPT;
    let mut process = link.exec("exec sh -s").await?;
    let send = async {
        // A shell that does not read has said why, or says nothing: either way there is nothing more to do.
        let _ = process.stdin.write_all(script.as_bytes()).await;
        let _ = process.stdin.shutdown().await;
    };
    let mut said = Vec::new();
    let mut stdout = process.stdout.take(MAX_SAID);
    let (read, ()) = tokio::join!(stdout.read_to_end(&mut said), send);
    link.traffic().add_round_trip();
    let said = read
        .map(|_| String::from_utf8_lossy(&said).into_owned())
        .unwrap_or_default();
    let facts = read_facts(&said, &token);
    Ok(facts.me.name.is_empty().then_some(()).map_or(Some(facts), |()| None))
}

/// Takes the lines that carry the token; what else a login shell prints is passed over, and so is what makes no sense.
fn read_facts(said: &str, token: &str) -> Facts {
    let mut facts = Facts::default();
    for line in said.lines() {
        if let Some(fact) = line.strip_prefix(token).and_then(|rest| rest.strip_prefix(' ')) {
            let (name, value) = fact.split_once(' ').unwrap_or((fact, ""));
            let _ = take(&mut facts, name, value);
        }
    }
    facts
}

fn take(facts: &mut Facts, name: &str, value: &str) -> Option<()> {
    match name {
        "clock" => facts.clock = Some(clock(value)?),
        "me" => facts.me = account(value)?,
        "link" => facts.link = true,
        "database" => facts.database = Some(file(value)?),
        "folder" => facts.folder = Some(file(value)?),
        "wal" | "shm" | "journal" => facts.beside.push(file(value)?),
        "above" => facts.above.push(file(value)?),
        "php" => facts.php.push(account(value)?),
        "web" => facts.web.push(account(value)?),
        "custom" => facts.custom.push(account(value)?),
        "disk" => facts.disk = Some(disk(value)?),
        "states-disk" => facts.states_disk = Some(disk(value)?),
        "states" => facts.states = Some(file(value)?),
        "laptop" if facts.laptops.len() < MAX_LINES => {
            let (time, name) = value.split_once(' ')?;
            facts.laptops.push((name.to_owned(), time.parse().ok()?));
        }
        "backup" if facts.backups.len() < MAX_LINES => {
            let (whole, name) = value.split_once(' ')?;
            facts.backups.push((whole == "whole", name.to_owned()));
        }
        "denied" => facts.denied.push(path(value)?),
        "served" => facts.served.push(path(value)?),
        "end" => facts.complete = true,
        _ => return None,
    }
    Some(())
}

/// Seconds with a fraction; where `date` knows no fractions, a letter stands in its place.
fn clock(value: &str) -> Option<f64> {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let fraction: f64 = format!("0.{fraction}").parse().unwrap_or(0.5);
    Some(seconds.parse::<u32>().ok().map(f64::from)? + fraction)
}

fn account(value: &str) -> Option<Account> {
    let mut words = value.split_ascii_whitespace();
    let uid = words.next()?.parse().ok()?;
    let name = words.next()?.to_owned();
    let groups = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some(Account { uid, name, groups })
}

/// `uid gid mode owner group path`; names may hold spaces on no system, the path is in hexadecimal digits.
fn file(value: &str) -> Option<FileLook> {
    let mut words = value.split_ascii_whitespace();
    let mut next = || words.next();
    Some(FileLook {
        uid: next()?.parse().ok()?,
        gid: next()?.parse().ok()?,
        mode: u32::from_str_radix(next()?, 8).ok()?,
        owner: next()?.to_owned(),
        group: next()?.to_owned(),
        path: path(next()?)?,
    })
}

/// A path that can stand in a command to paste; one with control characters cannot.
fn path(value: &str) -> Option<String> {
    let path = String::from_utf8(from_hex(value.as_bytes())?).ok()?;
    (!path.contains(char::is_control)).then_some(path)
}

fn disk(value: &str) -> Option<(u64, u8)> {
    let (free, used) = value.split_once(' ')?;
    Some((free.parse().ok()?, used.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_the_token_are_taken_and_nothing_else() {
        let said = "Welcome!\nt clock 1700000000.25\nclock 5\nt me 33 www-data 33 4\nt database 33 33 644 www-data www-data 2f61\n\
                    t disk 100 97\nt backup part 20261123_103507\nt laptop 5 a.db\nt file 1\nt web x\nt folder 1 2 9 a b 2f\nt end";
        let facts = read_facts(said, "t");
        let account = Account {
            uid: 33,
            name: "www-data".to_owned(),
            groups: vec![33, 4],
        };
        let database = FileLook {
            path: "/a".to_owned(),
            uid: 33,
            gid: 33,
            mode: 0o644,
            owner: "www-data".to_owned(),
            group: "www-data".to_owned(),
        };
        let expected = Facts {
            clock: Some(1_700_000_000.25),
            me: account,
            database: Some(database),
            disk: Some((100, 97)),
            backups: vec![(false, "20261123_103507".to_owned())],
            laptops: vec![("a.db".to_owned(), 5)],
            complete: true,
            ..Facts::default()
        };
        assert_eq!(facts, expected);
        assert_eq!(clock("1700000000.N"), Some(1_700_000_000.5));
    }
}
