//! The demo's SSH server, asked by the real `ssh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use modsync::demo::server::{DemoServer, Options};
use tempfile::TempDir;

/// A server in a folder that goes with it.
struct World {
    server: DemoServer,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = DemoServer::start(Options::in_folder(folder.path())).unwrap();
        Self { server, folder }
    }

    /// `ssh` with the server's key known and the client's key offered, and nothing of this machine's configuration.
    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.server.port().to_string()]);
        for option in [
            "BatchMode=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            format!("UserKnownHostsFile={}", self.server.known_hosts().display()),
        ] {
            ssh.arg("-o").arg(option);
        }
        ssh
    }

    fn run(&self, command: &str, input: &[u8]) -> Output {
        run(
            self.ssh()
                .arg("-i")
                .arg(self.server.client_key())
                .args(["site@127.0.0.1", command]),
            input,
        )
    }
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends early closes its input.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Waits until the condition holds; fails after ten seconds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the process exists and is no zombie: those have no command line.
fn is_running(pid: &str) -> bool {
    std::fs::read(Path::new("/proc").join(pid).join("cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn a_command_has_its_streams_status_and_home() {
    let world = World::new();
    let output = world.run(
        "cat; pwd; echo \"$HOME $XDG_STATE_HOME\"; echo no >&2; exit 7",
        b"in\0put\n",
    );
    let home = world.folder.path().join("home").canonicalize().unwrap();
    let home = home.display();
    assert_eq!(
        text(&output.stdout),
        format!("in\0put\n{home}\n{home} {home}/.local/state\n")
    );
    assert_eq!(text(&output.stderr), "no\n");
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn large_streams_go_through_both_ways_at_once() {
    let world = World::new();
    let input: Vec<u8> = (0..12_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for compression in ["no", "yes"] {
        let option = format!("Compression={compression}");
        let output = run(
            world
                .ssh()
                .args(["-o", &option, "-i"])
                .arg(world.server.client_key())
                .args(["site@127.0.0.1", "cat"]),
            &input,
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            output.stdout == input,
            "compression {compression}: {} bytes came back",
            output.stdout.len()
        );
    }
}

#[test]
fn a_command_that_reads_nothing_still_answers() {
    let world = World::new();
    let output = world.run("exec 0<&-; echo done", &vec![b'x'; 4_000_000]);
    assert_eq!(text(&output.stdout), "done\n");
}

#[test]
fn another_key_is_refused() {
    let world = World::new();
    let other = DemoServer::start(Options::in_folder(&world.folder.path().join("other"))).unwrap();
    let output = run(
        world
            .ssh()
            .arg("-i")
            .arg(other.client_key())
            .args(["site@127.0.0.1", "true"]),
        b"",
    );
    assert_eq!(output.status.code(), Some(255));
    assert!(
        text(&output.stderr).contains("Permission denied"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn another_host_key_is_refused_by_ssh() {
    let world = World::new();
    let other = World::new();
    let line = world.server.host_key_line();
    let (_, key) = line.split_once(' ').unwrap();
    std::fs::write(
        other.server.known_hosts(),
        format!("[127.0.0.1]:{} {key}\n", other.server.port()),
    )
    .unwrap();
    let output = other.run("true", b"");
    assert!(
        text(&output.stderr).contains("Host key verification failed"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_client_that_goes_away_ends_all_that_its_command_started() {
    let world = World::new();
    let pids = world.folder.path().join("home/pids");
    let mut client = world
        .ssh()
        .arg("-i")
        .arg(world.server.client_key())
        .args([
            "site@127.0.0.1",
            "sleep 600 & echo $! $$ > pids.new; mv pids.new pids; wait",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the command runs", || pids.exists());
    let pids = std::fs::read_to_string(pids).unwrap();
    assert!(pids.split_whitespace().all(is_running));
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("its processes ended", || !pids.split_whitespace().any(is_running));
}

#[test]
fn the_same_host_comes_back_on_its_port() {
    let world = World::new();
    let (port, line) = (world.server.port(), world.server.host_key_line().to_owned());
    let World { server, folder } = world;
    drop(server);
    let options = Options {
        port,
        ..Options::in_folder(folder.path())
    };
    let world = World {
        server: DemoServer::start(options).unwrap(),
        folder,
    };
    assert_eq!(world.server.host_key_line(), line);
    assert_eq!(text(&world.run("echo back", b"").stdout), "back\n");
}

#[test]
fn keepalives_are_answered() {
    let world = World::new();
    let output = run(
        world
            .ssh()
            .args(["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1", "-i"])
            .arg(world.server.client_key())
            .args(["site@127.0.0.1", "sleep 3; echo alive"]),
        b"",
    );
    assert_eq!(text(&output.stdout), "alive\n", "{}", text(&output.stderr));
}
