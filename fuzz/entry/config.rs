//! A configuration file.
//!
//! Properties: a file with mistakes names each of them with words; a duration that is read is written as one that reads
//! the same.

use std::cell::OnceCell;
use std::path::PathBuf;

use modsync::config::{self, Environment, LoadOptions};

pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(duration) = config::parse_duration(text)
    {
        assert_eq!(config::parse_duration(&config::format_duration(duration)), Ok(duration));
    }
    let options = LoadOptions {
        file: Some(file("config.toml", data)),
        name: None,
        system: false,
        overrides: Vec::new(),
        environment: environment(),
    };
    match config::load_noting(&options) {
        Ok(loaded) => {
            let _ = format!("{:?}", loaded.config);
            for warning in &loaded.warnings {
                super::assert_message(warning);
            }
        }
        Err(errors) => {
            assert!(!errors.mistakes.is_empty());
            let _ = errors.to_string();
            for mistake in &errors.mistakes {
                assert!(!mistake.message.is_empty());
                let _ = mistake.to_string();
            }
        }
    }
    let _ = config::find_socket(None, &options);
}

pub fn environment() -> Environment {
    Environment::new("/home/ann", [("SCRAPER", "/srv/scraper")])
}

/// A file of this thread's with that content.
pub fn file(name: &str, data: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    FOLDER.with(|cell| {
        let path = cell.get_or_init(|| tempfile::tempdir().unwrap()).path().join(name);
        std::fs::write(&path, data).unwrap();
        path
    })
}
