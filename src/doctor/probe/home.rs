//! What this machine's disks say. Database files are looked at from outside alone: to open and close one by hand would drop
//! the locks that SQLite holds on it in this process.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use crate::config::{Config, Environment, Places};
use crate::doctor::findings::{FileLook, Home, ServiceLook};
use crate::service::{Folders, Manager, Pair, Scope, Service};

/// The files in the state folder that tell what is in the databases.
const PRIVATE: [&str; 5] = ["history.db", "base.db", "mark.db", "daemon.json", "logs"];

/// Looks at this machine's side. It may block on a slow disk.
pub(in crate::doctor) fn look(config: &Config, places: &Places, environment: &Environment) -> Home {
    let (database, state) = (&config.local.database, &config.daemon.state_dir);
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let private = PRIVATE.map(|name| state.join(name));
    let may_write = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    Home {
        service: service(places, environment),
        uid: rustix::process::geteuid().as_raw(),
        state: [state]
            .into_iter()
            .chain(&private)
            .filter_map(|path| file(path))
            .collect(),
        database: file(database),
        folder: file(folder),
        may_write: [may_write(database), may_write(folder)],
        free: [folder, state].map(|path| fs4::available_space(path).ok()),
        last_backup: fact(&state.join("history.db"), "last_backup_file"),
        agreed: fact(&state.join("history.db"), "schema"),
    }
}

fn file(path: &Path) -> Option<FileLook> {
    let about = std::fs::metadata(path).ok()?;
    Some(FileLook {
        path: path.to_string_lossy().into_owned(),
        uid: about.uid(),
        gid: about.gid(),
        mode: about.mode() & 0o7777,
        ..FileLook::default()
    })
}

/// Where a service manager would have the daemon from.
fn service(places: &Places, environment: &Environment) -> ServiceLook {
    let Ok(manager) = Manager::here() else {
        return ServiceLook::NoManager;
    };
    let config_home = environment
        .get("XDG_CONFIG_HOME")
        .map_or_else(|| environment.home().join(".config"), PathBuf::from);
    let folders = Folders::usual(manager, environment.home(), &config_home);
    let pair = places.name.clone().map_or(Pair::Only, Pair::Named);
    let name = Service {
        binary: PathBuf::new(),
        config: None,
        pair,
        scope: Scope::User,
    }
    .file_name(manager);
    let mut known = [folders.user, folders.system]
        .into_iter()
        .map(|folder| folder.join(&name));
    known
        .find(|path| path.exists())
        .map_or(ServiceLook::Missing, ServiceLook::Installed)
}

/// What the record remembers under that name.
fn fact(history: &Path, name: &str) -> Option<String> {
    let connection = Connection::open_with_flags(history, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let fact = "SELECT value FROM fact WHERE name=?1";
    connection.query_row(fact, [name], |row| row.get(0)).ok()
}
