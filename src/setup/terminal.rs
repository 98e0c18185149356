//! Questions to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::bail;

/// Where questions go and answers come from.
pub(super) struct Terminal<'a> {
    out: &'a mut dyn Write,
    /// Whether there is somebody to answer.
    attended: bool,
}

impl<'a> Terminal<'a> {
    /// The process's own: attended when both standard input and output are a terminal.
    pub(super) fn of_process(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            attended: io::stdin().is_terminal() && io::stdout().is_terminal(),
        }
    }

    /// Whether there is somebody to answer.
    pub(super) fn attended(&self) -> bool {
        self.attended
    }

    /// Writes a line.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// One line that was typed after a question; `None` where there is nobody. An empty line is the default, if there is
    /// one. The answer is waited for on a thread of its own, so that Ctrl-C is heard meanwhile.
    ///
    /// # Errors
    /// When the terminal is gone or its input ended.
    pub(super) async fn ask(&mut self, question: &str, default: Option<&str>) -> anyhow::Result<Option<String>> {
        if !self.attended {
            return Ok(None);
        }
        match default {
            Some(default) => write!(self.out, "{question} [{default}]: ")?,
            None => write!(self.out, "{question}: ")?,
        }
        self.out.flush()?;
        let read = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|length| (length, line))
        });
        let (length, line) = read.await??;
        if length == 0 {
            self.say("")?;
            bail!("the input ended before \"{question}\" was answered");
        }
        let answer = line.trim();
        Ok(Some(
            if answer.is_empty() {
                default.unwrap_or_default()
            } else {
                answer
            }
            .to_owned(),
        ))
    }

    /// A question of yes or no, asked until it is one of them; `false` where there is nobody.
    ///
    /// # Errors
    /// As [`Terminal::ask`].
    pub(super) async fn agrees(&mut self, question: &str) -> anyhow::Result<bool> {
        loop {
            let Some(answer) = self.ask(&format!("{question} (yes/no)"), None).await? else {
                return Ok(false);
            };
            match yes_or_no(&answer) {
                Some(agreed) => return Ok(agreed),
                None => self.say("Please answer yes or no.")?,
            }
        }
    }
}

/// What an answer of yes or no says.
pub(super) fn yes_or_no(answer: &str) -> Option<bool> {
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

/// The entry of a list that a number names, counted from 1.
pub(super) fn picked<'a, T>(answer: &str, list: &'a [T]) -> Option<&'a T> {
    answer
        .parse::<usize>()
        .ok()?
        .checked_sub(1)
        .and_then(|index| list.get(index))
}
