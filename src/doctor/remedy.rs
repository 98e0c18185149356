//! Checks put together, and the commands to paste that go with them.

use crate::config::Config;
use crate::control::types::{Check, Level};
use crate::cycle::advice::{ssh, way, word};

/// As it should be.
pub(super) fn good(name: &str, detail: impl Into<String>) -> Check {
    check(name, Level::Ok, detail.into(), None)
}

/// Worth knowing, and nothing has to be done.
pub(super) fn note(name: &str, detail: impl Into<String>, fix: Option<String>) -> Check {
    check(name, Level::Note, detail.into(), fix)
}

/// Syncing works, and something else is at risk.
pub(super) fn warning(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    check(name, Level::Warning, detail.into(), Some(fix.into()))
}

/// Syncing does not work, or the site does not.
pub(super) fn failure(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
    check(name, Level::Failure, detail.into(), Some(fix.into()))
}

/// Not tested, and why.
pub(super) fn unknown(name: &str, because: impl Into<String>) -> Check {
    check(name, Level::Unknown, because.into(), None)
}

fn check(name: &str, level: Level, detail: String, fix: Option<String>) -> Check {
    Check {
        name: name.to_owned(),
        ok: match level {
            Level::Ok | Level::Note => Some(true),
            Level::Unknown => None,
            Level::Warning | Level::Failure => Some(false),
        },
        level,
        detail,
        fix,
    }
}

/// A command for the server's shell, as a person runs it from here.
pub(super) fn there(config: &Config, command: &str) -> String {
    ssh(&config.remote, command)
}

/// The same as the server's root, whoever logs in.
pub(super) fn as_root(config: &Config, uid: u32, command: &str) -> String {
    match uid {
        0 => there(config, command),
        _ => {
            let way = way(&config.remote, "-p").join(" ");
            format!("ssh -t {way} {}", word(&format!("sudo sh -c {}", word(command))))
        }
    }
}

/// Logs in once by hand: OpenSSH shows an unknown host key and asks.
pub(super) fn log_in_once(config: &Config) -> String {
    there(config, "true")
}

/// Puts a public key on the server.
pub(super) fn copy_key(config: &Config, key: &str) -> String {
    // ssh-copy-id has -i for the key that is copied, and hands no options through but -p, -F, -J and -o.
    let remote = crate::config::Remote {
        identity_file: None,
        ..config.remote.clone()
    };
    format!("ssh-copy-id -i {} {}", word(key), way(&remote, "-p").join(" "))
}

/// "4.1 MB", with the units of the rest of the output.
pub(super) fn size(bytes: u64) -> String {
    crate::ctl::text::bytes(bytes)
}
