//! `/metrics`: every metric is documented, every documented one exists, and the text is what Prometheus reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use modsync::control::metrics::{Counters, render};
use modsync::control::types::{CycleSummary, Outcome, Pending, SideCounts, State, Status};
use support::daemon::Daemon;
use support::world::World;
use tokio::time::{Duration, Instant};

/// A metric: its type and its labels.
type Metric = (String, BTreeSet<String>);

/// Reads OpenMetrics text, and fails where it is none: the metrics by the names of their samples.
fn parse(text: &str) -> BTreeMap<String, Metric> {
    let mut metrics = BTreeMap::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut described = false;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", name, help] => {
                (family, described) = ((*name).to_owned(), !help.is_empty());
            }
            ["#", "TYPE", name, of] => {
                assert!(described && family == *name, "{line}: HELP goes before TYPE");
                kind = (*of).to_owned();
            }
            _ => {
                let (name, labels, value) = sample(line);
                let suffix = if kind == "counter" { "_total" } else { "" };
                assert_eq!(name, format!("{family}{suffix}"), "{line}");
                assert!(value.is_finite() && (value >= 0.0), "{line}");
                metrics.entry(name).or_insert((kind.clone(), labels));
            }
        }
    }
    metrics
}

/// Name, names of the labels, value.
fn sample(line: &str) -> (String, BTreeSet<String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels
        .strip_suffix('}')
        .unwrap()
        .split(',')
        .filter(|label| !label.is_empty());
    let labels = labels.map(|label| {
        let (name, value) = label.split_once('=').unwrap();
        assert!(
            value.starts_with('"') && value.ends_with('"') && value.len() >= 2,
            "{line}"
        );
        name.to_owned()
    });
    (name.to_owned(), labels.collect(), value.parse().unwrap())
}

/// The table of docs/metrics.md.
fn documented() -> BTreeMap<String, Metric> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `modsync_"));
    let cells = rows.map(|row| {
        let row = row.strip_suffix('|').unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells.as_slice() else {
            panic!("four cells: {row}")
        };
        assert!(meaning.len() > 5, "{row}");
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (
            format!("modsync_{}", name.trim_matches('`')),
            ((*kind).to_owned(), labels),
        )
    });
    cells.collect()
}

/// A daemon that knows everything.
fn full() -> (Status, Counters) {
    let now = Some(jiff::Timestamp::now());
    let counts = SideCounts {
        pending_reviews: Some(3),
        assessed: Some(4),
        tables: BTreeMap::from([("a \"quoted\"\\table\nname".replace(',', ""), 5)]),
        ..SideCounts::default()
    };
    let cycle = CycleSummary {
        outcome: Outcome::Synced,
        started: now,
        backup: Some("b".to_owned()),
        ..CycleSummary::default()
    };
    let status = Status {
        in_sync: Some(false),
        pending: Pending {
            pull: Some(1),
            push: Some(2),
        },
        local: Some(counts.clone()),
        server: Some(counts),
        as_of: now,
        started: now,
        next_run: now,
        next_try: now,
        last_cycle: Some(cycle.clone()),
        ..Status::default()
    };
    let mut counters = Counters::default();
    counters.record(&cycle);
    counters.enter(State::Idle, Instant::now());
    counters.resident_bytes = Some(1);
    (status, counters)
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let (status, counters) = full();
    let text = render(&status, &counters)
        .replace("\\\"", "'")
        .replace("\\\\", "/")
        .replace("\\n", " ");
    assert_eq!(parse(&text), documented());
}

#[test]
fn time_is_counted_by_state_and_success_is_told_from_failure() {
    let mut counters = Counters::default();
    let begin = Instant::now();
    for (second, state) in [
        (0, State::Starting),
        (2, State::Syncing),
        (5, State::Idle),
        (65, State::Idle),
        (70, State::Offline),
    ] {
        counters.enter(state, begin + Duration::from_secs(second));
    }
    let expected = BTreeMap::from([("starting", 2000), ("syncing", 3000), ("idle", 65_000)]);
    assert_eq!(counters.states_ms, expected);

    let cycle = |outcome, second, backup: Option<&str>| CycleSummary {
        outcome,
        started: jiff::Timestamp::from_second(second).ok(),
        backup: backup.map(str::to_owned),
        ..CycleSummary::default()
    };
    counters.record(&cycle(Outcome::Synced, 100, Some("b")));
    counters.record(&cycle(Outcome::Attention, 200, None));
    for outcome in [
        Outcome::Failed,
        Outcome::Stopped,
        Outcome::Offline,
        Outcome::Interrupted,
        Outcome::Planned,
    ] {
        counters.record(&cycle(outcome, 300, None));
    }
    let second = |time: Option<jiff::Timestamp>| time.unwrap().as_second();
    assert_eq!(
        (second(counters.last_success), second(counters.last_backup)),
        (200, 100)
    );
}

#[test]
fn a_daemon_tells_what_it_did_and_remembers_the_last_success_over_a_restart() {
    let world = World::with_products(20);
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    world.python(&["--count", "2"]);
    let cycle = daemon.sync(&[], 0);
    assert!(cycle["backup"].is_string(), "{cycle:#}");
    let read = |daemon: &Daemon| {
        let answer = daemon.metrics();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("application/openmetrics-text"), "{head}");
        body.to_owned()
    };
    let value = |text: &str, series: &str| -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series}: {text}")).parse().unwrap()
    };
    let text = read(&daemon);
    let known = documented();
    for (name, metric) in parse(&text) {
        assert_eq!(known.get(&name), Some(&metric), "{name}");
    }
    assert_eq!(value(&text, "modsync_moved_rows_total{move=\"pushed\"}"), 4.0);
    assert!(value(&text, "modsync_resident_memory_bytes") > 1e6);
    let times = [
        "modsync_last_success_timestamp_seconds",
        "modsync_last_backup_timestamp_seconds",
    ];
    let before = times.map(|name| value(&text, name));
    let lived: f64 = text
        .lines()
        .filter(|line| line.starts_with("modsync_state_seconds_total{"))
        .map(|line| sample(line).2)
        .sum();
    assert!(lived > 0.1, "{text}");

    world.sshd.kill_sessions();
    daemon.terminate();
    let mut world = world;
    world.sshd.stop();
    daemon.again();
    daemon.until_status("offline", |status| status["state"] == "offline");
    assert_eq!(times.map(|name| value(&read(&daemon), name)), before);
    assert!(value(&read(&daemon), "modsync_next_try_timestamp_seconds") > 0.0);
}
