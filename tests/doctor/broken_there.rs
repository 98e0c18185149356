//! What can go wrong on the server, behind the login.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use super::clinic::{examine, instead_of, paste, set_mode};
use super::support::sshd::SystemUser;
use super::support::world::{World, open};

/// With no daemon, that one thing is wrong besides.
const STOPPED: &str = "daemon";

/// `www-data`, as Debian numbers it.
const WWW: u32 = 33;

#[track_caller]
fn healed(world: &World, fix: &str) {
    paste(world, fix);
    assert_eq!(examine(world).wrong(), [STOPPED]);
}

#[test]
fn the_servers_database() {
    let mut world = World::with_products(10);
    let aside = world.path("aside.db");
    std::fs::rename(world.remote(), &aside).unwrap();
    examine(&world).assert_among_wrong("server_database", &["there is no such file"]);
    std::os::unix::fs::symlink(&aside, world.remote()).unwrap();
    let report = examine(&world);
    assert_eq!(report.wrong(), [STOPPED], "{:#}", report.json);
    assert!(
        report.check("server_database")["detail"]
            .as_str()
            .unwrap()
            .contains("behind the link")
    );
    std::fs::remove_file(world.remote()).unwrap();
    std::fs::write(world.remote(), "").unwrap();
    examine(&world).assert_among_wrong("server_database", &["has no bytes"]);
    let mut bytes = std::fs::read(&aside).unwrap();
    bytes[4096 * 3..4096 * 6].fill(0x5a);
    std::fs::write(world.remote(), bytes).unwrap();
    let fix = examine(&world).assert_among_wrong("server_database", &["is damaged"]);
    assert!(fix.starts_with("ssh ") && fix.contains(".recover"), "{fix}");
    std::fs::copy(&aside, world.remote()).unwrap();

    let holder = world.open_remote();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    examine(&world).assert_among_wrong("server_database", &["locked"]);
    drop(holder);

    world.settings.insert("remote", "engine = \"modsyncd\"".to_owned());
    let report = examine(&world);
    report.assert_among_wrong("engine", &["modsyncd is not installed"]);
    assert!(report.check("journal_mode")["ok"].is_null());
}

#[test]
fn an_engine_that_hangs_is_cut_and_named() {
    let mut world = World::with_products(10);
    world.settings.insert("remote", "engine = \"sqlite3\"".to_owned());
    instead_of(&world, "sqlite3", "exec sleep 20");
    examine(&world).assert_among_wrong("engine", &["no session came about within"]);
}

#[test]
fn a_wal_of_a_sqlite_with_the_bug_is_noted_and_leaving_wal_heals_it() {
    let world = World::with_products(10);
    world.open_remote().execute_batch("PRAGMA journal_mode=WAL").unwrap();
    let report = examine(&world);
    let engine = report.check("engine");
    assert_eq!(
        (&engine["ok"], &engine["level"]),
        (&true.into(), &"note".into()),
        "{engine:#}"
    );
    assert!(
        engine["detail"].as_str().unwrap().contains("WAL-reset bug"),
        "{engine:#}"
    );
    paste(&world, engine["fix"].as_str().unwrap());
    let report = examine(&world);
    assert_eq!(
        (report.wrong(), report.check("engine")["level"].as_str()),
        (vec![STOPPED], Some("ok"))
    );
}

#[test]
fn clocks_disks_folders_and_backups() {
    let world = World::with_products(10);
    instead_of(&world, "date", "exec /usr/bin/date -d '-90 seconds' \"$@\"");
    let fix = examine(&world).assert_among_wrong("clock", &["s behind this machine's"]);
    assert!(fix.contains("timedatectl set-ntp true"), "{fix}");
    std::fs::remove_file(world.path("bin/date")).unwrap();

    instead_of(
        &world,
        "df",
        "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo '/dev/x 100 99 1 99% /'",
    );
    examine(&world).assert_among_wrong("server_disk", &["1.0 kB free"]);
    std::fs::remove_file(world.path("bin/df")).unwrap();

    std::fs::rename(world.path("remote"), world.path("aside")).unwrap();
    std::fs::write(world.path("remote"), "a file in its place").unwrap();
    examine(&world).assert_among_wrong("server_state", &["cannot be made or written"]);
    std::fs::remove_file(world.path("remote")).unwrap();

    let remote = world.remote();
    for second in 0..40 {
        let name = format!("{}.backup_20251123_1035{second:02}", remote.display());
        std::fs::write(name, "whole").unwrap();
    }
    examine(&world).assert_among_wrong("backups", &["40 backups", "do not go"]);
}

#[test]
fn schemas_that_cannot_be_synced_are_named() {
    let world = World::with_products(10);
    world.open_remote().execute_batch(
        "ALTER TABLE products RENAME TO old; CREATE TABLE products(url TEXT PRIMARY KEY, title INTEGER, price TEXT)",
    ).unwrap();
    examine(&world).assert_among_wrong("schema", &["products", "held"]);
}

