use std::time::Duration;

use rstest::rstest;
use tokio::time::Instant;

use super::{Action, Plan, Scope, Settings};
use crate::control::types::{CycleSummary, ErrorCode, Outcome, Pending, State};
use crate::cycle::{CycleError, Trigger};

/// What happens to the plan, in seconds from its start.
enum Happens {
    /// The local look finds a change, or none.
    Local(bool),
    /// The look at the server finds a change, or none.
    Server(bool),
    LocalFails,
    ServerFails(ErrorCode),
    /// A full cycle starts and ends.
    Cycle(Outcome),
    CycleFails(ErrorCode),
    /// A full cycle starts and goes on.
    Starts,
    /// It finds rows to move.
    Moves,
    /// The one that goes on ends.
    Ends(Outcome),
    EndsFailed(ErrorCode),
    /// An errand ends, and the cycle that it ran.
    Errand(Outcome),
    /// The one that goes on is cut off.
    CutOff,
    Hint,
    Want(Trigger),
    Pause,
    Resume,
}
use Happens::*;

const SETTINGS: Settings = Settings {
    watch: true,
    debounce: Duration::from_secs(2),
    max_delay: Duration::from_secs(30),
    poll: Duration::from_secs(5),
};

fn error(code: ErrorCode) -> CycleError {
    CycleError {
        code,
        message: format!("{code:?}"),
        hint: None,
    }
}

fn summary(outcome: Outcome) -> CycleSummary {
    CycleSummary {
        outcome,
        ..CycleSummary::default()
    }
}

/// A plan to which all that happened, and its first instant.
fn plan_after(settings: Settings, events: Vec<(f64, Happens)>) -> (Plan, Instant) {
    let zero = Instant::now();
    let mut plan = Plan::new(settings, zero);
    for (seconds, event) in events {
        let now = zero + Duration::from_secs_f64(seconds);
        match event {
            Local(changed) => plan.local_looked(now, Ok(changed)),
            Server(changed) => plan.server_looked(now, Ok(changed), 1.0),
            LocalFails => plan.local_looked(now, Err(error(ErrorCode::Attention))),
            ServerFails(code) => plan.server_looked(now, Err(error(code)), 1.0),
            Cycle(outcome) => {
                plan.started(Scope::Full);
                plan.ended(now, Some(Ok(&summary(outcome))), 1.0);
            }
            CycleFails(code) => {
                plan.started(Scope::Full);
                plan.ended(now, Some(Err(&error(code))), 1.0);
            }
            Starts => plan.started(Scope::Full),
            Moves => plan.moving(),
            Ends(outcome) => plan.ended(now, Some(Ok(&summary(outcome))), 1.0),
            EndsFailed(code) => plan.ended(now, Some(Err(&error(code))), 1.0),
            Errand(outcome) => plan.errand_ended(now, true, Ok(Some(&summary(outcome))), 1.0),
            CutOff => plan.ended(now, None, 1.0),
            Hint => plan.hint(now),
            Want(trigger) => plan.want(now, trigger),
            Pause => plan.set_paused(now, true),
            Resume => plan.set_paused(now, false),
        }
    }
    (plan, zero)
}

/// Both sides agreed at 0 s and were looked at.
fn settled(rest: Vec<(f64, Happens)>) -> Vec<(f64, Happens)> {
    let mut events = vec![(0.0, Cycle(Outcome::Synced)), (0.0, Local(false))];
    events.extend(rest);
    events
}

/// Expectation: the action at that second, `Sleep` by the second it lasts to.
#[derive(Debug, PartialEq)]
enum Does {
    Run(Trigger),
    LookLocal,
    LookServer,
    CountLocal,
    SleepUntil(f64),
}

fn does(plan: &Plan, zero: Instant, seconds: f64) -> Does {
    match plan.decide(zero + Duration::from_secs_f64(seconds), false) {
        Action::Run(trigger) => Does::Run(trigger),
        Action::LookLocal => Does::LookLocal,
        Action::LookServer => Does::LookServer,
        Action::CountLocal => Does::CountLocal,
        Action::Sleep(until) => Does::SleepUntil((until - zero).as_secs_f64()),
        Action::Serve => panic!("nothing waits"),
    }
}

