//! The one clock of a process, as others see it.

use std::fmt::Debug;
use std::time::Duration;

use cascade_domain::EventTime;

/// The one clock of a process. In a sped-up demo it runs faster than the wall: whoever waits asks it how long the
/// wait is on the wall.
pub trait Clock: Debug + Send + Sync {
    /// Now, in nanoseconds since the Unix epoch. Never runs back.
    fn now_ns(&self) -> i64;

    /// How long on the wall this much time of the clock is.
    fn wall(&self, of_clock: Duration) -> Duration;

    /// Now, in whole milliseconds since the Unix epoch.
    fn now(&self) -> EventTime {
        EventTime::from_ms(self.now_ns().div_euclid(1_000_000))
    }
}
