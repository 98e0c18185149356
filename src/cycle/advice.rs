//! What a person can do about it: commands to paste, for the hints of errors.

use std::path::Path;

use super::Pair;
use super::backup;
use crate::config::Remote;
use crate::model::Side;

/// A word for a POSIX shell, as a person would write it.
pub(crate) fn word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| format!("{text:?}"), std::borrow::Cow::into_owned)
}

pub(crate) fn word_of(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// `ssh` to the server, as the config says it.
pub(crate) fn ssh(remote: &Remote, command: &str) -> String {
    format!("ssh {} {}", way(remote, "-p").join(" "), word(command))
}

/// The options that lead `ssh` and its like to the server, and its name last. `port` is how the program spells that option.
pub(crate) fn way(remote: &Remote, port: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{name} {}", word(&value))));
    };
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    option("-F", path(&remote.ssh_config));
    option(port, remote.port.map(|port| port.to_string()));
    option("-i", path(&remote.identity_file));
    option("-J", remote.proxy_jump.clone());
    option(
        "-o",
        path(&remote.known_hosts).map(|file| format!("UserKnownHostsFile={file}")),
    );
    let user = remote.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    words.push(word(&format!("{user}{}", remote.host)));
    words
}

/// Moves a database and what SQLite keeps beside it out of the way, if they are there, and makes sure that it is. Backups
/// stay: their names go on with a dot.
fn put_aside(database: &str) -> String {
    let (folder, name) = database.rsplit_once('/').unwrap_or((".", database));
    let name = word(name);
    format!(
        "cd {} && mkdir -p aside && {{ mv -n {name} {name}-* aside/ 2>/dev/null; [ ! -e {name} ]; }}",
        word(folder)
    )
}

/// What to do when rows stand against a unique index of the other side.
pub(super) const REPEATED: &str = "make these rows differ, or drop the index on the side that has it";

/// What to do when a table is on one side alone, or otherwise there.
pub(super) fn unlike_schemas(table: &str) -> String {
    format!(
        "change the table on the other side likewise, and the next cycle goes on with it; or leave it out in the config: \
         [[table]] name = {table:?}, sync = false"
    )
}

impl Pair {
    /// Has the next cycle compare all rows without a base: it deletes none, and makes a database that is missing.
    pub(super) fn start_over(&self) -> String {
        let base = word_of(&self.base_file());
        format!("mv {base} {base}.old && modsyncctl sync-now")
    }

    /// What brings a side's database back that is gone or cannot be used, in a sentence.
    pub(super) async fn bring_back(&mut self, side: Side, database: &str) -> String {
        let aside = put_aside(database);
        match side {
            Side::Local => format!(
                "To bring the server's in its place: `({aside}) && {}`",
                self.start_over()
            ),
            Side::Server => match self.last_backup(database).await {
                Some(backup) => {
                    let restore = format!("{aside} && cp -p {} {}", word(&backup), word(database));
                    let restore = ssh(&self.config.remote, &restore);
                    format!("To bring back its last backup: `{restore} && modsyncctl sync-now`")
                }
                None => format!(
                    "To bring the laptop's in its place: `{} && {}`",
                    ssh(&self.config.remote, &aside),
                    self.start_over()
                ),
            },
        }
    }

    /// The command that tells which programs have a side's database open.
    pub(super) fn who_has_it(&self, side: Side, database: &str) -> String {
        self.on(side, format!("fuser -v {}", word(database)))
    }

    /// The command that puts what can be read of a damaged database into another file.
    pub(super) fn salvage(&self, side: Side, database: &str) -> String {
        let saved = word(&format!("{database}.recovered"));
        self.on(side, format!("sqlite3 {} .recover | sqlite3 {saved}", word(database)))
    }

    fn on(&self, side: Side, command: String) -> String {
        match side {
            Side::Local => command,
            Side::Server => ssh(&self.config.remote, &command),
        }
    }

    /// The path of the last backup of this database, if one was taken.
    async fn last_backup(&mut self, database: &str) -> Option<String> {
        let taken = self.history.fact(backup::FILE).await.ok().flatten()?;
        backup::time(database, &taken).map(|_| taken)
    }
}
