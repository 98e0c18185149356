//! A transport without a network: programs run on this machine, as a login shell would run them.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use modsync::ssh::{Process, Traffic, Transport, TransportError, TransportErrorKind};
use tokio::process::{Child, Command};

/// Runs commands with `sh -c`. Programs end when their input does, as behind SSH, and at the latest with the transport.
#[derive(Default)]
pub struct LocalTransport {
    traffic: Arc<Traffic>,
    env: Vec<(OsString, OsString)>,
    before: String,
    nobody: bool,
    children: Mutex<Vec<Child>>,
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

    /// Runs programs as a user whom file permissions hold back, also when the tests run as root.
    pub fn by_nobody(mut self) -> Self {
        self.nobody = true;
        self
    }

    /// The process id of the program that was started last.
    pub fn last_pid(&self) -> u32 {
        self.children.lock().unwrap().last().and_then(Child::id).unwrap()
    }

    /// Waits until every program that was started has ended.
    pub async fn until_all_ended(&self) {
        let children = std::mem::take(&mut *self.children.lock().unwrap());
        for mut child in children {
            child.wait().await.unwrap();
        }
    }

    fn shell(&self) -> Command {
        let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
        if !(self.nobody && root) {
            return Command::new("sh");
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
        command
    }
}

impl Transport for LocalTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let failed = |error: std::io::Error| TransportError {
            kind: TransportErrorKind::Unreachable,
            message: format!("cannot start sh: {error}"),
        };
        let mut child = self
            .shell()
            .arg("-c")
            .arg(format!("{}{command}", self.before))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let gone = || failed(std::io::ErrorKind::BrokenPipe.into());
        let process = Process {
            stdin: Box::new(child.stdin.take().ok_or_else(gone)?),
            stdout: Box::new(child.stdout.take().ok_or_else(gone)?),
            stderr: Box::new(child.stderr.take().ok_or_else(gone)?),
        };
        self.children.lock().unwrap().push(child);
        Ok(process)
    }

    fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}
