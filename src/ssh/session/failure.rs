//! Why an engine ended: its standard error, read all the time so that it never blocks, and what that means.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

use crate::replica::{SqlError, SqlErrorKind};

/// How much of standard error is kept, in bytes: the end, where the reason stands.
const KEPT: usize = 64 * 1024;
/// How much of it a message quotes, in characters.
const QUOTED: usize = 500;
/// How long the end of standard error may come after the end of standard output.
const GRACE: Duration = Duration::from_secs(2);

/// Standard error of an engine.
pub(super) struct Stderr {
    reader: JoinHandle<Vec<u8>>,
}

impl Stderr {
    pub(super) fn drain(mut stream: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        let reader = tokio::spawn(async move {
            let mut tail = Vec::new();
            let mut chunk = vec![0; 8 * 1024];
            // An error of the stream ends it as its end does.
            while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                tail.extend_from_slice(chunk.get(..count).unwrap_or_default());
                tail.drain(..tail.len().saturating_sub(KEPT));
            }
            tail
        });
        Self { reader }
    }

    /// What the engine said last, once it has ended.
    pub(super) async fn last_words(&mut self) -> String {
        match tokio::time::timeout(GRACE, &mut self.reader).await {
            Ok(Ok(tail)) => relevant(&String::from_utf8_lossy(&tail)),
            _ => String::new(),
        }
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The error of an engine that ended with these words.
pub(super) fn describe(engine: &str, database: &str, words: &str) -> SqlError {
    let kind = classify(words);
    let message = if words.is_empty() {
        format!("{engine} on {database} ended without a word: the connection was cut, or the program was stopped")
    } else {
        format!("{engine} on {database}: {words}")
    };
    SqlError { kind, message }
}

/// SQLite's messages are English everywhere and have not changed in years; engines pass on nothing else.
fn classify(words: &str) -> SqlErrorKind {
    const MESSAGES: [(&str, SqlErrorKind); 12] = [
        ("constraint failed", SqlErrorKind::Constraint),
        ("database is locked", SqlErrorKind::Busy),
        ("table is locked", SqlErrorKind::Busy),
        ("readonly database", SqlErrorKind::ReadOnly),
        ("access permission denied", SqlErrorKind::ReadOnly),
        ("disk is full", SqlErrorKind::Full),
        ("disk I/O error", SqlErrorKind::Io),
        ("disk image is malformed", SqlErrorKind::Corrupt),
        ("not a database", SqlErrorKind::Corrupt),
        ("malformed database schema", SqlErrorKind::Corrupt),
        ("unable to open database", SqlErrorKind::CannotOpen),
        ("attempt to write a read", SqlErrorKind::ReadOnly),
    ];
    if words.is_empty() {
        return SqlErrorKind::Lost;
    }
    let found = MESSAGES.iter().find(|(message, _)| words.contains(message));
    found.map_or(SqlErrorKind::Other, |(_, kind)| *kind)
}

/// The last line that reads like an error, or else the last line: what comes before is noise of shells and start
/// files. The statement that engines quote below it is left out: it can be long and hold data.
fn relevant(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty()).rev();
    let error = |line: &&str| {
        ["Error", "Parse error", "Runtime error"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let line = lines().find(error).or_else(|| lines().next()).unwrap_or_default();
    quote(line)
}

/// What may stand in a message: printable and of bounded length.
pub(super) fn quote(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|character| !character.is_control())
        .take(QUOTED)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_say_why_they_end() {
        use SqlErrorKind::*;
        let cases = [
            ("Runtime error near line 3: database is locked (5)", Busy),
            ("Error: near line 3: UNIQUE constraint failed: t.a", Constraint),
            (
                "Error: SQLSTATE[HY000]: General error: 8 attempt to write a readonly database",
                ReadOnly,
            ),
            ("Error: database or disk is full", Full),
            ("Runtime error near line 9: disk I/O error (10)", Io),
            ("Error: file is not a database", Corrupt),
            ("Error: database disk image is malformed", Corrupt),
            (
                "Error: unable to open database \"x\": unable to open database file",
                CannotOpen,
            ),
            ("Parse error near line 1: no such table: t", Other),
            ("", Lost),
        ];
        for (words, kind) in cases {
            assert_eq!(describe("sqlite3 3.40.1", "/srv/a.db", words).kind, kind, "{words}");
        }
    }

    #[test]
    fn the_error_is_found_among_noise() {
        let noise =
            "tput: no terminal\nParse error near line 2: no such column: x\n  SELECT x;\n         ^--- error here\n";
        assert_eq!(relevant(noise), "Parse error near line 2: no such column: x");
        assert_eq!(relevant("sh: 1: Syntax\x1b[1m error\n\n"), "sh: 1: Syntax[1m error");
        assert_eq!(relevant(""), "");
    }
}
