//! How long to wait before the next try: doubling, bounded, jittered, and reset only after a stretch of health.

use std::time::Duration;

/// Why a backoff can't be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackoffError {
    /// No first wait at all would hammer whoever is tried.
    #[error("the shortest wait must be longer than zero")]
    ZeroMinimum,
    /// The bounds are the wrong way round.
    #[error("the shortest wait is longer than the longest")]
    MinimumAboveMaximum,
}

/// Waits that double from `minimum` to `maximum`, each drawn evenly from its upper half, so that many clients that
/// lost the same server do not return at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    minimum: Duration,
    maximum: Duration,
    healthy_after: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Waits between `minimum` and `maximum`; a try that held at least `healthy_after` starts over. `seed` decides
    /// the jitter.
    ///
    /// # Errors
    /// A minimum of zero, or above the maximum.
    pub fn try_new(
        minimum: Duration,
        maximum: Duration,
        healthy_after: Duration,
        seed: u64,
    ) -> Result<Self, BackoffError> {
        if minimum.is_zero() {
            return Err(BackoffError::ZeroMinimum);
        }
        if minimum > maximum {
            return Err(BackoffError::MinimumAboveMaximum);
        }
        Ok(Self { minimum, maximum, healthy_after, failures: 0, random: seed })
    }

    /// The wait after a try that held for `held`.
    pub fn after(&mut self, held: Duration) -> Duration {
        if held >= self.healthy_after {
            self.failures = 0;
        }
        let full = self.minimum.saturating_mul(1 << self.failures.min(20)).min(self.maximum);
        self.failures = self.failures.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64(self.draw())
    }

    /// How many tries failed in a row.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The next number of a splitmix64 sequence, as a fraction in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff() -> Backoff {
        Backoff::try_new(SECOND, 60 * SECOND, 60 * SECOND, 7).unwrap()
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_are_jittered_within_the_upper_half() {
        let mut backoff = backoff();
        for full in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.after(Duration::ZERO);
            assert!(wait >= full * SECOND / 2 && wait <= full * SECOND, "{wait:?} of {full} s");
        }
    }

    #[test]
    fn only_a_minute_of_health_starts_over() {
        let mut backoff = backoff();
        for _ in 0..5 {
            backoff.after(59 * SECOND);
        }
        assert_eq!(backoff.failures(), 5);
        assert!(backoff.after(60 * SECOND) <= SECOND);
        assert_eq!(backoff.failures(), 1);
    }

    #[test]
    fn two_seeds_wait_differently() {
        let mut other = Backoff::try_new(SECOND, 60 * SECOND, 60 * SECOND, 8).unwrap();
        assert_ne!(backoff().after(Duration::ZERO), other.after(Duration::ZERO));
    }

    #[test]
    fn nonsense_bounds_are_refused() {
        let of = |min, max| Backoff::try_new(min, max, SECOND, 0).err();
        assert_eq!(of(Duration::ZERO, SECOND), Some(BackoffError::ZeroMinimum));
        assert_eq!(of(2 * SECOND, SECOND), Some(BackoffError::MinimumAboveMaximum));
    }
}
