//! An engine that says that it wrote, and did not, or wrote something else.

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::Syncer as _;

use super::answers::Trial;
use super::liar::Lie;
use super::stage::assert_message;
use super::support::world::{rows, sync, try_sync};

const WRITES: &str = "SET ok=(op=";
const REFUSED: &str = "SELECT 'trefused'";

/// The cycle itself finds it by what the server reads back; the laptop keeps its rows, the next cycle brings them over.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_did_not_happen_is_found_by_the_cycle() {
    let mut trial = Trial::new().await;
    for (what, lies) in [
        (
            "nothing written, nothing refused",
            vec![Lie::skip(WRITES), Lie::skip(REFUSED)],
        ),
        (
            "another title written than was sent",
            vec![Lie::before(
                WRITES,
                "UPDATE temp.modsync_p_3 SET n2='Buy now!' WHERE op='I';",
            )],
        ),
        (
            "a row taken out again after it was read back, and told of as before",
            vec![
                Lie::before(WRITES, "DELETE FROM temp.modsync_p_0;DELETE FROM temp.modsync_p_3;"),
                Lie::skip(REFUSED),
            ],
        ),
    ] {
        trial.change_both();
        let laptop = rows(&trial.world.open_local(), "SELECT url FROM products");
        trial.lies.tell(lies);
        let error = trial.fails(what).await;
        assert_eq!(error.code, ErrorCode::Attention, "{what}: {error:?}");
        assert!(error.message.contains("rows which are not there"), "{what}: {error:?}");
        assert_message(&error.message);
        assert_message(error.hint.as_deref().unwrap_or_default());
        trial.recovers(what).await;
        let both = rows(&trial.world.open_remote(), "SELECT url FROM products");
        assert!(
            laptop.iter().all(|url| both.contains(url)),
            "{what}: a row of the laptop is gone"
        );
        assert!(trial.pair.verify().await.unwrap().equal, "{what}");
    }
}

/// Without the reading back the cycle believes it; `verify` does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_did_not_happen_is_found_by_verify() {
    let mut trial = Trial::new().await;
    trial.change_both();
    trial.lies.tell(vec![Lie::skip(WRITES), Lie::skip(REFUSED)]);
    let blind = SyncRequest {
        no_verify: true,
        ..SyncRequest::default()
    };
    let summary = try_sync(&mut trial.pair, &blind).await.unwrap();
    assert_eq!(summary.outcome, Outcome::Synced, "{summary:?}");
    trial.lies.be_honest();
    let report = trial.pair.verify().await.unwrap();
    assert!(!report.equal);
    let products = report.tables.iter().find(|table| table.table == "products").unwrap();
    assert_eq!((products.equal, products.differing), (false, 2), "{products:?}");
}

/// Whoever tells the truth about having refused is met again, and what is left waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_everything_keeps_the_daemon_from_nothing() {
    let mut trial = Trial::new().await;
    trial.change_both();
    let before = trial.files();
    trial.lies.tell(vec![Lie::skip(WRITES)]);
    let summary = sync(&mut trial.pair).await;
    assert_eq!(summary.pushed, 0, "{summary:?}");
    assert!(trial.files()[1] == before[1], "the server's database was written");
    trial.recovers("refusals").await;
}

/// The base is told to have moved, and has not: the two do not belong together, and that is seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_did_not_move_is_seen_by_the_next_cycle() {
    let mut trial = Trial::new().await;
    trial.change_both();
    trial
        .lies
        .tell(vec![Lie::stop_early("INSERT OR REPLACE INTO base.meta")]);
    sync(&mut trial.pair).await;
    trial.world.assert_equal();
    trial.change_both();
    trial.recovers("a base that did not move").await;
}
