//! A database file that was found, on either side, and how a list of them reads.

use std::time::Duration;

/// A file with SQLite's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As it will stand in the config.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// How long ago it was written, by the clock of its machine.
    pub age: Duration,
}

/// What every SQLite database begins with, since version 3: <https://sqlite.org/fileformat.html> §1.3.
pub(super) const HEADER: &[u8] = b"SQLite format 3\0";
/// How many are shown.
const SHOWN: usize = 9;

/// The likeliest first: those of the other side's file name, then the one that was written last.
pub(super) fn rank(candidates: &mut Vec<Candidate>, wanted: Option<&str>) {
    let is_wanted = |candidate: &Candidate| wanted.is_some_and(|name| file_name(&candidate.path) == name);
    candidates.sort_by(|a, b| {
        is_wanted(b)
            .cmp(&is_wanted(a))
            .then(a.age.cmp(&b.age))
            .then(a.path.cmp(&b.path))
    });
    candidates.dedup_by(|a, b| a.path == b.path);
    candidates.truncate(SHOWN);
}

/// Whether a file's name is that of a database.
pub(super) fn is_named_so(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(ending, "db" | "db3" | "sqlite" | "sqlite3")
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Numbered lines, for a person to pick from.
pub(super) fn lines(candidates: &[Candidate]) -> Vec<String> {
    let width = candidates
        .iter()
        .map(|candidate| candidate.path.chars().count())
        .max()
        .unwrap_or(0);
    candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| {
            format!(
                "  {}  {:<width$}  {:>8}, written {}",
                index + 1,
                candidate.path,
                size(candidate.size),
                ago(candidate.age)
            )
        })
        .collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        1_000_000_000.. => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn ago(age: Duration) -> String {
    match age.as_secs() {
        0..60 => "just now".to_owned(),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(path: &str, size: u64, age: u64) -> Candidate {
        Candidate {
            path: path.to_owned(),
            size,
            age: Duration::from_secs(age),
        }
    }

    #[test]
    fn the_same_name_as_on_the_other_side_comes_first_then_the_newest() {
        let mut found = vec![
            candidate("/srv/old.db", 1, 900_000),
            candidate("/srv/new.db", 1, 5),
            candidate("/srv/a/products.db", 1, 4_000),
            candidate("/srv/new.db", 1, 5),
        ];
        rank(&mut found, Some("products.db"));
        let paths: Vec<&str> = found.iter().map(|candidate| candidate.path.as_str()).collect();
        assert_eq!(paths, ["/srv/a/products.db", "/srv/new.db", "/srv/old.db"]);
    }

    #[test]
    fn a_list_says_size_and_age() {
        let shown = lines(&[
            candidate("/a.db", 4_412_000, 59),
            candidate("/long/b.db", 120_832, 200_000),
        ]);
        assert_eq!(
            shown,
            [
                "  1  /a.db         4.4 MB, written just now",
                "  2  /long/b.db    120 kB, written 2 days ago"
            ]
        );
    }
}
