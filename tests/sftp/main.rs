//! `engine = "sftp"` against OpenSSH's server that runs no commands and shows a part of the machine alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod crashes;
mod cycles;
mod late;
mod site;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use modsync::config::Config;
use modsync::cycle::{CycleError, OverSsh, Pair, Reach};
use modsync::replica::{Sql, SqlError};
use modsync::ssh::{Link, Traffic};
use support::sshd::{Options, Sshd, user};
use support::world::{World, open};

/// Neither database, and a server that serves files alone: for root in a chroot, as hosts do it.
fn empty_world() -> World {
    let chroot = user() == "root";
    // No part of the path of a chroot may be writable for others, as /tmp is.
    let parent = if chroot {
        PathBuf::from("/run")
    } else {
        std::env::temp_dir()
    };
    let folder = tempfile::Builder::new()
        .prefix("modsync-files-")
        .tempdir_in(parent)
        .unwrap();
    let mut config = "ForceCommand internal-sftp\n".to_owned();
    if chroot {
        config += &format!("ChrootDirectory {}\n", folder.path().display());
    }
    let sshd = Sshd::with(&Options {
        config,
        ..Options::default()
    });
    let mut world = World::in_folder(folder, sshd);
    let remote = if chroot {
        PathBuf::from("/site/products.db")
    } else {
        world.remote()
    };
    let remote = format!("engine = \"sftp\"\ndatabase = \"{}\"\n", remote.display());
    world.settings.insert("remote", remote);
    world
}

/// Both databases made by the same SQL.
fn world(sql: &str) -> World {
    let world = empty_world();
    for path in [world.local(), world.remote()] {
        open(&path).execute_batch(sql).unwrap();
    }
    world
}

const ITEMS: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, laptop, server);
    CREATE TABLE grow(id INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT NOT NULL);
    CREATE TRIGGER touched AFTER UPDATE ON item BEGIN INSERT INTO grow(word) VALUES('touched '||new.k); END;
    WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<40) INSERT INTO item SELECT 'row '||i,0,0 FROM n;";

/// The real way to both databases, which keeps the counters of the last connection.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<Option<Arc<Traffic>>>>);

impl Reach for Counted {
    fn open_local<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Box<dyn Sql>, SqlError>> {
        OverSsh.open_local(path)
    }

    fn dial<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<Arc<dyn Link>, CycleError>> {
        Box::pin(async move {
            let link = OverSsh.dial(config).await?;
            *self.0.lock().unwrap() = Some(link.traffic());
            Ok(link)
        })
    }
}

impl Counted {
    async fn pair(&self, world: &World) -> Pair {
        Pair::reached_by(world.config(), Box::new(self.clone())).await.unwrap()
    }

    /// Round trips and bytes, there and back.
    fn so_far(&self) -> [u64; 3] {
        let traffic = self.0.lock().unwrap();
        let traffic = traffic.as_ref().unwrap();
        [traffic.round_trips(), traffic.sent(), traffic.received()]
    }
}

/// The names beside the server's database, less the database and its backups.
fn beside(world: &World) -> Vec<String> {
    let names = std::fs::read_dir(world.path("site")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "products.db" && !name.contains(".backup_"))
        .collect();
    names.sort();
    names
}

/// The names of the backups, the oldest first.
fn backups(world: &World) -> Vec<String> {
    let names = std::fs::read_dir(world.path("site")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("products.db.backup_")).collect();
    names.sort();
    names
}
