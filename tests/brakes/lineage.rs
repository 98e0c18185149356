//! Another file in the place of the one that was synced, or another state folder: an older copy is taken for what it is and
//! nothing is deleted; a stranger's stops the cycle.

use modsync::model::Side;
use rstest::rstest;

use crate::damage;
use crate::stage::WayOn::{self, Paste, PutRight};
use crate::stage::{play, products};
use crate::support::world::rows;

#[rstest]
#[case::put_back(PutRight(damage::put_back))]
#[case::meant(Paste(0))]
fn a_strangers_database_stops_the_cycle(#[values(Side::Local, Side::Server)] side: Side, #[case] way_on: WayOn) {
    play("strangers", 4, products(side), damage::replace_by_a_strangers, &way_on);
}

#[rstest]
fn an_older_copy_gets_what_it_lacks_and_nothing_is_deleted(#[values(Side::Local, Side::Server)] side: Side) {
    let (stage, daemon) = products(side);
    let old = stage.world.path("old.db");
    std::fs::copy(stage.path(), &old).unwrap();
    stage.world.python(&["--count", "3"]);
    daemon.sync(&[], 0);
    let all = rows(&stage.open(), "SELECT url FROM products");

    std::fs::rename(old, stage.path()).unwrap();
    let done = daemon.sync(&[], 0);
    let whose = if side == Side::Local { "laptop's" } else { "server's" };
    assert_eq!(
        done["reason"],
        format!("the {whose} database is another file than at the last sync: all rows were compared, and none deleted"),
        "{done:#}"
    );
    assert_eq!(done["deleted"], 0);
    assert_eq!(rows(&stage.open(), "SELECT url FROM products"), all);
    stage.world.assert_equal();
    assert_eq!(daemon.sync(&[], 0)["outcome"], "unchanged");
}

/// Two daemons that moved one sidecar would each take the other's moves for a lost base, for ever.
#[test]
fn a_copied_state_folder_gets_a_sidecar_of_its_own() {
    let (stage, mut daemon) = products(Side::Local);
    let sidecars = || {
        let names = std::fs::read_dir(stage.world.remote_state()).unwrap();
        names
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|kind| kind == "db")
            })
            .count()
    };
    assert_eq!(sidecars(), 1);
    daemon.terminate();
    let (state, copy) = (stage.world.state(), stage.world.path("copy"));
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&state, &copy])
        .status()
        .unwrap();
    assert!(copied.success());
    std::fs::rename(&state, stage.world.path("other-laptop")).unwrap();
    std::fs::rename(&copy, &state).unwrap();

    daemon.again();
    let status = daemon.until_in_sync();
    let reason = status["last_cycle"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the state folder is a copy of another one"),
        "{reason}"
    );
    assert!(reason.ends_with("all rows were compared, and none deleted"), "{reason}");
    assert_eq!(sidecars(), 2);
    stage.world.assert_equal();
    assert_eq!(daemon.sync(&[], 0)["outcome"], "unchanged");
}
