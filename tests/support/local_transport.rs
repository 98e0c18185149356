//! A transport without a network: programs run on this machine, as a login shell would run them.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;

use modsync::ssh::{Process, Traffic, Transport, TransportError, TransportErrorKind};
use tokio::process::Command;

/// Runs commands with `sh -c`. A program is killed when the far end of its output is dropped and it writes again, or
/// when its input ends, as behind SSH.
#[derive(Default)]
pub struct LocalTransport {
    traffic: Arc<Traffic>,
    env: Vec<(OsString, OsString)>,
    before: String,
}

impl LocalTransport {
    /// Sets a variable for the programs.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Shell text that runs before every command, as a login shell's start files do.
    pub fn before(mut self, text: &str) -> Self {
        self.before = format!("{text}\n");
        self
    }
}

impl Transport for LocalTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let failed = |error: std::io::Error| TransportError {
            kind: TransportErrorKind::Unreachable,
            message: format!("cannot start sh: {error}"),
        };
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{}{command}", self.before))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let gone = || failed(std::io::ErrorKind::BrokenPipe.into());
        Ok(Process {
            stdin: Box::new(child.stdin.take().ok_or_else(gone)?),
            stdout: Box::new(child.stdout.take().ok_or_else(gone)?),
            stderr: Box::new(child.stderr.take().ok_or_else(gone)?),
        })
    }

    fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}
