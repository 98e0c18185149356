//! Growing pauses between tries.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How long to wait after a failure: twice as long each time, within limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// The pause after the first failure, and the shortest ever.
    pub first: Duration,
    /// The longest pause.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after so many failures in a row. `random` (0.0 to 1.0) spreads the upper half of it, so that several
    /// laptops that lost one server do not come back in the same second.
    pub fn pause(self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.cap);
        let half = full / 2;
        (half + half.mul_f64(random.clamp(0.0, 1.0))).max(self.first)
    }
}

/// A number from 0.0 to 1.0, from the standard library's randomly keyed hasher: good enough to spread pauses.
pub(super) fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(60),
    };

    #[test]
    fn pauses_double_up_to_the_cap_and_are_never_shorter_than_the_first() {
        let longest: Vec<u64> = (1..9).map(|failures| BACKOFF.pause(failures, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        let shortest: Vec<u64> = (1..9).map(|failures| BACKOFF.pause(failures, 0.0).as_secs()).collect();
        assert_eq!(shortest, [1, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(BACKOFF.pause(u32::MAX, 1.0), BACKOFF.cap);
    }

    #[test]
    fn random_numbers_differ_and_stay_in_range() {
        let drawn: Vec<f64> = (0..64).map(|_| random()).collect();
        assert!(drawn.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(drawn.iter().any(|number| *number != drawn[0]));
    }
}
