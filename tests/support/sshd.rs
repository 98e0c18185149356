//! OpenSSH's own server, started for one test in a folder of its own.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use modsync::config::ssh_config::SshTarget;
use tempfile::TempDir;

/// How long a server may take to answer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A running sshd on a loopback port. Killed when dropped.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

/// What is different from a plain server with one ed25519 host key that takes the key of [`Sshd::user_key`].
#[derive(Default)]
pub struct Options {
    /// Types of host key, as `ssh-keygen -t` has them; empty: ed25519 alone.
    pub host_keys: Vec<&'static str>,
    /// More lines of sshd_config; they win over the usual ones.
    pub config: String,
}

impl Sshd {
    /// Starts a plain server.
    pub fn start() -> Self {
        Self::with(&Options::default())
    }

    /// Starts a server with other options.
    pub fn with(options: &Options) -> Self {
        let folder = tempfile::Builder::new().prefix("modsync-sshd-").tempdir().unwrap();
        let types = if options.host_keys.is_empty() {
            &["ed25519"][..]
        } else {
            &options.host_keys
        };
        let mut config = options.config.clone();
        config.push('\n');
        for kind in types {
            let path = folder.path().join(format!("host_{kind}"));
            keygen(&path, kind, "");
            config.push_str(&format!("HostKey {}\n", path.display()));
        }
        keygen(&folder.path().join("user"), "ed25519", "");
        fs::copy(folder.path().join("user.pub"), folder.path().join("authorized_keys")).unwrap();
        if !config.contains("Subsystem") {
            config.push_str("Subsystem sftp internal-sftp\n");
        }
        let path = folder.path().display();
        config.push_str(&format!(
            "ListenAddress 127.0.0.1\nPidFile none\nAuthorizedKeysFile {path}/authorized_keys\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             MaxStartups 100\nUseDNS no\nLogLevel VERBOSE\n",
        ));
        fs::write(folder.path().join("sshd_config"), config).unwrap();
        // Needed by the server's privilege separation; the package makes it only when the system's own server starts.
        fs::create_dir_all("/run/sshd").unwrap();
        let mut server = Self {
            folder,
            port: 0,
            child: None,
        };
        server.launch_on_a_free_port();
        server
    }

    /// The server's folder: `host_TYPE`, `user`, `authorized_keys`, `log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process that listens. Each session is a child of it.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The private key that the server takes.
    pub fn user_key(&self) -> PathBuf {
        self.folder.path().join("user")
    }

    /// Lets another key in.
    pub fn authorize(&self, public_key: &Path) {
        let path = self.folder.path().join("authorized_keys");
        let keys = fs::read_to_string(&path).unwrap() + &fs::read_to_string(public_key).unwrap();
        fs::write(path, keys).unwrap();
    }

    /// A host key's public half, `type base64`.
    pub fn host_key(&self, kind: &str) -> String {
        let text = fs::read_to_string(self.folder.path().join(format!("host_{kind}.pub"))).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Writes a known_hosts file in the server's folder.
    pub fn known_hosts(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("known_hosts");
        fs::write(&path, text).unwrap();
        path
    }

    /// A target that reaches this server with its user key and a known_hosts file that knows it.
    pub fn target(&self) -> SshTarget {
        // Certificates (`host_TYPE-cert.pub`) are nothing that a plain line can know.
        let known = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| Some(name.strip_prefix("host_")?.strip_suffix(".pub")?.to_owned()))
            .filter(|kind| !kind.ends_with("-cert"))
            .map(|kind| format!("[127.0.0.1]:{} {}\n", self.port, self.host_key(&kind)))
            .collect::<String>();
        SshTarget {
            alias: "server".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: user(),
            identity_files: vec![self.user_key()],
            identities_only: false,
            identity_agent: None,
            known_hosts: vec![self.known_hosts(&known)],
            host_key_alias: None,
            jumps: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            password_command: None,
            passphrase_command: None,
        }
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the listener; sessions that run go on, as with `systemctl stop ssh`.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already: fine.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Ends every session of this server.
    pub fn kill_sessions(&self) {
        self.signal_sessions("KILL");
    }

    /// Sends a signal, by name, to every session of this server.
    pub fn signal_sessions(&self, name: &str) {
        if let Some(child) = &self.child {
            Command::new("pkill")
                .args([&format!("-{name}"), "-P", &child.id().to_string()])
                .status()
                .unwrap();
        }
    }

    /// Starts the server again, on the same port.
    pub fn restart(&mut self) {
        self.stop();
        assert!(
            self.launch(),
            "sshd did not come back on port {}: {}",
            self.port,
            self.log()
        );
    }

    fn launch_on_a_free_port(&mut self) {
        for _ in 0..20 {
            // Another test may take the port in between; then the next one is tried.
            self.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if self.launch() {
                return;
            }
        }
        panic!("sshd does not start: {}", self.log());
    }

    /// Whether the server came up on its port.
    fn launch(&mut self) -> bool {
        let path = |name: &str| self.folder.path().join(name);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path("log"))
            .unwrap();
        let mut child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-p", &self.port.to_string(), "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("openssh-server is needed for this test");
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if answers(self.port) {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill_sessions();
        self.stop();
    }
}

/// Whether an SSH server greets on the port.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
}

/// The user that runs the tests.
pub fn user() -> String {
    let printed = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(printed).unwrap().trim().to_owned()
}

/// Makes a key pair: `path` and `path.pub`.
pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    assert!(command.status().unwrap().success(), "ssh-keygen failed");
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A user of this machine with a password, for the tests of passwords. Needs root. Removed when dropped.
pub struct SystemUser {
    /// The user's name.
    pub name: String,
}

impl SystemUser {
    /// Makes a user with that password and no home of its own.
    pub fn with_password(password: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("modsync{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let user = Self { name };
        let made = Command::new("useradd")
            .args(["-M", "-d", "/", "-s", "/bin/sh", &user.name])
            .status()
            .unwrap();
        assert!(made.success(), "useradd failed: the tests of passwords need root");
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(chpasswd.stdin.take().unwrap(), "{}:{password}", user.name).unwrap();
        assert!(chpasswd.wait().unwrap().success(), "chpasswd failed");
        user
    }
}

impl Drop for SystemUser {
    fn drop(&mut self) {
        // A session of the user's may still be ending, hence the force.
        let _ = Command::new("userdel")
            .args(["-f", &self.name])
            .stderr(Stdio::null())
            .status();
    }
}

/// A running ssh-agent with an empty key ring. Killed when dropped.
pub struct Agent {
    folder: TempDir,
    child: Child,
}

impl Agent {
    /// Starts an agent.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("modsync-agent-").tempdir().unwrap();
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(folder.path().join("socket"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { folder, child };
        let deadline = Instant::now() + START_LIMIT;
        while !agent.socket().exists() {
            assert!(Instant::now() < deadline, "ssh-agent does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        agent
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Gives it a private key.
    pub fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", self.socket());
        assert!(command.status().unwrap().success(), "ssh-add failed");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
