//! A file that is gone, or is not what it was.

use modsync::model::Side;
use rstest::rstest;

use crate::damage;
use crate::stage::WayOn::{self, Paste, PutRight};
use crate::stage::{Stage, play, products};

#[rstest]
#[case::missing("missing", damage::remove, Paste(0))]
#[case::empty("empty", damage::empty, Paste(0))]
#[case::no_tables("no-tables", damage::drop_all_tables, Paste(0))]
#[case::truncated("truncated", damage::truncate, Paste(1))]
#[case::another_file("another-file", damage::replace_by_another_file, Paste(0))]
#[case::another_database("another-database", damage::replace_by_another_database, Paste(0))]
#[case::corrupt("corrupt", damage::overwrite_a_page, Paste(1))]
fn a_file_that_cannot_be_used_stops_the_cycle(
    #[values(Side::Local, Side::Server)] side: Side,
    #[case] name: &str,
    #[case] damage: fn(&mut Stage),
    #[case] way_on: WayOn,
) {
    play(name, 4, products(side), damage, &way_on);
}

#[rstest]
fn a_database_that_another_program_has_locked_is_waited_for(#[values(Side::Local, Side::Server)] side: Side) {
    play("locked", 1, products(side), damage::lock, &PutRight(|stage| stage.held.clear()));
}
