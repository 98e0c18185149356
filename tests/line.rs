//! What a cycle and a look cost on the line, counted at both of its ends. Times are for `scripts/bench`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use modsync::control::types::{Outcome, SyncRequest};
use modsync::cycle::{Pair, Syncer as _};
use modsync::demo::data;
use support::moved::{compressed, reviewed_and_added};
use support::proxy::{Line, Proxy};
use support::world::{World, sync, try_sync};

/// What a cycle may send and receive beside the rows that it moves, in bytes.
const OVERHEAD: u64 = 8_000;
/// What a look that finds nothing may send and receive, in bytes.
const LOOK: u64 = 250;

/// The line's own count.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Carried {
    up: u64,
    down: u64,
    round_trips: u64,
}

impl Carried {
    fn by(proxy: &Proxy) -> Self {
        Self {
            up: proxy.sent(),
            down: proxy.received(),
            round_trips: proxy.round_trips(),
        }
    }

    fn since(self, proxy: &Proxy) -> Self {
        let now = Self::by(proxy);
        Self {
            up: now.up - self.up,
            down: now.down - self.down,
            round_trips: now.round_trips - self.round_trips,
        }
    }
}

/// Two databases of 4.4 MB that agree, a long line between them, and the open connection.
async fn far_apart() -> (World, Proxy, Pair) {
    let mut world = World::with_products(data::PRODUCTS);
    let proxy = Proxy::to(world.port, Line::far()).await;
    world.port = proxy.port();
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    (world, proxy, pair)
}

/// Five reviews on the server and seven new products on the laptop, synced; and what the line carried meanwhile.
async fn cycle(world: &World, proxy: &Proxy, pair: &mut Pair, backup: bool) -> (Carried, u64) {
    let reviewed = data::phone_reviews(&mut world.open_remote(), 5).unwrap();
    let added = data::laptop_adds(&mut world.open_local(), 7).unwrap();
    let before = Carried::by(proxy);
    let request = SyncRequest {
        no_backup: !backup,
        ..SyncRequest::default()
    };
    let done = try_sync(pair, &request).await.unwrap();
    let carried = before.since(proxy);

    assert_eq!(
        (done.outcome, done.pulled, done.pushed, done.backup.is_some()),
        (Outcome::Synced, 10, 14, backup),
        "{done:?}"
    );
    world.assert_equal();
    // A backup is tidied up afterwards over the same line, on nobody's account.
    if !backup {
        let said = (done.bytes_sent, done.bytes_received, done.round_trips);
        assert_eq!(
            said,
            (carried.up, carried.down, carried.round_trips),
            "the cycle's own count"
        );
    }
    assert_eq!(done.round_trips, 2, "one to pull, one to push");
    // The push brought the counts as well, so that nobody has to ask for them.
    let told = pair.counted_by_cycle().unwrap();
    assert_eq!(told, pair.count_server().await.unwrap());
    let server = world.open_remote();
    let own = compressed(&reviewed_and_added(&server, &reviewed, &server, &added));
    let overhead = (done.bytes_sent + done.bytes_received).saturating_sub(own);
    (carried, overhead)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_costs_two_round_trips_and_little_more_than_its_rows() {
    let (world, proxy, mut pair) = far_apart().await;
    for _ in 0..3 {
        let (carried, overhead) = cycle(&world, &proxy, &mut pair, false).await;
        assert!(overhead < OVERHEAD, "{overhead} bytes beside the rows: {carried:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_costs_no_round_trip() {
    let (world, proxy, mut pair) = far_apart().await;
    let (carried, overhead) = cycle(&world, &proxy, &mut pair, true).await;
    assert!(overhead < OVERHEAD, "{overhead} bytes beside the rows: {carried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_finds_nothing_costs_one_round_trip_and_few_bytes() {
    let (_world, proxy, mut pair) = far_apart().await;
    for _ in 0..5 {
        let before = Carried::by(&proxy);
        assert!(!pair.look_server().await.unwrap(), "the server has not changed");
        let carried = before.since(&proxy);
        assert!(
            carried.round_trips == 1 && carried.up + carried.down <= LOOK,
            "{carried:?}"
        );
    }
}
