//! What keeps the pair well over time: clocks, disks, backups, the other laptops.

use jiff::{SignedDuration, Timestamp};

use super::super::findings::{Findings, Server};
use super::super::remedy::{as_root, failure, good, note, size, there, unknown, warning};
use crate::config::{Config, EngineChoice};
use crate::control::types::Check;
use crate::cycle::advice::word;

/// How far the two clocks may be apart, in seconds: two edits of one row are seldom nearer to each other.
const SKEW: f64 = 2.0;

/// A disk that is fuller, in percent, is nearly full.
const FULL: u8 = 97;

/// Free space that is little, in KiB.
const LITTLE: u64 = 64 * 1024;

/// A laptop that was not seen for so long has probably gone for good.
const GONE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Whether the two machines have the same time: the newest of two edits wins.
pub(super) fn clock(config: &Config, server: &Server) -> Check {
    let name = "clock";
    let Some(theirs) = server.known().and_then(|facts| facts.clock) else {
        return unknown(name, "the server does not tell its time");
    };
    let seconds = |time: Timestamp| time.as_duration().as_secs_f64();
    let [asked, answered] = server.asked.map(seconds);
    let skew = if theirs < asked {
        theirs - asked
    } else if theirs > answered {
        theirs - answered
    } else {
        0.0
    };
    if skew.abs() <= SKEW {
        return good(
            name,
            format!("the two clocks agree to within {:.1} s", skew.abs().max(0.1)),
        );
    }
    let apart = format!(
        "the server's clock is {:.0} s {} this machine's: of two edits of one row, the wrong one can count as the newer",
        skew.abs(),
        if skew > 0.0 { "ahead of" } else { "behind" }
    );
    let set = "timedatectl set-ntp true";
    let there = as_root(config, server.uid(), set);
    warning(name, apart, format!("sudo {set}\n{there}"))
}

/// Whether the server's disks have room.
pub(super) fn disk(config: &Config, server: &Server) -> Check {
    let name = "server_disk";
    let Some(facts) = server.known() else {
        return unknown(name, "not tested: the server's shell says nothing");
    };
    let bytes = server.database().map_or(0, |database| database.bytes);
    let path = server.path(config);
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let disks = [(folder, facts.disk), ("the state folder", facts.states_disk)];
    let known = disks.into_iter().filter_map(|(what, disk)| Some((what, disk?)));
    match known.min_by_key(|(_, (free, _))| *free) {
        None => unknown(name, "the server does not say how much is free"),
        Some((what, (free, used))) => {
            let detail = format!("{} free on the disk of {what}, {used}% in use", size(free * 1024));
            let look = format!("df -h {0}; du -xh {0} | sort -h | tail", word(folder));
            if free < LITTLE.max(2 * bytes / 1024) {
                failure(name, detail, there(config, &look))
            } else if used >= FULL {
                warning(name, detail, there(config, &look))
            } else {
                good(name, detail)
            }
        }
    }
}

/// modsync's own folder on the server.
pub(super) fn state(config: &Config, server: &Server) -> Check {
    let name = "server_state";
    if let Some(folder) = server.hello().and_then(|hello| hello.no_sidecar.as_ref()) {
        let mend = as_root(
            config,
            server.uid().max(1),
            &format!(
                "mkdir -p {0} && chown -R {1} {0} && chmod 700 {0}",
                word(folder),
                word(server.hello().map_or("", |it| &it.user))
            ),
        );
        return failure(
            name,
            format!("{folder} cannot be made or written by the user that logs in"),
            mend,
        );
    }
    match server.known().map(|facts| &facts.states) {
        None => unknown(name, "not tested: the server's shell says nothing"),
        Some(None) => good(name, "it is made by the first cycle"),
        Some(Some(folder)) => good(name, format!("{}: open to its owner alone", folder.path)),
    }
}

/// Whether backups are taken and old ones go.
pub(super) fn backups(config: &Config, seen: &Findings, server: &Server) -> Check {
    let name = "backups";
    if !config.backup.enabled {
        return note(
            name,
            "[backup] enabled = false: none are taken before the server's database is written to",
            None,
        );
    }
    let Some(facts) = server.known() else {
        return unknown(name, "not tested: the server's shell says nothing");
    };
    let mut whole: Vec<&str> = facts
        .backups
        .iter()
        .filter(|(whole, _)| *whole)
        .map(|(_, time)| time.as_str())
        .collect();
    whole.sort_unstable();
    let last = seen.home.as_ref().and_then(|home| home.last_backup.as_deref());
    let last = last.and_then(|path| path.rsplit_once(".backup_")).map(|(_, time)| time);
    let kept = (config.backup.keep_last + config.backup.keep_daily) as usize;
    let counted = crate::ctl::text::count(whole.len() as u64, "backup");
    match (whole.last(), last) {
        (None, None) => good(name, "none yet: the first push takes one"),
        (_, Some(last)) if !whole.iter().any(|time| *time >= last) => warning(
            name,
            format!("{counted}; the last one that was taken, {last}, is gone"),
            "modsyncctl backups create",
        ),
        // Several laptops each keep theirs.
        _ if whole.len() > 2 * kept + 2 => warning(
            name,
            format!("{counted}, though {kept} are to be kept: old ones do not go"),
            "modsyncctl backups prune",
        ),
        (newest, _) => good(name, format!("{counted}, the newest {}", newest.unwrap_or(&"none"))),
    }
}

/// The bases that laptops keep on the server.
pub(super) fn laptops(config: &Config, server: &Server) -> Check {
    let name = "laptops";
    if config.remote.engine == EngineChoice::Sftp {
        return good(name, "not kept where files alone are served");
    }
    let Some(facts) = server.known() else {
        return unknown(name, "not tested: the server's shell says nothing");
    };
    let now = Timestamp::now();
    let is_gone = |time: i64| Timestamp::from_second(time).is_ok_and(|time| now.duration_since(time) > GONE);
    let gone: Vec<&str> = facts
        .laptops
        .iter()
        .filter(|(_, time)| is_gone(*time))
        .map(|(name, _)| name.as_str())
        .collect();
    let all = crate::ctl::text::count(facts.laptops.len() as u64, "base");
    let Some(folder) = facts.states.as_ref().filter(|_| !gone.is_empty()) else {
        return good(
            name,
            format!("{all} there, one for each pair that syncs with this server"),
        );
    };
    let files: Vec<String> = gone
        .iter()
        .map(|name| word(&format!("{}/{name}", folder.path)))
        .collect();
    note(
        name,
        format!(
            "{all} there; {} not been written for three months, and only take up room",
            crate::ctl::text::count(gone.len() as u64, "has")
        ),
        Some(there(config, &format!("rm {}", files.join(" ")))),
    )
}
