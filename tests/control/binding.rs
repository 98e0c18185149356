//! Who may open the socket, and what it replaces.

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn only_the_owner_may_open_the_socket() {
    let daemon = Daemon::usual(idle());
    assert_eq!(mode(&daemon.socket), 0o600);
    assert_eq!(mode(daemon.socket.parent().unwrap()), 0o700);
    let beside: Vec<_> = fs::read_dir(daemon.socket.parent().unwrap()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing else is left in the folder: {beside:?}");
}

#[tokio::test]
async fn a_folder_that_stood_there_keeps_its_mode_and_the_socket_is_private_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.path().join("s.sock");
    let _listener = server::bind(&socket).await.unwrap();
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(folder.path()), 0o755);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let _listener = server::bind(&socket).await.unwrap();
    assert!(UnixStream::connect(&socket).is_ok());
}

#[tokio::test]
async fn a_path_that_no_client_could_connect_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s".repeat(100));
    let error = server::bind(&socket).await.unwrap_err();
    assert!(
        matches!(error, BindError::Io { .. }) && error.to_string().contains("SUN_LEN"),
        "{error}"
    );
}

#[tokio::test]
async fn a_socket_with_a_live_daemon_is_refused_and_goes_on() {
    let daemon = Daemon::usual(idle());
    let error = server::bind(&daemon.socket).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert_eq!(client(&daemon).status().await.unwrap().state, State::Idle);
}

#[tokio::test]
async fn a_foreign_file_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.sock");
    fs::write(&file, "precious").unwrap();
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link, &folder.path().to_path_buf()] {
        let error = server::bind(path).await.unwrap_err();
        assert!(matches!(error, BindError::Foreign(_)), "{error}");
    }
    assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
}

/// Needs root, to act as another user; the rule itself is tested in its module for everybody.
#[test]
fn another_user_is_refused_even_if_the_modes_let_him_in() {
    let daemon = Daemon::usual(idle());
    if fs::metadata(&daemon.socket).unwrap().uid() != 0 {
        return;
    }
    for open in [daemon.folder.path(), daemon.socket.parent().unwrap(), &daemon.socket] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let binary = daemon.folder.path().join("modsyncctl");
    fs::copy(env!("CARGO_BIN_EXE_modsyncctl"), &binary).unwrap();
    let output = Command::new(&binary)
        .args(["status", "--json", "--socket"])
        .arg(&daemon.socket)
        .uid(65534)
        .gid(65534)
        .current_dir("/")
        .output()
        .unwrap();
    let error: ErrorBody = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error.code, ErrorCode::Forbidden);
    assert!(
        error.error.contains("belongs to another user"),
        "the daemon says so: {}",
        error.error
    );
}
