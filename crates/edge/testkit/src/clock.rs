//! The wall clock, or one that runs faster.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cascade_pace::Clock;

/// A clock that starts at the wall's time and runs `speed` times as fast.
#[derive(Debug)]
pub struct TestClock {
    started: Instant,
    started_ns: i64,
    speed: f64,
}

impl TestClock {
    /// A clock of this speed; anything but a finite number above zero is taken as 1.
    #[expect(clippy::disallowed_methods, reason = "tests have no service to read the clock for them")]
    pub fn new(speed: f64) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ns: i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX),
            speed: if speed.is_finite() && speed > 0.0 { speed } else { 1.0 },
        }
    }
}

impl Clock for TestClock {
    fn now_ns(&self) -> i64 {
        let elapsed = self.started.elapsed().mul_f64(self.speed);
        self.started_ns.saturating_add(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock.div_f64(self.speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_waits_shorter_and_runs_further() {
        let clock = TestClock::new(60.0);
        assert_eq!(clock.wall(Duration::from_mins(1)), Duration::from_secs(1));
        let (before, wall) = (clock.now_ns(), clock.started.elapsed());
        while clock.started.elapsed() < wall + Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        assert!(clock.now_ns() - before >= 60 * 5_000_000);
        assert_eq!(TestClock::new(f64::NAN).wall(Duration::from_secs(1)), Duration::from_secs(1));
    }
}
