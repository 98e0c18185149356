//! Old backups go because a person says so, or by the rule.

use jiff::{SignedDuration, Timestamp};

use crate::support::daemon::Daemon;
use crate::support::world::World;
use crate::{assert_at_rest, assert_says, beside, calm, create, in_sync, names, restore};

/// The name of a backup that is so many hours old.
fn name(hours: i64) -> String {
    let time = Timestamp::now() - SignedDuration::from_hours(hours);
    format!("products.db.backup_{}", time.strftime("%Y%m%d_%H%M%S"))
}

#[test]
fn by_the_rule_by_number_and_by_age_but_never_the_newest() {
    let mut world = World::with_schema(crate::SHOP);
    calm(&mut world);
    world
        .settings
        .insert("backup", "keep_last = 3\nkeep_daily = 0".to_owned());
    let daemon = in_sync(&world);
    let all: Vec<String> = [1, 30, 60, 90, 120].map(name).to_vec();
    let part = name(48);
    let mut put = all.clone();
    put.push(part.clone());
    for name in &put {
        std::fs::copy(world.remote(), beside(&world, name)).unwrap();
    }
    std::fs::write(beside(&world, &format!("{part}-journal")), "journal").unwrap();

    let asked = daemon.ctl(&["backups", "prune"]);
    assert_says(&asked, 2, &["no terminal", "--yes"]);
    let plan = daemon.ctl(&["backups", "prune", "--dry-run"]);
    assert_says(
        &plan,
        0,
        &["would remove 3 backups", "3 backups kept", &part, &all[3], &all[4]],
    );
    assert_eq!(names(&daemon).len(), 6, "nothing has gone");
    let listed = daemon.ctl(&["backups"]);
    assert_says(
        &listed,
        0,
        &["newest 3", "until the next", "unfinished", "kept: the newest 3"],
    );
    let removed = removed(&daemon, &["--older-than", "4d"]);
    assert_eq!(removed, [all[4].as_str()]);
    let (_, by_rule) = daemon.json(&["backups", "prune", "--yes"]);
    assert_eq!(
        (by_rule["removed"].as_array().unwrap().len(), &by_rule["kept"]),
        (2, &3.into()),
        "{by_rule:#}"
    );
    assert!(!beside(&world, &format!("{part}-journal")).exists());
    assert_eq!(names(&daemon), all[..3]);
    assert_says(
        &daemon.ctl(&["backups", "prune", "--keep-last", "0", "--yes"]),
        2,
        &["0"],
    );
    assert_says(
        &daemon.ctl(&["backups", "prune", "--older-than", "30", "--yes"]),
        2,
        &["unit"],
    );
    let (_, last) = daemon.json(&["backups", "prune", "--older-than", "1m", "--yes"]);
    assert_eq!(last["removed"].as_array().unwrap().len(), 2, "{last:#}");
    assert_eq!(names(&daemon), all[..1]);
    assert_at_rest(&world, &daemon);
}

fn removed(daemon: &Daemon, arguments: &[&str]) -> Vec<String> {
    let (code, report) = daemon.json(&[&["backups", "prune", "--yes"], arguments].concat());
    assert_eq!(code, 0, "{report:#}");
    let removed = report["removed"].as_array().unwrap().iter();
    removed
        .map(|backup| backup["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_backup_that_is_restored_from_outlives_the_one_that_is_taken_before() {
    let mut world = World::with_schema(crate::SHOP);
    calm(&mut world);
    // Cycles take none, but what a person restores has to be there to be taken back.
    world
        .settings
        .insert("backup", "enabled = false\nkeep_last = 1\nkeep_daily = 0".to_owned());
    let daemon = in_sync(&world);
    let name = create(&daemon);
    world.on_both("UPDATE product SET title='changed' WHERE url='u1'");
    assert!(daemon.sync(&[], 0)["backup"].is_null());
    let (code, report) = restore(&daemon, &name, &["--take", "backup", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let taken = report["cycle"]["backup"].as_str().unwrap().to_owned();
    assert_eq!(names(&daemon), [taken, name], "{report:#}");
    assert_at_rest(&world, &daemon);
}
