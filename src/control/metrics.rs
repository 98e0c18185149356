//! The numbers behind `GET /metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use tokio::time::Instant;

use super::types::{CycleSummary, Outcome, State, Status};

/// What the daemon has counted since it started, and measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Cycles by how they ended, in the words of [`Outcome`]'s JSON form.
    pub cycles: BTreeMap<&'static str, u64>,
    /// Rows that the laptop took.
    pub pulled: u64,
    /// Rows that the server took.
    pub pushed: u64,
    /// Rows deleted, on either side.
    pub deleted: u64,
    /// Conflicts met.
    pub conflicts: u64,
    /// Bytes given to the network by cycles.
    pub bytes_sent: u64,
    /// Bytes taken from the network by cycles.
    pub bytes_received: u64,
    /// Requests to the server that cycles waited for.
    pub round_trips: u64,
    /// Milliseconds spent in cycles.
    pub duration_ms: u64,
    /// Milliseconds spent in each state, up to the last change of it.
    pub states_ms: BTreeMap<&'static str, u64>,
    /// The state that lasts, and since when.
    pub state: Option<(State, Instant)>,
    /// When the last cycle started that left nothing undone but what a person has to decide; also before the start.
    pub last_success: Option<Timestamp>,
    /// When the last cycle started that took a backup; also before the start.
    pub last_backup: Option<Timestamp>,
    /// The memory that the process takes, in bytes; `None` where the system does not tell.
    pub resident_bytes: Option<u64>,
    /// Times that a person was notified.
    pub notified: u64,
    /// Times that the way to notify a person failed.
    pub notify_failed: u64,
}

impl Counters {
    /// Takes note of the state that the daemon is in now.
    pub fn enter(&mut self, state: State, now: Instant) {
        let (before, since) = self.state.unwrap_or((state, now));
        let passed = u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX);
        *self.states_ms.entry(before.as_str()).or_default() += passed;
        self.state = Some((state, now));
    }

    /// Adds a cycle that ended. Dry runs count as cycles and move nothing.
    pub fn record(&mut self, cycle: &CycleSummary) {
        *self.cycles.entry(cycle.outcome.as_str()).or_default() += 1;
        if cycle.outcome == Outcome::Planned {
            return;
        }
        self.pulled += cycle.pulled;
        self.pushed += cycle.pushed;
        self.deleted += cycle.deleted;
        self.conflicts += cycle.conflicts;
        self.bytes_sent += cycle.bytes_sent;
        self.bytes_received += cycle.bytes_received;
        self.round_trips += cycle.round_trips;
        self.duration_ms += cycle.duration_ms;
        if cycle.outcome.is_success() {
            self.last_success = cycle.started.or(self.last_success);
        }
        if cycle.backup.is_some() {
            self.last_backup = cycle.started.or(self.last_backup);
        }
    }
}