#[test]
fn a_database_below_a_web_root_needs_a_rule() {
    let mut world = World::with_products(10);
    let folder = world.path("var/public_html/data");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(world.remote(), folder.join("products.db")).unwrap();
    let database = format!("database = \"{}\"", folder.join("products.db").display());
    world.settings.insert("remote", database);
    let fix = examine(&world).assert_among_wrong("web_root", &["may be able to download"]);
    let deny = fix.lines().next().unwrap();
    assert!(fix.contains("location ~ /data/"), "{fix}");
    paste(&world, deny);
    assert_eq!(examine(&world).check("web_root")["level"], "note");
    // A web server that gives it all the same is believed more than the rule.
    instead_of(&world, "curl", "printf 'SQLite format 3'");
    examine(&world).assert_among_wrong(
        "web_root",
        &["anybody can download", "http://127.0.0.1/data/products.db"],
    );
}

/// A site whose PHP runs as www-data, in a folder that all may enter.
fn site() -> World {
    let world = World::with_products(10);
    set_mode(&world.path(""), 0o755);
    instead_of(&world, "ps", "echo 'www-data php-fpm: pool www'");
    world
}

/// Whether www-data itself, and not its permission bits, can write the database.
fn site_can_write(world: &World) -> bool {
    let script =
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('UPDATE products SET price=2'); c.commit()";
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=33",
            "--regid=33",
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            script,
        ])
        .arg(world.remote());
    command.output().unwrap().status.success()
}

#[test]
fn the_folder_as_the_web_user_meets_it_when_root_syncs() {
    let world = site();
    let folder = world.path("site");
    assert!(!site_can_write(&world));
    let fix = examine(&world).assert_among_wrong("web_access", &["www-data may not write in"]);
    healed(&world, &fix);
    assert!(site_can_write(&world));

    chown(&folder, Some(WWW), Some(WWW)).unwrap();
    set_mode(&folder, 0o755);
    set_mode(&world.remote(), 0o600);
    let fix = examine(&world).assert_among_wrong("web_access", &["www-data may not write", "products.db"]);
    healed(&world, &fix);

    // A -wal of another's.
    chown(world.remote(), Some(WWW), Some(WWW)).unwrap();
    set_mode(&world.remote(), 0o644);
    world
        .open_remote()
        .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS x(a)")
        .unwrap();
    let keeper = open(&world.remote());
    keeper.execute_batch("UPDATE products SET price=4").unwrap();
    let wal = world.path("site/products.db-wal");
    // Root's SQLite gives it the database's owner at each opening, but its permissions only where it is empty.
    set_mode(&wal, 0o444);
    let fix = examine(&world).assert_among_wrong("web_access", &["products.db-wal"]);
    paste(&world, &fix);
    assert_eq!(std::fs::metadata(&wal).unwrap().gid(), WWW);
    examine(&world).check("web_access")["ok"]
        .as_bool()
        .filter(|ok| *ok)
        .unwrap();

    set_mode(&world.path(""), 0o700);
    let fix = examine(&world).assert_among_wrong("web_access", &["may not enter"]);
    paste(&world, &fix);
    assert_eq!(examine(&world).check("web_access")["ok"], true);
}

#[test]
fn a_wal_that_the_ssh_user_would_make_must_not_lock_the_site_out() {
    let mut world = site();
    let user = SystemUser::with_password("x");
    let uid = |flag: &str| {
        let said = Command::new("id").args([flag, &user.name]).output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().parse::<u32>().unwrap()
    };
    world.user = user.name.clone();
    world.open_remote().execute_batch("PRAGMA journal_mode=WAL").unwrap();
    std::fs::create_dir_all(world.path("remote")).unwrap();
    chown(world.path("remote"), Some(uid("-u")), None).unwrap();
    // Everybody may do everything, but what SQLite makes belongs to who made it, with the database's permissions.
    let folder = world.path("site");
    chown(&folder, Some(WWW), Some(WWW)).unwrap();
    set_mode(&folder, 0o777);
    chown(world.remote(), Some(uid("-u")), Some(WWW)).unwrap();
    set_mode(&world.remote(), 0o664);
    let report = examine(&world);
    let fix = report.assert_among_wrong("web_access", &["-wal and -shm", &user.name, "locked out"]);
    assert!(fix.starts_with("ssh -t ") && fix.contains("sudo sh -c"), "{fix}");
    assert!(fix.contains("usermod -aG"), "{fix}");
    // The server is this machine, where root needs no sudo.
    let here = "sudo() { \"$@\"; }; ssh() { for last; do :; done; eval \"$last\"; }";
    paste(&world, &format!("{here}; {fix}"));
    let report = examine(&world);
    assert_eq!(report.check("web_access")["ok"], true, "{:#}", report.json);
}

#[test]
fn files_alone_are_judged_as_far_as_they_tell() {
    let mut world = World::with_products(10);
    world.settings.insert("remote", "engine = \"sftp\"".to_owned());
    let report = examine(&world);
    assert_eq!(report.wrong(), [STOPPED], "{:#}", report.json);
    let checks = report.json["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| !check["ok"].is_null()), "{:#}", report.json);
    let keeper = world.open_remote();
    keeper
        .execute_batch("PRAGMA journal_mode=WAL; UPDATE products SET price=3")
        .unwrap();
    examine(&world).assert_among_wrong("journal_mode", &["WAL mode"]);
}
