//! What happens to a restore when others do not stand still.

use std::process::Command;

use rstest::rstest;

use crate::gate::Gate;
use crate::support::daemon::Daemon;
use crate::support::world::{World, dump, rows, run, text};
use crate::{assert_at_rest, assert_says, calm, counts, create, in_sync, names, restore, rows_of};

/// What happens to the databases after the backup was taken.
const SINCE: &str = "DELETE FROM queue WHERE url IN('u1','u2'); DELETE FROM product WHERE url IN('u1','u2');
    UPDATE product SET title='changed' WHERE url IN('u3','u4','u5');
    INSERT INTO product VALUES('new','came since',1);";

/// A backup, what came since on both sides, and a server whose engine can be held.
fn stage() -> (World, Gate, Daemon, String) {
    let mut world = World::with_schema(crate::SHOP);
    calm(&mut world);
    let gate = Gate::on(&world);
    let daemon = in_sync(&world);
    let name = create(&daemon);
    world.open_local().execute_batch(SINCE).unwrap();
    daemon.sync(&[], 0);
    (world, gate, daemon, name)
}

fn php(world: &World, sql: &str) {
    let code =
        "$d=new PDO('sqlite:'.$argv[1]);$d->setAttribute(PDO::ATTR_ERRMODE,PDO::ERRMODE_EXCEPTION);$d->exec($argv[2]);";
    run(Command::new("php")
        .args(["-r", code, "--"])
        .arg(world.remote())
        .arg(sql));
}

