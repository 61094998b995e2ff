//! Times as people and programs read them: UTC, and a destination's zone beside it.
//!
//! Reads no clock. A time that no calendar has is shown as the number that it is.

use cascade_domain::EventTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The time of day in UTC: `14:03:07.482`.
pub fn clock(at: EventTime) -> String {
    let ms = at.ms().rem_euclid(86_400_000);
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", ms / 1000 % 60, ms % 1000)
}

/// The time of day in UTC to the second: `14:03:07`.
pub(crate) fn second(at: EventTime) -> String {
    clock(at).chars().take(8).collect()
}

/// Date and time in UTC: `2026-11-21 14:03:07.482`.
pub fn date_time(at: EventTime) -> String {
    let (year, month, day) = civil(at.ms().div_euclid(86_400_000));
    format!("{year:04}-{month:02}-{day:02} {}", clock(at))
}

/// Date and time in UTC as RFC 3339 has it: `2026-11-21T14:03:07.482Z`.
pub fn rfc3339(at: EventTime) -> String {
    date_time(at).replacen(' ', "T", 1) + "Z"
}

/// The date of a day counted from 1970-01-01: year, month, day. Days that no calendar has are those of its first or last.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let last = Timestamp::MAX.as_second() / 86_400;
    let first = Timestamp::MIN.as_second() / 86_400;
    let seconds = days.clamp(first, last).saturating_mul(86_400);
    let date =
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).date();
    (date.year().into(), date.month().into(), date.day().into())
}

/// A time with its date, to the second, and as it is in a zone that is not UTC's: `2026-10-09 17:06:41 UTC (19:06:41 CEST)`.
pub(crate) fn told(at: EventTime, zone: &TimeZone) -> String {
    beside(at, zone, "%Y-%m-%d %H:%M:%S UTC")
}

/// The same without the date: `17:06:41 UTC (19:06:41 CEST)`.
pub(crate) fn told_clock(at: EventTime, zone: &TimeZone) -> String {
    beside(at, zone, "%H:%M:%S UTC")
}

fn beside(at: EventTime, zone: &TimeZone, form: &str) -> String {
    let Ok(moment) = Timestamp::from_millisecond(at.ms()) else {
        return format!("{} ms", at.ms());
    };
    let (utc, there) = (moment.to_zoned(TimeZone::UTC), moment.to_zoned(zone.clone()));
    let text = utc.strftime(form).to_string();
    if there.offset().is_zero() { text } else { format!("{text} ({})", local(&utc, &there)) }
}

/// The time in its zone; with the date where that is another one.
fn local(utc: &Zoned, there: &Zoned) -> String {
    let form = if utc.date() == there.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    there.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_utc_on_every_day_of_the_calendar() {
        assert_eq!(clock(EventTime::from_ms(0)), "00:00:00.000");
        assert_eq!(clock(EventTime::from_ms(86_399_999)), "23:59:59.999");
        assert_eq!(clock(EventTime::from_ms(-1)), "23:59:59.999");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let shown = |ms| rfc3339(EventTime::from_ms(ms));
        assert_eq!(shown(1_791_565_601_482), "2026-10-09T17:06:41.482Z");
        assert_eq!(
            [shown(951_782_400_000), shown(-1)],
            ["2000-02-29T00:00:00.000Z", "1969-12-31T23:59:59.999Z"]
        );
        for ms in [i64::MIN, i64::MAX] {
            assert!(!shown(ms).is_empty() && !told(EventTime::from_ms(ms), &TimeZone::UTC).is_empty());
        }
    }

    #[test]
    fn a_zone_stands_beside_utc_where_it_differs() {
        let at = EventTime::from_ms(1_791_565_601_482);
        let shown = |zone: &str| told(at, &TimeZone::get(zone).unwrap());
        assert_eq!(shown("UTC"), "2026-10-09 17:06:41 UTC");
        assert_eq!(shown("Europe/Berlin"), "2026-10-09 17:06:41 UTC (19:06:41 CEST)");
        assert_eq!(shown("Asia/Tokyo"), "2026-10-09 17:06:41 UTC (2026-10-10 02:06:41 JST)");
        assert_eq!(
            told_clock(at, &TimeZone::get("America/Sao_Paulo").unwrap()),
            "17:06:41 UTC (14:06:41 -03)"
        );
    }
}
