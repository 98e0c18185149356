//! Rows that are gone, or are not what they were, in bulk.

use modsync::model::Side;
use rstest::rstest;

use crate::damage;
use crate::stage::WayOn::{self, Paste};
use crate::stage::{Stage, play, products};

#[rstest]
#[case::all_rows("all-rows-gone", damage::delete_all_rows, Paste(0))]
#[case::all_rows_back("all-rows-gone", damage::delete_all_rows, Paste(1))]
#[case::mass_delete("mass-delete", |stage: &mut Stage| stage.run("DELETE FROM assessment_queue WHERE id%2=0"), Paste(0))]
#[case::mass_delete_back("mass-delete", |stage: &mut Stage| stage.run("DELETE FROM assessment_queue WHERE id%2=0"), Paste(1))]
#[case::table("table-emptied", |stage: &mut Stage| stage.run("DELETE FROM retailer_url_patterns"), Paste(0))]
#[case::wiped("column-wiped", |stage: &mut Stage| stage.run("UPDATE products SET price=NULL"), Paste(0))]
#[case::one_value("one-value", |stage: &mut Stage| stage.run("UPDATE products SET title='New'"), Paste(0))]
#[case::renamed("keys-renamed", damage::rename_keys, Paste(0))]
fn what_looks_like_an_accident_is_held_until_it_is_meant(
    #[values(Side::Local, Side::Server)] side: Side,
    #[case] name: &str,
    #[case] damage: fn(&mut Stage),
    #[case] way_on: WayOn,
) {
    play(name, 4, products(side), damage, &way_on);
}
