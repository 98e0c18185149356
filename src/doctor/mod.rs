//! `doctor`: each thing that can go wrong, tested, and what to do about it.
//!
//! [`examine`] looks and judges. The looks are in `probe`, thin and each with its limit, at this machine and at the server
//! side by side, on a connection of their own: no cycle is waited for, and nothing is written. What they saw is plain data
//! (`findings`); `judge` makes the checks of it and touches nothing. Whoever examines says what it knows of the daemon:
//! the daemon itself, or `modsyncd doctor`, which asks at the socket.

mod findings;
mod judge;
mod probe;
mod remedy;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

pub use findings::DaemonLook;

use crate::config::ssh_config::{SshTarget, resolve};
use crate::config::{Config, Environment, LoadOptions, Places, load_noting};
use crate::control::addressed::Advises as _;
use crate::control::doctor::Verdict;
use crate::control::types::DoctorReport;
use findings::Findings;

/// How long all of it may take; what has not answered by then is cut and named.
pub const LIMIT: Duration = Duration::from_millis(4600);

/// How long an agent may take to tell its keys.
const AGENT: Duration = Duration::from_secs(1);

/// Whom to examine.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The config to go by: what is on the disk, or where that cannot be used, what the daemon goes on with.
    pub config: Option<Config>,
    /// What is wrong with the one on the disk.
    pub mistakes: Option<String>,
    /// What is odd about it.
    pub warnings: Vec<String>,
    /// Where it is.
    pub places: Places,
    /// This process's variables.
    pub environment: Environment,
    /// The daemon.
    pub daemon: DaemonLook,
}

impl Subject {
    /// Reads the config as it is on the disk now. `running`: what a daemon goes on with if that cannot be used.
    #[must_use]
    pub fn load(options: &LoadOptions, running: Option<Config>, daemon: DaemonLook) -> Self {
        let environment = options.environment.clone();
        let places = options
            .places()
            .or_else(|_| Places::find(&environment, None, None, options.system).map_err(|_| ()));
        let mut subject = Self {
            config: running,
            mistakes: None,
            warnings: Vec::new(),
            places: places.unwrap_or(Places {
                file: "config.toml".into(),
                name: None,
                system: options.system,
            }),
            environment,
            daemon,
        };
        match load_noting(options) {
            Err(mistakes) => subject.mistakes = Some(mistakes.to_string()),
            Ok(loaded) => match subject.target(&loaded.config) {
                Err(mistake) => subject.mistakes = Some(mistake),
                Ok(_) => {
                    subject.warnings = loaded.warnings;
                    subject.places = loaded.places;
                    subject.config = Some(loaded.config);
                }
            },
        }
        subject
    }

    /// Where the config leads to.
    fn target(&self, config: &Config) -> Result<SshTarget, String> {
        let environment = &self.environment;
        resolve(&config.remote, environment.home(), &environment.login_user()).map_err(|error| error.to_string())
    }

    /// The flag that names this pair to `modsyncd`, with a space before it; empty for the usual pair.
    fn which(&self) -> String {
        let usual = Places::find(&self.environment, None, self.places.name.as_deref(), self.places.system);
        match (
            &self.places.name,
            usual.is_ok_and(|usual| usual.file == self.places.file),
        ) {
            (None, true) => String::new(),
            (Some(name), true) => format!(" --name {name}"),
            (_, false) => format!(" --config {}", crate::cycle::advice::word_of(&self.places.file)),
        }
    }

    /// The systemd unit that keeps this pair.
    fn unit(&self) -> String {
        match &self.places.name {
            Some(name) => format!("modsyncd@{name}"),
            None => "modsyncd".to_owned(),
        }
    }
}

/// Looks at everything, for at most [`LIMIT`], and says what is wrong and what to do.
pub async fn examine(subject: Subject) -> DoctorReport {
    let (as_of, began) = (Timestamp::now(), Instant::now());
    let checks = match &subject.config {
        None => judge::without_config(&subject, &nothing_seen(&subject)),
        Some(config) => {
            let seen = look(&subject, config, began + LIMIT).await;
            judge::all(&subject, config, &seen)
        }
    };
    let mut report = DoctorReport {
        ok: false,
        as_of: Some(as_of),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        checks,
    };
    report.ok = report.verdict() == Verdict::Well;
    report.address_to(subject.places.name.as_deref());
    report
}

fn nothing_seen(subject: &Subject) -> Findings {
    Findings {
        daemon: subject.daemon.clone(),
        home: None,
        local: None,
        keys: None,
        way: None,
        limit: LIMIT,
    }
}

async fn look(subject: &Subject, config: &Config, until: Instant) -> Findings {
    let environment = &subject.environment;
    let home = {
        let (config, places, environment) = (config.clone(), subject.places.clone(), environment.clone());
        tokio::task::spawn_blocking(move || probe::home::look(&config, &places, &environment))
    };
    let target = subject.target(config).ok();
    let target = target.as_ref();
    let (home, local, keys, way) = tokio::join!(
        timeout_at(until, home),
        timeout_at(until, probe::local(&config.local.database, until)),
        timeout_at(until, keys(target)),
        timeout_at(until, way(config, target, until)),
    );
    Findings {
        home: home.ok().and_then(Result::ok),
        local: local.ok(),
        keys: keys.ok().flatten(),
        way: way.ok().flatten(),
        ..nothing_seen(subject)
    }
}

async fn keys(target: Option<&SshTarget>) -> Option<crate::ssh::Keys> {
    Some(crate::ssh::look_at_keys(target?, AGENT).await)
}

async fn way(config: &Config, target: Option<&SshTarget>, until: Instant) -> Option<findings::Way> {
    Some(probe::server::look(config, target?, until).await)
}
