//! A laptop, a server and the line between them, of one contender's own.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::lock::Prober;
use crate::meter::{Here, Running};
use crate::support::proxy::{Line, Proxy};
use crate::support::sshd;
use crate::support::world::World;

/// A line that is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// No delay, no limit.
    Loopback,
    /// 50 ms there and back, 20 Mbit/s each way.
    Far,
    /// 200 ms there and back, 2 Mbit/s each way; in each run the connection is cut once.
    Bad,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Far => "50 ms, 20 Mbit/s",
            Self::Bad => "200 ms, 2 Mbit/s, cut once",
        }
    }

    fn line(self) -> Line {
        match self {
            Self::Loopback => Line::default(),
            Self::Far => Line::far(),
            Self::Bad => Line {
                delay: Duration::from_millis(100),
                up: Some(2_000_000),
                down: Some(2_000_000),
            },
        }
    }
}

/// Its databases are copies of the same one.
pub struct Place {
    pub world: World,
    pub proxy: Proxy,
    /// Whether a second writer tries at the server while the clock runs.
    pub probed: Cell<bool>,
}

impl Place {
    /// Both sides have the database.
    pub fn full(runtime: &Runtime, template: &Path, kind: Kind) -> Self {
        let place = Self::without_laptop(runtime, template, kind);
        fs::copy(template, place.world.local()).unwrap();
        place
    }

    /// The server alone has the database.
    pub fn without_laptop(runtime: &Runtime, template: &Path, kind: Kind) -> Self {
        let mut world = World::empty();
        fs::copy(template, world.remote()).unwrap();
        let proxy = runtime.block_on(Proxy::to(world.port, kind.line()));
        world.port = proxy.port();
        // The cycles that are measured are asked for; nothing else happens meanwhile.
        world
            .settings
            .insert("sync", "watch = false\npoll = \"1d\"\nschedule = \"off\"".to_owned());
        // Writes the known_hosts file as well.
        world.config_file();
        Self {
            world,
            proxy,
            probed: Cell::new(false),
        }
    }

    /// Starts the clock.
    pub fn running(&self, here: Here) -> Running<'_> {
        let prober = self.probed.get().then(|| Prober::at(&self.world.remote()));
        Running::over(&self.proxy, here, self.world.sshd.pid(), prober)
    }

    /// Does something, and cuts the connection once after that time unless it is done by then. Whether it was cut.
    pub fn with_cut<T>(&self, cut: Option<Duration>, run: impl FnOnce() -> T) -> (T, bool) {
        let Some(cut) = cut else {
            return (run(), false);
        };
        let (done, wait) = mpsc::channel::<()>();
        let proxy = &self.proxy;
        thread::scope(|scope| {
            let cutter = scope.spawn(move || {
                let running = wait.recv_timeout(cut).is_err();
                if running {
                    proxy.cut();
                }
                running
            });
            let result = run();
            // The cutter is gone when it has cut.
            let _ = done.send(());
            (result, cutter.join().unwrap())
        })
    }

    /// Returns when nothing goes over the line any more: a cycle tidies up behind its own back.
    pub fn wait_for_quiet(&self) {
        let carried = || self.proxy.sent() + self.proxy.received();
        let mut before = None;
        while before != Some(carried()) {
            before = Some(carried());
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// The configuration with which OpenSSH's programs reach the server.
    pub fn ssh_config(&self) -> PathBuf {
        let (path, folder) = (self.world.path("ssh_config"), self.world.sshd.folder());
        let text = format!(
            "Port {}\nIdentityFile {}\nUserKnownHostsFile {}\nControlPath {}\nBatchMode yes\n",
            self.world.port,
            self.world.sshd.user_key().display(),
            folder.join("known_hosts").display(),
            folder.join("control").display()
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// `ssh` or `sftp` on its way to the server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-F").arg(self.ssh_config());
        command
    }

    /// Fails unless two databases have the same products, as far as the rows of the tables change them.
    pub fn assert_same(&self, copy: &Path) {
        assert_eq!(tally(copy), tally(&self.world.remote()), "{}", copy.display());
    }
}

/// `USER@HOST` of every server.
pub fn host() -> String {
    format!("{}@127.0.0.1", sshd::user())
}

/// How many products, what they cost together, and how many are assessed.
pub fn tally(database: &Path) -> rusqlite::Result<(i64, f64, i64)> {
    let connection = Connection::open(database)?;
    let sql = "SELECT count(*), total(price), count(assessed_at) FROM products";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}
