//! Answers that go on, line by line.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::wire;
use crate::control::types::{ErrorBody, ErrorCode, Event};

/// The daemon speaks every two seconds; one that was silent for so long hangs.
const SILENCE: Duration = Duration::from_secs(5);

/// The event stream.
#[derive(Debug)]
pub struct Events(Lines);

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Lines::new(body))
    }

    /// The next event, heartbeats left out; `None` once the daemon ends. May be dropped and called again.
    ///
    /// # Errors
    /// [`ErrorCode::Timeout`] when the daemon fell silent.
    pub async fn next(&mut self) -> Result<Option<Event>, ErrorBody> {
        loop {
            let Ok(line) = timeout(SILENCE, self.0.next()).await else {
                return Err(silent());
            };
            // A broken connection is an end like another: what waits for an answer learns it there.
            let Ok(Some(line)) = line else { return Ok(None) };
            match serde_json::from_str(&line) {
                // An event that this client does not know yet is news for a newer one.
                Ok(Event::Heartbeat) | Err(_) => {}
                Ok(event) => return Ok(Some(event)),
            }
        }
    }
}

/// Lines of the daemon's log.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
    watch: Option<Events>,
}

impl Logs {
    pub(super) fn new(body: Incoming, watch: Option<Events>) -> Self {
        Self {
            lines: Lines::new(body),
            watch,
        }
    }

    /// The next line; `None` after the last one, or once the daemon ends.
    ///
    /// # Errors
    /// When the daemon died in the middle or fell silent.
    pub async fn next(&mut self) -> Result<Option<String>, ErrorBody> {
        let Some(watch) = &mut self.watch else {
            return timeout(SILENCE, self.lines.next())
                .await
                .unwrap_or_else(|_| Err(silent()));
        };
        loop {
            tokio::select! {
                biased;
                line = self.lines.next() => return line,
                event = watch.next() => if event?.is_none() { return Ok(None) },
            }
        }
    }
}

/// A body cut into lines.
#[derive(Debug)]
struct Lines {
    body: Incoming,
    /// What has come and not been given yet.
    buffer: Vec<u8>,
}

impl Lines {
    fn new(body: Incoming) -> Self {
        Self {
            body,
            buffer: Vec::new(),
        }
    }

    /// The next line without its newline; `None` after the last. Loses nothing when dropped half-way.
    async fn next(&mut self) -> Result<Option<String>, ErrorBody> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(wire::ended()),
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            }
        }
    }
}

fn silent() -> ErrorBody {
    ErrorBody {
        code: ErrorCode::Timeout,
        error: format!("wait for the daemon: it has said nothing for {} s", SILENCE.as_secs()),
        hint: Some(
            "it hangs or is stopped; look at `modsyncctl logs` or the service manager, and restart it".to_owned(),
        ),
    }
}
