//! What a run costs at both of its ends: the line, processor time and memory.
//!
//! Processor time comes in the kernel's hundredths of a second. It is that of the process trees of both ends, of what ended
//! in them as well. Memory is the most that the processes of an end had resident at their worst, added up, and looked at
//! every few milliseconds: pages that processes share count for each of them, and a process that lives for less than one
//! look is not seen.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::lock::Prober;
use crate::support::proxy::Proxy;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long the server's processes may take to end after a run.
const END: Duration = Duration::from_secs(20);

/// What one run took. `None`: not a number that means something there.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub took: Duration,
    pub sent: u64,
    pub received: u64,
    pub round_trips: Option<u64>,
    pub here: Use,
    pub there: Use,
    /// The longest time for which a second writer was refused at the server, if one tried.
    pub lock: Option<Duration>,
}

/// What one end needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use {
    pub cpu: Duration,
    /// In bytes.
    pub memory: u64,
}

/// Whose processor time and memory is that of the near end.
#[derive(Clone, Copy)]
pub enum Here {
    /// A process that runs on, and what it starts.
    Process(u32),
    /// What this process starts, and waits for, during the run.
    Started,
}

/// A run that is under way.
pub struct Running<'a> {
    proxy: &'a Proxy,
    here: Here,
    sshd: u32,
    cpu: (Duration, Duration),
    carried: (u64, u64, u64),
    sampler: Sampler,
    prober: Option<Prober>,
    since: Instant,
}

impl<'a> Running<'a> {
    /// Starts the clock. `sshd` listens for nobody else.
    pub fn over(proxy: &'a Proxy, here: Here, sshd: u32, prober: Option<Prober>) -> Self {
        let cpu = (cpu_of(here), tree_cpu(sshd));
        let sampler = Sampler::start(here, sshd);
        Self {
            proxy,
            here,
            sshd,
            cpu,
            carried: (proxy.sent(), proxy.received(), proxy.round_trips()),
            sampler,
            prober,
            since: Instant::now(),
        }
    }

    /// Stops the clock and the counts, ends what is to be ended, and waits until both ends have told what they needed.
    pub fn end_after(self, finish: impl FnOnce()) -> Sample {
        let took = self.since.elapsed();
        let (sent, received, trips) = self.carried;
        let (sent, received) = (self.proxy.sent() - sent, self.proxy.received() - received);
        let round_trips = Some(self.proxy.round_trips() - trips);
        let lock = self.prober.map(Prober::longest);
        finish();
        if matches!(self.here, Here::Started) {
            until_alone(self.sshd);
        }
        let memory = self.sampler.stop();
        let used = |cpu: Duration, before: Duration, memory| Use {
            cpu: cpu.saturating_sub(before),
            memory,
        };
        Sample {
            took,
            sent,
            received,
            round_trips,
            here: used(cpu_of(self.here), self.cpu.0, memory.0),
            there: used(tree_cpu(self.sshd), self.cpu.1, memory.1),
            lock,
        }
    }
}

impl Sample {
    /// Two runs one after the other as one.
    pub fn and(self, next: Self) -> Self {
        let both = |a: Use, b: Use| Use {
            cpu: a.cpu + b.cpu,
            memory: a.memory.max(b.memory),
        };
        Self {
            took: self.took + next.took,
            sent: self.sent + next.sent,
            received: self.received + next.received,
            round_trips: self.round_trips.zip(next.round_trips).map(|(a, b)| a + b),
            here: both(self.here, next.here),
            there: both(self.there, next.there),
            lock: self.lock.max(next.lock),
        }
    }
}

/// Runs a program to its end; says how it failed, with what it wrote on standard error.
pub fn succeed(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}: {}: {said}", output.status)))
}

/// Waits until a listening sshd has no session any more.
fn until_alone(sshd: u32) {
    let deadline = Instant::now() + END;
    while tree(sshd).len() > 1 {
        assert!(Instant::now() < deadline, "sessions of the server do not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Looks at the memory of both ends until it is stopped.
struct Sampler {
    most: Arc<(AtomicU64, AtomicU64)>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Sampler {
    fn start(here: Here, sshd: u32) -> Self {
        let (most, stop) = <(Arc<(AtomicU64, AtomicU64)>, Arc<AtomicBool>)>::default();
        let roots = move |here| match here {
            Here::Process(id) => tree(id),
            // The server's processes are this one's as well.
            Here::Started => {
                let there = tree(sshd);
                let mine = tree(std::process::id());
                mine.into_iter()
                    .skip(1)
                    .filter(|process| !there.contains(process))
                    .collect()
            }
        };
        // What was started before is another's, such as an idle daemon.
        let before: Vec<u32> = if matches!(here, Here::Started) {
            roots(here)
        } else {
            Vec::new()
        };
        for process in roots(here).into_iter().chain(tree(sshd)) {
            // Sets the peak to what is resident now. A process that has just ended has none.
            let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
        }
        let (seen, until) = (Arc::clone(&most), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                let near = roots(here).into_iter().filter(|process| !before.contains(process));
                seen.0.fetch_max(near.map(peak).sum(), Ordering::SeqCst);
                // Without the listener, which serves others too on a real server.
                let far = tree(sshd).into_iter().skip(1);
                seen.1.fetch_max(far.map(peak).sum(), Ordering::SeqCst);
                thread::sleep(LOOK);
            }
        });
        Self { most, stop, thread }
    }

    fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        (self.most.0.load(Ordering::SeqCst), self.most.1.load(Ordering::SeqCst))
    }
}

/// The most that a process had resident, in bytes; 0 when it has ended.
pub fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes.map_or(0, |kilobytes| kilobytes.parse::<u64>().unwrap() * 1024)
}

/// A process's parent, and the ticks of itself and of its children that ended.
struct Stat {
    parent: u32,
    own: u64,
    ended: u64,
}

fn stat(process: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may hold anything but ends with the last parenthesis. Field 4, fields 14 to 17.
    let (_, fields) = stat.rsplit_once(')')?;
    let numbers: Vec<u64> = fields
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    Some(Stat {
        parent: u32::try_from(*numbers.get(1)?).ok()?,
        own: numbers.get(11)? + numbers.get(12)?,
        ended: numbers.get(13)? + numbers.get(14)?,
    })
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}

fn cpu_of(here: Here) -> Duration {
    match here {
        Here::Process(id) => tree_cpu(id),
        Here::Started => ticks(stat(std::process::id()).unwrap().ended),
    }
}

/// Processor time so far of a process, of what it started, and of what ended below it.
pub fn tree_cpu(root: u32) -> Duration {
    let spent = tree(root)
        .into_iter()
        .filter_map(stat)
        .map(|stat| stat.own + stat.ended);
    ticks(spent.sum())
}

/// A process and all below it, itself first.
fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let id = entry.unwrap().file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((id, stat)) = id.and_then(|id| Some((id, stat(id)?))) {
            children.entry(stat.parent).or_default().push(id);
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(process) = tree.get(next) {
        tree.extend(children.remove(process).unwrap_or_default());
        next += 1;
    }
    tree
}
