//! Passwords, answers and passphrases from their commands, through log-ins that succeed and log-ins that fail.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;

use crate::support::daemon::{Daemon, until};
use crate::support::sshd::{Options, Sshd, SystemUser, keygen};
use crate::support::world::World;
use crate::{Secret, memory};

/// How the daemon logs in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Password,
    Questions,
    Passphrase,
}

/// A world whose server is logged in to with a secret that a command prints.
struct Scene {
    world: World,
    _user: SystemUser,
    /// Outside of everything that is searched.
    vault: tempfile::TempDir,
}

impl Scene {
    fn new(way: Way, secret: &Secret) -> Self {
        let password = if way == Way::Passphrase {
            "unused"
        } else {
            secret.0.as_str()
        };
        let user = SystemUser::with_password(password);
        let settings = match way {
            Way::Password => "PasswordAuthentication yes\nPubkeyAuthentication no",
            Way::Questions => "UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no",
            Way::Passphrase => "",
        };
        let vault = tempfile::tempdir().unwrap();
        let away = tempfile::Builder::new().prefix("modsync-remote-").tempdir().unwrap();
        let sshd = Sshd::with(&Options {
            config: format!("{settings}\nSetEnv XDG_STATE_HOME={}", away.path().display()),
            ..Options::default()
        });
        give(&user, &away.keep());
        fs::set_permissions(sshd.folder(), Permissions::from_mode(0o755)).unwrap();
        let mut world = World::on(sshd);
        world.user.clone_from(&user.name);
        world
            .settings
            .insert("table", "[log]\nlevel = \"trace,russh=trace,modsync=trace\"".to_owned());
        for path in [world.local(), world.remote()] {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection
                .execute_batch("CREATE TABLE item(k TEXT PRIMARY KEY, v)")
                .unwrap();
        }
        give(&user, &world.path("site"));
        give(&user, &world.remote());
        fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).unwrap();
        let scene = Self {
            world,
            _user: user,
            vault,
        };
        scene.keep_in_vault(&secret.0);
        scene.configured(way, secret)
    }

    fn configured(mut self, way: Way, secret: &Secret) -> Self {
        let command = format!("cat {}", self.vault.path().join("secret").display());
        let line = match way {
            Way::Password | Way::Questions => format!("password_command = \"{command}\""),
            Way::Passphrase => {
                fs::remove_file(self.world.sshd.user_key()).unwrap();
                keygen(&self.world.sshd.user_key(), "ed25519", &secret.0);
                self.world.sshd.authorize(&self.world.sshd.folder().join("user.pub"));
                format!("passphrase_command = \"{command}\"")
            }
        };
        self.world.settings.insert("remote", line);
        self
    }

    fn keep_in_vault(&self, text: &str) {
        fs::write(self.vault.path().join("secret"), format!("{text}\n")).unwrap();
    }

    /// Everything that lies about: both sides, the state folders, the log files, the server's folder and log.
    fn places(&self) -> Vec<PathBuf> {
        vec![self.world.path(""), self.world.sshd.folder().to_owned()]
    }
}

fn give(user: &SystemUser, path: &std::path::Path) {
    let id = Command::new("id").args(["-u", &user.name]).output().unwrap().stdout;
    let id: u32 = String::from_utf8(id).unwrap().trim().parse().unwrap();
    chown(path, Some(id), Some(id)).unwrap();
}

/// Watches the process list until it is dropped.
struct Watch(Arc<AtomicBool>, Option<std::thread::JoinHandle<u32>>);

impl Watch {
    fn on(secret: &Secret) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, secret) = (Arc::clone(&stop), Secret(secret.0.clone()));
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !stopped.load(Ordering::SeqCst) {
                secret.must_not_be_in_the_process_list();
                looks += 1;
            }
            looks
        });
        Self(stop, Some(thread))
    }

    fn end(mut self) -> u32 {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().unwrap().join().expect("the secret is in no command line")
    }
}

