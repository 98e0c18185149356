//! This machine: the config, the daemon, the state folder, the laptop's database.

use super::super::Subject;
use super::super::findings::{DaemonLook, Database, Findings, Home, ServiceLook, Whole};
use super::super::remedy::{failure, good, note, size, unknown, warning};
use crate::config::Config;
use crate::control::types::{Check, State};
use crate::cycle::advice::{word, word_of};
use crate::replica::{OpenError, SqlErrorKind};

/// A disk with less than this left, in bytes, or less than twice the database, is nearly full.
const LITTLE: u64 = 64 * 1024 * 1024;

/// The config.
pub(in crate::doctor) fn config(subject: &Subject) -> Check {
    let name = "config";
    let file = subject.places.file.display();
    match &subject.mistakes {
        Some(mistakes) => {
            let running = match subject.config {
                Some(_) => "; the daemon goes on with the one it has read before",
                None => "",
            };
            let edit = match subject.places.file.exists() {
                true => format!(
                    "${{EDITOR:-nano}} {}\nmodsyncd check-config{}",
                    word_of(&subject.places.file),
                    subject.which()
                ),
                false => format!("modsyncd init{}", subject.which()),
            };
            failure(name, format!("{mistakes}{running}"), edit)
        }
        None if !subject.warnings.is_empty() => warning(
            name,
            subject.warnings.join("; "),
            format!("chmod go-w {}", word_of(&subject.places.file)),
        ),
        None => good(name, format!("{file}: no mistakes")),
    }
}

/// Whether the daemon runs, and will after the next start of the machine.
pub(in crate::doctor) fn daemon(subject: &Subject, config: Option<&Config>, seen: &Findings) -> Check {
    let name = "daemon";
    let service = seen.home.as_ref().map(|home| &home.service);
    let systemd = if subject.places.system {
        "sudo systemctl"
    } else {
        "systemctl --user"
    };
    let unit = subject.unit();
    let start = match (service, subject.mistakes.is_some() && config.is_none()) {
        (Some(ServiceLook::Installed(path)), _) if path.extension().is_some_and(|it| it == "plist") => {
            format!("launchctl load -w {}", word_of(path))
        }
        (Some(ServiceLook::Installed(_)), _) => format!("{systemd} start {unit}"),
        (Some(ServiceLook::NoManager), _) => format!("modsyncd run{}", subject.which()),
        _ => format!("modsyncd install{}", subject.which()),
    };
    let restart = match service {
        Some(ServiceLook::Installed(_)) => format!("{systemd} restart {unit}"),
        _ => "modsyncctl logs -n 50".to_owned(),
    };
    match &seen.daemon {
        DaemonLook::Stopped => failure(name, "it does not run: nothing is synced", start),
        DaemonLook::Mute(why) => failure(name, format!("it does not answer: {why}"), restart),
        DaemonLook::Runs(status) => {
            let runs = format!("modsyncd {} runs, process {}", status.version, status.pid);
            match (&status.state, service) {
                (State::Paused, _) => note(
                    name,
                    format!("{runs}; paused, no cycle runs by itself"),
                    Some("modsyncctl resume".to_owned()),
                ),
                (_, Some(ServiceLook::Missing)) => note(
                    name,
                    format!("{runs}; no service is installed, so it does not start with the machine"),
                    Some(format!("modsyncd install{}", subject.which())),
                ),
                _ => good(name, runs),
            }
        }
    }
}

/// The state folder, the laptop's database and its disk.
pub(super) fn disks(config: &Config, seen: &Findings) -> [Check; 3] {
    let names = ["state_folder", "local_database", "local_disk"];
    let Some(home) = &seen.home else {
        let slow = format!(
            "this machine's disk did not answer within {:.1} s",
            seen.limit.as_secs_f32()
        );
        return names.map(|name| failure(name, slow.clone(), "dmesg | tail -n 30; df -h; mount"));
    };
    let [state, database, disk] = names;
    [
        state_folder(state, config, home),
        local_database(database, config, seen, home),
        local_disk(disk, config, seen, home),
    ]
}

fn state_folder(name: &str, config: &Config, home: &Home) -> Check {
    let folder = &config.daemon.state_dir;
    if !folder.exists() {
        return note(
            name,
            format!("{} is not there yet: the daemon makes it", folder.display()),
            None,
        );
    }
    let others = home.state.iter().find(|file| file.uid != home.uid);
    if let Some(file) = others {
        let mend = format!("sudo chown -R \"$(id -un)\" {}", word_of(folder));
        return failure(
            name,
            format!("{} belongs to another user (number {})", file.path, file.uid),
            mend,
        );
    }
    match home.state.iter().find(|file| file.mode & 0o077 != 0) {
        Some(file) => warning(
            name,
            format!(
                "{} may be read by others (mode {:04o}), and it tells what is in the databases",
                file.path, file.mode
            ),
            format!("chmod -R go-rwx {}", word_of(folder)),
        ),
        None => good(name, format!("{}: open to its owner alone", folder.display())),
    }
}

