//! The decisions, as tables of what is seen and what is told.

use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn config() -> Notify {
    Notify {
        enabled: true,
        command: None,
        offline_after: Duration::from_secs(24 * 3600),
    }
}

fn notices() -> Notices {
    Notices::new(&config(), Told::default())
}

fn attention(reason: &str) -> Facts {
    Facts {
        attention: Some(Some(reason.to_owned())),
        advice: "do this".to_owned(),
        ..Facts::default()
    }
}

fn well() -> Facts {
    Facts {
        attention: Some(None),
        conflicts: Some(0),
        reach: Some(Reach::Reached),
        ..Facts::default()
    }
}

fn conflicts(count: u64) -> Facts {
    Facts {
        conflicts: Some(count),
        ..Facts::default()
    }
}

fn unreached(second: i64) -> Facts {
    Facts {
        reach: Some(Reach::Unreached(at(second), "no route".to_owned())),
        remote: "root@assess".to_owned(),
        ..Facts::default()
    }
}

/// Looks, and takes what is told for told. The kind of what was told.
fn look(notices: &mut Notices, second: i64, facts: &Facts) -> Option<Kind> {
    let notice = notices.look(at(second), facts)?;
    notices.told_it(at(second), true);
    Some(notice.kind)
}

/// What is told of steps of (second, what is seen).
fn story(steps: &[(i64, Facts)]) -> Vec<(i64, Kind)> {
    let mut notices = notices();
    let told = steps
        .iter()
        .filter_map(|(second, facts)| Some((*second, look(&mut notices, *second, facts)?)));
    told.collect()
}

#[test]
fn attention_is_told_once_when_it_lasts_and_again_when_it_comes_back() {
    let brake = || attention("table products: 180 of 307 rows");
    let grown = || attention("table products: 181 of 309 rows");
    let other = || attention("the host key changed");
    let told = story(&[
        (0, brake()),
        (4, brake()),
        (5, brake()),
        (6, brake()),
        (60, grown()),
        (70, grown()),
        (80, Facts::default()), // a cycle runs
        (90, brake()),
        (100, other()),
        (105, other()),
        (110, brake()),
        (120, brake()), // of which was told
        (130, well()),
        (140, brake()),
        (145, brake()),
    ]);
    assert_eq!(
        told,
        [(5, Kind::Attention), (105, Kind::Attention), (145, Kind::Attention)]
    );
}

#[test]
fn attention_that_ends_by_itself_is_nobodys_business() {
    assert_eq!(
        story(&[
            (0, attention("locked")),
            (4, well()),
            (10, attention("locked")),
            (14, well())
        ]),
        []
    );
}

#[test]
fn each_new_conflict_is_told_and_those_that_were_looked_at_are_forgotten() {
    let told = story(&[
        (0, Facts::default()),
        (1, conflicts(2)),
        (2, conflicts(2)),
        (3, Facts::default()), // not known after a restart of the pair
        (4, conflicts(2)),
        (5, conflicts(3)),
        (6, conflicts(1)),
        (7, conflicts(1)),
        (8, conflicts(2)),
        (9, conflicts(0)),
        (10, conflicts(1)),
    ]);
    assert_eq!(told.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 5, 8, 10]);
}

#[test]
fn a_day_out_of_reach_is_told_once_until_the_server_is_back() {
    let every_minute = |from: i64, to: i64| (from..=to).step_by(60).map(|second| (second, unreached(second)));
    let mut steps: Vec<(i64, Facts)> = every_minute(0, 3 * DAY).collect();
    steps.push((3 * DAY + 60, well()));
    steps.extend(every_minute(4 * DAY, 4 * DAY + 23 * HOUR));
    assert_eq!(story(&steps), [(DAY, Kind::Offline)]);
}

#[test]
fn a_laptop_that_wakes_up_gives_its_network_some_minutes() {
    let monday = 2 * DAY;
    let mut steps = vec![(0, unreached(0)), (60, unreached(60))];
    steps.extend([0, 10, 60].map(|second| (monday + second, unreached(monday + second))));
    assert_eq!(story(&steps), [], "asleep since the first try");
    let minutes = (0..10).map(|minute| (monday + minute * MINUTE, unreached(monday + minute * MINUTE)));
    let told = story(&[steps, minutes.collect()].concat());
    assert_eq!(told, [(monday + 5 * MINUTE, Kind::Offline)]);
}

#[test]
fn a_restart_tells_nothing_again() {
    let mut notices = notices();
    assert_eq!(look(&mut notices, 0, &conflicts(2)), Some(Kind::Conflict));
    assert_eq!(look(&mut notices, 1, &attention("a brake")), None);
    assert_eq!(look(&mut notices, 9, &attention("a brake")), Some(Kind::Attention));
    for second in [0, DAY - 300, DAY - 200, DAY - 100] {
        assert_eq!(look(&mut notices, second, &unreached(second)), None);
    }
    let json = serde_json::to_string(notices.told()).unwrap();
    let mut again = Notices::new(&config(), serde_json::from_str(&json).unwrap());
    assert_eq!(look(&mut again, DAY, &Facts::default()), None, "nothing is known yet");
    assert_eq!(look(&mut again, DAY + 1, &conflicts(2)), None);
    assert_eq!(look(&mut again, DAY + 2, &attention("a brake")), None);
    assert_eq!(look(&mut again, DAY + 20, &attention("a brake")), None);
    let told: Vec<_> = (DAY..DAY + 600)
        .step_by(60)
        .filter_map(|second| look(&mut again, second, &unreached(second)).map(|kind| (second, kind)))
        .collect();
    assert_eq!(told, [(DAY + 300, Kind::Offline)], "since before the restart");
}

#[test]
fn what_could_not_be_told_is_tried_again_a_few_times() {
    let mut notices = notices();
    let mut tries = Vec::new();
    for second in 0..3 * HOUR {
        if notices.look(at(second), &conflicts(1)).is_some() {
            assert!(notices.look(at(second), &conflicts(5)).is_none(), "one at a time");
            tries.push(second);
            notices.told_it(at(second), false);
        }
    }
    assert_eq!(tries, [0, 600, 1200, 1800, 2400, 3000]);
    assert_eq!(
        look(&mut notices, 3 * HOUR, &conflicts(2)),
        Some(Kind::Conflict),
        "news is tried anew"
    );
}

#[test]
fn off_is_off_and_on_tells_what_still_stands() {
    let mut notices = Notices::new(
        &Notify {
            enabled: false,
            ..config()
        },
        Told::default(),
    );
    assert_eq!(look(&mut notices, 0, &conflicts(2)), None);
    notices.set_config(&config());
    assert_eq!(look(&mut notices, 1, &conflicts(2)), Some(Kind::Conflict));
}

#[test]
fn the_text_says_what_it_is_and_what_to_do() {
    let mut notices = notices();
    notices.look(at(0), &attention("a brake"));
    let notice = notices.look(at(5), &attention("a brake")).unwrap();
    assert_eq!(notice.text, "a brake\nWhat to do: do this");
    notices.told_it(at(5), true);
    let notice = notices.look(at(6), &conflicts(3)).unwrap();
    assert_eq!(notice.title, "modsync: 3 conflicts to look at");
}