#[rstest]
#[case::begins_with_a_cycle(vec![], 0.0, Does::Run(Trigger::Start))]
#[case::looks_right_after_a_cycle(vec![(0.0, Cycle(Outcome::Synced))], 0.0, Does::LookLocal)]
#[case::rests_between_looks(settled(vec![]), 0.5, Does::SleepUntil(1.0))]
#[case::looks_each_second(settled(vec![]), 1.0, Does::LookLocal)]
#[case::polls(settled(vec![(4.5, Local(false))]), 5.0, Does::LookServer)]
#[case::a_poll_moves_the_next(settled(vec![(5.0, Server(false)), (9.5, Local(false))]), 9.7, Does::SleepUntil(10.0))]
#[case::server_change_runs_at_once(settled(vec![(5.0, Server(true))]), 5.0, Does::Run(Trigger::Poll))]
#[case::hint_looks_at_once(settled(vec![(0.5, Hint)]), 0.5, Does::LookLocal)]
#[case::hints_are_bundled(settled(vec![(0.02, Hint)]), 0.02, Does::SleepUntil(0.1))]
fn looks_and_polls(#[case] events: Vec<(f64, Happens)>, #[case] at: f64, #[case] expected: Does) {
    let (plan, zero) = plan_after(SETTINGS, events);
    assert_eq!(does(&plan, zero, at), expected);
}

#[rstest]
#[case::counts_meanwhile(vec![(1.0, Local(true))], 1.0, Does::CountLocal)]
#[case::waits_for_quiet(vec![(1.0, Local(true)), (2.5, Local(false))], 2.9, Does::CountLocal)]
#[case::makes_sure_of_quiet(vec![(1.0, Local(true)), (2.5, Local(false))], 3.0, Does::LookLocal)]
#[case::runs_when_quiet(vec![(1.0, Local(true)), (3.0, Local(false))], 3.0, Does::Run(Trigger::Watch))]
#[case::a_later_write_puts_it_off(vec![(1.0, Local(true)), (3.0, Local(true)), (4.9, Local(false))], 5.0, Does::LookLocal)]
#[case::not_for_ever(vec![(1.0, Local(true)), (29.0, Local(true)), (30.9, Local(true))], 31.0, Does::Run(Trigger::Watch))]
fn local_writes_wait_for_quiet(#[case] events: Vec<(f64, Happens)>, #[case] at: f64, #[case] expected: Does) {
    let (plan, zero) = plan_after(SETTINGS, settled(events));
    assert_eq!(does(&plan, zero, at), expected);
}

#[test]
fn a_hint_that_was_heeded_makes_deaf_until_the_look() {
    let (mut plan, zero) = plan_after(SETTINGS, settled(vec![]));
    assert!(plan.heeds_hints());
    plan.hint(zero);
    assert!(!plan.heeds_hints());
    plan.local_looked(zero + Duration::from_secs(1), Ok(false));
    assert!(plan.heeds_hints());
}

#[test]
fn without_watch_local_writes_start_nothing_but_are_known() {
    let settings = Settings {
        watch: false,
        ..SETTINGS
    };
    let (mut plan, zero) = plan_after(settings, settled(vec![(1.0, Local(true)), (3.0, Server(false))]));
    plan.local_counted(zero + Duration::from_secs(3));
    plan.local_looked(zero + Duration::from_secs(40), Ok(false));
    plan.server_looked(zero + Duration::from_secs(40), Ok(false), 1.0);
    assert_eq!(does(&plan, zero, 40.0), Does::SleepUntil(41.0));
    assert_eq!(plan.in_sync(), Some(false));
}

#[test]
fn a_change_seen_while_a_cycle_runs_starts_another_one() {
    let (plan, zero) = plan_after(
        SETTINGS,
        settled(vec![
            (1.0, Local(true)),
            (3.0, Starts),
            (3.1, Local(true)),
            (3.2, Ends(Outcome::Synced)),
            (5.1, Local(false)),
        ]),
    );
    assert_eq!(plan.in_sync(), Some(false));
    assert_eq!(does(&plan, zero, 5.1), Does::Run(Trigger::Watch));
}

#[test]
fn a_change_taken_up_by_a_cycle_that_fails_is_not_forgotten() {
    for end in [EndsFailed(ErrorCode::Failed), CutOff] {
        let (plan, zero) = plan_after(
            SETTINGS,
            settled(vec![(1.0, Local(true)), (3.0, Starts), (4.0, end), (4.0, Local(false))]),
        );
        assert_eq!(plan.in_sync(), Some(false));
        assert!(matches!(does(&plan, zero, 5.0), Does::Run(_)));
    }
}

