//! The wall clock and the network, and how to notice that they jumped: after sleep, a socket that looks open is dead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// What the daemon asks of the machine that it runs on. Tests have one that they move.
pub trait Surroundings: Send + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// The address with which this machine would go to the Internet; `None` without a way there.
    fn address(&self) -> Option<IpAddr>;
}

/// The real ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Surroundings for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Asks the routing table: connecting a UDP socket picks a source address and sends nothing. The targets are
    /// documentation addresses (RFC 5737, RFC 3849).
    fn address(&self) -> Option<IpAddr> {
        let source = |here: SocketAddr, there: SocketAddr| {
            let socket = UdpSocket::bind(here).ok()?;
            socket.connect(there).ok()?;
            Some(socket.local_addr().ok()?.ip())
        };
        let v4 = Ipv4Addr::new(192, 0, 2, 1);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        source((Ipv4Addr::UNSPECIFIED, 0).into(), (v4, 9).into())
            .or_else(|| source((Ipv6Addr::UNSPECIFIED, 0).into(), (v6, 9).into()))
    }
}

/// A wall clock that moves this much against the monotonic one, which stands still in sleep, has slept or was set.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// How often the network is looked at.
const NETWORK_EVERY: Duration = Duration::from_secs(2);

/// Something jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    /// The machine slept, or the clock was set forward: connections may be dead.
    Slept,
    /// The clock was set back: connections live, but what waits for a time of day waits for the wrong one.
    ClockSetBack,
    /// The machine has another address: connections are dead, and the server may be in reach again.
    OtherNetwork,
}

/// Compares what it sees with what it saw.
#[derive(Debug)]
pub(super) struct Sentry {
    seen: (Instant, Timestamp),
    address: Option<IpAddr>,
    looked_at_network: Instant,
}

impl Sentry {
    pub fn new(now: Instant, surroundings: &impl Surroundings) -> Self {
        Self {
            seen: (now, surroundings.now()),
            address: surroundings.address(),
            looked_at_network: now,
        }
    }

    /// What jumped since the last call, if anything did.
    pub fn look(&mut self, now: Instant, surroundings: &impl Surroundings) -> Option<Jump> {
        self.look_at_clock(now, surroundings)
            .or_else(|| self.look_at_network(now, surroundings))
    }

    fn look_at_clock(&mut self, now: Instant, surroundings: &impl Surroundings) -> Option<Jump> {
        let wall = surroundings.now();
        let (then, wall_then) = std::mem::replace(&mut self.seen, (now, wall));
        let passed = SignedDuration::try_from(now - then).unwrap_or(SignedDuration::MAX);
        let ahead = wall.duration_since(wall_then).saturating_sub(passed);
        if ahead > JUMP {
            Some(Jump::Slept)
        } else if ahead < -JUMP {
            Some(Jump::ClockSetBack)
        } else {
            None
        }
    }

    /// Losing the network is no jump: a connection may outlive it, and if not, the next cycle says so.
    fn look_at_network(&mut self, now: Instant, surroundings: &impl Surroundings) -> Option<Jump> {
        if now < self.looked_at_network + NETWORK_EVERY {
            return None;
        }
        self.looked_at_network = now;
        let before = std::mem::replace(&mut self.address, surroundings.address());
        (self.address.is_some() && self.address != before).then_some(Jump::OtherNetwork)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Scripted {
        now: Cell<Timestamp>,
        address: Cell<Option<IpAddr>>,
    }

    // The sentry is asked by one thread at a time; tests use one.
    impl Surroundings for Scripted {
        fn now(&self) -> Timestamp {
            self.now.get()
        }

        fn address(&self) -> Option<IpAddr> {
            self.address.get()
        }
    }

    /// Each step: seconds of the monotonic clock, seconds of the wall clock, last byte of the address (0: none).
    fn jumps(steps: &[(u64, i64, u8)]) -> Vec<Option<Jump>> {
        let machine = Scripted {
            now: Cell::new(Timestamp::UNIX_EPOCH),
            address: Cell::new(Some(Ipv4Addr::new(10, 0, 0, 1).into())),
        };
        let mut now = Instant::now();
        let mut sentry = Sentry::new(now, &machine);
        steps
            .iter()
            .map(|&(monotonic, wall, address)| {
                now += Duration::from_secs(monotonic);
                machine.now.set(machine.now.get() + SignedDuration::from_secs(wall));
                machine
                    .address
                    .set((address > 0).then_some(Ipv4Addr::new(10, 0, 0, address).into()));
                sentry.look(now, &machine)
            })
            .collect()
    }

    #[test]
    fn sleep_and_set_clocks_are_told_from_time_that_passes() {
        assert_eq!(jumps(&[(1, 1, 1), (60, 60, 1), (1, 5, 1)]), [None, None, None]);
        assert_eq!(jumps(&[(1, 3600, 1), (1, 1, 1)]), [Some(Jump::Slept), None]);
        assert_eq!(jumps(&[(1, -3600, 1), (1, 1, 1)]), [Some(Jump::ClockSetBack), None]);
    }

    #[test]
    fn another_network_is_noticed_once_it_is_there() {
        assert_eq!(jumps(&[(2, 2, 2), (2, 2, 2)]), [Some(Jump::OtherNetwork), None]);
        assert_eq!(
            jumps(&[(2, 2, 0), (2, 2, 0), (2, 2, 1)]),
            [None, None, Some(Jump::OtherNetwork)]
        );
    }
}
