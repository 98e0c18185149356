//! Where the daemon's socket is.

use std::path::PathBuf;

/// What the flags say (`--socket`, else `--name`), else `MODSYNC_SOCKET`, else the default.
pub(super) fn resolve(socket: Option<PathBuf>, name: Option<&str>) -> PathBuf {
    match (socket, name, environment("MODSYNC_SOCKET")) {
        (Some(socket), ..) | (None, None, Some(socket)) => socket,
        (None, name, _) => default_socket(name),
    }
}

/// `$XDG_RUNTIME_DIR/modsync/modsyncd.sock`, or where there is no such folder `~/.local/state/modsync/modsyncd.sock`;
/// for the daemon of that name `modsyncd-NAME.sock`.
fn default_socket(name: Option<&str>) -> PathBuf {
    let runtime = environment("XDG_RUNTIME_DIR").filter(|path| path.is_absolute());
    let folder = runtime.unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".local/state"));
    let file = name.map_or_else(|| "modsyncd.sock".to_owned(), |name| format!("modsyncd-{name}.sock"));
    folder.join("modsync").join(file)
}

/// A path in the environment; an empty one is none.
fn environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