#[rstest]
#[case::first_pause(vec![(0.0, CycleFails(ErrorCode::Offline))], 0.0, 1.0)]
#[case::third_pause(
    vec![(0.0, CycleFails(ErrorCode::Offline)), (1.0, CycleFails(ErrorCode::Offline)), (3.0, CycleFails(ErrorCode::Offline))],
    3.0, 7.0
)]
#[case::a_local_write_does_not_shorten_it(
    vec![(0.0, CycleFails(ErrorCode::Offline)), (0.5, Local(true)), (1.0, CycleFails(ErrorCode::Offline)), (1.2, Local(true))],
    1.2, 3.0
)]
#[case::nor_does_the_schedule(
    vec![(0.0, CycleFails(ErrorCode::Offline)), (0.2, Want(Trigger::Schedule))], 0.2, 1.0
)]
#[case::a_wake_ends_it(vec![(0.0, CycleFails(ErrorCode::Offline)), (0.5, Want(Trigger::Wake))], 0.5, 0.5)]
#[case::a_failed_look_counts(vec![(0.0, Cycle(Outcome::Synced)), (5.0, ServerFails(ErrorCode::Offline))], 5.0, 6.0)]
#[case::failures_pass_too(vec![(0.0, CycleFails(ErrorCode::Failed))], 0.0, 1.0)]
#[case::attention_waits(vec![(0.0, CycleFails(ErrorCode::Attention))], 0.0, 900.0)]
#[case::attention_heeds_a_change(
    vec![(0.0, CycleFails(ErrorCode::Attention)), (1.0, Local(true)), (2.0, Local(true))], 2.0, 15.0
)]
#[case::the_first_look_tells_no_change(vec![(0.0, CycleFails(ErrorCode::Attention)), (1.0, Local(true))], 1.0, 900.0)]
#[case::attention_heeds_the_schedule(
    vec![(0.0, CycleFails(ErrorCode::Attention)), (2.0, Want(Trigger::Schedule))], 2.0, 15.0
)]
#[case::attention_grows(
    vec![
        (0.0, CycleFails(ErrorCode::Attention)), (1.0, Local(true)),
        (15.0, CycleFails(ErrorCode::Attention)), (16.0, Local(true)),
    ],
    16.0, 45.0
)]
fn trouble_is_tried_again(#[case] events: Vec<(f64, Happens)>, #[case] now: f64, #[case] next: f64) {
    let (plan, zero) = plan_after(SETTINGS, events);
    assert_eq!(plan.next_try(), Some(zero + Duration::from_secs_f64(next)));
    assert!(matches!(does(&plan, zero, next), Does::Run(_)));
    if next > now {
        let before = does(&plan, zero, next - 0.01);
        assert!(!matches!(before, Does::Run(_) | Does::LookServer), "{before:?}");
    }
}

#[test]
fn a_try_while_offline_does_not_wait_for_quiet() {
    let events = settled(vec![
        (1.0, ServerFails(ErrorCode::Offline)),
        (1.9, Local(true)),
        (1.99, Local(true)),
    ]);
    let (mut plan, zero) = plan_after(SETTINGS, events);
    plan.local_counted(zero + Duration::from_secs(2));
    assert_eq!(does(&plan, zero, 2.0), Does::Run(Trigger::Poll));
}

#[test]
fn a_local_look_that_fails_holds_everything_until_one_succeeds() {
    let (mut plan, zero) = plan_after(
        SETTINGS,
        settled(vec![(1.0, LocalFails), (1.5, Want(Trigger::Schedule))]),
    );
    assert_eq!(plan.state(false).0, State::Attention);
    assert_eq!(does(&plan, zero, 1.9), Does::SleepUntil(2.0));
    assert_eq!(does(&plan, zero, 2.0), Does::LookLocal);
    plan.local_looked(zero + Duration::from_secs(2), Ok(false));
    assert!(matches!(does(&plan, zero, 2.0), Does::Run(_)));
}

#[test]
fn a_brake_is_tried_again_only_when_a_side_changes() {
    let stopped = || vec![(0.0, Cycle(Outcome::Stopped)), (0.0, Local(false))];
    let (plan, zero) = plan_after(SETTINGS, stopped());
    assert_eq!(plan.state(false).0, State::Attention);
    assert_eq!(does(&plan, zero, 0.5), Does::SleepUntil(1.0));
    for change in [Server(true), Want(Trigger::Schedule)] {
        let mut events = stopped();
        events.push((5.0, change));
        let (plan, zero) = plan_after(SETTINGS, events);
        assert!(matches!(does(&plan, zero, 5.0), Does::Run(_)));
    }
}

