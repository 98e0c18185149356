//! The two programs as a person meets them: a real `modsyncd` behind the line, asked by a real `modsyncctl`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use modsync::control::client::Client;
use modsync::control::types::Status;
use tokio::runtime::Runtime;

use crate::cycle::{edit_both, wait_for_quiet};
use crate::far_world;
use crate::figures::{Table, seconds};
use crate::support::world::World;

/// How long the daemon may take to reach what is waited for.
const LIMIT: Duration = Duration::from_secs(60);

pub fn figures(runtime: &Runtime, products: usize, runs: usize, idle: Duration) -> Table {
    let (world, proxy) = far_world(runtime, products);
    let mut table = Table::of_figures();
    let mut starts = Vec::new();
    for _ in 0..runs {
        starts.push(Daemon::start(runtime, &world).first_answer);
    }
    table.figure("`modsyncd run`, from its start to its first answer", seconds(&starts));

    let daemon = Daemon::start(runtime, &world);
    daemon.until(runtime, |status| status.in_sync == Some(true));
    let statuses: Vec<_> = (0..runs).map(|_| daemon.ctl(&["status"])).collect();
    table.figure("`modsyncctl status`", seconds(&statuses));
    let syncs = (0..runs).map(|_| {
        wait_for_quiet(&proxy);
        edit_both(&world);
        daemon.ctl(&["sync-now"])
    });
    let syncs: Vec<_> = syncs.collect();
    table.figure(
        "`modsyncctl sync-now`, such a cycle with its backup, and both sides' counts",
        seconds(&syncs),
    );

    daemon.until(runtime, |status| status.in_sync == Some(true));
    let (cpu, carried) = (daemon.cpu(), proxy.sent() + proxy.received());
    thread::sleep(idle);
    let (cpu, carried) = (daemon.cpu() - cpu, proxy.sent() + proxy.received() - carried);
    let per_second = |number: f64| number / idle.as_secs_f64();
    let idle = idle.as_secs();
    table.figure(
        &format!("idle for {idle} s: processor time of `modsyncd`"),
        format!("{:.2} %", 100.0 * per_second(cpu.as_secs_f64())),
    );
    table.figure(
        &format!("idle for {idle} s: both ways on the line"),
        format!("{:.0} bytes/s", per_second(carried as f64)),
    );
    table.figure(
        "most memory of `modsyncd` (VmHWM)",
        format!("{:.0} MB", daemon.peak_memory()),
    );
    table
}

/// A running `modsyncd`. Killed when dropped.
struct Daemon {
    child: Child,
    client: Client,
    socket: PathBuf,
    first_answer: Duration,
}

impl Daemon {
    fn start(runtime: &Runtime, world: &World) -> Self {
        let config = world.config_file();
        let socket = world.socket();
        let client = Client::new(socket.clone(), Some(Duration::from_secs(5)));
        let since = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_modsyncd"))
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = Self {
            child,
            client,
            socket,
            first_answer: Duration::ZERO,
        };
        daemon.until(runtime, |_| true);
        daemon.first_answer = since.elapsed();
        daemon
    }

    fn until(&self, runtime: &Runtime, condition: impl Fn(&Status) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            match runtime.block_on(self.client.status()) {
                Ok(status) if condition(&status) => return,
                answer => assert!(Instant::now() < deadline, "{answer:?}"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How long a verb of the client takes.
    fn ctl(&self, arguments: &[&str]) -> Duration {
        let since = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_modsyncctl"))
            .args(arguments)
            .arg("--socket")
            .arg(&self.socket)
            .output()
            .unwrap();
        let took = since.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    }

    /// Processor time so far, of the program and of the kernel on its account.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name before it may hold anything but ends with the last parenthesis. Fields 14 and 15, in 1/100 s.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
    }

    fn peak_memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes / 1e3
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
