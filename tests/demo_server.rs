//! The demo's SSH server, asked by the real `ssh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
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
        self.client("ssh")
    }

    /// The same for `sftp`.
    fn client(&self, program: &str) -> Command {
        let mut ssh = Command::new(program);
        ssh.args(["-F", "none"]);
        for option in [
            "BatchMode=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            format!("Port={}", self.server.port()),
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

#[test]
fn files_go_over_sftp() {
    let world = World::new();
    std::fs::write(world.folder.path().join("home/there"), b"from the server").unwrap();
    let here = world.folder.path().join("here");
    std::fs::write(&here, b"from the client").unwrap();
    let mut sftp = world.client("sftp");
    sftp.arg("-i")
        .arg(world.server.client_key())
        .args(["-b", "-", "site@127.0.0.1"]);
    let batch = format!("put {0} up\nrename up moved\nget there {0}\n", here.display());
    let output = run(&mut sftp, batch.as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(here).unwrap(), b"from the server");
    assert_eq!(
        std::fs::read(world.folder.path().join("home/moved")).unwrap(),
        b"from the client"
    );
}

#[test]
fn the_end_of_the_server_ends_commands_and_clients() {
    let world = World::new();
    let started = world.folder.path().join("home/pid");
    let mut client = world
        .ssh()
        .arg("-i")
        .arg(world.server.client_key())
        .args(["site@127.0.0.1", "echo $$ > pid.new; mv pid.new pid; exec sleep 600"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the command runs", || started.exists());
    let pid = std::fs::read_to_string(started).unwrap();
    let World {
        server,
        folder: _folder,
    } = world;
    drop(server);
    wait_until("the client ended", || client.try_wait().unwrap().is_some());
    wait_until("the command ended", || !is_running(pid.trim()));
}

/// Takes any host key: there is no network between.
struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

#[tokio::test]
async fn a_stream_without_a_port_is_served() {
    let world = World::new();
    let (near, far) = tokio::io::duplex(64 * 1024);
    world.server.serve(far);
    let mut client = russh::client::connect_stream(Arc::default(), near, Trusting)
        .await
        .unwrap();
    let key = russh::keys::load_secret_key(world.server.client_key(), None).unwrap();
    let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(client.authenticate_publickey("site", key).await.unwrap().success());
    let mut channel = client.channel_open_session().await.unwrap();
    channel.exec(true, "echo hello").await.unwrap();
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut channel.make_reader(), &mut said)
        .await
        .unwrap();
    assert_eq!(said, "hello\n");
}
