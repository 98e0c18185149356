//! What was answered so far, and the config that it comes to.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::EngineWord;
use crate::config::ssh_config::{SshTarget, resolve};
use crate::config::{Config, Environment, LoadOptions, Places, of_text};

/// Stands for the server's database as long as nobody has said which it is.
const NOT_YET: &str = "/not-yet-known";

/// The answers, as they are to stand in the config.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub local: String,
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_file: Option<String>,
    pub known_hosts: Option<String>,
    pub engine: Option<EngineWord>,
    pub remote: Option<String>,
}

/// What the comments of a config tell besides the answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// The engine that was found, with its version.
    pub engine: Option<String>,
    /// The zone of the server's PHP.
    pub zone: Option<String>,
    /// What is to be said of single tables.
    pub tables: String,
}

impl Answers {
    /// The config, as it would be in effect.
    ///
    /// # Errors
    /// Every mistake in the answers, or in the environment.
    pub(super) fn config(&self, environment: &Environment, places: &Places) -> anyhow::Result<Config> {
        let options = LoadOptions {
            environment: environment.clone(),
            ..LoadOptions::default()
        };
        let text = self.text(&Notes::default());
        let loaded = of_text(&options, places.clone(), Some(&text)).context("these answers make no config")?;
        Ok(loaded.config)
    }

    /// Where and how to log in, as far as it was answered.
    ///
    /// # Errors
    /// As [`Answers::config`], or when ssh_config cannot be followed.
    pub(super) fn target(&self, environment: &Environment, places: &Places) -> anyhow::Result<SshTarget> {
        let config = self.config(environment, places)?;
        Ok(resolve(&config.remote, environment.home(), &environment.login_user())?)
    }

    /// The config's text.
    pub(super) fn text(&self, notes: &Notes) -> String {
        let mut text = String::from(
            "# modsync keeps these two databases in sync. Lines that begin with # are the defaults, or examples.\n\
             # All keys: docs/configuration.md, config/modsync.example.toml. After a change: modsyncd check-config.\n\n[local]\n",
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "database = {}", quoted(&self.local));
        text.push_str("# The zone of times without one that local programs write: which of two changes is newer depends on it.\n#timezone = \"UTC\"\n");
        text.push_str("\n[remote]\n# A name in ~/.ssh/config, or a host. What is not set here is taken from there.\n");
        let _ = writeln!(text, "host = {}", quoted(&self.host));
        self.login(&mut text);
        let remote = self.remote.as_deref().unwrap_or(NOT_YET);
        let _ = writeln!(text, "database = {}", quoted(remote));
        self.engine_and_zone(&mut text, notes);
        text.push_str(USUAL);
        text.push_str(&notes.tables);
        text
    }

    fn login(&self, text: &mut String) {
        let set = [
            ("user", &self.user),
            ("identity_file", &self.identity_file),
            ("known_hosts", &self.known_hosts),
        ];
        for (key, value) in set {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        if let Some(port) = self.port {
            let _ = writeln!(text, "port = {port}");
        }
    }

    fn engine_and_zone(&self, text: &mut String, notes: &Notes) {
        text.push_str("# The program that speaks SQL there");
        if let Some(engine) = &notes.engine {
            let _ = write!(text, "; found: {engine}");
        }
        let _ = match self.engine {
            Some(engine) => writeln!(text, ".\nengine = {}", quoted(engine.word())),
            None => writeln!(text, ".\n#engine = \"auto\""),
        };
        text.push_str("# The zone of times without one that the site writes");
        if let Some(zone) = &notes.zone {
            let _ = write!(text, "; PHP on the command line there has {zone}");
        }
        text.push_str(".\n#timezone = \"UTC\"\n");
    }
}

/// The keys that people change most, with their defaults.
const USUAL: &str = "
[sync]
# Cycles start by themselves: the quiet time after a local write, how often the server is asked, and at these times anyway.
#debounce = \"2s\"
#poll = \"2s\"
#schedule = \"0 */15 * * * *\"

[safety]
# The share of a table's rows that one cycle may delete; more is held for `modsyncctl sync-now --allow-deletes`.
#max_delete = \"25%\"

[backup]
# The server's database is backed up beside itself before a push.
#enabled = true
#min_interval = \"15m\"
#keep_last = 10
#keep_daily = 7
";

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_a_config_and_its_comments_are_the_defaults() {
        let environment = Environment::new("/home/ann", [("", ""); 0]);
        let places = Places::find(&environment, None, None, false).unwrap();
        let answers = Answers {
            local: "~/it's \"here\".db".to_owned(),
            host: "assess".to_owned(),
            user: Some("root".to_owned()),
            port: Some(2222),
            remote: Some("/srv/a.db".to_owned()),
            ..Answers::default()
        };
        let config = answers.config(&environment, &places).unwrap();
        assert_eq!(config.local.database.to_str(), Some("/home/ann/it's \"here\".db"));
        assert_eq!(
            (config.remote.port, config.remote.database.as_str()),
            (Some(2222), "/srv/a.db")
        );

        let notes = Notes {
            zone: Some("Europe/Berlin".to_owned()),
            ..Notes::default()
        };
        let text = answers.text(&notes);
        assert!(text.contains("has Europe/Berlin"), "{text}");
        // Every comment that is a setting may be switched on as it stands.
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let all = of_text(&LoadOptions::default(), places, Some(&uncommented))
            .unwrap()
            .config;
        assert_eq!(format!("{:?}", all.sync), format!("{:?}", config.sync));
        assert_eq!(format!("{:?}", all.backup), format!("{:?}", config.backup));
    }
}
