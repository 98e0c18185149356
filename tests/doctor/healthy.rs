//! A pair with which nothing is wrong, and the ways to ask.

use super::clinic::{ask, examine};
use super::support::daemon::Daemon;
use super::support::world::World;

#[test]
fn nothing_is_wrong_with_a_pair_that_syncs() {
    let world = World::with_products(30);
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let report = ask(&daemon);
    report.assert_well();
}

#[test]
fn without_a_daemon_it_is_the_daemon_that_is_wrong() {
    let world = World::with_products(30);
    let report = examine(&world);
    report.assert_wrong("daemon", &["does not run"]);
    assert_eq!(report.code, 4);
}
