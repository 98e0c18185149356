//! A request on its way out, made while it is sent.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::replica::Script;

/// How much of a request is made before the line takes it, in bytes: several packets, so that all but the last are full.
const AHEAD: usize = 256 * 1024;

/// The part of a request that is still to be sent.
pub(super) struct Outgoing<L> {
    /// What is still to be made.
    lines: L,
    /// What is made.
    unsent: BytesMut,
    /// Nothing more is to be sent, or can be.
    pub(super) done: bool,
}

impl<L: Iterator<Item: AsRef<str>>> Outgoing<L> {
    pub(super) fn new(lines: L) -> Self {
        Self {
            lines,
            unsent: BytesMut::new(),
            done: false,
        }
    }

    /// Whether all of it has been given to the line. Makes what is to be sent next.
    pub(super) fn is_sent(&mut self) -> bool {
        while self.unsent.len() < AHEAD
            && let Some(lines) = self.lines.next()
        {
            self.unsent.extend_from_slice(lines.as_ref().as_bytes());
        }
        self.unsent.is_empty()
    }

    /// Sends as much as the line takes. Nothing is lost when the wait is given up.
    pub(super) async fn send_some(&mut self, stdin: &mut (impl AsyncWrite + Unpin)) {
        if self.is_sent() {
            // An error here or below means that the engine is gone; its output says why.
            let _ = stdin.flush().await;
            self.done = true;
            return;
        }
        match stdin.write(&self.unsent).await {
            Ok(count @ 1..) => self.unsent.advance(count),
            _ => self.done = true,
        }
    }
}

/// What is sent for a script, step by step. A step of several lines is announced, since an engine reads lines.
pub(super) fn lines_of(script: &Script<'_>, marker: &str) -> impl Iterator<Item = String> + Send {
    let steps = script.steps().map(|step| match step.matches('\n').count() {
        0 => format!("{step}\n"),
        breaks => format!("--+{}\n{step}\n", breaks + 1),
    });
    steps.chain(std::iter::once(format!("SELECT '{marker}';\n")))
}
