//! File events of the local database, as hints to look at it now.
//!
//! They are never more than hints: they come late, twice, or not at all (macOS reports no writes to a WAL), and they
//! come for the daemon's own writes as well.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often it is made sure that the watched folder is still the one that holds the database.
const CHECK: Duration = Duration::from_secs(2);

/// Watches as long as it lives.
#[derive(Debug)]
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    /// Watches the folder of a database that need not be there yet.
    pub fn start(database: PathBuf, hints: mpsc::Sender<()>) -> Self {
        Self(tokio::spawn(keep_watching(database, hints)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A folder by identity, so that one that was replaced is noticed, and the database's name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    folder: PathBuf,
    device: u64,
    inode: u64,
    name: OsString,
}

impl Place {
    /// Where the database really is, symbolic links resolved: events name real files only.
    fn of(database: &Path) -> io::Result<Self> {
        let real = match fs::canonicalize(database) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => database.to_owned(),
            resolved => resolved?,
        };
        let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        };
        let folder = fs::canonicalize(folder)?;
        let metadata = fs::metadata(&folder)?;
        Ok(Self {
            name: name.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            folder,
        })
    }
}

async fn keep_watching(database: PathBuf, hints: mpsc::Sender<()>) {
    let mut armed: Option<(Place, RecommendedWatcher)> = None;
    let mut complained = false;
    loop {
        let place = Place::of(&database);
        let unchanged = matches!((&place, &armed), (Ok(place), Some((watched, _))) if place == watched);
        if !unchanged {
            armed = None;
            match place.map_err(notify::Error::io).and_then(|place| arm(place, &hints)) {
                Ok(pair) => {
                    tracing::debug!("watching {}", pair.0.folder.display());
                    armed = Some(pair);
                    complained = false;
                    let _ = hints.try_send(()); // a full channel holds a hint already
                }
                Err(cause) if !complained => {
                    complained = true;
                    tracing::warn!(
                        "cannot watch the folder of {}: {cause}; its changes are found by looking each second",
                        database.display()
                    );
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(CHECK).await;
    }
}

fn arm(place: Place, hints: &mpsc::Sender<()>) -> notify::Result<(Place, RecommendedWatcher)> {
    let (name, hints) = (place.name.clone(), hints.clone());
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error means that events may be missing: a reason to look.
        if event.map_or(true, |event| concerns(&event, &name)) {
            let _ = hints.try_send(()); // a full channel holds a hint already
        }
    })?;
    watcher.watch(&place.folder, RecursiveMode::NonRecursive)?;
    Ok((place, watcher))
}

/// Whether an event may mean that the database changed. Reading changes nothing, and SQLite writes the `-shm` file of a
/// WAL when it only reads.
fn concerns(event: &Event, name: &OsStr) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    let is_database = |path: &Path| {
        let suffix = path
            .file_name()
            .and_then(|file| file.as_encoded_bytes().strip_prefix(name.as_encoded_bytes()));
        matches!(suffix, Some(b"" | b"-wal" | b"-journal"))
    };
    event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(|path| is_database(path))
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, ModifyKind};

    use super::*;

    #[test]
    fn only_writes_to_the_database_concern_it() {
        let modified = EventKind::Modify(ModifyKind::Any);
        let cases = [
            (modified, "/d/p.db", true),
            (modified, "/d/p.db-wal", true),
            (modified, "/d/p.db-journal", true),
            (modified, "/d/p.db-shm", false),
            (modified, "/d/p.db.backup", false),
            (modified, "/d/other.db", false),
            (EventKind::Access(AccessKind::Any), "/d/p.db", false),
        ];
        for (kind, path, expected) in cases {
            let event = Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(concerns(&event, OsStr::new("p.db")), expected, "{event:?}");
        }
        assert!(concerns(&Event::new(modified), OsStr::new("p.db")));
    }

    /// Waits for a hint; a limit far beyond any working machine's.
    async fn hint(hints: &mut mpsc::Receiver<()>) {
        tokio::time::timeout(Duration::from_secs(20), hints.recv())
            .await
            .expect("a hint in time")
            .expect("the watch lives");
    }

    #[tokio::test]
    async fn writes_through_a_link_are_seen_also_after_the_folder_was_replaced() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::write(real.join("p.db"), "1").unwrap();
        let link = root.path().join("link.db");
        std::os::unix::fs::symlink(real.join("p.db"), &link).unwrap();
        let (sender, mut hints) = mpsc::channel(1);
        let _watch = Watch::start(link, sender);
        hint(&mut hints).await; // it is armed
        fs::write(real.join("p.db-wal"), "2").unwrap();
        hint(&mut hints).await;

        fs::rename(&real, root.path().join("old")).unwrap();
        fs::create_dir(&real).unwrap();
        fs::write(real.join("p.db"), "3").unwrap();
        hint(&mut hints).await; // it is armed anew
        while hints.try_recv().is_ok() {}
        fs::write(real.join("p.db"), "4").unwrap();
        hint(&mut hints).await;
    }
}
