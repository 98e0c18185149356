//! The two programs as a person meets them: a real `modsyncd` behind the line, asked by a real `modsyncctl`.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::figures::{Table, seconds};
use crate::meter::{peak, tree_cpu};
use crate::modsync::Daemon;
use crate::place::{Kind, Place};
use crate::row::edit_both;
use crate::support::world::World;

/// What an idle daemon needs.
#[derive(Clone, Copy)]
pub struct Idle {
    /// Of one core, in percent.
    pub cpu: f64,
    /// Both ways, in bytes a second.
    pub bytes: f64,
    /// The most that was resident, in bytes.
    pub memory: u64,
}

pub fn figures(runtime: &Runtime, template: &Path, runs: usize, idle: Duration) -> (Table, Idle) {
    let mut place = Place::full(runtime, template, Kind::Far);
    // As it is configured by itself.
    place.world.settings.clear();
    let mut table = Table::of_figures();
    let starts: Vec<_> = (0..runs)
        .map(|_| Daemon::start(runtime, &place.world).first_answer)
        .collect();
    table.figure("`modsyncd run`, from its start to its first answer", seconds(&starts));

    let daemon = Daemon::start(runtime, &place.world);
    daemon.until(runtime, |status| status.in_sync == Some(true));
    let statuses: Vec<_> = (0..runs).map(|_| ctl(&place.world, &["status"])).collect();
    table.figure("`modsyncctl status`", seconds(&statuses));
    let syncs = (0..runs).map(|_| {
        place.wait_for_quiet();
        edit_both(&place.world);
        ctl(&place.world, &["sync-now"])
    });
    let syncs: Vec<_> = syncs.collect();
    table.figure(
        "`modsyncctl sync-now`, 12 rows two-way with a backup, and both sides' counts",
        seconds(&syncs),
    );

    daemon.until(runtime, |status| status.in_sync == Some(true));
    let needs = watch(&daemon, &place, idle);
    let idle = idle.as_secs();
    table.figure(
        &format!("idle for {idle} s: processor time of `modsyncd`"),
        format!("{:.2} %", needs.cpu),
    );
    table.figure(
        &format!("idle for {idle} s: both ways on the line"),
        format!("{:.0} bytes/s", needs.bytes),
    );
    table.figure(
        "most memory of `modsyncd` (VmHWM)",
        format!("{:.0} MiB", needs.memory as f64 / 1_048_576.0),
    );
    (table, needs)
}

fn watch(daemon: &Daemon, place: &Place, idle: Duration) -> Idle {
    let carried = || place.proxy.sent() + place.proxy.received();
    let (cpu, before) = (tree_cpu(daemon.id()), carried());
    thread::sleep(idle);
    let cpu = tree_cpu(daemon.id()) - cpu;
    Idle {
        cpu: 100.0 * cpu.as_secs_f64() / idle.as_secs_f64(),
        bytes: (carried() - before) as f64 / idle.as_secs_f64(),
        memory: peak(daemon.id()),
    }
}

/// How long a verb of the client takes.
fn ctl(world: &World, arguments: &[&str]) -> Duration {
    let since = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_modsyncctl"))
        .args(arguments)
        .arg("--socket")
        .arg(world.socket())
        .output()
        .unwrap();
    let took = since.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}
