//! What is asked of the daemon, and what it tells.

use std::time::Duration;

use modsync::control::handler::{DiffRequest, Handler as _, Request, Response};
use modsync::control::types::{CycleSummary, ErrorCode, Event, SyncRequest};
use modsync::cycle::Trigger;
use tokio::time::Instant;

use crate::script::{Running, plain};

#[tokio::test(start_paused = true)]
async fn requests_for_the_same_cycle_share_one_that_starts_after_them() {
    let daemon = Running::settled().await;
    daemon.pair.script().cycle_takes = Duration::from_secs(3);
    let running = tokio::spawn({
        let handle = daemon.handle.clone();
        async move { handle.sync(plain()).await }
    });
    daemon.until_cycles(2).await;
    let dry = SyncRequest {
        dry_run: true,
        ..plain()
    };
    let (first, second, other) = tokio::join!(
        daemon.handle.sync(plain()),
        daemon.handle.sync(plain()),
        daemon.handle.sync(dry)
    );
    let number = |summary: Option<CycleSummary>| summary.unwrap().cycle;
    assert_eq!(number(running.await.unwrap().unwrap()), Some(2));
    assert_eq!(number(first.unwrap()), Some(3));
    assert_eq!(number(second.unwrap()), Some(3));
    assert_eq!(number(other.unwrap()), Some(4));
}

#[tokio::test(start_paused = true)]
async fn without_waiting_the_answer_comes_before_the_cycle() {
    let daemon = Running::settled().await;
    daemon.pair.script().cycle_takes = Duration::from_secs(60);
    let asked = Instant::now();
    let request = SyncRequest {
        no_wait: true,
        ..plain()
    };
    assert_eq!(daemon.handle.sync(request).await.unwrap(), None);
    assert!(asked.elapsed() < Duration::from_secs(1));
    daemon.until_cycles(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_contradicts_itself_is_refused() {
    let daemon = Running::settled().await;
    let request = SyncRequest {
        pull_only: true,
        skip_pull: true,
        ..plain()
    };
    assert_eq!(
        daemon.handle.sync(request).await.unwrap_err().code,
        ErrorCode::BadRequest
    );
    assert_eq!(daemon.pair.triggers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_tell_a_cycle_from_its_phases_to_its_end() {
    let daemon = Running::settled().await;
    let mut events = daemon.handle.events();
    daemon.handle.sync(plain()).await.unwrap();
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(match event {
            Event::Status(status) => format!("{:?}", status.state),
            Event::Phase(phase) => format!("{:?}", phase.phase),
            Event::Cycle(_) => "ended".to_owned(),
            Event::Recent(recent) => format!("{} so far", recent.cycles.len()),
            Event::Heartbeat => "heartbeat".to_owned(),
        });
    }
    assert_eq!(told, ["Syncing", "Connect", "Pull", "ended", "2 so far", "Idle"]);
    assert_eq!(daemon.handle.counters().cycles["synced"], 2);
}

#[tokio::test(start_paused = true)]
async fn the_other_questions_are_answered_by_the_pair() {
    let daemon = Running::settled().await;
    let request = DiffRequest {
        table: Some("products".to_owned()),
        key: None,
    };
    let Response::Diff(report) = daemon.handle.handle(Request::Diff(request)).await.unwrap() else {
        panic!("the answer to another question");
    };
    assert_eq!(report.plan, "Some(\"products\") None");
    for request in [Request::Verify, Request::Check] {
        daemon.handle.handle(request).await.map(drop).unwrap();
    }
    assert_eq!(daemon.pair.triggers(), [Trigger::Start]);
}
