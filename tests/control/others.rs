//! Other users of the machine. These tests act as one of them, and so need root.

use std::process::{Child, Stdio};

use super::*;

/// The user that nobody is.
const NOBODY: u32 = 65534;

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A command that runs as somebody else.
fn by_nobody(daemon: &Daemon, program: &str) -> Command {
    assert_eq!(
        fs::metadata(&daemon.socket).unwrap().uid(),
        0,
        "the tests of other users need root"
    );
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// What `modsyncctl status` tells somebody else.
fn told(daemon: &Daemon) -> ErrorBody {
    let binary = daemon.folder.path().join("modsyncctl");
    fs::copy(env!("CARGO_BIN_EXE_modsyncctl"), &binary).unwrap();
    let output = by_nobody(daemon, binary.to_str().unwrap())
        .args(["status", "--json", "--socket"])
        .arg(&daemon.socket)
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn another_user_is_kept_out_by_each_mode_and_then_by_his_number() {
    let daemon = Daemon::usual(idle());
    open_to_all(daemon.folder.path());
    let folder_closed = told(&daemon);
    assert!(folder_closed.error.contains("permission denied"), "{folder_closed:?}");
    open_to_all(daemon.socket.parent().unwrap());
    let socket_closed = told(&daemon);
    assert!(socket_closed.error.contains("permission denied"), "{socket_closed:?}");
    open_to_all(&daemon.socket);
    let all_open = told(&daemon);
    assert_eq!(all_open.code, ErrorCode::Forbidden);
    assert!(all_open.error.contains("belongs to another user"), "{all_open:?}");
    assert!(daemon.heard().is_empty());
}

/// Holds that many connections until it is killed, each with half a request.
struct Crowd(Child);

impl Crowd {
    fn gather(daemon: &Daemon, count: u32) -> Self {
        // One that the daemon has closed already takes no more: it was too many, or another user's.
        let script = "import socket,sys,time\nheld=[]\nfor _ in range(int(sys.argv[2])):\n s=socket.socket(socket.AF_UNIX)\n \
                      s.connect(sys.argv[1])\n try: s.send(b'GET /v1/status HTTP/1.1\\r\\nA: ')\n except OSError: pass\n \
                      held.append(s)\nprint('here',flush=True)\ntime.sleep(600)";
        let mut child = by_nobody(daemon, "/usr/bin/python3")
            .args(["-c", script])
            .arg(&daemon.socket)
            .arg(count.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut here = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut here).unwrap();
        Self(child)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn other_users_take_nobodys_place() {
    let daemon = Daemon::usual(idle());
    for path in [daemon.folder.path(), daemon.socket.parent().unwrap(), &daemon.socket] {
        open_to_all(path);
    }
    let _crowd = Crowd::gather(&daemon, 600);
    let asked = Instant::now();
    assert_eq!(client(&daemon).status().await.unwrap(), idle());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}
