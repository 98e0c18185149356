//! Where the control socket stands in the file system: who may open it, and what may be replaced.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};

/// Why the control socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon answers there.
    #[error("open the control socket {}: a daemon already listens there; stop it first, or give this one another socket", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way. It is left alone.
    #[error("open the control socket {}: a file that is no socket stands there; move it away, or choose another path", .0.display())]
    Foreign(PathBuf),
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried: "create the folder", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Opens the control socket at `path`, mode 0600, and begins to listen.
///
/// A missing folder is made, with mode 0700. The socket is born in a folder of its own that only we can enter, gets its
/// mode there and is moved into place: at no moment can another user open it, whatever the umask and the folder are.
///
/// A socket that nobody listens on any more is replaced.
///
/// # Errors
/// [`BindError::InUse`] when a daemon listens there, [`BindError::Foreign`] when the path is taken by anything but a
/// socket, [`BindError::Io`] for the rest.
///
/// # Panics
/// Outside of a Tokio runtime with I/O enabled.
pub async fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| BindError::Io { action, path, source }
    };
    // Refuses a path that is too long for clients to connect to; the one it is born under may be shorter.
    SocketAddr::from_pathname(path).map_err(failed("open the control socket", path))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed("create the folder of the control socket", folder))?;
    let _alone = alone_in(folder).await?;
    refuse_occupied(path).await?;
    let nursery = tempfile::Builder::new()
        .prefix(".")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder)
        .map_err(failed("write into the folder of the control socket", folder))?;
    let born = nursery.path().join("s");
    let listener = UnixListener::bind(&born).map_err(failed("open the control socket", path))?;
    fs::set_permissions(&born, Permissions::from_mode(0o600)).map_err(failed("protect the control socket", path))?;
    fs::rename(&born, path).map_err(failed("put in place the control socket", path))?;
    Ok(listener)
}

/// How long another daemon that opens its socket in the same folder is waited for. It takes milliseconds.
const ALONE: Duration = Duration::from_secs(5);

/// A lock on the folder: of two daemons that look at once whether the path is free, one looks when the other is done.
async fn alone_in(folder: &Path) -> Result<File, BindError> {
    let failed = |source| BindError::Io {
        action: "lock the folder of the control socket",
        path: folder.to_path_buf(),
        source,
    };
    let file = File::open(folder).map_err(failed)?;
    let deadline = Instant::now() + ALONE;
    loop {
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => return Ok(file),
            Err(fs4::TryLockError::WouldBlock) if Instant::now() < deadline => sleep(Duration::from_millis(10)).await,
            Err(fs4::TryLockError::WouldBlock) => return Err(failed(io::ErrorKind::WouldBlock.into())),
            Err(fs4::TryLockError::Error(cause)) => return Err(failed(cause)),
        }
    }
}

/// Fails unless `path` is free or a socket that nobody listens on.
async fn refuse_occupied(path: &Path) -> Result<(), BindError> {
    let io = |action| {
        let path = path.to_path_buf();
        move |source| BindError::Io { action, path, source }
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("look at the control socket")(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::Foreign(path.to_path_buf())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // A full queue is the sign of a daemon that is alive and busy.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BindError::InUse(path.to_path_buf())),
        Err(error) => Err(io("ask who listens on the control socket")(error)),
        Ok(_) => Err(BindError::InUse(path.to_path_buf())),
    }
}

/// Whether the other end of a connection is this process's user or root: the only ones to talk to.
///
/// The mode of the socket says the same, but a mode can be changed by hand or by a careless service manager.
///
/// # Errors
/// When the operating system does not tell.
pub(super) fn peer_is_trusted(stream: &UnixStream) -> io::Result<bool> {
    Ok(trusts(rustix::process::geteuid().as_raw(), stream.peer_cred()?.uid()))
}

fn trusts(own: u32, peer: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_user_and_root_are_trusted_and_nobody_else() {
        assert!(trusts(1000, 1000));
        assert!(trusts(1000, 0));
        assert!(!trusts(1000, 1001));
        assert!(!trusts(0, 1000));
    }
}
