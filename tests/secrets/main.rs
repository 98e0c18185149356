//! No secret is stored, logged or shown: each test plants one and looks for it everywhere. These tests act as other users and
//! read the memory of other processes, and so need root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod config;
mod login;
mod memory;
mod modes;
mod process;

use std::path::{Path, PathBuf};

/// A secret that nothing else in the world contains.
pub struct Secret(pub String);

impl Secret {
    pub fn plant() -> Self {
        let random = tempfile::Builder::new().prefix("").rand_bytes(24).tempdir().unwrap();
        let name = random.path().file_name().unwrap().to_str().unwrap();
        Self(format!("planted-{name}"))
    }

    /// Fails where it is found, and says where that was.
    pub fn must_not_be_in(&self, place: &str, bytes: &[u8]) {
        if let Some(at) = find(bytes, self.0.as_bytes()) {
            let around = &bytes[at.saturating_sub(200)..at];
            panic!("the secret is in {place}, after {:?}", String::from_utf8_lossy(around));
        }
    }

    /// Looks into every file of a folder.
    pub fn must_not_be_below(&self, folder: &Path) {
        for path in files_below(folder) {
            // A file that is gone by now holds nothing.
            if let Ok(bytes) = std::fs::read(&path) {
                self.must_not_be_in(&path.display().to_string(), &bytes);
            }
        }
    }

    /// Looks at the command line and the environment of every process.
    pub fn must_not_be_in_the_process_list(&self) {
        for entry in std::fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            for file in ["cmdline", "environ"] {
                if let Ok(bytes) = std::fs::read(path.join(file)) {
                    self.must_not_be_in(&path.join(file).display().to_string(), &bytes);
                }
            }
        }
    }
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// All files and folders below one, without what is made or goes meanwhile.
pub fn all_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| [vec![path.clone()], all_below(&path)].concat())
        .collect()
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = all_below(folder);
    all.retain(|path| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file()));
    all
}
