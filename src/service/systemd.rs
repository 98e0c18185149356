//! The text of a systemd unit.

use std::fmt::Write as _;
use std::path::Path;

use super::{Pair, Scope, Service};

/// What both kinds of unit have: how it runs, and the sandbox that needs no privilege to set up.
///
/// Not among it: `MemoryDenyWriteExecute`, because `password_command` may be a program that compiles as it runs, and
/// `ProtectHome`, because keys and databases are there.
const COMMON: &str = "\
Type=notify
NotifyAccess=main
WatchdogSec=2min
ExecReload=kill -HUP $MAINPID
Restart=on-failure
RestartSec=5s
# Wrong usage or configuration: trying again does not help.
RestartPreventExitStatus=2
TimeoutStopSec=30s
UMask=0077

NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
";

/// What a user's systemd may not set up: mount namespaces and capabilities.
const SYSTEM: &str = "\
# /usr, /boot and /etc are read-only; the database may be anywhere else that the account can write.
ProtectSystem=full
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
RemoveIPC=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
";

/// The unit's text.
pub(super) fn unit(service: &Service) -> String {
    let mut text = String::from("# modsync: two-way sync of a SQLite database with its sibling on a server.\n");
    text.push_str(match service.scope {
        Scope::User => {
            "# A user unit: ~/.config/systemd/user. To run without a login: loginctl enable-linger\n\
             # A key that only ssh-agent has: systemctl --user import-environment SSH_AUTH_SOCK\n"
        }
        Scope::System { .. } => "# A system unit: /etc/systemd/system.\n",
    });
    let name = match &service.pair {
        Pair::Only => String::new(),
        Pair::Named(name) => format!(" ({name})"),
        Pair::Template => " (%i)".to_owned(),
    };
    let _ = write!(
        text,
        "\n[Unit]\nDescription=modsync{name}\n{after}\n[Service]\n\
         ExecStart={binary} run --config {config}\n{COMMON}",
        after = if service.scope == Scope::User {
            ""
        } else {
            "After=network.target\n"
        },
        binary = quoted(&service.binary),
        config = config(service),
    );
    if let Scope::System { account } = &service.scope {
        let _ = write!(
            text,
            "\nUser={account}\n{}{SYSTEM}{}",
            state_directory(&service.pair),
            capabilities(account)
        );
    }
    let target = if service.scope == Scope::User {
        "default.target"
    } else {
        "multi-user.target"
    };
    let _ = write!(text, "\n[Install]\nWantedBy={target}\n");
    text
}

/// The config file; `%E` is `~/.config`, or what the user set instead, and /etc for a system unit.
fn config(service: &Service) -> String {
    match (&service.config, &service.pair) {
        (Some(path), _) => quoted(path),
        (None, Pair::Only) => "%E/modsync/config.toml".to_owned(),
        (None, Pair::Named(name)) => format!("%E/modsync/{name}.toml"),
        (None, Pair::Template) => "%E/modsync/%i.toml".to_owned(),
    }
}

/// /var/lib/modsync, or a folder in it for a named pair, for this account alone.
fn state_directory(pair: &Pair) -> String {
    let folder = match pair {
        Pair::Only => "modsync".to_owned(),
        Pair::Named(name) => format!("modsync/{name}"),
        Pair::Template => "modsync/%i".to_owned(),
    };
    format!("StateDirectory={folder}\nStateDirectoryMode=0700\n")
}

/// None for an ordinary account. Root keeps those with which it opens databases of others, and with which SQLite
/// gives `-wal` and `-shm` to the database's owner.
fn capabilities(account: &str) -> &'static str {
    if account == "root" {
        "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER\n"
    } else {
        "CapabilityBoundingSet=\n"
    }
}

/// A path as one word of a command line: systemd.service(5), "Command lines", with `%` and `$` taken literally.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%").replace('$', "$$");
    if text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-+@%$:,=".contains(c))
    {
        return text;
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::super::{DEFAULT_ACCOUNT, DEFAULT_BINARY};
    use super::*;

    fn service(pair: Pair, scope: Scope) -> Service {
        Service {
            binary: DEFAULT_BINARY.into(),
            config: None,
            pair,
            scope,
        }
    }

    fn system(account: &str) -> Scope {
        Scope::System {
            account: account.to_owned(),
        }
    }

    #[test]
    fn the_files_in_the_repository_are_what_is_rendered() {
        let rendered = |pair, scope| unit(&service(pair, scope));
        assert_eq!(
            rendered(Pair::Only, Scope::User),
            include_str!("../../systemd/modsyncd.service")
        );
        assert_eq!(
            rendered(Pair::Template, Scope::User),
            include_str!("../../systemd/modsyncd@.service")
        );
        assert_eq!(
            rendered(Pair::Only, system(DEFAULT_ACCOUNT)),
            include_str!("../../systemd/modsyncd-system.service")
        );
        assert_eq!(
            rendered(Pair::Template, system(DEFAULT_ACCOUNT)),
            include_str!("../../systemd/modsyncd-system@.service")
        );
    }

    #[test]
    fn paths_are_one_word_and_taken_literally() {
        let unit = unit(&Service {
            binary: "/opt/my tools/modsyncd".into(),
            config: Some("/home/ann/100% \"$HOME\"/a\\b.toml".into()),
            ..service(Pair::Only, Scope::User)
        });
        let line = r#"ExecStart="/opt/my tools/modsyncd" run --config "/home/ann/100%% \"$$HOME\"/a\\b.toml""#;
        assert!(unit.lines().any(|l| l == line), "{unit}");
    }

    #[test]
    fn a_named_system_pair_has_its_own_config_and_state() {
        let unit = unit(&service(Pair::Named("shop".to_owned()), system("ann")));
        for line in [
            "ExecStart=/usr/local/bin/modsyncd run --config %E/modsync/shop.toml",
            "User=ann",
            "StateDirectory=modsync/shop",
            "CapabilityBoundingSet=",
            "WantedBy=multi-user.target",
        ] {
            assert!(unit.lines().any(|l| l == line), "{line} is missing in {unit}");
        }
    }

    #[test]
    fn root_keeps_what_opens_databases_of_others() {
        assert!(unit(&service(Pair::Only, system("root"))).contains("CapabilityBoundingSet=CAP_DAC_OVERRIDE"));
    }
}