#[test]
fn a_row_that_the_site_changes_meanwhile_is_left_and_named() {
    let (world, gate, daemon, name) = stage();
    // The rows have been compared, the laptop has them, the server's engine is about to write.
    gate.hold("WHERE 0;");
    let (code, report) = std::thread::scope(|scope| {
        let restoring = scope.spawn(|| restore(&daemon, &name, &["--take", "backup", "--yes"]));
        let held = gate.held();
        php(
            &world,
            "UPDATE product SET title='by PHP' WHERE url='u4'; UPDATE product SET price=9 WHERE url='new'",
        );
        php(&world, "INSERT INTO product VALUES('php','by PHP',0)");
        held.release();
        restoring.join().unwrap()
    });
    assert_eq!(code, 4, "{report:#}");
    assert_eq!(counts(&report), [4, 2, 0], "{report:#}");
    let left: Vec<_> = report["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| &left["key"]["url"])
        .collect();
    assert_eq!(left.len(), 2, "{report:#}");
    assert!(
        left.contains(&&"u4".into()) && left.contains(&&"new".into()),
        "{report:#}"
    );
    daemon.sync(&[], 0);
    assert_at_rest(&world, &daemon);
    let title = |url: &str| {
        rows(
            &world.open_local(),
            &format!("SELECT title FROM product WHERE url='{url}'"),
        )
    };
    assert_eq!(title("u4"), [text("by PHP")]);
    assert_eq!(title("u3"), [text("title 3")]);
    assert_eq!(title("php"), [text("by PHP")]);
    assert_eq!(
        rows(&world.open_local(), "SELECT price FROM product WHERE url='new'"),
        ["Real(9.0)"]
    );
    // What a person saw is not what there is now.
    let (_, plan) = restore(&daemon, &name, &["--take", "backup", "--dry-run"]);
    php(&world, "UPDATE product SET title='again' WHERE url='u9'");
    let refused = daemon.ctl(&[
        "backups",
        "restore",
        &name,
        "--take",
        "backup",
        "--yes",
        "--plan",
        plan["plan"].as_str().unwrap(),
    ]);
    assert_says(&refused, 4, &["a row has changed since", "--dry-run"]);
    assert_eq!(
        title("u9"),
        [text("again")],
        "the cycle before it has brought it, and nothing else was written"
    );
    assert_at_rest(&world, &daemon);
}

#[test]
fn what_only_the_laptop_has_is_synced_first_and_is_in_the_backup_that_is_taken() {
    let (world, _gate, daemon, name) = stage();
    world
        .open_local()
        .execute_batch("INSERT INTO product VALUES('mine','only here',2)")
        .unwrap();
    let (_, plan) = restore(&daemon, &name, &["--take", "local", "--dry-run"]);
    assert_eq!(counts(&plan), [4, 0, 0], "{plan:#}");
    let (code, report) = restore(&daemon, &name, &["--take", "local", "--yes"]);
    assert_eq!((code, counts(&report)), (0, [4, 0, 0]), "{report:#}");
    assert_eq!(
        rows(&world.open_remote(), "SELECT title FROM product WHERE url='mine'"),
        [text("only here")]
    );
    world
        .open_local()
        .execute_batch("INSERT INTO product VALUES('mine too','only here',2)")
        .unwrap();
    let (code, report) = restore(&daemon, &name, &["--take", "backup", "--yes"]);
    assert_eq!((code, counts(&report)), (0, [0, 3, 3]), "{report:#}");
    assert_eq!(dump(&world.open_local()), rows_of(&world, &name));
    assert_at_rest(&world, &daemon);
    let taken = report["cycle"]["backup"].as_str().unwrap();
    assert!(names(&daemon).contains(&taken.to_owned()));
    assert!(
        rows_of(&world, taken)["product"]
            .iter()
            .any(|row| row.contains(&text("mine too")))
    );
}

#[rstest]
#[case::comparing("CREATE TEMP TABLE modsync_r_")]
#[case::staging("INSERT INTO temp.modsync_p_")]
#[case::at_the_backup("VACUUM main INTO")]
#[case::about_to_write("WHERE 0;")]
#[case::written("SELECT 'trefused'")]
fn the_daemon_is_killed_in_the_middle(#[case] step: &str) {
    let (world, gate, mut daemon, name) = stage();
    let (before, wanted) = (dump(&world.open_remote()), rows_of(&world, &name));
    gate.hold(step);
    let socket = world.socket();
    let held = std::thread::scope(|scope| {
        let restoring = scope.spawn(|| ask(&socket, &name));
        let held = gate.held();
        daemon.kill();
        restoring.join().unwrap();
        held
    });
    held.release_to_its_end();
    daemon.again();
    daemon.until_in_sync();
    daemon.sync(&[], 0);
    assert_at_rest(&world, &daemon);
    let now = dump(&world.open_local());
    // All of it or nothing of it, never a part.
    assert!(now == before || now == wanted, "killed at {step}: {now:#?}");
    let (code, report) = restore(&daemon, &name, &["--take", "backup", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(dump(&world.open_remote()), wanted);
    assert_at_rest(&world, &daemon);
}

/// The rest of a restore that was cut off is the laptop's own change by then, and the brakes look at such.
#[test]
fn most_rows_of_a_table_are_gone_when_the_daemon_is_killed() {
    let (world, gate, mut daemon, name) = stage();
    let wanted = rows_of(&world, &name);
    let many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<60) INSERT INTO product SELECT 'n'||i,'new',1 FROM n";
    world.open_remote().execute_batch(many).unwrap();
    daemon.sync(&[], 0);
    gate.hold("VACUUM main INTO");
    let socket = world.socket();
    let held = std::thread::scope(|scope| {
        let restoring = scope.spawn(|| ask(&socket, &name));
        let held = gate.held();
        daemon.kill();
        restoring.join().unwrap();
        held
    });
    held.kill();
    daemon.again();
    let status = daemon.until_status("the deletions are held", |status| status["state"] == "attention");
    assert!(status["reason"].as_str().unwrap().contains("product"), "{status:#}");
    assert_eq!(
        dump(&world.open_remote())["product"]
            .iter()
            .filter(|row| row.contains(&text("new")))
            .count(),
        61
    );
    daemon.sync(&["--allow-deletes", "--yes"], 0);
    assert_eq!(dump(&world.open_remote()), wanted);
    assert_at_rest(&world, &daemon);
}

/// Asks for the restore of everything; the daemon will not live to answer.
fn ask(socket: &std::path::Path, name: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_modsyncctl"))
        .args(["backups", "restore", name, "--take", "backup", "--yes"])
        .env("MODSYNC_SOCKET", socket)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
