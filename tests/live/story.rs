//! What the daemon is for: nobody asks, and yet both sides hold everything.

use std::time::{Duration, Instant};

use modsync::demo::data;
use rusqlite::Connection;

use crate::support::daemon::{Daemon, until};
use crate::support::proxy::{Line, Proxy};
use crate::support::world::{World, dump, rows};

/// Products whose modesty review waits, oldest first.
pub fn waiting(site: &Connection, count: u32) -> Vec<String> {
    let mut query = site
        .prepare(
            "SELECT product_url FROM assessment_queue WHERE status='pending' AND review_type='modesty' ORDER BY id LIMIT ?1",
        )
        .unwrap();
    let urls = query.query_map([count], |row| row.get(0)).unwrap();
    urls.map(Result::unwrap).collect()
}

/// Waits until both databases hold the same, value by value.
pub fn until_equal(world: &World) {
    until("both databases hold the same", || {
        (dump(&world.open_local()) == dump(&world.open_remote())).then_some(())
    });
}

#[test]
fn after_the_train_both_sides_hold_everything_though_nobody_asked() {
    let mut world = World::with_products(40);
    world
        .settings
        .insert("sync", "poll = \"500ms\"\ndebounce = \"200ms\"".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();

    world.sshd.kill_sessions();
    world.sshd.stop();
    let reviewed = waiting(&world.open_remote(), 5);
    let urls: Vec<&str> = reviewed.iter().map(String::as_str).collect();
    world.php(&[&["modest"], urls.as_slice()].concat());
    world.python(&["--count", "7"]);
    let id = data::same_id_on_both(&mut world.open_local(), &mut world.open_remote()).unwrap();
    daemon.until_status("offline", |status| status["state"] == "offline");
    world.sshd.restart();

    until_equal(&world);
    daemon.until_in_sync();
    let local = world.open_local();
    for url in &reviewed {
        let sql = format!(
            "SELECT 1 FROM products p JOIN assessment_queue q ON q.product_url=p.url WHERE p.url='{url}' \
             AND p.modesty_status='modest' AND p.lifecycle_stage='assessed_approved' AND q.review_decision='modest'"
        );
        assert_eq!(rows(&local, &sql).len(), 1, "{url} is reviewed on the laptop");
    }
    let site = world.open_remote();
    let imported = "SELECT 1 FROM products p JOIN assessment_queue q ON q.product_url=p.url \
                    WHERE p.url LIKE '%/workflow-WF%' AND q.status='pending'";
    assert_eq!(rows(&site, imported).len(), 7, "the new products are on the server");
    let both = format!("SELECT 1 FROM assessment_queue WHERE id IN ({id}, {id}+1)");
    assert!(!rows(&site, &both).is_empty(), "the entries of one id are both there");

    let verify = daemon.ctl(&["verify"]);
    assert_eq!(verify.code, 0, "{verify:?}");
    let check = daemon.ctl(&["check", "--exit-code"]);
    assert_eq!(check.code, 0, "{check:?}");
    let status = daemon.ctl(&["status", "--exit-code"]);
    assert_eq!(status.code, 0, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_and_a_laptops_write_arrive_within_their_bounds() {
    const DELAY: Duration = Duration::from_millis(25);
    const POLL: Duration = Duration::from_millis(1000);
    const DEBOUNCE: Duration = Duration::from_millis(500);
    /// What processes, disks and a busy machine may add.
    const SLACK: Duration = Duration::from_millis(1500);
    let mut world = World::with_products(200);
    let line = Line {
        delay: DELAY,
        ..Line::default()
    };
    let proxy = Proxy::to(world.sshd.port(), line).await;
    world.port = proxy.port();
    world
        .settings
        .insert("sync", format!("poll = \"{POLL:?}\"\ndebounce = \"{DEBOUNCE:?}\""));
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();

    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["not_modest", &url]);
    let (committed, local) = (Instant::now(), world.open_local());
    let sql = format!("SELECT 1 FROM products WHERE url='{url}' AND modesty_status='not_modest'");
    until("the review is on the laptop", || rows(&local, &sql).pop());
    let review = committed.elapsed();
    daemon.until_in_sync();

    world.python(&["--count", "1"]);
    let (committed, site) = (Instant::now(), world.open_remote());
    until("the product is on the server", || {
        rows(&site, "SELECT 1 FROM products WHERE url LIKE '%/workflow-WF%'").pop()
    });
    let product = committed.elapsed();
    println!(
        "a review took {review:?} (poll {POLL:?}, round trip {:?}), a product {product:?} (debounce {DEBOUNCE:?})",
        DELAY * 2
    );
    assert!(review < POLL + DELAY * 4 + SLACK, "a review took {review:?}");
    assert!(product < DEBOUNCE + DELAY * 6 + SLACK, "a product took {product:?}");
}
