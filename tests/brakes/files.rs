//! A file that is gone, or is not what it was.

use modsync::model::Side;
use rstest::rstest;

use crate::damage;
use crate::stage::WayOn::{self, Paste, PutRight};
use crate::stage::{Stage, in_sync, play, play_at_rest, products};
use crate::support::world::{World, rows};

#[rstest]
#[case::missing("missing", damage::remove, Paste(0))]
#[case::empty("empty", damage::empty, Paste(0))]
#[case::no_tables("no-tables", damage::drop_all_tables, Paste(0))]
#[case::truncated("truncated", damage::truncate, Paste(1))]
#[case::another_file("another-file", damage::replace_by_another_file, Paste(0))]
#[case::another_database("another-database", damage::replace_by_another_database, Paste(0))]
#[case::corrupt("corrupt", damage::overwrite_a_page_at_work, Paste(1))]
fn a_file_that_cannot_be_used_stops_the_cycle(
    #[values(Side::Local, Side::Server)] side: Side,
    #[case] name: &str,
    #[case] damage: fn(&mut Stage),
    #[case] way_on: WayOn,
) {
    play(name, 4, products(side), damage, &way_on);
}

#[rstest]
#[case::corrupt("corrupt-at-rest", damage::overwrite_a_page, Paste(1))]
#[case::truncated("truncated-at-rest", damage::truncate, Paste(1))]
fn so_it_does_where_the_damage_came_while_the_daemon_was_stopped(
    #[values(Side::Local, Side::Server)] side: Side,
    #[case] name: &str,
    #[case] damage: fn(&mut Stage),
    #[case] way_on: WayOn,
) {
    play_at_rest(name, 4, products(side), damage, &way_on);
}

/// Without a backup there is nothing to bring back: the laptop's database goes in the server's place.
#[test]
fn a_server_without_a_backup_gets_the_laptops_database() {
    let stage = in_sync(World::with_products(20), Side::Server);
    play("empty-without-backup", 4, stage, damage::empty, &Paste(0));
}

#[rstest]
fn a_database_that_another_program_has_locked_is_waited_for(#[values(Side::Local, Side::Server)] side: Side) {
    play(
        "locked",
        1,
        products(side),
        damage::lock,
        &PutRight(|stage| stage.held.clear()),
    );
}

/// Damage can look like rows that were deleted: one leaf in the place of another, and whoever reads it misses the rows of
/// the one and meets those of the other twice.
#[rstest]
fn rows_that_damage_hides_are_not_deleted_on_the_other_side(#[values(Side::Local, Side::Server)] side: Side) {
    let world = World::with_schema(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
         CREATE TABLE other(a TEXT PRIMARY KEY, b); INSERT INTO other VALUES('x', 1);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<400)
         INSERT INTO t SELECT i, printf('%0300d', i) FROM n;",
    );
    let (stage, daemon) = in_sync(world, side);
    let other = stage.path_of(side.other());
    let all = rows(&crate::support::world::open(&other), "SELECT * FROM t");

    let bytes = std::fs::read(stage.path()).unwrap();
    let leaves: Vec<usize> = (1..bytes.len() / 4096)
        .filter(|page| bytes[page * 4096] == 0x0d)
        .collect();
    let [from, to] = [leaves[leaves.len() / 2], leaves[leaves.len() / 2 + 1]];
    let file = std::fs::OpenOptions::new().write(true).open(stage.path()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[from * 4096..(from + 1) * 4096], (to * 4096) as u64)
        .unwrap();
    stage.run("UPDATE other SET b=2");

    let refused = daemon.sync(&[], 4);
    assert!(
        refused["error"].as_str().unwrap().contains("is damaged: "),
        "{refused:#}"
    );
    assert_eq!(rows(&crate::support::world::open(&other), "SELECT * FROM t"), all);
}
