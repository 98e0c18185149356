//! demo.

mod content;
pub mod data;
pub mod server;
mod shell;

/// Tells the story.
///
/// # Errors
/// When any part of it is not true.
pub fn run(_keep: bool, _out: &mut dyn std::io::Write) -> Result<(), DemoError> {
    Err(DemoError("not yet".into()))
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);
