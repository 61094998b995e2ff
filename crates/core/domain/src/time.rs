//! Event time: whole milliseconds since the Unix epoch, as data. Nothing here reads a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time in whole milliseconds since 1970-01-01 UTC (field names end in `_ms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(i64);

impl EventTime {
    /// The earliest time an event may bear: 2010-01-01, before there was an exchange to read.
    pub const EARLIEST: Self = Self(1_262_304_000_000);
    /// The latest: 2100-01-01. Seconds, microseconds and nanoseconds passed as milliseconds all fall outside.
    pub const LATEST: Self = Self(4_102_444_800_000);

    /// A time of so many milliseconds since the epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Whether the time is one that an exchange's event can bear.
    pub fn is_plausible(self) -> bool {
        (Self::EARLIEST..=Self::LATEST).contains(&self)
    }

    /// This time moved by so many milliseconds; saturates at the ends.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; negative if it is later. Saturates.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The start of the whole second that this time lies in; saturates.
    #[must_use]
    #[inline]
    pub const fn second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(1000)))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_start_at_or_before_and_never_overflow() {
        let second = |ms| EventTime::from_ms(ms).second().ms();
        assert_eq!((second(1_999), second(2_000), second(-1)), (1_000, 2_000, -1_000));
        assert_eq!(second(i64::MIN + 1), i64::MIN);
    }
}
