//! Asks before something is done that is hard to take back.

use std::io::{self, IsTerminal, Write};

use super::out::Failure;
use crate::control::types::{ErrorBody, ErrorCode};

/// Asks on the terminal; without one, `--yes` has to say it. `what` is what would be done, for the error.
pub(super) fn confirm(what: &str, question: &str) -> Result<(), Failure> {
    must_be_able_to_ask(what)?;
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refuse(&format!("{what}: not confirmed"))),
    }
}

/// Fails where there is no terminal to ask on, for verbs that find out first what to ask.
pub(super) fn must_be_able_to_ask(what: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    Err(refuse(&format!("{what}: there is no terminal to ask on")))
}

fn refuse(error: &str) -> Failure {
    Failure::Daemon(ErrorBody {
        code: ErrorCode::BadRequest,
        error: error.to_owned(),
        hint: Some("--yes says that it is meant".to_owned()),
    })
}
