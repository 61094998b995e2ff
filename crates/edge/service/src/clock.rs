//! The one clock of a process: the machine's, or a faster one for a demo.
//!
//! The only place that reads the machine's time. Everybody else is handed a `Clock`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cascade_pace::Clock;

/// How far the machine's wall clock must be ahead before we jump after it: it was set, or the machine slept.
const JUMP_NS: i64 = 1_000_000_000;

/// The speed is no speed.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the speed of the clock must be a number above 0 and at most 1000, not {0}")]
pub struct SpeedError(f64);

/// A clock that starts at the machine's wall time and runs on its steady clock, `speed` times as fast. It never runs
/// back: when the machine's time is set back, it stays ahead. At speed 1 it jumps ahead when the machine's time does.
#[derive(Debug)]
pub struct SystemClock {
    anchor_ns: i64,
    started: Instant,
    speed: f64,
    jumped_ns: AtomicI64,
}

impl SystemClock {
    /// A clock at the pace of the wall.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
    pub fn new() -> Self {
        let started = Instant::now();
        Self { anchor_ns: wall_ns(), started, speed: 1.0, jumped_ns: AtomicI64::new(0) }
    }

    /// A clock that runs `speed` times as fast as the wall.
    ///
    /// # Errors
    /// A speed that is not in (0, 1000].
    pub fn try_new(speed: f64) -> Result<Self, SpeedError> {
        if speed > 0.0 && speed <= 1000.0 {
            Ok(Self { speed, ..Self::new() })
        } else {
            Err(SpeedError(speed))
        }
    }

    /// How many times as fast as the wall it runs.
    pub const fn speed(&self) -> f64 {
        self.speed
    }

    /// The time when so much has passed on the steady clock and the wall shows `wall_ns`.
    fn at(&self, elapsed: Duration, wall_ns: i64) -> i64 {
        let passed = if self.is_steady() { elapsed } else { elapsed.mul_f64(self.speed) };
        let steady = self.anchor_ns.saturating_add(nanoseconds(passed));
        if !self.is_steady() {
            return steady;
        }
        let ahead = wall_ns.saturating_sub(steady);
        let jumped = self.jumped_ns.load(Ordering::Relaxed);
        if ahead.saturating_sub(jumped) > JUMP_NS {
            self.jumped_ns.fetch_max(ahead, Ordering::Relaxed);
        }
        steady.saturating_add(self.jumped_ns.load(Ordering::Relaxed))
    }

    fn is_steady(&self) -> bool {
        (self.speed - 1.0).abs() < f64::EPSILON
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        self.at(self.started.elapsed(), wall_ns())
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        if self.is_steady() { of_clock } else { of_clock.div_f64(self.speed) }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SECOND_NS: i64 = 1_000_000_000;

    #[test]
    fn a_fast_clock_passes_ten_seconds_in_one() {
        let clock = SystemClock::try_new(10.0).unwrap();
        let wall = clock.anchor_ns + SECOND_NS;
        assert_eq!(clock.at(SECOND, wall) - clock.at(Duration::ZERO, wall), 10 * SECOND_NS);
        assert_eq!(clock.wall(10 * SECOND), SECOND);
    }

    #[test]
    fn it_starts_at_the_wall_and_never_runs_back() {
        let clock = SystemClock::new();
        assert!((clock.now_ns() - wall_ns()).abs() < 60 * SECOND_NS);
        let mut last = clock.now_ns();
        for _ in 0..1000 {
            let now = clock.now_ns();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn it_follows_the_wall_ahead_but_not_back() {
        let clock = SystemClock::new();
        let start = clock.anchor_ns;
        assert_eq!(clock.at(SECOND, start + SECOND_NS), start + SECOND_NS);
        assert_eq!(clock.at(2 * SECOND, start + 3600 * SECOND_NS), start + 3600 * SECOND_NS);
        assert_eq!(clock.at(3 * SECOND, start + 3 * SECOND_NS), start + 3601 * SECOND_NS);
    }

    #[test]
    fn speeds_that_are_none_are_refused() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
            assert!(SystemClock::try_new(speed).is_err(), "{speed}");
        }
        assert!(SystemClock::try_new(0.0).unwrap_err().to_string().contains("not 0"));
    }
}
