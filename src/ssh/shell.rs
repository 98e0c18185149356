//! Scripts for the server's shell, as one command line that every login shell reads alike.

use std::fmt::Write as _;

/// One line for the login shell, whichever that is, that runs a script of POSIX sh with these words, each still encoded for
/// `printf %b`, as `$2` and so on.
///
/// Inside single quotes sh, bash, zsh, fish and csh agree on every character that is left in it. The words are decoded by
/// printf, and the first of them is the script.
#[must_use]
pub fn command(script: &str, words: &[&str]) -> String {
    let mut command = String::from("exec sh -c 'eval \"$(printf %b \"$1\")\"' modsync");
    let script = compact(script);
    for text in std::iter::once(script.as_str()).chain(words.iter().copied()) {
        command.push(' ');
        command.push_str(&word(text));
    }
    command
}

/// A program without its comments and blank lines, which need not travel.
pub(super) fn compact(program: &str) -> String {
    let kept = |line: &&str| !line.trim_start().is_empty() && !line.trim_start().starts_with('#');
    program
        .lines()
        .filter(kept)
        .fold(String::new(), |text, line| text + line + "\n")
}

/// A quoted word that `printf %b` turns into `text`. What a shell could read in its own way inside single quotes (a
/// quote, a backslash, `!`, a newline), and what is not ASCII, is written as an octal escape.
fn word(text: &str) -> String {
    let mut word = String::from("'");
    for &byte in text.as_bytes() {
        if (b' '..=b'~').contains(&byte) && !b"'\\!".contains(&byte) {
            word.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(word, "\\0{byte:03o}");
        }
    }
    word.push('\'');
    word
}