fn local_database(name: &str, config: &Config, seen: &Findings, home: &Home) -> Check {
    let path = &config.local.database;
    let (shown, quoted) = (path.display(), word_of(path));
    let Some(file) = &home.database else {
        let look = format!("ls -l {}", word_of(path.parent().unwrap_or(path)));
        return failure(
            name,
            format!(
                "{shown} is not there. If the two never synced, the first cycle fetches the server's; else put it back"
            ),
            format!("{look}\nmodsyncctl sync-now"),
        );
    };
    let [writable, folder_writable] = home.may_write;
    if !writable {
        let detail = format!(
            "{shown} may not be written by this user (mode {:04o}, owner {})",
            file.mode, file.uid
        );
        return failure(name, detail, mend_owner(file.uid, home.uid, &quoted, "u+rw"));
    }
    if !folder_writable {
        let folder = home
            .folder
            .as_ref()
            .map_or_else(String::new, |folder| folder.path.clone());
        let owner = home.folder.as_ref().map_or(0, |folder| folder.uid);
        let detail =
            format!("the folder {folder} may not be written by this user: SQLite has to make its journal in it");
        return failure(name, detail, mend_owner(owner, home.uid, &word(&folder), "u+rwx"));
    }
    match &seen.local {
        None => failure(
            name,
            format!("{shown} could not be opened within {:.1} s", seen.limit.as_secs_f32()),
            format!("fuser -v {quoted}"),
        ),
        Some(Err(error)) => unusable(name, &shown.to_string(), &quoted, error),
        Some(Ok(Database {
            whole: Whole::No(error),
            ..
        })) => unusable(name, &shown.to_string(), &quoted, error),
        Some(Ok(database)) => good(name, format!("{shown}: {}", described(database))),
    }
}

/// A database that could be opened, in half a sentence.
pub(super) fn described(database: &Database) -> String {
    let whole = match &database.whole {
        Whole::Yes => "quick_check finds no damage".to_owned(),
        Whole::TooLarge => "too large for quick_check in passing".to_owned(),
        Whole::Slow(took) => format!("quick_check had not come to its end after {:.1} s", took.as_secs_f32()),
        Whole::No(_) => "damaged".to_owned(),
    };
    format!("{}, journal_mode={}, {whole}", size(database.bytes), database.journal)
}

fn mend_owner(owner: u32, me: u32, quoted: &str, rights: &str) -> String {
    match owner == me {
        true => format!("chmod {rights} {quoted}"),
        false => format!("sudo chown \"$(id -un)\" {quoted} && chmod {rights} {quoted}"),
    }
}

fn unusable(name: &str, shown: &str, quoted: &str, error: &OpenError) -> Check {
    let salvage = format!(
        "sqlite3 {quoted} .recover | sqlite3 {}",
        word(&format!("{shown}.recovered"))
    );
    match error {
        OpenError::Empty => failure(name, format!("{shown} has no bytes"), "modsyncctl sync-now"),
        OpenError::Damaged(verdict) if verdict.contains("not a database") => failure(
            name,
            format!("{shown} is no SQLite database"),
            format!("file {quoted}\nmodsyncctl sync-now"),
        ),
        OpenError::Damaged(verdict) => failure(name, format!("{shown} is damaged: {verdict}"), salvage),
        OpenError::Sql(error) if error.kind == SqlErrorKind::Busy => failure(
            name,
            format!("{shown} is locked by another program: {}", error.message),
            format!("fuser -v {quoted}"),
        ),
        OpenError::Base(why) => failure(name, format!("{shown}: {why}"), "modsyncctl logs -n 50"),
        OpenError::Sql(error) => failure(
            name,
            error.message.clone(),
            format!("sqlite3 {quoted} 'PRAGMA quick_check'"),
        ),
    }
}

fn local_disk(name: &str, config: &Config, seen: &Findings, home: &Home) -> Check {
    let bytes = match &seen.local {
        Some(Ok(database)) => database.bytes,
        _ => 0,
    };
    let folders = [
        config.local.database.parent().unwrap_or(&config.local.database),
        &config.daemon.state_dir,
    ];
    let known = folders
        .into_iter()
        .zip(home.free)
        .filter_map(|(folder, free)| Some((folder, free?)));
    match known.min_by_key(|(_, free)| *free) {
        None => unknown(name, "the disk does not say how much is free"),
        Some((folder, free)) if free < LITTLE.max(2 * bytes) => failure(
            name,
            format!("{} free on the disk of {}", size(free), folder.display()),
            format!("df -h {0}; du -xh {0} | sort -h | tail", word_of(folder)),
        ),
        Some((folder, free)) => good(name, format!("{} free on the disk of {}", size(free), folder.display())),
    }
}
