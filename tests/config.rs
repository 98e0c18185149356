//! The configuration as its user meets it: layers, mistakes, the check, ssh_config.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "config/check.rs"]
mod check;
#[path = "config/layers.rs"]
mod layers;
#[path = "config/mistakes.rs"]
mod mistakes;
#[path = "config/openssh.rs"]
mod openssh;
#[path = "config/ssh_config.rs"]
mod ssh_config;
#[path = "config/values.rs"]
mod values;

use std::path::{Path, PathBuf};

use modsync::config::{Environment, LoadOptions};

/// A home folder of its own, with a configuration in it.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One whose configuration file holds that text.
    pub fn with_config(text: &str) -> Self {
        let home = Self::empty();
        home.write(".config/modsync/config.toml", text);
        home
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join(".config/modsync/config.toml")
    }

    pub fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        Environment::new(self.path(), variables.iter().copied())
    }

    pub fn options(&self, variables: &[(&str, &str)], overrides: &[(&str, &str)]) -> LoadOptions {
        let overrides = overrides
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        LoadOptions {
            file: None,
            name: None,
            system: false,
            overrides,
            environment: self.environment(variables),
        }
    }
}

/// The least that a configuration needs.
pub const MINIMAL: &str = "\
[local]
database = \"~/products.db\"
[remote]
host = \"assess\"
database = \"/srv/products.db\"
";
