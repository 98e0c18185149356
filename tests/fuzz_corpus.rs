//! The fuzz targets' entry points over the corpus that fuzzing left, and over cheap mutations of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../fuzz/entry/mod.rs"]
mod entry;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

use rstest::rstest;

/// Mutations of the corpus that each entry point is given.
const MUTATIONS: usize = 2000;
/// Inputs are cut there, as in fuzzing.
const LONGEST: usize = 8192;

thread_local! {
    /// What panicked while an entry point ran. A task's panic ends there, and nobody else would hear of it; the tasks of
    /// an entry point run on its own thread.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[rstest]
fn every_entry_point_takes_its_corpus_and_mutations_of_it(
    #[values(
        "answers",
        "config",
        "instant",
        "journal",
        "known_hosts",
        "replica",
        "requests",
        "session",
        "ssh_config",
        "values"
    )]
    name: &str,
) {
    note_panics();
    let (_, run) = entry::ENTRIES.into_iter().find(|(entry, _)| *entry == name).unwrap();
    let corpus = corpus(name);
    assert!(corpus.len() > 5, "the corpus of {name} is missing");
    for (path, input) in &corpus {
        feed(run, input, &path.display().to_string());
    }
    let mut dice = Dice(0x5EED_0000 + name.len() as u64);
    for number in 0..MUTATIONS {
        let input = dice.mutation(&corpus);
        feed(run, &input, &format!("mutation {number}"));
    }
}

/// Every target has its corpus and every corpus its target.
#[test]
fn targets_and_corpora_belong_together() {
    let names = |folder: &str, ending: &str| {
        let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.trim_end_matches(ending).to_owned())
            .collect();
        names.sort();
        names
    };
    let entries = entry::ENTRIES.map(|(name, _)| name.to_owned());
    assert_eq!(names("fuzz/corpus", ""), entries);
    assert_eq!(names("fuzz/fuzz_targets", ".rs"), entries);
}

fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            usual(panic);
        }));
    });
}

fn feed(run: entry::Entry, input: &[u8], what: &str) {
    let ended = catch_unwind(AssertUnwindSafe(|| run(input)));
    let panics = PANICS.take();
    assert!(
        ended.is_ok() && panics.is_empty(),
        "{what}: {panics:?}\nb\"{}\"",
        input.escape_ascii()
    );
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let input = std::fs::read(&path).unwrap();
            (path, input)
        })
        .collect()
}

/// The same sequence in every run.
struct Dice(u64);

impl Dice {
    /// Marsaglia's xorshift64*.
    fn roll(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(random).unwrap() % end.max(1)
    }

    /// A piece of one input put into another, and some bytes changed.
    fn mutation(&mut self, corpus: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
        let mut input = corpus[self.roll(corpus.len())].1.clone();
        let other = &corpus[self.roll(corpus.len())].1;
        if self.roll(2) == 0 {
            let (from, to) = (self.roll(other.len()), self.roll(other.len() + 1));
            let piece = other.get(from.min(to)..from.max(to)).unwrap_or_default();
            let (start, end) = (self.roll(input.len() + 1), self.roll(input.len() + 1));
            input.splice(start.min(end)..start.max(end), piece.iter().copied());
        }
        for _ in 0..self.roll(4) {
            let at = self.roll(input.len() + 1);
            match self.roll(3) {
                0 if at < input.len() => drop(input.remove(at)),
                1 if at < input.len() => input[at] = u8::try_from(self.roll(256)).unwrap(),
                _ => input.insert(at, b"\n\t 0=:\"'\\\x00\x01\xff"[self.roll(12)]),
            }
        }
        input.truncate(LONGEST);
        input
    }
}
