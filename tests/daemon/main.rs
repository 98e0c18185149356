//! The daemon's loop against a scripted pair, on a clock that jumps to the next thing to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod process;
mod script;

use std::time::Duration;

use modsync::control::types::{ErrorCode, Event, Outcome, State, SyncRequest};
use modsync::cycle::Trigger;
use modsync::daemon::FatalError;
use script::{Running, Scripted, config, error, pass};
use tokio::time::Instant;

fn plain() -> SyncRequest {
    SyncRequest::default()
}

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
    let refused = daemon.handle.check().await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Offline);
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
        .duration_since(modsync::daemon::Surroundings::now(&expected));
    assert!((7199..=7200).contains(&left.as_secs()), "{left:?}");
    pass(60).await;
    daemon.machine.sleep(7200);
    daemon.until("resumed", |status| status.paused_until.is_none()).await;
    daemon.until_cycles(2).await;
}

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
    let number = |summary: Option<modsync::control::types::CycleSummary>| summary.unwrap().cycle;
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
    let second = modsync::daemon::start(
        config(daemon.folder.path()),
        Scripted::default(),
        modsync::daemon::Machine,
    )
    .await;
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
            Event::Heartbeat => "heartbeat".to_owned(),
        });
    }
    assert_eq!(told, ["Syncing", "Connect", "Pull", "ended", "Idle"]);
    assert_eq!(daemon.handle.counters().cycles["synced"], 2);
}

#[tokio::test(start_paused = true)]
async fn the_other_questions_are_answered_by_the_pair() {
    let daemon = Running::settled().await;
    let request = modsync::control::handler::DiffRequest {
        table: Some("products".to_owned()),
        key: None,
    };
    assert_eq!(
        daemon.handle.diff(request).await.unwrap().plan,
        "Some(\"products\") None"
    );
    daemon.handle.verify().await.unwrap();
    daemon.handle.check().await.unwrap();
    assert_eq!(daemon.pair.triggers(), [Trigger::Start]);
}
