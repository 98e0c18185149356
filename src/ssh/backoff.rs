//! How long to wait before the server is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Growing pauses between attempts to reach a server that does not answer.
///
/// Each is twice the one before, plus a random part of up to its own length, so that several laptops that lost one
/// server do not all come back in the same second.
pub struct Backoff {
    longest: Duration,
    builder: ExponentialBuilder,
    pauses: ExponentialBackoff,
}

impl Backoff {
    /// Pauses that start at `shortest` and are never longer than `longest`.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        let builder = ExponentialBuilder::new()
            .with_min_delay(shortest)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(seed());
        Self {
            longest,
            builder,
            pauses: builder.build(),
        }
    }

    /// The pause before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next().map_or(self.longest, |pause| pause.min(self.longest))
    }

    /// Starts again from the shortest pause: the server was reached, or there is reason to believe that it can be.
    pub fn reset(&mut self) {
        self.pauses = self.builder.build();
    }
}

impl Default for Backoff {
    /// From a second to a minute.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

/// A number that differs from process to process and from call to call: without `std`'s features, backon starts from
/// the same one everywhere.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again_after_success() {
        let mut backoff = Backoff::default();
        for round in 0..2 {
            for exponent in 0..12 {
                let least = Duration::from_secs((1 << exponent).min(60));
                let pause = backoff.next_pause();
                assert!(
                    pause >= least && pause <= (least * 2).min(Duration::from_secs(60)),
                    "{round} {exponent} {pause:?}"
                );
            }
            backoff.reset();
        }
    }

    #[test]
    fn never_ends() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));
        assert!((0..10_000).all(|_| backoff.next_pause() <= Duration::from_millis(5)));
    }

    #[test]
    fn two_of_them_do_not_march_in_step() {
        let pauses = |mut backoff: Backoff| (0..5).map(|_| backoff.next_pause()).collect::<Vec<_>>();
        assert_ne!(pauses(Backoff::default()), pauses(Backoff::default()));
    }
}
