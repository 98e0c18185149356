//! Modes of files: whatever the umask is, nothing that modsync makes is for others than its owner.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::Mode;
use rustix::process::umask;

use crate::all_below;
use crate::support::daemon::Daemon;
use crate::support::world::World;

/// Who may do what with a file, if it is there.
fn mode(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path)
        .ok()
        .map(|found| found.permissions().mode() & 0o7777)
}

/// Looks again and again at everything below some folders, and remembers what others may open.
struct Watch {
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<String>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn over(folders: Vec<PathBuf>) -> Self {
        let (stop, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, seen) = (Arc::clone(&stop), Arc::clone(&open));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                for path in folders.iter().flat_map(|folder| all_below(folder)) {
                    if let Some(mode) = mode(&path).filter(|mode| mode & 0o077 != 0) {
                        let line = format!("{} {mode:o}", path.display());
                        let mut seen = seen.lock().unwrap();
                        if !seen.contains(&line) {
                            seen.push(line);
                        }
                    }
                }
            }
        });
        Self {
            stop,
            open,
            thread: Some(thread),
        }
    }

    fn end(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        self.open.lock().unwrap().clone()
    }
}

#[test]
fn nothing_is_for_others_even_where_the_umask_lets_them_in() {
    // For this process and all that it starts, the server among them.
    let before = umask(Mode::empty());
    for missing in ["", "laptop/products.db", "site/products.db"] {
        let mut world = World::with_products(30);
        world.settings.insert("backup", "min_interval = \"0s\"".to_owned());
        if !missing.is_empty() {
            fs::remove_file(world.path(missing)).unwrap();
        }
        for (folder, database) in [("laptop", world.local()), ("site", world.remote())] {
            fs::set_permissions(world.path(folder), Permissions::from_mode(0o700)).unwrap();
            if database.exists() {
                fs::set_permissions(database, Permissions::from_mode(0o600)).unwrap();
            }
        }
        let folders = ["state", "laptop", "site", "remote"].map(|name| world.path(name));
        let watch = Watch::over(folders.to_vec());
        let daemon = Daemon::after(&world, "umask 000");
        daemon.until_in_sync();
        for edit in [
            "UPDATE products SET title='a'||url",
            "UPDATE products SET title='b'||url",
        ] {
            let one = format!("{edit} WHERE url IN (SELECT url FROM products LIMIT 3)");
            world.open_local().execute_batch(&one).unwrap();
            daemon.sync(&[], 0);
        }
        let open = watch.end();
        assert!(open.is_empty(), "missing {missing:?}: others may open {open:#?}");
        for folder in &folders {
            assert!(!all_below(folder).is_empty(), "{}", folder.display());
        }
        for folder in ["state", "state/logs", "remote/modsync"] {
            assert_eq!(mode(&world.path(folder)), Some(0o700), "{folder}");
        }
    }
    umask(before);
}