#[test]
fn a_pause_lets_looks_go_on_and_resume_runs_a_cycle() {
    let paused = || {
        settled(vec![
            (1.0, Pause),
            (1.0, Local(true)),
            (2.0, Want(Trigger::Schedule)),
            (5.0, Server(true)),
        ])
    };
    let (plan, zero) = plan_after(SETTINGS, paused());
    assert_eq!(plan.state(false).0, State::Paused);
    assert_eq!(plan.in_sync(), Some(false));
    for second in 1..100 {
        assert!(!matches!(does(&plan, zero, f64::from(second)), Does::Run(_)));
    }
    let mut events = paused();
    events.push((6.0, Resume));
    let (plan, zero) = plan_after(SETTINGS, events);
    assert!(matches!(does(&plan, zero, 6.0), Does::Run(_)));
}

#[test]
fn a_paused_daemon_finds_out_that_the_server_is_back() {
    let (mut plan, zero) = plan_after(
        SETTINGS,
        settled(vec![(1.0, Pause), (5.0, ServerFails(ErrorCode::Offline))]),
    );
    plan.local_looked(zero + Duration::from_secs_f64(5.9), Ok(false));
    assert_eq!(does(&plan, zero, 5.95), Does::SleepUntil(6.0));
    assert_eq!(does(&plan, zero, 6.0), Does::LookServer);
    plan.server_looked(zero + Duration::from_secs(6), Ok(false), 1.0);
    assert_eq!(plan.next_try(), None);
}

#[test]
fn requests_go_first_in_every_state() {
    for events in [
        vec![],
        settled(vec![(1.0, Pause)]),
        vec![(0.0, CycleFails(ErrorCode::Offline))],
    ] {
        let (plan, zero) = plan_after(SETTINGS, events);
        assert_eq!(plan.decide(zero, true), Action::Serve);
    }
}

#[rstest]
#[case::nothing_known(vec![], State::Starting, None)]
#[case::agreed(settled(vec![]), State::Idle, Some(true))]
#[case::rows_found(settled(vec![(1.0, Starts), (1.0, Moves)]), State::Idle, Some(false))]
#[case::rows_moved(settled(vec![(1.0, Starts), (1.0, Moves), (1.0, Ends(Outcome::Synced))]), State::Idle, Some(true))]
#[case::local_change(settled(vec![(1.0, Local(true))]), State::Waiting, Some(false))]
#[case::server_change(settled(vec![(1.0, Server(true))]), State::Waiting, Some(false))]
#[case::server_out_of_reach(settled(vec![(1.0, ServerFails(ErrorCode::Offline))]), State::Offline, None)]
#[case::key_refused(settled(vec![(1.0, ServerFails(ErrorCode::Attention))]), State::Attention, None)]
#[case::held_back(vec![(0.0, Cycle(Outcome::Stopped))], State::Attention, Some(false))]
#[case::after_an_errand_that_moved_rows(settled(vec![(1.0, Moves), (2.0, Errand(Outcome::Synced))]), State::Idle, Some(true))]
#[case::conflicts_alone(settled(vec![(1.0, Cycle(Outcome::Attention)), (1.0, Local(false))]), State::Idle, Some(true))]
fn status_says_what_is_known(#[case] events: Vec<(f64, Happens)>, #[case] state: State, #[case] in_sync: Option<bool>) {
    let (plan, _) = plan_after(SETTINGS, events);
    assert_eq!((plan.state(false).0, plan.in_sync()), (state, in_sync));
    let both = plan.pending()
        == Pending {
            pull: Some(0),
            push: Some(0),
        };
    assert_eq!(both, in_sync == Some(true));
}

#[test]
fn a_try_while_offline_is_a_cycle_only_once_it_reaches_the_server() {
    let (mut plan, _) = plan_after(SETTINGS, vec![(0.0, CycleFails(ErrorCode::Offline)), (1.0, Starts)]);
    assert_eq!(plan.state(true).0, State::Offline);
    plan.reached();
    assert_eq!(plan.state(true).0, State::Syncing);
}

#[rstest]
#[case::pull_only(Scope::Partial { local: false, server: true }, Some(Trigger::Watch))]
#[case::push_only(Scope::Partial { local: true, server: false }, Some(Trigger::Poll))]
#[case::dry(Scope::Dry, None)]
fn a_partial_cycle_leaves_the_rest_to_the_next(#[case] scope: Scope, #[case] next: Option<Trigger>) {
    let (mut plan, zero) = plan_after(SETTINGS, settled(vec![]));
    plan.started(scope);
    plan.ended(zero, Some(Ok(&summary(Outcome::Synced))), 1.0);
    assert_eq!(plan.due().map(|(_, trigger)| trigger), next);
    assert_eq!(plan.in_sync(), Some(next.is_none()));
}
