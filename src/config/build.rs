//! From what was written to the [`Config`]: every key, its default and its bounds, one function a section.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::layers::Raw;
use super::mistake::Fault;
use super::reader::Reader;
use super::ssh_config::check_jumps;
use super::values::{boolean, choice, count, duration, host, level, line, percent, schedule, server_path, size, zone};
use super::{Backup, Daemon, EngineChoice, Environment, History, Local, Log, Places, Remote, Safety, Sync};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The words of `remote.engine`.
pub(super) const ENGINES: [(&str, EngineChoice); 6] = [
    ("auto", EngineChoice::Auto),
    ("sqlite3", EngineChoice::Sqlite3),
    ("python3", EngineChoice::Python3),
    ("php", EngineChoice::Php),
    ("modsyncd", EngineChoice::Modsyncd),
    ("sftp", EngineChoice::Sftp),
];

/// What a socket's path may be long at most: `sun_path` of the system, without the closing NUL.
const SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

fn path(raw: &Raw, environment: &Environment) -> Result<PathBuf, Fault> {
    Ok(environment.expand(line(raw)?)?)
}

/// `[local]`; `None` when something that it must have is missing or wrong.
pub(super) fn local(reader: &mut Reader, environment: &Environment) -> Option<Local> {
    let database = reader.require("local.database", "the path of the local database file", |raw| {
        path(raw, environment)
    });
    let timezone = reader.take("local.timezone", zone).unwrap_or(TimeZone::UTC);
    Some(Local {
        database: database?,
        timezone,
    })
}

/// `[remote]`; `None` when something that it must have is missing or wrong.
pub(super) fn remote(reader: &mut Reader, environment: &Environment) -> Option<Remote> {
    let host = reader.require("remote.host", "the server's name, or its name in ~/.ssh/config", host);
    let database = reader.require("remote.database", "the path of the database on the server", server_path);
    let local_path = |raw: &Raw| path(raw, environment);
    let text = |raw: &Raw| line(raw).map(str::to_owned);
    let remote = Remote {
        host: host.unwrap_or_default(),
        user: reader.take("remote.user", text),
        port: reader.take("remote.port", |raw| {
            Ok(u16::try_from(count(raw, 1..=65_535)?).unwrap_or(u16::MAX))
        }),
        identity_file: reader.take("remote.identity_file", local_path),
        proxy_jump: reader.take("remote.proxy_jump", |raw| {
            let jumps = line(raw)?;
            Ok(check_jumps(jumps).map(|()| jumps.to_owned())?)
        }),
        database: database.unwrap_or_default(),
        engine: reader
            .take("remote.engine", |raw| choice(raw, &ENGINES))
            .unwrap_or(EngineChoice::Auto),
        timezone: reader.take("remote.timezone", zone).unwrap_or(TimeZone::UTC),
        known_hosts: reader.take("remote.known_hosts", local_path),
        password_command: reader.take("remote.password_command", text),
        passphrase_command: reader.take("remote.passphrase_command", text),
        ssh_config: reader.take("remote.ssh_config", local_path),
        connect_timeout: reader
            .take("remote.connect_timeout", |raw| duration(raw, SECOND..=10 * 60 * SECOND))
            .unwrap_or(10 * SECOND),
    };
    (!remote.host.is_empty() && !remote.database.is_empty()).then_some(remote)
}

/// `[sync]`.
pub(super) fn sync(reader: &mut Reader) -> Sync {
    let written = if reader.has("sync.debounce") {
        "sync.debounce"
    } else {
        "sync.max_delay"
    };
    let origin = reader.origin(written);
    let watch = reader.take("sync.watch", boolean).unwrap_or(true);
    let debounce = reader.take("sync.debounce", |raw| duration(raw, Duration::from_millis(50)..=HOUR));
    let max_delay = reader.take("sync.max_delay", |raw| duration(raw, SECOND..=DAY));
    let sync = Sync {
        watch,
        debounce: debounce.unwrap_or(2 * SECOND),
        max_delay: max_delay.unwrap_or(30 * SECOND),
        schedule: reader
            .take("sync.schedule", schedule)
            .unwrap_or_else(|| Some("0 */15 * * * *".to_owned())),
        poll: reader
            .take("sync.poll", |raw| duration(raw, Duration::from_millis(200)..=DAY))
            .unwrap_or(2 * SECOND),
    };
    let readable = !reader
        .mistakes
        .iter()
        .any(|mistake| mistake.key.as_deref() == Some("sync.max_delay"));
    if readable && sync.debounce >= sync.max_delay {
        let [debounce, max_delay] = [sync.debounce, sync.max_delay].map(super::format_duration);
        let message =
            format!("sync.debounce, which is {debounce}, must be shorter than sync.max_delay, which is {max_delay}");
        reader.mistakes.push(Fault::from(message).at(origin, written));
    }
    sync
}

/// `[safety]`.
pub(super) fn safety(reader: &mut Reader) -> Safety {
    Safety {
        max_delete: reader.take("safety.max_delete", percent).unwrap_or(0.25),
        max_answer: reader
            .take("safety.max_answer", |raw| size(raw, MIB..=1024 * GIB))
            .unwrap_or(GIB),
    }
}

/// `[backup]`.
pub(super) fn backup(reader: &mut Reader) -> Backup {
    Backup {
        enabled: reader.take("backup.enabled", boolean).unwrap_or(true),
        min_interval: reader
            .take("backup.min_interval", |raw| duration(raw, Duration::ZERO..=365 * DAY))
            .unwrap_or(15 * 60 * SECOND),
        keep_last: reader
            .take("backup.keep_last", |raw| count(raw, 1..=10_000))
            .unwrap_or(10),
        keep_daily: reader
            .take("backup.keep_daily", |raw| count(raw, 0..=10_000))
            .unwrap_or(7),
    }
}

/// `[history]`.
pub(super) fn history(reader: &mut Reader) -> History {
    History {
        keep_days: reader
            .take("history.keep_days", |raw| count(raw, 1..=36_500))
            .unwrap_or(365),
        max_size: reader
            .take("history.max_size", |raw| size(raw, MIB..=1024 * GIB))
            .unwrap_or(256 * MIB),
    }
}

/// `[daemon]`.
pub(super) fn daemon(reader: &mut Reader, environment: &Environment, places: &Places) -> Daemon {
    let origin = reader.origin("daemon.socket");
    let state_dir = reader
        .take("daemon.state_dir", |raw| path(raw, environment))
        .unwrap_or_else(|| places.state_dir(environment));
    let socket = reader
        .take("daemon.socket", |raw| path(raw, environment))
        .unwrap_or_else(|| places.socket(environment, &state_dir));
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH {
        let message = format!(
            "\"{}\" is {length} bytes long, a socket's path may have {SOCKET_PATH}: set a shorter one",
            socket.display()
        );
        reader.mistakes.push(Fault::from(message).at(origin, "daemon.socket"));
    }
    Daemon {
        name: places.name.clone(),
        state_dir,
        socket,
    }
}

/// `[log]`.
pub(super) fn log(reader: &mut Reader) -> Log {
    Log {
        level: reader.take("log.level", level).unwrap_or_else(|| "info".to_owned()),
        keep_days: reader.take("log.keep_days", |raw| count(raw, 1..=3650)).unwrap_or(14),
    }
}
