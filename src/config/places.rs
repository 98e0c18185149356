//! Where things are when nobody says otherwise: the file, the state folder, the socket.

use std::path::{Path, PathBuf};

use super::Environment;

/// The folder of a system service's configuration.
const SYSTEM_CONFIG: &str = "/etc/modsync";
/// The folder of a system service's state.
const SYSTEM_STATE: &str = "/var/lib/modsync";

/// One daemon's places. Several daemons on one machine differ by name, and a system service from a user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration file.
    pub file: PathBuf,
    /// The pair's name; `None` for the only pair, or the first.
    pub name: Option<String>,
    /// Whether a system service is meant.
    pub system: bool,
}

impl Places {
    /// Finds the places of a pair.
    ///
    /// A file that is named decides: one in /etc/modsync is a system service's, and one in the configuration folder
    /// other than `config.toml` is that of the pair of its name. Without a file it is the user's; the system's
    /// is taken when it is meant, or when it is there and the user has none.
    ///
    /// # Errors
    /// When the name cannot be part of a file's name.
    pub fn find(
        environment: &Environment,
        file: Option<&Path>,
        name: Option<&str>,
        system: bool,
    ) -> Result<Self, String> {
        if let Some(name) = name {
            check_name(name)?;
        }
        let Some(file) = file else {
            let user = Self::of_user(environment, name);
            let of_system = Path::new(SYSTEM_CONFIG).join(file_name(name));
            let system = system || (!user.file.exists() && of_system.exists());
            return Ok(if system {
                Self {
                    file: of_system,
                    system,
                    ..user
                }
            } else {
                user
            });
        };
        let folders = [user_config(environment), PathBuf::from(SYSTEM_CONFIG)];
        let stem = file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| {
            *stem != "config" && check_name(stem).is_ok() && folders.iter().any(|folder| file.parent() == Some(folder))
        });
        Ok(Self {
            file: file.to_owned(),
            name: name.or(stem).map(str::to_owned),
            system: system || file.starts_with(SYSTEM_CONFIG),
        })
    }

    /// A user's places without a look at the disk. A name that cannot be one counts as none.
    pub(super) fn of_user(environment: &Environment, name: Option<&str>) -> Self {
        let name = name.filter(|name| check_name(name).is_ok());
        let file = user_config(environment).join(file_name(name));
        Self {
            file,
            name: name.map(str::to_owned),
            system: false,
        }
    }

    /// The default of `daemon.state_dir`.
    #[must_use]
    pub fn state_dir(&self, environment: &Environment) -> PathBuf {
        let folder = if self.system {
            PathBuf::from(SYSTEM_STATE)
        } else {
            let state = environment.folder("XDG_STATE_HOME");
            state
                .unwrap_or_else(|| environment.home().join(".local/state"))
                .join("modsync")
        };
        match &self.name {
            Some(name) => folder.join(name),
            None => folder,
        }
    }

    /// The default of `daemon.socket`: in `$XDG_RUNTIME_DIR` where there is one, else (macOS, a system service, a
    /// cron job) in the state folder.
    #[must_use]
    pub fn socket(&self, environment: &Environment, state_dir: &Path) -> PathBuf {
        let file = match &self.name {
            Some(name) => format!("modsyncd-{name}.sock"),
            None => "modsyncd.sock".to_owned(),
        };
        match environment.folder("XDG_RUNTIME_DIR") {
            Some(runtime) if !self.system => runtime.join("modsync").join(file),
            _ => state_dir.join(file),
        }
    }
}

/// The folder of a user's configuration.
fn user_config(environment: &Environment) -> PathBuf {
    let config = environment.folder("XDG_CONFIG_HOME");
    config
        .unwrap_or_else(|| environment.home().join(".config"))
        .join("modsync")
}

/// The file's name of a pair's configuration.
fn file_name(name: Option<&str>) -> String {
    format!("{}.toml", name.unwrap_or("config"))
}

/// Whether a pair may have that name: it becomes part of paths and of a systemd unit's name.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with(['.', '-']) {
        return Err(format!(
            "\"{name}\" cannot name a pair: 1 to 64 of the letters A-Z, a-z, 0-9, -, _ and ., not beginning with - or ."
        ));
    }
    if name == "config" {
        return Err(
            "\"config\" cannot name a pair: config.toml is the configuration of the pair without a name".into(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)], file: Option<&str>, name: Option<&str>, system: bool) -> [String; 3] {
        let environment = Environment::new("/nowhere/ann", variables.iter().copied());
        let places = Places::find(&environment, file.map(Path::new), name, system).unwrap();
        let state = places.state_dir(&environment);
        let socket = places.socket(&environment, &state);
        [places.file, state, socket].map(|path| path.display().to_string())
    }

    #[test]
    fn a_user_without_xdg_folders() {
        assert_eq!(
            places(&[], None, None, false),
            [
                "/nowhere/ann/.config/modsync/config.toml",
                "/nowhere/ann/.local/state/modsync",
                "/nowhere/ann/.local/state/modsync/modsyncd.sock"
            ]
        );
    }

    #[test]
    fn xdg_folders_are_kept_and_relative_ones_ignored() {
        let variables = [
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
        ];
        assert_eq!(
            places(&variables, None, Some("shop"), false),
            [
                "/c/modsync/shop.toml",
                "/s/modsync/shop",
                "/run/user/1/modsync/modsyncd-shop.sock"
            ]
        );
        assert_eq!(
            places(&[("XDG_STATE_HOME", "s")], None, None, false)[1],
            "/nowhere/ann/.local/state/modsync"
        );
    }

    #[test]
    fn a_system_service() {
        let variables = [("XDG_RUNTIME_DIR", "/run/user/0")];
        let expected = [
            "/etc/modsync/config.toml",
            "/var/lib/modsync",
            "/var/lib/modsync/modsyncd.sock",
        ];
        assert_eq!(places(&variables, None, None, true), expected);
        assert_eq!(
            places(&variables, Some("/etc/modsync/config.toml"), None, false),
            expected
        );
    }

    #[test]
    fn a_file_in_the_configuration_folder_names_its_pair() {
        let named = places(&[], Some("/nowhere/ann/.config/modsync/shop.toml"), None, false);
        assert_eq!(named, places(&[], None, Some("shop"), false));
        assert_eq!(
            places(&[], Some("/elsewhere/shop.toml"), None, false)[1],
            "/nowhere/ann/.local/state/modsync"
        );
    }

    #[test]
    fn names_that_cannot_be_part_of_a_path_are_refused() {
        let environment = Environment::new("/nowhere/ann", [("", ""); 0]);
        for name in ["", "../x", "a/b", ".hidden", "-x", "a b", "config"] {
            let error = Places::find(&environment, None, Some(name), false).unwrap_err();
            assert!(
                error.starts_with(&format!("\"{name}\" cannot name a pair: ")),
                "{error}"
            );
        }
    }
}
