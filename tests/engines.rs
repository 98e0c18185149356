//! The train story with every engine, wherever the database lies and whoever logs in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use modsync::control::types::Outcome;
use modsync::cycle::Syncer as _;
use modsync::demo::data;
use support::sshd::{Options, Sshd};
use support::world::{World, open, rows, run, sync, text};

const ENGINES: [&str; 4] = ["sqlite3", "python3", "php", "modsyncd"];

/// A server whose shells find modsyncd.
fn server(environment: &str) -> Sshd {
    let programs = Path::new(env!("CARGO_BIN_EXE_modsyncd"))
        .parent()
        .unwrap()
        .display()
        .to_string();
    let path = std::env::var("PATH").unwrap();
    Sshd::with(&Options {
        config: format!("SetEnv {environment} PATH={path}:{programs}"),
        ..Options::default()
    })
}

/// Where the server keeps its bases: nothing is left in the home of whoever runs the tests.
const STATE: &str = concat!("XDG_STATE_HOME=", env!("CARGO_TARGET_TMPDIR"), "/engines");

/// The phone reviews, the laptop adds, and one cycle later both have everything.
async fn train_story(world: &World, database: &Path, engine: &str) {
    let mut pair = world.pair().await;
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Synced, "{engine}");
    assert!(pair.engine().unwrap().starts_with(engine), "{:?}", pair.engine());
    let (mut local, mut remote) = (world.open_local(), open(database));
    let reviewed = data::phone_reviews(&mut remote, 5).unwrap();
    let added = data::laptop_adds(&mut local, 7).unwrap();
    data::same_id_on_both(&mut local, &mut remote).unwrap();
    let done = sync(&mut pair).await;
    assert_eq!(
        (done.outcome, done.conflicts, done.held),
        (Outcome::Synced, 0, 0),
        "{engine}: {done:?}"
    );
    let tables = support::world::dump(&local);
    assert_eq!(tables, support::world::dump(&remote), "{engine}");
    assert!(!reviewed.is_empty() && tables["products"].len() >= 20 + added.len());
    // What tidies up behind the backup goes over the same line, and counts for no cycle.
    let again = sync(&mut pair).await;
    assert_eq!(
        (again.outcome, again.round_trips),
        (Outcome::Unchanged, 1),
        "{engine}: {again:?}"
    );
    assert!(pair.verify().await.unwrap().equal, "{engine}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_engine_tells_the_train_story_in_both_journal_modes() {
    for engine in ENGINES {
        for mode in ["wal", "delete"] {
            let mut world = World::on(server(STATE));
            data::create(&world.local(), 20).unwrap();
            std::fs::copy(world.local(), world.remote()).unwrap();
            assert_eq!(
                rows(&world.open_remote(), &format!("PRAGMA journal_mode={mode}")),
                [text(mode)]
            );
            world.settings.insert("remote", format!("engine = \"{engine}\""));
            train_story(&world, &world.remote(), engine).await;
            assert_eq!(
                rows(&world.open_remote(), "PRAGMA journal_mode"),
                [text(mode)],
                "{engine} leaves the mode as it is"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_a_symlink_and_every_odd_character() {
    for engine in ENGINES {
        let mut world = World::on(server(STATE));
        let folder = world.path("it's a \"site\" $HOME; %41?mode=ro#é");
        std::fs::create_dir(&folder).unwrap();
        let (real, link) = (folder.join("the 'real' one.db"), world.path("site/link to it.db"));
        data::create(&world.local(), 20).unwrap();
        std::fs::copy(world.local(), &real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        world.settings.insert(
            "remote",
            format!("engine = \"{engine}\"\ndatabase = '''{}'''", link.display()),
        );
        train_story(&world, &real, engine).await;
        let beside: Vec<_> = std::fs::read_dir(world.path("site")).unwrap().collect();
        assert_eq!(beside.len(), 1, "{engine} puts nothing beside the link: {beside:?}");
    }
}

/// A user of this machine who is in www-data's group and has a home. Removed when dropped.
struct SiteUser(String);

impl SiteUser {
    fn new(name: &str) -> Self {
        let name = format!("modsync-{name}{}", std::process::id());
        run(Command::new("useradd").args(["-m", "-s", "/bin/sh", "-G", "www-data", &name]));
        // A locked password would keep the key out as well.
        run(Command::new("usermod").args(["-p", "*", &name]));
        Self(name)
    }
}

impl Drop for SiteUser {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["-r", &self.0]).output();
    }
}

/// PHP writes as the web server does.
fn php_as_www_data(database: &Path, word: &str) {
    let code = "$d=new PDO('sqlite:'.$argv[1]);$d->setAttribute(PDO::ATTR_ERRMODE,PDO::ERRMODE_EXCEPTION);\
                $d->exec('PRAGMA busy_timeout=5000');$d->prepare('UPDATE products SET title=? WHERE rowid=1')->execute([$argv[2]]);";
    let mut command = Command::new("runuser");
    run(command
        .args(["-u", "www-data", "--", "php", "-r", code, "--"])
        .arg(database)
        .arg(word));
}

#[tokio::test(flavor = "multi_thread")]
async fn root_and_an_ordinary_user_leave_php_able_to_write() {
    assert_eq!(
        support::sshd::user(),
        "root",
        "this test makes users of the machine and needs root"
    );
    let user = SiteUser::new("e");
    for name in ["root", user.0.as_str()] {
        for (engine, mode) in [
            ("sqlite3", "wal"),
            ("sqlite3", "delete"),
            ("python3", "wal"),
            ("php", "delete"),
            ("modsyncd", "wal"),
        ] {
            let mut world = World::on(server(""));
            name.clone_into(&mut world.user);
            for folder in ["", "laptop", "site", "home"] {
                std::fs::set_permissions(world.path(folder), PermissionsExt::from_mode(0o755)).unwrap();
            }
            std::fs::set_permissions(world.sshd.folder(), PermissionsExt::from_mode(0o755)).unwrap();
            data::create(&world.local(), 20).unwrap();
            std::fs::copy(world.local(), world.remote()).unwrap();
            rows(&world.open_remote(), &format!("PRAGMA journal_mode={mode}"));
            for (path, bits) in [(world.path("site"), 0o2775), (world.remote(), 0o664)] {
                std::os::unix::fs::chown(&path, Some(33), Some(33)).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(bits)).unwrap();
            }
            world.settings.insert("remote", format!("engine = \"{engine}\""));
            let mut pair = world.pair().await;
            let case = format!("{engine} as {name} in {mode} mode");
            sync(&mut pair).await;
            for round in ["first", "second"] {
                php_as_www_data(&world.remote(), round);
                world
                    .open_local()
                    .execute("UPDATE products SET description=?1 WHERE rowid=2", [round])
                    .unwrap();
                let done = sync(&mut pair).await;
                assert_eq!(
                    (done.outcome, done.pulled, done.pushed),
                    (Outcome::Synced, 1, 1),
                    "{case}: {done:?}"
                );
                let title = rows(&world.open_local(), "SELECT title FROM products WHERE rowid=1");
                assert_eq!(title, [text(round)], "{case}");
            }
            php_as_www_data(&world.remote(), "last");
            pair.disconnect();
            drop(pair);
            php_as_www_data(&world.remote(), "after the session");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_instant_wins_whatever_the_zones() {
    let mut world = World::with_products(20);
    world.settings.insert("local", "timezone = \"UTC\"".into());
    world.settings.insert("remote", "timezone = \"Asia/Tokyo\"".into());
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    // Tokyo is nine hours ahead of UTC: the server's naive times are earlier than they look.
    let cases = [
        ("2025-11-23T10:35:00.123456", "2025-11-23 19:34:59", "local"),
        ("2025-11-23T10:35:00.123456", "2025-11-23 19:35:01", "server"),
        ("2025-11-23T10:35:00", "2025-11-23T10:35:01Z", "server"),
        ("2025-11-23T10:35:00Z", "2025-11-23T12:34:00+02:00", "local"),
        ("2025-11-23T10:35:00+01:00", "2025-11-23 18:36:00", "server"),
        ("2025-11-23 10:35:00", "2025-11-23 10:36:00", "local"),
    ];
    for (rowid, (ours, theirs, _)) in (1..).zip(&cases) {
        let set = "UPDATE products SET lifecycle_stage=?2,assessed_at=?3 WHERE rowid=?1";
        world
            .open_local()
            .execute(set, rusqlite::params![rowid, "local", ours])
            .unwrap();
        world
            .open_remote()
            .execute(set, rusqlite::params![rowid, "server", theirs])
            .unwrap();
    }
    let done = sync(&mut pair).await;
    assert_eq!(done.conflicts, 6, "{done:?}");
    world.assert_equal();
    for (rowid, case) in (1..).zip(&cases) {
        let winner = rows(
            &world.open_local(),
            &format!("SELECT lifecycle_stage FROM products WHERE url=(SELECT url FROM products WHERE rowid={rowid})"),
        );
        assert_eq!(winner, [text(case.2)], "{case:?}");
    }
}
