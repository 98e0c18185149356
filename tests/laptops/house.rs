//! Three laptops and a server on one machine, and what befalls them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::dice::Dice;
use crate::support::daemon::Daemon;
use crate::support::proxy::{Line, Proxy};
use crate::support::sshd::{Options, Sshd, user};

/// The laptops' names.
pub const NAMES: [&str; 3] = ["ann", "bea", "cem"];

/// One sshd, one site, and everybody's folders.
pub struct House {
    pub sshd: Sshd,
    folder: tempfile::TempDir,
}

/// A laptop with a daemon, on a line of its own.
pub struct Laptop {
    pub name: &'static str,
    folder: PathBuf,
    pub daemon: Daemon,
    line: Proxy,
    /// When the line comes back, if it is gone.
    line_back: Option<Instant>,
    /// When the daemon is started again, if it is dead.
    daemon_back: Option<Instant>,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub cuts: u32,
    pub silences: u32,
    pub kills: u32,
    pub sessions_killed: u32,
}

impl House {
    /// Everybody's database, made by the same hand.
    pub fn new(create: impl Fn(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("modsync-laptops-").tempdir().unwrap();
        let sshd = Sshd::with(&Options {
            config: format!("SetEnv XDG_STATE_HOME={}", folder.path().join("remote").display()),
            ..Options::default()
        });
        let house = Self { sshd, folder };
        for name in NAMES.into_iter().chain(["site"]) {
            std::fs::create_dir_all(house.folder(name).join("home")).unwrap();
            create(&house.database(name));
        }
        house
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The database of a laptop, or of the `site`.
    pub fn database(&self, name: &str) -> PathBuf {
        self.folder(name).join("products.db")
    }

    /// Where a laptop keeps what happened.
    pub fn record(&self, name: &str) -> PathBuf {
        self.folder(name).join("state/history.db")
    }

    /// Starts a laptop's daemon, on a line with that delay.
    pub async fn laptop(&self, name: &'static str, delay: Duration) -> Laptop {
        let line = Proxy::to(
            self.sshd.port(),
            Line {
                delay,
                ..Line::default()
            },
        )
        .await;
        let folder = self.folder(name);
        let known_hosts = folder.join("known_hosts");
        let known = format!("[127.0.0.1]:{} {}\n", line.port(), self.sshd.host_key("ed25519"));
        std::fs::write(&known_hosts, known).unwrap();
        let socket = folder.join("state/modsyncd.sock");
        let config = format!(
            "[local]\ndatabase = {:?}\n[remote]\nhost = \"127.0.0.1\"\nuser = {:?}\nport = {}\nidentity_file = {:?}\n\
             known_hosts = {known_hosts:?}\ndatabase = {:?}\n[sync]\npoll = \"500ms\"\ndebounce = \"100ms\"\n\
             max_delay = \"1s\"\n[safety]\nmax_delete = \"90%\"\n[backup]\nmin_interval = \"5s\"\nkeep_last = 3\n\
             keep_daily = 1\n[daemon]\nstate_dir = {:?}\nsocket = {socket:?}\n",
            self.database(name),
            user(),
            line.port(),
            self.sshd.user_key(),
            self.database("site"),
            folder.join("state"),
        );
        let file = folder.join("config.toml");
        std::fs::write(&file, config).unwrap();
        Laptop {
            name,
            daemon: Daemon::with(file, socket, folder.join("home"), folder.join("modsyncd.err")),
            folder,
            line,
            line_back: None,
            daemon_back: None,
        }
    }

    /// Lets happen what the dice say, until told to stop; then everything comes back.
    pub fn befall(&self, laptops: &mut [Laptop], dice: &mut Dice, end: Instant, stop: &AtomicBool) -> Faults {
        let mut faults = Faults::default();
        let mut next = Instant::now();
        while Instant::now() < end {
            if Instant::now() >= next {
                self.strike(laptops, dice, &mut faults);
                next = Instant::now() + Duration::from_millis(dice.between(150, 1200));
            }
            for laptop in laptops.iter_mut() {
                laptop.recover(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::SeqCst);
        for laptop in laptops {
            laptop.recover(end + Duration::from_secs(3600));
        }
        faults
    }

    fn strike(&self, laptops: &mut [Laptop], dice: &mut Dice, faults: &mut Faults) {
        let at = usize::try_from(dice.below(laptops.len() as u64)).unwrap();
        let laptop = &mut laptops[at];
        let away = |dice: &mut Dice, most| Some(Instant::now() + Duration::from_millis(dice.between(50, most)));
        match dice.below(100) {
            0..40 => {
                laptop.line.stall();
                laptop.line.cut();
                laptop.line_back = away(dice, 3000);
                faults.cuts += 1;
            }
            40..55 => {
                laptop.line.cut();
                faults.cuts += 1;
            }
            55..68 => {
                laptop.line.stall();
                laptop.line_back = away(dice, 2500);
                faults.silences += 1;
            }
            68..90 if laptop.daemon_back.is_none() => {
                laptop.daemon.kill();
                laptop.daemon_back = away(dice, 1500);
                faults.kills += 1;
            }
            90.. => {
                self.sshd.kill_sessions();
                faults.sessions_killed += 1;
            }
            _ => {}
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("what everybody holds stays in {}", self.folder.path().display());
        }
    }
}

impl Laptop {
    /// Brings back what is due.
    fn recover(&mut self, now: Instant) {
        if self.line_back.take_if(|due| *due <= now).is_some() {
            self.line.resume();
        }
        if self.daemon_back.take_if(|due| *due <= now).is_some() {
            self.daemon.again();
        }
    }

    /// What its daemon says when something is wrong.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("modsyncd.err")).unwrap_or_default()
    }
}
