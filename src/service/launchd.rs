//! The text of a launchd property list.

use super::{Pair, Scope, Service};

/// The property list's text.
///
/// launchd expands nothing in it, so the usual config file of a user's agent is left for the daemon to find.
/// launchd's own `PATH` lacks the folders in which `password_command` usually is.
pub(super) fn plist(service: &Service) -> String {
    let arguments: String = arguments(service)
        .iter()
        .map(|argument| format!("    <string>{}</string>\n", escaped(argument)))
        .collect();
    let account = match &service.scope {
        Scope::User => String::new(),
        Scope::System { account } => format!("  <key>UserName</key>\n  <string>{}</string>\n", escaped(account)),
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- modsync: two-way sync of a SQLite database with its sibling on a server. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{label}</string>
{account}  <key>ProgramArguments</key>
  <array>
{arguments}  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>
    <string>/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ExitTimeOut</key>
  <integer>30</integer>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
"#,
        label = escaped(&service.label()),
    )
}

fn arguments(service: &Service) -> Vec<String> {
    let mut arguments = vec![service.binary.to_string_lossy().into_owned(), "run".to_owned()];
    let system = service.scope != Scope::User;
    match (&service.config, &service.pair) {
        (Some(path), _) => arguments.extend(["--config".to_owned(), path.to_string_lossy().into_owned()]),
        (None, Pair::Named(name)) if system => {
            arguments.extend(["--config".to_owned(), format!("/etc/modsync/{name}.toml")]);
        }
        (None, Pair::Named(name)) => arguments.extend(["--name".to_owned(), name.clone()]),
        (None, Pair::Only | Pair::Template) if system => {
            arguments.extend(["--config".to_owned(), "/etc/modsync/config.toml".to_owned()]);
        }
        (None, Pair::Only | Pair::Template) => {}
    }
    arguments
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_BINARY;
    use super::*;

    fn agent() -> Service {
        Service {
            binary: DEFAULT_BINARY.into(),
            config: None,
            pair: Pair::Only,
            scope: Scope::User,
        }
    }

    #[test]
    fn the_file_in_the_repository_is_what_is_rendered() {
        assert_eq!(
            plist(&agent()),
            include_str!("../../launchd/com.modsync.modsyncd.plist")
        );
    }

    #[test]
    fn text_is_escaped() {
        let text = plist(&Service {
            config: Some("/Users/a&b/<x>.toml".into()),
            ..agent()
        });
        assert!(
            text.contains("<string>/Users/a&amp;b/&lt;x&gt;.toml</string>"),
            "{text}"
        );
    }

    #[test]
    fn a_system_daemon_names_its_config_and_account() {
        let pair = Pair::Named("shop".to_owned());
        let text = plist(&Service {
            pair,
            scope: Scope::System {
                account: "ann".to_owned(),
            },
            ..agent()
        });
        assert!(text.contains("<string>/etc/modsync/shop.toml</string>"), "{text}");
        assert!(text.contains("<key>UserName</key>\n  <string>ann</string>"), "{text}");
        assert!(text.contains("<string>com.modsync.modsyncd.shop</string>"), "{text}");
    }
}
