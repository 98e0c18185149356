//! The memory of a process, read by root.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use crate::find;

/// How often some bytes stand in the memory that a process can write to, and the first places.
pub fn places(pid: u32, wanted: &[u8]) -> Vec<String> {
    let mut maps = String::new();
    File::open(format!("/proc/{pid}/maps"))
        .unwrap()
        .read_to_string(&mut maps)
        .unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).expect("reading another process's memory needs root");
    let mut found = Vec::new();
    let mut read = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // A mapping that is gone by now, or that nothing stands behind.
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        read += bytes.len();
        let mut at = 0;
        while let Some(next) = find(&bytes[at..], wanted) {
            found.push(format!("{:x} in {line}", from + (at + next) as u64));
            at += next + wanted.len();
        }
    }
    assert!(read > 1_000_000, "the memory was read");
    found
}

/// Whether a place is in a mapping as large as the stacks that the standard library gives to threads.
pub fn is_on_a_stack(place: &str) -> bool {
    let range = place.split_whitespace().nth(2).unwrap();
    let (from, to) = range.split_once('-').unwrap();
    let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
    (2 << 20..=(2 << 20) + 0x2000).contains(&(to - from))
}

/// That the search finds what is there: a test's own words.
#[test]
fn what_is_in_memory_is_found() {
    let words = crate::Secret::plant();
    assert!(!places(std::process::id(), words.0.as_bytes()).is_empty());
}
