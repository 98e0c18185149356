//! Files over SFTP.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use modsync::ssh::TransportErrorKind;
use modsync::ssh::sftp::{Sftp, SftpErrorKind};

use crate::support::sshd::{Options, Sshd};
use crate::{eventually, open, soon};

async fn session(server: &Sshd) -> Sftp {
    // The session keeps the connection open by itself.
    open(&server.target()).await.unwrap().sftp().await.unwrap()
}

/// A path in the server's folder.
fn file(server: &Sshd, name: &str) -> (PathBuf, String) {
    let path = server.folder().join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 / 7 + i / 4096) as u8).collect()
}

#[tokio::test]
async fn copies_a_file_up_and_down_and_goes_on_where_it_stopped() {
    let server = Sshd::start();
    let sftp = session(&server).await;
    let (path, name) = file(&server, "copy");
    let bytes = pattern(3_000_001);

    let mut steps = Vec::new();
    let length = soon(sftp.upload(&mut &bytes[..], &name, 0o640, |done| steps.push(done)))
        .await
        .unwrap();
    assert_eq!(length, bytes.len() as u64);
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert!(
        steps.is_sorted() && steps.len() > 50 && steps.last() == Some(&length),
        "{steps:?}"
    );

    for offset in [0, 1, 32 * 1024, 2_999_999, 3_000_001, 4_000_000] {
        let (mut copy, mut last) = (Vec::new(), offset);
        let length = soon(sftp.download(&name, offset..u64::MAX, &mut copy, |done| last = done))
            .await
            .unwrap();
        assert_eq!(length, bytes.len() as u64);
        assert!(
            copy == bytes[bytes.len().min(offset as usize)..],
            "from {offset}: {} bytes",
            copy.len()
        );
        assert_eq!(last, length.max(offset));
    }
}

#[tokio::test]
async fn an_upload_never_touches_a_file_that_is_there() {
    let server = Sshd::start();
    let sftp = session(&server).await;
    let (path, name) = file(&server, "mine");
    fs::write(&path, "precious").unwrap();
    let error = sftp.upload(&mut &b"new"[..], &name, 0o600, |_| {}).await.unwrap_err();
    assert_eq!(error.kind, SftpErrorKind::Exists, "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    let server = Sshd::start();
    let sftp = session(&server).await;
    let (path, name) = file(&server, "half");
    let mut breaks = tokio::io::join(FailsAfter(100_000), tokio::io::sink());
    let error = soon(sftp.upload(&mut breaks, &name, 0o600, |_| {})).await.unwrap_err();
    assert_eq!(error.kind, SftpErrorKind::Local);
    assert!(error.message.contains("disk on fire"), "{error}");
    assert!(!path.exists());
}

/// A source that breaks after some bytes.
struct FailsAfter(usize);

impl tokio::io::AsyncRead for FailsAfter {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(Err(std::io::Error::other("disk on fire")));
        }
        let length = buf.remaining().min(self.0);
        buf.put_slice(&vec![1; length]);
        self.0 -= length;
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn tells_and_sets_what_a_file_is() {
    let server = Sshd::start();
    let sftp = session(&server).await;
    let (path, name) = file(&server, "facts");
    fs::write(&path, "12345").unwrap();
    sftp.set_mode(&name, 0o4751).await.unwrap();
    sftp.set_owner(&name, 12345, 23456).await.unwrap();
    let (told, real) = (sftp.stat(&name).await.unwrap(), fs::metadata(&path).unwrap());
    assert!(told.is_file() && !told.is_dir());
    assert_eq!(
        (told.size, told.mode, told.uid, told.gid),
        (5, real.mode(), 12345, 23456)
    );
    assert_eq!(i64::from(told.mtime), real.mtime());
    assert!(sftp.stat(server.folder().to_str().unwrap()).await.unwrap().is_dir());
    assert_eq!(
        sftp.stat(&format!("{name}-not")).await.unwrap_err().kind,
        SftpErrorKind::NotFound
    );
}

#[tokio::test]
async fn lists_a_folder_and_resolves_links() {
    let server = Sshd::start();
    let sftp = session(&server).await;
    let (folder, name) = file(&server, "folder");
    fs::create_dir(&folder).unwrap();
    for number in 0..500 {
        fs::write(folder.join(format!("file {number}")), "x".repeat(number)).unwrap();
    }
    std::os::unix::fs::symlink("file 7", folder.join("link")).unwrap();
    let mut entries = sftp.read_dir(&name).await.unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(entries.len(), 501);
    assert!(
        entries
            .iter()
            .any(|entry| entry.name == "file 499" && entry.info.size == 499)
    );
    let target = fs::canonicalize(folder.join("file 7")).unwrap();
    assert_eq!(
        sftp.realpath(&format!("{name}/./link")).await.unwrap(),
        target.to_str().unwrap()
    );
    assert_eq!(
        sftp.read_dir(&format!("{name}/none")).await.unwrap_err().kind,
        SftpErrorKind::NotFound
    );
}

#[tokio::test]
async fn renames_with_and_without_regard_for_what_is_there() {
    let server = Sshd::start();
    let sftp = session(&server).await;
    let ((old, old_name), (new, new_name)) = (file(&server, "old"), file(&server, "new"));
    fs::write(&old, "old").unwrap();
    fs::write(&new, "new").unwrap();
    let error = sftp.rename_if_absent(&old_name, &new_name).await.unwrap_err();
    assert_eq!(error.kind, SftpErrorKind::Exists, "{error}");
    assert_eq!(
        (fs::read_to_string(&old).unwrap(), fs::read_to_string(&new).unwrap()),
        ("old".into(), "new".into())
    );

    sftp.posix_rename(&old_name, &new_name).await.unwrap();
    assert!(!old.exists());
    assert_eq!(fs::read_to_string(&new).unwrap(), "old");

    sftp.rename_if_absent(&new_name, &old_name).await.unwrap();
    assert!(old.exists() && !new.exists());
    sftp.remove(&old_name).await.unwrap();
    assert!(!old.exists());
    assert_eq!(sftp.remove(&old_name).await.unwrap_err().kind, SftpErrorKind::NotFound);
    assert_eq!(
        sftp.posix_rename(&old_name, &new_name).await.unwrap_err().kind,
        SftpErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_server_without_sftp_says_so() {
    let server = Sshd::start();
    let path = server.folder().join("sshd_config");
    let config = fs::read_to_string(&path)
        .unwrap()
        .replace("Subsystem sftp internal-sftp\n", "");
    fs::write(&path, config).unwrap();
    let mut server = server;
    server.restart();
    let connection = open(&server.target()).await.unwrap();
    let error = connection.sftp().await.err().unwrap();
    assert_eq!(error.kind, TransportErrorKind::Setup);
    assert!(error.message.contains("Subsystem sftp"), "{error}");
}

#[tokio::test]
async fn a_host_that_allows_sftp_alone_will_do() {
    let server = Sshd::with(&Options {
        config: "ForceCommand internal-sftp".to_owned(),
        ..Options::default()
    });
    let sftp = session(&server).await;
    let (path, name) = file(&server, "only");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(sftp.stat(&name).await.unwrap().size, 1);
}

#[tokio::test]
async fn a_connection_that_is_lost_ends_what_waits_for_it() {
    let server = Sshd::start();
    let connection = open(&server.target()).await.unwrap();
    let sftp = connection.sftp().await.unwrap();
    server.kill_sessions();
    eventually("the connection knows", || connection.is_closed()).await;
    let error = soon(sftp.stat("/")).await.unwrap_err();
    assert_eq!(error.kind, SftpErrorKind::Lost, "{error}");
}
