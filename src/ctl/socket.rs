//! Where the daemon's socket is when nobody says.

use std::path::PathBuf;

/// `$XDG_RUNTIME_DIR/modsync/modsyncd.sock`, or where there is no such folder `~/.local/state/modsync/modsyncd.sock`;
/// for the daemon of that name `modsyncd-NAME.sock`.
#[must_use]
pub(super) fn default_socket(name: Option<&str>) -> PathBuf {
    let folder = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = folder("XDG_RUNTIME_DIR").unwrap_or_else(|| {
        let home = std::env::home_dir().unwrap_or_default();
        folder("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"))
    });
    let file = name.map_or_else(|| "modsyncd.sock".to_owned(), |name| format!("modsyncd-{name}.sock"));
    base.join("modsync").join(file)
}
