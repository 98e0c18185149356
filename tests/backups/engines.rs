//! The whole way, with every engine.

use rstest::rstest;

use crate::support::world::dump;
use crate::{assert_at_rest, assert_says, beside, counts, create, in_sync, list, names, restore, rows_of, world};

/// What happens to the databases after the backup was taken.
const SINCE: &str = "DELETE FROM queue WHERE url IN('u1','u2'); DELETE FROM product WHERE url IN('u1','u2');
    UPDATE product SET title='changed' WHERE url IN('u3','u4','u5');
    INSERT INTO product VALUES('new','came since',1);
    INSERT INTO queue(url,kind,note) VALUES('new','look','came since');";

#[rstest]
fn a_backup_is_taken_looked_through_and_restored(
    #[values("sqlite3", "python3", "php", "modsyncd", "sftp")] engine: &str,
) {
    let world = world(engine);
    let daemon = in_sync(&world);
    assert!(daemon.status()["engine"].as_str().unwrap().starts_with(engine));
    let name = create(&daemon);
    let taken = &list(&daemon)[0];
    assert_eq!(taken["name"], *name);
    assert_eq!(
        (&taken["whole"], &taken["verified"]),
        (&true.into(), &serde_json::Value::Null)
    );
    assert_eq!(taken["size"], beside(&world, &name).metadata().unwrap().len());
    let (code, verified) = daemon.json(&["backups", "verify", &name]);
    assert_eq!(code, 0, "{verified:#}");
    assert_eq!(verified["backups"][0]["rows"]["product"], 40, "{verified:#}");
    assert!(list(&daemon)[0]["verified"].is_string(), "it is remembered");
    let before = rows_of(&world, &name);

    world.open_remote().execute_batch(SINCE).unwrap();
    daemon.sync(&["--allow-deletes", "--yes"], 0);
    world.assert_equal();

    // Without a choice nothing is written, and both are shown.
    let refused = daemon.ctl(&["backups", "restore", &name]);
    let words = [
        "--take backup 4 rows inserted, 3 changed, 2 deleted",
        "--take local 4 rows inserted, 0 changed, 0 deleted",
    ];
    assert_says(&refused, 2, &words);
    let (code, plan) = restore(&daemon, &name, &["--take", "backup", "--dry-run"]);
    assert_eq!((code, counts(&plan)), (0, [4, 3, 2]), "{plan:#}");
    assert_eq!(plan["rows"].as_array().unwrap().len(), 9, "{plan:#}");
    assert_eq!(plan["tables"][0]["table"], "product");
    assert_eq!(
        ["now", "backup", "missing", "changed", "added"].map(|field| plan["tables"][0][field].as_u64().unwrap()),
        [39, 40, 2, 3, 1]
    );
    assert_at_rest(&world, &daemon);

    // One row.
    let (code, one) = restore(&daemon, &name, &["product", "u3", "--take", "backup", "--yes"]);
    assert_eq!((code, counts(&one)), (0, [0, 1, 0]), "{one:#}");
    assert_eq!(world.both("SELECT title FROM product WHERE url='u3'").len(), 1);
    assert_eq!(
        dump(&world.open_local())["product"]
            .iter()
            .filter(|row| row.contains(&changed()))
            .count(),
        2
    );
    // What is missing.
    let (code, missing) = restore(&daemon, &name, &["--take", "local", "--yes"]);
    assert_eq!((code, counts(&missing)), (0, [4, 0, 0]), "{missing:#}");
    assert_eq!(missing["cycle"]["trigger"], "restore");
    assert!(
        missing["cycle"]["backup"].is_string(),
        "a backup comes first: {missing:#}"
    );
    assert_eq!(dump(&world.open_remote())["product"].len(), 41);
    assert_at_rest(&world, &daemon);
    // Everything.
    let (code, all) = restore(
        &daemon,
        &name,
        &["--take", "backup", "--yes", "--plan", &plan_of(&daemon, &name)],
    );
    assert_eq!((code, counts(&all)), (0, [0, 2, 2]), "{all:#}");
    assert_eq!(dump(&world.open_local()), before);
    assert_at_rest(&world, &daemon);
    assert!(names(&daemon).contains(&name));
    let again = daemon.ctl(&["backups", "restore", &name, "--take", "backup", "--yes"]);
    assert_says(&again, 0, &["nothing to restore"]);
}

fn changed() -> String {
    crate::support::world::text("changed")
}

fn plan_of(daemon: &crate::support::daemon::Daemon, name: &str) -> String {
    let (_, plan) = restore(daemon, name, &["--take", "backup", "--dry-run"]);
    plan["plan"].as_str().unwrap().to_owned()
}
