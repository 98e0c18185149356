//! Asking before something is done that is hard to take back.

use std::io::{self, IsTerminal as _, Write as _};

use super::out::Failure;
use crate::control::types::{ErrorBody, ErrorCode};

/// Asks on the terminal; without one, `--yes` has to say it. `action` names what is not done otherwise.
pub(super) fn confirm(action: &str, question: &str) -> Result<(), Failure> {
    let refuse = |why: &str| {
        let hint = Some("--yes says that it is meant".to_owned());
        Failure::Daemon(ErrorBody {
            code: ErrorCode::BadRequest,
            error: format!("{action}: {why}"),
            hint,
        })
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(refuse("there is no terminal to ask on"));
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refuse("not confirmed")),
    }
}
