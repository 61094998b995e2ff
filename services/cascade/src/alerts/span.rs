//! Times as people write them on the command line. Knows no clock: what is relative is told what time it is.

use std::time::Duration;

use cascade_domain::EventTime;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time: so long ago, or a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(EventTime),
}

impl When {
    /// The time that is meant, now that it is `now`.
    pub(crate) fn at(self, now: EventTime) -> EventTime {
        match self {
            Self::Ago(length) => now.plus_ms(-ms(length)),
            Self::At(time) => time,
        }
    }
}

/// Milliseconds; saturates.
pub(crate) fn ms(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// `90s`, `10m`, `2h`, `1d`, `1h30m`.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    const YEARS: i64 = 10 * 365 * 24;
    // A day is 24 hours here; to whoever counts hours it is not.
    let hours = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok())
        .map(|days| format!("{}h", 24 * u64::from(days)));
    let length: Option<SignedDuration> = hours.as_deref().unwrap_or(text).parse().ok();
    let length =
        length.filter(|length| length.as_hours() < YEARS).and_then(|length| Duration::try_from(length).ok());
    length
        .filter(|length| !length.is_zero())
        .ok_or_else(|| "a length of time is expected, e.g. 90s, 10m, 2h or 1d".to_owned())
}

/// A length of time ago, or a date with or without a time, UTC unless it says otherwise.
pub(crate) fn when(text: &str) -> Result<When, String> {
    if let Ok(length) = length(text) {
        return Ok(When::Ago(length));
    }
    let civil = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    // Whatever has an offset is read with it; a time without one is UTC.
    let stamp = text.parse::<Timestamp>().ok().or_else(|| match text.parse::<DateTime>() {
        Ok(at) => civil(at),
        Err(_) => text.parse::<Date>().ok().and_then(|date| civil(date.into())),
    });
    stamp.map(|stamp| When::At(EventTime::from_ms(stamp.as_millisecond()))).ok_or_else(|| {
        "a time is expected: 1h (ago), 2026-11-21, 2026-11-21T14:30 (UTC) or 2026-11-21T14:30+01:00"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: i64 = 1_795_262_400_000;

    #[test]
    fn lengths_are_read_with_their_units() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("1h30m", 5400)] {
            assert_eq!(length(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "-1h", "5", "h", "1y", "999999999d", "1h ago", "4294967295d"] {
            assert!(length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_so_long_ago_or_a_date() {
        let now = EventTime::from_ms(NOON_MS);
        for (text, at) in [
            ("1h", NOON_MS - 3_600_000),
            ("2026-11-21T12:00", NOON_MS),
            ("2026-11-21 12:00:00", NOON_MS),
            ("2026-11-21T13:00+01:00", NOON_MS),
            ("2026-11-21T12:00Z", NOON_MS),
            ("2026-11-21", NOON_MS - 12 * 3_600_000),
        ] {
            assert_eq!(when(text).map(|when| when.at(now).ms()), Ok(at), "{text}");
        }
        for text in ["yesterday", "2026-13-01", "12:00", "1795262400000"] {
            assert!(when(text).unwrap_err().contains("1h"), "{text}");
        }
    }
}
