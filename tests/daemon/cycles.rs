//! When cycles run by themselves, and when not.

use std::time::Duration;

use modsync::control::types::State;
use modsync::cycle::Trigger;
use modsync::daemon::Surroundings;
use tokio::time::Instant;

use crate::script::{Running, Scripted, pass, plain};

#[tokio::test(start_paused = true)]
async fn begins_with_a_cycle_and_then_only_looks() {
    let daemon = Running::settled().await;
    let status = daemon.handle.status();
    assert_eq!(status.state, State::Idle);
    assert_eq!((status.pending.pull, status.pending.push), (Some(0), Some(0)));
    assert!(status.local.is_some() && status.server.is_some() && status.as_of.is_some());
    assert_eq!(status.engine.as_deref(), Some("scripted 1"));
    assert_eq!(status.remote, "root@assess:/srv/products.db");
    pass(600).await;
    assert_eq!(daemon.pair.triggers(), [Trigger::Start]);
    let looks = daemon.pair.script().server_looks.len();
    assert!(
        (110..=121).contains(&looks),
        "{looks} looks at the server in 600 s, one each 5 s"
    );
    assert!(daemon.handle.status().as_of > status.as_of);
}

#[tokio::test(start_paused = true)]
async fn a_local_write_is_synced_after_the_quiet_time() {
    let daemon = Running::settled().await;
    let written = Instant::now();
    daemon.pair.script().local_changed = true;
    let status = daemon.until("waiting", |status| status.state == State::Waiting).await;
    assert_eq!(status.in_sync, Some(false));
    assert!(status.next_run.is_some());
    daemon.until_cycles(2).await;
    let delay = daemon.pair.script().cycles[1].0 - written;
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(4)).contains(&delay),
        "{delay:?}"
    );
    assert_eq!(daemon.pair.triggers(), [Trigger::Start, Trigger::Watch]);
    daemon.until("in sync", |status| status.in_sync == Some(true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_never_quiet_is_synced_after_max_delay() {
    let daemon = Running::settled().await;
    let started = Instant::now();
    while daemon.pair.script().cycles.len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(40), "never synced");
        daemon.pair.script().local_changed = true;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(
        started.elapsed() >= Duration::from_secs(29),
        "synced while busy, after {:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_on_the_server_is_found_by_the_next_poll() {
    let daemon = Running::settled().await;
    let written = Instant::now();
    daemon.pair.script().server_changed = true;
    daemon.until_cycles(2).await;
    assert!(written.elapsed() <= Duration::from_secs(6));
    assert_eq!(daemon.pair.triggers(), [Trigger::Start, Trigger::Poll]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_during_a_cycle_starts_another_one() {
    let daemon = Running::settled().await;
    {
        let mut script = daemon.pair.script();
        script.cycle_takes = Duration::from_secs(3);
        script.edit_during_cycle = true;
        script.local_changed = true;
    }
    daemon.until_cycles(3).await;
    daemon.until("in sync", |status| status.in_sync == Some(true)).await;
    pass(60).await;
    assert_eq!(daemon.pair.triggers(), [Trigger::Start, Trigger::Watch, Trigger::Watch]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_survives_a_restart_and_sync_now_works_in_it() {
    let daemon = Running::settled().await;
    let status = daemon.handle.pause(None).await.unwrap();
    assert_eq!(
        (status.state, status.paused_until, status.next_run),
        (State::Paused, None, None)
    );
    let folder = daemon.stop().await;

    let daemon = Running::start_in(folder, Scripted::default()).await;
    daemon.pair.script().local_changed = true;
    pass(600).await;
    assert_eq!(daemon.handle.status().state, State::Paused);
    assert_eq!(daemon.pair.triggers(), []);
    daemon.handle.sync(plain()).await.unwrap();
    assert_eq!(daemon.pair.triggers(), [Trigger::SyncNow]);
    let status = daemon.handle.resume().await.unwrap();
    assert_ne!(status.state, State::Paused);
    daemon.until_cycles(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_for_a_time_ends_by_itself_also_in_sleep() {
    let daemon = Running::settled().await;
    let status = daemon.handle.pause(Some(Duration::from_secs(7200))).await.unwrap();
    let expected = daemon.machine.clone();
    let left = status
        .paused_until
        .unwrap()
        .duration_since(Surroundings::now(&expected));
    assert!((7199..=7200).contains(&left.as_secs()), "{left:?}");
    pass(60).await;
    daemon.machine.sleep(7200);
    daemon.until("resumed", |status| status.paused_until.is_none()).await;
    daemon.until_cycles(2).await;
}
