//! What the launch script says before the engine speaks.

use crate::model::from_hex;

/// What was found at the far end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The database's path behind all symbolic links.
    pub database: String,
    /// Whether a database is there.
    pub state: DatabaseState,
    /// The database file; `None` unless it is [`DatabaseState::Present`], or where there is no `stat`.
    pub file: Option<FileFacts>,
    /// The folder that holds it; `None` when it cannot be entered.
    pub folder: Option<FileFacts>,
    /// The user's number there.
    pub uid: u32,
    /// The user's name there.
    pub user: String,
    /// The user's home folder.
    pub home: String,
    /// Path of the sidecar, in the user's state folder. Its file is there, empty before its first use, when an engine
    /// runs.
    pub sidecar: String,
    /// The engine that runs; `None` when none does.
    pub engine: Option<Engine>,
    /// Engines that were tried before it and do not work, each with the reason.
    pub unusable: Vec<(String, String)>,
    /// The state folder, when it could not be made or written.
    pub no_sidecar: Option<String>,
    /// How much room there is; `None` where the server does not say it.
    pub space: Option<Space>,
}

/// How much room there is at the far end, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The size of the database's file.
    pub database: u64,
    /// What is free on the disk of the database's folder.
    pub beside_database: u64,
    /// What is free on the disk of the sidecar's folder.
    pub beside_sidecar: u64,
}

impl Space {
    /// From three words: bytes, KiB, KiB. `None` when a word is missing or is no number.
    #[must_use]
    pub fn read(words: &str) -> Option<Self> {
        let mut numbers = words.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        let (database, beside_database, beside_sidecar) = (next()?, next()?, next()?);
        Some(Self {
            database,
            beside_database: beside_database.checked_mul(1024)?,
            beside_sidecar: beside_sidecar.checked_mul(1024)?,
        })
    }
}

/// Whether the database can be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseState {
    /// A file that this user can read.
    Present,
    /// No file, in a folder that can be looked into.
    #[default]
    Missing,
    /// A folder on the way may not be entered: whether the file exists is unknown.
    Denied,
    /// Something else is there, such as a folder.
    NotAFile,
    /// A file that this user may not read.
    Unreadable,
}

/// A file or folder at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// The device's number.
    pub device: u64,
    /// The inode's number.
    pub inode: u64,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// Whether this user may write it.
    pub writable: bool,
}

/// The program that runs the SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Its command: "sqlite3", "python3", "php" or "modsyncd".
    pub name: String,
    /// Its version, as it says it.
    pub version: String,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Hello {
    /// Takes one `key value` line; `None` when it is not one that the script writes.
    pub(super) fn take(&mut self, line: &[u8]) -> Option<()> {
        let line = std::str::from_utf8(line).ok()?;
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let path = || String::from_utf8(from_hex(value.as_bytes())?).ok();
        let pair = || {
            value
                .split_once(' ')
                .map(|(first, rest)| (first.to_owned(), rest.to_owned()))
        };
        match key {
            "user" => {
                let (uid, user) = pair()?;
                (self.uid, self.user) = (uid.parse().ok()?, user);
            }
            "home" => self.home = path()?,
            "database" => self.database = path()?,
            "state" => self.state = state(value)?,
            "sidecar" => self.sidecar = path()?,
            "no-sidecar" => self.no_sidecar = Some(path()?),
            "folder" => self.folder = Some(facts(value)?),
            "file" => self.file = Some(facts(value)?),
            "space" => self.space = Space::read(value),
            "unusable" => self.unusable.push(pair()?),
            "engine" => {
                let (name, version) = pair()?;
                self.engine = Some(Engine { name, version });
            }
            _ => return None,
        }
        Some(())
    }
}

fn state(value: &str) -> Option<DatabaseState> {
    Some(match value {
        "present" => DatabaseState::Present,
        "missing" => DatabaseState::Missing,
        "denied" => DatabaseState::Denied,
        "not-a-file" => DatabaseState::NotAFile,
        "unreadable" => DatabaseState::Unreadable,
        _ => return None,
    })
}

/// `device:inode uid:gid mode rights`, the mode in octal.
fn facts(value: &str) -> Option<FileFacts> {
    let mut words = value.split(' ');
    let (device, inode) = words.next()?.split_once(':')?;
    let (uid, gid) = words.next()?.split_once(':')?;
    let mode = words.next()?;
    Some(FileFacts {
        device: device.parse().ok()?,
        inode: inode.parse().ok()?,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        mode: u32::from_str_radix(mode, 8).ok()?,
        writable: words.next()? == "writable",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_script_are_taken_and_others_refused() {
        let mut hello = Hello::default();
        for line in [
            "user 33 www-data",
            "space ?  ",
            "space 5 2 1",
            "state present",
            "database 2f610a",
            "file 66306:12 0:33 644 writable",
        ] {
            assert_eq!(hello.take(line.as_bytes()), Some(()), "{line}");
        }
        assert_eq!(
            (hello.uid, hello.user.as_str(), hello.database.as_str()),
            (33, "www-data", "/a\n")
        );
        let facts = FileFacts {
            device: 66306,
            inode: 12,
            uid: 0,
            gid: 33,
            mode: 0o644,
            writable: true,
        };
        assert_eq!(hello.file, Some(facts));
        let space = Space {
            database: 5,
            beside_database: 2048,
            beside_sidecar: 1024,
        };
        assert_eq!(hello.space, Some(space));
        for line in [
            "",
            "user x y",
            "state ok",
            "database 2",
            "database ff",
            "file 1:2 3:4 644",
            "what 1",
        ] {
            assert_eq!(hello.take(line.as_bytes()), None, "{line}");
        }
    }
}