/// Everything that the socket tells, in both forms.
fn told(daemon: &Daemon, world: &World) -> String {
    let verbs = [
        "status", "check", "diff", "verify", "sync-now", "logs", "pause", "resume",
    ];
    let mut all = daemon.metrics();
    for verb in verbs {
        for form in [&["--json"][..], &[]] {
            let answer = daemon.ctl(&[&[verb], form].concat());
            all += &(answer.out + &answer.err);
        }
    }
    let mut events = UnixStream::connect(world.socket()).unwrap();
    std::io::Write::write_all(&mut events, b"GET /v1/events HTTP/1.1\r\nHost: modsync\r\n\r\n").unwrap();
    let mut events = BufReader::new(events);
    loop {
        let length = events.read_line(&mut all).unwrap();
        assert!(length > 0, "the events ended: {all}");
        if all.ends_with("}\n") || all.ends_with("}\r\n") {
            return all;
        }
    }
}

#[rstest]
#[case::password(Way::Password)]
#[case::questions(Way::Questions)]
#[case::passphrase(Way::Passphrase)]
fn a_secret_that_opens_the_door_is_nowhere_afterwards(#[case] way: Way) {
    let secret = Secret::plant();
    let scene = Scene::new(way, &secret);
    let watch = Watch::on(&secret);
    let daemon = Daemon::start(&scene.world);
    daemon.until_in_sync();
    scene
        .world
        .open_local()
        .execute_batch("INSERT INTO item VALUES('a',1)")
        .unwrap();
    daemon.sync(&[], 0);
    secret.must_not_be_in("what the socket tells", told(&daemon, &scene.world).as_bytes());
    // A second log-in.
    scene.world.sshd.kill_sessions();
    daemon.sync(&[], 0);
    assert!(watch.end() > 3, "the process list was looked at");
    for place in scene.places() {
        secret.must_not_be_below(&place);
    }
    assert!(
        daemon.errors().contains("TRACE") || daemon.errors().contains("DEBUG"),
        "the log tells all"
    );
    until_forgotten(&daemon, secret.0.as_bytes(), |_| true);
}

#[rstest]
#[case::password(Way::Password)]
#[case::questions(Way::Questions)]
#[case::passphrase(Way::Passphrase)]
fn a_secret_that_does_not_open_the_door_is_nowhere_either(#[case] way: Way) {
    let (right, wrong) = (Secret::plant(), Secret::plant());
    let scene = Scene::new(way, &right);
    scene.keep_in_vault(&wrong.0);
    let daemon = Daemon::start(&scene.world);
    until("the daemon says that it is not let in", || {
        let reason = daemon.status()["reason"].to_string();
        reason.contains("cannot log in").then_some(())
    });
    wrong.must_not_be_in("what the socket tells", told(&daemon, &scene.world).as_bytes());
    wrong.must_not_be_in_the_process_list();
    for place in scene.places() {
        wrong.must_not_be_below(&place);
    }
    until_forgotten(&daemon, wrong.0.as_bytes(), |_| true);
}

/// Waits until a secret stands nowhere in the daemon's memory: while a log-in is under way it has to.
fn until_forgotten(daemon: &Daemon, secret: &[u8], counts: impl Fn(&String) -> bool) {
    let mut last = Vec::new();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::time::Instant::now() < deadline {
        last = memory::places(daemon.pid(), secret);
        last.retain(&counts);
        if last.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("in memory: {last:#?}");
}

/// What a key file opens to, and the key that lies open in a file.
#[rstest]
#[case::with_a_passphrase("a passphrase that is no secret here")]
#[case::without_one("")]
fn the_private_key_itself_is_not_kept(#[case] passphrase: &str) {
    let secret = Secret(passphrase.to_owned());
    let mut scene = Scene::new(Way::Passphrase, &Secret::plant());
    scene.keep_in_vault(passphrase);
    scene = scene.configured(Way::Passphrase, &secret);
    let key = scene.world.sshd.user_key();
    let given = Some(passphrase).filter(|text| !text.is_empty());
    let key = russh::keys::load_secret_key(key, given).unwrap();
    let seed = key.key_data().ed25519().unwrap().private.to_bytes();
    let daemon = Daemon::start(&scene.world);
    daemon.until_in_sync();
    // The library signs on a thread of the runtime, on whose stack a copy may stand until it is written over.
    until_forgotten(&daemon, &seed, |place| !memory::is_on_a_stack(place));
}
