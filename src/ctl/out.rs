//! Where output goes: text or JSON on standard output, errors on standard error.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use terminal_size::{Height, terminal_size_of};

use super::exit::Exit;
use super::style::Style;
use super::text;
use crate::control::types::{ErrorBody, ErrorCode};

/// Why a verb ended without its answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the daemon or the way to it said.
    Daemon(ErrorBody),
    /// Output could not be written; a closed pipe is among these.
    Output(io::Error),
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self::Daemon(body)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Standard output in the form that was asked for.
#[derive(Debug)]
pub(super) struct Out {
    json: bool,
    style: Style,
}

impl Out {
    pub(super) fn new(json: bool, style: Style) -> Self {
        Self { json, style }
    }

    /// Whether answers are JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether answers are text on a terminal.
    pub(super) fn is_read_by_a_person(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// The number of lines of the screen that a person looks at; `None` when output goes elsewhere or is JSON.
    pub(super) fn screen_height(&self) -> Option<usize> {
        let (_, Height(height)) = terminal_size_of(io::stdout())?;
        (!self.json).then_some(usize::from(height))
    }

    /// How text looks at this moment.
    pub(super) fn style(&self) -> Style {
        self.style.at_this_moment()
    }

    /// Writes an answer, as JSON or as the text that `render` makes of it.
    pub(super) fn answer<T: Serialize>(&self, value: &T, render: impl FnOnce(&T, &Style) -> String) -> io::Result<()> {
        if self.json {
            return self.raw(&json_line(value)?);
        }
        self.raw(&render(value, &self.style()))
    }

    /// Writes text as it is.
    pub(super) fn raw(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Says why there is no answer, and gives the exit code.
    pub(super) fn fail(&self, failure: &Failure) -> Exit {
        let body = match failure {
            // Whoever closed the pipe has seen enough.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Done,
            Failure::Output(error) => &ErrorBody {
                code: ErrorCode::Failed,
                error: format!("write the output: {error}"),
                hint: None,
            },
            Failure::Daemon(body) => body,
        };
        // An error about errors has nowhere to go: the exit code says it.
        let _ = match (self.json, json_line(body)) {
            (true, Ok(line)) => self.raw(&line),
            _ => complain(&body.error, body.hint.as_deref()),
        };
        body.code.into()
    }
}

/// Writes an error and what to do about it to standard error.
pub(super) fn complain(error: &str, hint: Option<&str>) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "modsyncctl: {}", text::safe(error))?;
    hint.map_or(Ok(()), |hint| writeln!(stderr, "hint: {}", text::safe(hint)))
}

/// One JSON document on one line. What a terminal could take for a command is escaped, which JSON allows in strings,
/// and it stands nowhere else.
fn json_line<T: Serialize>(value: &T) -> io::Result<String> {
    let mut line = String::new();
    for c in serde_json::to_string(value)?.chars() {
        if text::is_unsafe(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    Ok(line)
}
