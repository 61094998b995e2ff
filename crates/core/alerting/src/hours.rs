//! Hours of the day, in a time zone of the bundled table.
//!
//! Knows no clock and no alert.

use cascade_domain::{EventTime, Priority};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Quiet hours, ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Hours {
    /// Minutes of the day.
    from: u16,
    to: u16,
    zone: TimeZone,
    minimum: Priority,
}

/// The minute of the day of `HH:MM`.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The zone of this name.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

impl Hours {
    pub(crate) fn parse(from: &str, to: &str, name: &str, minimum: Priority) -> Option<Self> {
        Some(Self { from: minute(from)?, to: minute(to)?, zone: zone(name)?, minimum })
    }

    /// What is told at this time all the same; `None` = it is no quiet hour.
    pub(crate) fn minimum(&self, now: EventTime) -> Option<Priority> {
        let time = self.zone.to_datetime(Timestamp::from_millisecond(now.ms()).ok()?).time();
        let minute = u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).ok()?;
        let quiet = if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        };
        quiet.then_some(self.minimum)
    }
}
