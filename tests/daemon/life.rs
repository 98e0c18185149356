//! Starting, reloading and ending.

use std::time::Duration;

use modsync::control::types::{ErrorCode, Outcome, State, SyncRequest};
use modsync::cycle::Trigger;
use modsync::daemon::{FatalError, Machine};
use tokio::time::Instant;

use crate::script::{Running, Scripted, config, pass, plain};

#[tokio::test(start_paused = true)]
async fn stops_within_ten_seconds_whatever_it_does() {
    let daemon = Running::settled().await;
    daemon.pair.script().cycle_takes = Duration::from_secs(1_000_000);
    let ask = |request: SyncRequest| {
        let handle = daemon.handle.clone();
        tokio::spawn(async move { handle.sync(request).await })
    };
    let running = ask(plain());
    daemon.until("syncing", |status| status.state == State::Syncing).await;
    let waiting = ask(SyncRequest {
        dry_run: true,
        ..plain()
    });
    pass(1).await;
    let told = Instant::now();
    daemon.stop().await;
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    for asked in [running, waiting] {
        assert_eq!(asked.await.unwrap().unwrap_err().code, ErrorCode::Ending);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cycle_that_ends_soon_is_let_end_before_the_daemon_does() {
    let daemon = Running::settled().await;
    daemon.pair.script().cycle_takes = Duration::from_secs(2);
    let running = tokio::spawn({
        let handle = daemon.handle.clone();
        async move { handle.sync(plain()).await }
    });
    daemon.until("syncing", |status| status.state == State::Syncing).await;
    daemon.stop().await;
    assert_eq!(running.await.unwrap().unwrap().unwrap().outcome, Outcome::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_second_daemon_is_refused_by_the_pid_of_the_first() {
    let daemon = Running::settled().await;
    let second = modsync::daemon::start(config(daemon.folder.path()), Scripted::default(), Machine).await;
    match second {
        Err(FatalError::AlreadyRunning { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two daemons on one state folder"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_new_config_is_said_and_a_good_one_used() {
    let daemon = Running::settled().await;
    daemon.handle.reload(Err("line 3: no such key".to_owned())).await;
    let status = daemon.until("the refusal", |status| status.reason.is_some()).await;
    assert!(status.reason.unwrap().contains("line 3"));
    assert_eq!(status.state, State::Idle);

    let mut new = config(daemon.folder.path());
    new.remote.database = "/srv/other.db".to_owned();
    daemon.handle.reload(Ok(new)).await;
    daemon.until_cycles(2).await;
    assert_eq!(daemon.pair.triggers(), [Trigger::Start, Trigger::Reload]);
    assert_eq!(daemon.pair.script().opened, ["/srv/products.db", "/srv/other.db"]);
    let status = daemon.until("in sync", |status| status.in_sync == Some(true)).await;
    assert_eq!(
        (status.reason, status.remote.as_str()),
        (None, "root@assess:/srv/other.db")
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_cycle_is_known_after_a_restart() {
    let daemon = Running::settled().await;
    let last = daemon.handle.status().last_cycle;
    assert!(last.is_some());
    let folder = daemon.stop().await;
    let pair = Scripted::default();
    pair.script().offline = true;
    let daemon = Running::start_in(folder, pair).await;
    let status = daemon.until("offline", |status| status.state == State::Offline).await;
    assert_eq!(status.last_cycle, last);
}
