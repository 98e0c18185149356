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

#[tokio::test]
async fn what_only_looks_like_a_stale_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let datagrams = path("datagrams");
    let _alive = std::os::unix::net::UnixDatagram::bind(&datagrams).unwrap();
    drop(std::os::unix::net::UnixListener::bind(path("stale")).unwrap());
    std::os::unix::fs::symlink(path("stale"), path("link")).unwrap();
    std::os::unix::fs::symlink(path("nothing"), path("dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    for name in ["datagrams", "link", "dangling", "fifo"] {
        let before = fs::symlink_metadata(path(name)).unwrap();
        let error = server::bind(&path(name)).await.unwrap_err();
        assert!(!matches!(error, BindError::InUse(_)), "{name}: {error}");
        let after = fs::symlink_metadata(path(name)).unwrap();
        assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_open_it_at_once_one_gets_it() {
    for round in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        if round % 2 == 0 {
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        }
        let bind = || {
            let socket = socket.clone();
            tokio::spawn(async move { server::bind(&socket).await })
        };
        let tries: Vec<_> = (0..8).map(|_| bind()).collect();
        let mut won = Vec::new();
        for one in tries {
            match one.await.unwrap() {
                Ok(listener) => won.push(listener),
                Err(error) => assert!(matches!(error, BindError::InUse(_)), "{error}"),
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        let _client = UnixStream::connect(&socket).unwrap();
        won[0].accept().await.unwrap();
    }
}
