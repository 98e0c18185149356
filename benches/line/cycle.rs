//! modsync itself, in this process: cycles and looks over an open connection, and the first sync.

use std::thread;
use std::time::Duration;

use modsync::control::types::{Outcome, SyncRequest};
use modsync::cycle::{Pair, Syncer as _};
use modsync::demo::data;
use tokio::runtime::Runtime;

use crate::far_world;
use crate::figures::{Running, Sample};
use crate::support::proxy::Proxy;
use crate::support::world::{World, sync, try_sync};

/// Two databases that agree, and the open connection.
pub struct Open<'a> {
    runtime: &'a Runtime,
    world: World,
    proxy: Proxy,
    pair: Pair,
}

impl<'a> Open<'a> {
    pub fn new(runtime: &'a Runtime, products: usize) -> Self {
        let (world, proxy) = far_world(runtime, products);
        let pair = runtime.block_on(async {
            let mut pair = world.pair().await;
            sync(&mut pair).await;
            pair
        });
        Self {
            runtime,
            world,
            proxy,
            pair,
        }
    }

    pub fn cycle(&mut self, backup: bool) -> Sample {
        edit_both(&self.world);
        let request = SyncRequest {
            no_backup: !backup,
            ..SyncRequest::default()
        };
        let running = Running::over(&self.proxy);
        let done = self.runtime.block_on(try_sync(&mut self.pair, &request)).unwrap();
        let sample = running.end(Some(done.round_trips));
        assert_eq!((done.outcome, done.pulled, done.pushed), (Outcome::Synced, 10, 14));
        wait_for_quiet(&self.proxy);
        sample
    }

    pub fn look(&mut self) -> Sample {
        let running = Running::over(&self.proxy);
        let changed = self.runtime.block_on(self.pair.look_server()).unwrap();
        let sample = running.end(Some(1));
        assert!(!changed);
        sample
    }
}

/// A backup is tidied up behind the cycle's back; the next measurement must not carry that.
pub fn wait_for_quiet(proxy: &Proxy) {
    let carried = || proxy.sent() + proxy.received();
    let mut before = None;
    while before != Some(carried()) {
        before = Some(carried());
        thread::sleep(Duration::from_millis(300));
    }
}

/// Five reviews on the phone, seven new products on the laptop.
pub fn edit_both(world: &World) {
    data::phone_reviews(&mut world.open_remote(), 5).unwrap();
    data::laptop_adds(&mut world.open_local(), 7).unwrap();
}

/// Two databases that no one has synced before, from nothing to agreement.
pub fn first(runtime: &Runtime, products: usize) -> Sample {
    let (world, proxy) = far_world(runtime, products);
    // Reviews would be conflicts: without a base nobody knows which side changed a row.
    data::laptop_adds(&mut world.open_local(), 7).unwrap();
    let running = Running::over(&proxy);
    let done = runtime.block_on(async { sync(&mut world.pair().await).await });
    let sample = running.end(None);
    assert_eq!(done.outcome, Outcome::Synced);
    sample
}
