//! What keeps cycles from running, and how the daemon comes back.

use std::time::Duration;

use modsync::control::handler::{Handler as _, Request};
use modsync::control::types::{ErrorCode, Outcome, State};
use modsync::cycle::{CycleError, Trigger};
use tokio::time::Instant;

use crate::script::{Running, Scripted, error, pass, plain};

#[tokio::test(start_paused = true)]
async fn offline_is_said_waited_out_and_recovered_from() {
    let pair = Scripted::default();
    pair.script().offline = true;
    let daemon = Running::start(pair).await;
    let status = daemon.until("offline", |status| status.state == State::Offline).await;
    assert_eq!(status.reason.as_deref(), Some("no route to host"));
    assert_eq!(status.in_sync, None);
    assert!(status.next_try.is_some() && status.last_cycle.is_none());
    pass(300).await;
    let tries: Vec<Instant> = daemon.pair.script().cycles.iter().map(|(at, ..)| *at).collect();
    assert!((8..=18).contains(&tries.len()), "{} tries in 300 s", tries.len());
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)));
    assert!(tries[tries.len() - 1] - tries[tries.len() - 2] >= Duration::from_secs(30));

    daemon.pair.script().offline = false;
    let back = daemon.until("in sync", |status| status.in_sync == Some(true)).await;
    assert_eq!((back.state, back.reason, back.next_try), (State::Idle, None, None));
}

#[tokio::test(start_paused = true)]
async fn sync_now_while_offline_fails_at_once_with_the_reason() {
    let daemon = Running::settled().await;
    daemon.pair.script().offline = true;
    let refused = daemon.handle.sync(plain()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Offline);
    assert_eq!(daemon.handle.status().state, State::Offline);
    let refused = daemon.handle.handle(Request::Check).await.map(drop).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Offline);
}

#[tokio::test(start_paused = true)]
async fn what_is_advised_is_addressed_to_the_pair() {
    let daemon = Running::settled().await;
    daemon.pair.script().cycle_error = Some(CycleError {
        hint: Some("modsyncctl sync-now --allow-deletes".to_owned()),
        ..error(ErrorCode::Attention, "too many deletions")
    });
    let refused = daemon
        .handle
        .handle(Request::Sync(plain()))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(
        refused.hint.as_deref(),
        Some("modsyncctl --name shop sync-now --allow-deletes")
    );
    assert_eq!(
        daemon.handle.status().recommendation,
        "modsyncctl --name shop sync-now --allow-deletes"
    );
}

#[tokio::test(start_paused = true)]
async fn another_network_ends_the_waiting() {
    let pair = Scripted::default();
    pair.script().offline = true;
    let daemon = Running::start(pair).await;
    pass(300).await;
    daemon.pair.script().offline = false;
    let changed = Instant::now();
    daemon.machine.change_network();
    daemon.until("in sync", |status| status.in_sync == Some(true)).await;
    assert!(changed.elapsed() <= Duration::from_secs(4), "{:?}", changed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_is_not_hammered() {
    let pair = Scripted::default();
    pair.script().cycle_error = Some(error(ErrorCode::Attention, "the host key changed"));
    let daemon = Running::start(pair).await;
    let status = daemon
        .until("attention", |status| status.state == State::Attention)
        .await;
    assert_eq!(status.reason.as_deref(), Some("the host key changed"));
    assert_eq!(status.recommendation, "hint for the host key changed");
    pass(600).await;
    assert_eq!(daemon.pair.triggers().len(), 1);
    assert!(daemon.pair.script().server_looks.is_empty());

    daemon.pair.script().local_changed = true;
    daemon.until_cycles(2).await;
    daemon.pair.script().cycle_error = None;
    let summary = daemon.handle.sync(plain()).await.unwrap().unwrap();
    assert_eq!(summary.outcome, Outcome::Synced);
    assert_eq!(daemon.handle.status().in_sync, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_brake_holds_until_a_side_changes() {
    let pair = Scripted::default();
    pair.script().outcome = Outcome::Stopped;
    let daemon = Running::start(pair).await;
    let status = daemon
        .until("attention", |status| status.state == State::Attention)
        .await;
    assert_eq!(
        (status.reason.as_deref(), status.in_sync),
        (Some("a brake"), Some(false))
    );
    pass(600).await;
    assert_eq!(daemon.pair.triggers().len(), 1);
    {
        let mut script = daemon.pair.script();
        script.server_changed = true;
        script.outcome = Outcome::Synced;
    }
    daemon.until("in sync", |status| status.in_sync == Some(true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_local_database_that_cannot_be_read_is_said_and_recovered_from() {
    let daemon = Running::settled().await;
    daemon.pair.script().local_error = Some(error(ErrorCode::Attention, "the database is gone"));
    let status = daemon
        .until("attention", |status| status.state == State::Attention)
        .await;
    assert_eq!(status.reason.as_deref(), Some("the database is gone"));
    daemon.pair.script().local_error = None;
    daemon.until("in sync", |status| status.in_sync == Some(true)).await;
    assert_eq!(daemon.pair.triggers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_sleep_a_cycle_that_hangs_is_cut_off_and_run_again() {
    let daemon = Running::settled().await;
    daemon.pair.script().cycle_takes = Duration::from_secs(1_000_000);
    let asked = tokio::spawn({
        let handle = daemon.handle.clone();
        async move { handle.sync(plain()).await }
    });
    daemon.until("syncing", |status| status.state == State::Syncing).await;
    pass(100).await;
    assert_eq!(daemon.handle.status().state, State::Syncing);
    daemon.pair.script().cycle_takes = Duration::ZERO;
    daemon.machine.sleep(3600);
    let summary = asked.await.unwrap().unwrap().unwrap();
    assert_eq!(summary.outcome, Outcome::Synced);
    assert!(daemon.pair.script().disconnects >= 1);
}

#[tokio::test(start_paused = true)]
async fn after_sleep_an_idle_daemon_reconnects_and_syncs() {
    let daemon = Running::settled().await;
    daemon.machine.sleep(3600);
    daemon.until_cycles(2).await;
    assert_eq!(daemon.pair.triggers(), [Trigger::Start, Trigger::Wake]);
    assert_eq!(daemon.pair.script().disconnects, 1);
}