/// What [`render`] gives is the OpenMetrics text format.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The text that Prometheus reads. What is not known is left out, never zero.
#[must_use]
pub fn render(status: &Status, counters: &Counters) -> String {
    let mut registry = Registry::with_prefix("modsync");
    register_state(&mut registry, status);
    register_times(&mut registry, status, counters);
    register_sides(&mut registry, status);
    register_counters(&mut registry, counters);
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

/// Adds gauges of one name; `samples` without a value are left out.
fn gauges<const N: usize>(registry: &mut Registry, name: &str, help: &str, samples: [(Labels, Option<f64>); N]) {
    let family = Gauges::default();
    for (labels, value) in samples {
        if let Some(value) = value {
            family.get_or_create(&labels).set(value);
        }
    }
    registry.register(name, help, family);
}

/// Adds one gauge, unless its value is unknown.
fn gauge(registry: &mut Registry, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

fn register_state(registry: &mut Registry, status: &Status) {
    let version = vec![("version", status.version.clone())];
    gauges(registry, "build_info", "The daemon's version", [(version, Some(1.0))]);
    let state = |state: State| {
        (
            vec![("state", state.as_str().to_owned())],
            Some(one_if(status.state == state)),
        )
    };
    gauges(
        registry,
        "state",
        "1 for the state that the daemon is in",
        State::ALL.map(state),
    );
    let pending = [
        (direction("pull"), status.pending.pull.map(float)),
        (direction("push"), status.pending.push.map(float)),
    ];
    gauges(registry, "pending_rows", "Rows waiting to move", pending);
    let held = status.last_cycle.as_ref().map(|cycle| float(cycle.held));
    for (name, help, value) in [
        ("in_sync", "1 when both sides hold the same", status.in_sync.map(one_if)),
        (
            "conflicts_waiting",
            "Conflicts that nobody has looked at",
            Some(float(status.conflicts)),
        ),
        ("held_rows", "Rows that the last cycle held back", held),
        (
            "left_out_tables",
            "Tables left out or held",
            Some(status.left_out.len() as f64),
        ),
    ] {
        gauge(registry, name, help, value);
    }
}

fn register_times(registry: &mut Registry, status: &Status, counters: &Counters) {
    let last = status.last_cycle.as_ref();
    for (name, help, time) in [
        ("started", "When the daemon started", status.started),
        ("as_of", "When the server was last heard", status.as_of),
        (
            "last_cycle_started",
            "When the last cycle started",
            last.and_then(|cycle| cycle.started),
        ),
        (
            "last_success",
            "When the last cycle started that ended well",
            counters.last_success,
        ),
        (
            "last_backup",
            "When the last cycle started that took a backup",
            counters.last_backup,
        ),
        ("next_run", "When the next cycle runs by itself", status.next_run),
        (
            "next_try",
            "When the server is tried again while offline",
            status.next_try,
        ),
    ] {
        let seconds = time.map(|time| time.as_second() as f64);
        gauge(registry, &format!("{name}_timestamp_seconds"), help, seconds);
    }
    let took = last.map(|cycle| float(cycle.duration_ms) / 1000.0);
    gauge(
        registry,
        "last_cycle_duration_seconds",
        "How long the last cycle took",
        took,
    );
    let resident = counters.resident_bytes.map(float);
    gauge(
        registry,
        "resident_memory_bytes",
        "Memory that the daemon takes",
        resident,
    );
}

fn register_sides(registry: &mut Registry, status: &Status) {
    let (rows, reviews, assessed) = (Gauges::default(), Gauges::default(), Gauges::default());
    for (side, counts) in [("local", &status.local), ("server", &status.server)] {
        let Some(counts) = counts else { continue };
        let side = vec![("side", side.to_owned())];
        for (family, count) in [(&reviews, counts.pending_reviews), (&assessed, counts.assessed)] {
            if let Some(count) = count {
                family.get_or_create(&side).set(float(count));
            }
        }
        for (table, count) in &counts.tables {
            let mut labels = side.clone();
            labels.push(("table", table.clone()));
            rows.get_or_create(&labels).set(float(*count));
        }
    }
    registry.register("rows", "Rows by side and table", rows);
    registry.register("pending_reviews", "Reviews that wait, by side", reviews);
    registry.register("assessed", "Products with an assessment, by side", assessed);
}

fn register_counters(registry: &mut Registry, counters: &Counters) {
    let cycles = Family::<Labels, Counter>::default();
    for (outcome, count) in &counters.cycles {
        cycles
            .get_or_create(&vec![("outcome", (*outcome).to_owned())])
            .inc_by(*count);
    }
    registry.register("cycles", "Cycles since the daemon started, by outcome", cycles);
    let rows = [
        ("pulled", counters.pulled),
        ("pushed", counters.pushed),
        ("deleted", counters.deleted),
    ];
    registry.register("moved_rows", "Rows moved by cycles", family("move", rows));
    let bytes = [("sent", counters.bytes_sent), ("received", counters.bytes_received)];
    registry.register(
        "network_bytes",
        "Bytes on the network in cycles",
        family("direction", bytes),
    );
    let single = |value: u64| {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        counter
    };
    registry.register("conflicts", "Conflicts met by cycles", single(counters.conflicts));
    let notified = [("sent", counters.notified), ("failed", counters.notify_failed)];
    registry.register(
        "notifications",
        "Times that a person was notified, or that it failed",
        family("result", notified),
    );
    registry.register(
        "round_trips",
        "Requests to the server that cycles waited for",
        single(counters.round_trips),
    );
    let states = Family::<Labels, Counter<f64, AtomicU64>>::default();
    for (state, ms) in &counters.states_ms {
        let labels = vec![("state", (*state).to_owned())];
        states.get_or_create(&labels).inc_by(float(*ms) / 1000.0);
    }
    registry.register("state_seconds", "Time spent in each state", states);
    let seconds = Counter::<f64, AtomicU64>::default();
    seconds.inc_by(float(counters.duration_ms) / 1000.0);
    registry.register("cycle_seconds", "Time spent in cycles", seconds);
}

fn family<const N: usize>(label: &'static str, values: [(&str, u64); N]) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    for (word, value) in values {
        family.get_or_create(&vec![(label, word.to_owned())]).inc_by(value);
    }
    family
}

fn direction(word: &str) -> Labels {
    vec![("direction", word.to_owned())]
}

fn one_if(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

/// Exact up to 2^53, which is more rows than SQLite files hold.
fn float(count: u64) -> f64 {
    count as f64
}
