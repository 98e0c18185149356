//! The built `modsyncd`, run as a service manager would, and the built `modsyncctl` that asks it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::world::World;

/// How long something may take that takes seconds at most on a machine with nothing else to do.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A running daemon. Killed when dropped.
pub struct Daemon {
    start: Start,
    socket: PathBuf,
    child: Child,
}

/// How one is started.
struct Start {
    config: PathBuf,
    home: PathBuf,
    /// Where its standard error goes.
    errors: PathBuf,
    /// What a shell says before; empty for no shell.
    prelude: String,
    environment: Vec<(String, String)>,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Daemon {
    /// Starts the daemon with the world's config and waits until its socket answers.
    pub fn start(world: &World) -> Self {
        Self::after(world, "")
    }

    /// The same, from a shell that says something first, such as `ulimit -n 64`.
    pub fn after(world: &World, prelude: &str) -> Self {
        Self::launch(Start::of(world, prelude, Vec::new()), world.socket())
    }

    /// The same with variables in its environment.
    pub fn start_in(world: &World, environment: Vec<(String, String)>) -> Self {
        Self::launch(Start::of(world, "", environment), world.socket())
    }

    /// Starts one with a config, which names that socket, in a home of its own; its standard error goes to a file.
    pub fn with(config: PathBuf, socket: PathBuf, home: PathBuf, errors: PathBuf) -> Self {
        let (prelude, environment) = (String::new(), Vec::new());
        let start = Start {
            config,
            home,
            errors,
            prelude,
            environment,
        };
        Self::launch(start, socket)
    }

    fn launch(start: Start, socket: PathBuf) -> Self {
        let mut daemon = Self {
            child: start.run(),
            socket,
            start,
        };
        daemon.until_it_answers();
        daemon
    }

    /// Starts it again, after it ended.
    pub fn again(&mut self) {
        self.child = self.start.run();
        self.until_it_answers();
    }

    fn until_it_answers(&mut self) {
        until("the daemon's socket answers", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", self.errors());
            (self.ctl(&["status"]).code != 3).then_some(())
        });
    }

    /// Runs `modsyncctl` with these arguments.
    pub fn ctl(&self, arguments: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_modsyncctl"))
            .args(arguments)
            .env("MODSYNC_SOCKET", &self.socket)
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same with `--json`: the exit code and the document.
    pub fn json(&self, arguments: &[&str]) -> (i32, Json) {
        let answer = self.ctl(&[arguments, &["--json"]].concat());
        let json = serde_json::from_str(&answer.out);
        (
            answer.code,
            json.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer:?}")),
        )
    }

    /// `status --json`.
    pub fn status(&self) -> Json {
        self.json(&["status"]).1
    }

    /// `/metrics`, by hand over the socket.
    pub fn metrics(&self) -> String {
        let mut answer = String::new();
        self.get("/metrics").read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until a cycle enters a phase.
    pub fn until_phase(&self, phase: &str) {
        // By lines: a bare read gives up when a signal or a machine's pause interrupts it.
        let mut events = BufReader::new(self.get("/v1/events"));
        let mut heard = String::new();
        while !heard.contains(&format!("\"phase\":\"{phase}\"")) {
            let length = events.read_line(&mut heard).unwrap();
            assert!(length > 0, "the events ended: {heard}");
        }
    }

    fn get(&self, path: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: modsync\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        stream
    }

    /// Waits for a status like that.
    pub fn until_status(&self, what: &str, condition: impl Fn(&Json) -> bool) -> Json {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}: {status:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has nothing to do and both sides hold the same as far as it knows.
    pub fn until_in_sync(&self) -> Json {
        self.until_status("idle and in sync", |status| {
            status["state"] == "idle" && status["in_sync"] == true
        })
    }

    /// Runs a cycle that has to end like that, and gives its summary.
    pub fn sync(&self, arguments: &[&str], code: i32) -> Json {
        let (ended, summary) = self.json(&[&["sync-now"], arguments].concat());
        assert_eq!(ended, code, "sync-now {arguments:?}: {summary:#}");
        summary
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to end, and says how and how soon it did.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal("TERM");
        let status = until("the daemon ends after SIGTERM", || self.child.try_wait().unwrap());
        (status, asked.elapsed())
    }

    /// What it wrote on standard error.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.start.errors).unwrap_or_default()
    }

    /// Starts a second one on the same config, which has to refuse: its exit code and message.
    pub fn second(&self) -> (Option<i32>, String) {
        let output = self.start.command().output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("modsyncd said: {}", self.errors());
        }
        // Gone already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Start {
    fn of(world: &World, prelude: &str, environment: Vec<(String, String)>) -> Self {
        Self {
            config: world.config_file(),
            home: world.path("home"),
            errors: world.path("modsyncd.err"),
            prelude: prelude.to_owned(),
            environment,
        }
    }

    /// The daemon with nothing of the home of whoever runs the tests.
    fn command(&self) -> Command {
        let daemon = env!("CARGO_BIN_EXE_modsyncd");
        let mut command = Command::new(if self.prelude.is_empty() { daemon } else { "sh" });
        if !self.prelude.is_empty() {
            command.args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.prelude), daemon]);
        }
        command
            .args(["run", "--config"])
            .arg(&self.config)
            .env("HOME", &self.home)
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("MODSYNC_TRIAL_SECONDS")
            .env_remove("MODSYNC_TRIAL_SEED")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    fn run(&self) -> Child {
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&self.errors);
        self.command()
            .stdout(Stdio::null())
            .stderr(errors.unwrap())
            .spawn()
            .unwrap()
    }
}

/// Waits for something to come about.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
