//! What a request asks for, read strictly: a parameter that is unknown or makes no sense is refused, never passed over.

use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use cascade_domain::{EventTime, Symbol};
use cascade_service::Problem;

/// How many lines are told where nobody says how many.
const USUAL: usize = 50;
/// How many are told at most.
pub(super) const MOST: usize = 500;

/// A request that makes no sense: why.
pub(super) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// Parameters that are unknown or of another type.
pub(super) fn unreadable(rejection: &QueryRejection) -> Problem {
    bad(rejection.body_text())
}

/// A market by its name, in any case.
pub(super) fn symbol(text: &str) -> Result<Symbol, Problem> {
    Symbol::parse(&text.to_uppercase()).map_err(|error| bad(format!("symbol: {error}")))
}

/// How many lines: 1 to 500.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(USUAL),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(limit) => Err(bad(format!("limit: {limit} is not within 1 and {MOST}"))),
    }
}

/// A time: RFC 3339, or milliseconds since 1970.
pub(super) fn time(text: &str) -> Result<EventTime, Problem> {
    let wrong = || bad("since: a time as RFC 3339 has it (2026-11-21T14:03:07Z), or milliseconds since 1970");
    let ms = match text.parse::<i64>() {
        Ok(ms) => ms,
        Err(_) => text.parse::<jiff::Timestamp>().map_err(|_| wrong())?.as_millisecond(),
    };
    let time = EventTime::from_ms(ms);
    if time.is_plausible() { Ok(time) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_spellings_and_nothing_else_is() {
        let at = EventTime::from_ms(1_791_565_601_482);
        assert_eq!(time("1791565601482").unwrap(), at);
        assert_eq!(time("2026-10-09T17:06:41.482Z").unwrap(), at);
        assert_eq!(time("2026-10-09T19:06:41.482+02:00").unwrap(), at);
        for wrong in ["", "yesterday", "1791565601", "2026-10-09", "9223372036854775808", "-1"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_and_markets_are_bounded() {
        assert_eq!((limit(None).unwrap(), limit(Some(500)).unwrap()), (50, 500));
        assert!(limit(Some(0)).is_err() && limit(Some(501)).is_err());
        assert_eq!(symbol("btcusdt").unwrap().as_str(), "BTCUSDT");
        assert!(symbol("").is_err() && symbol("{s01}").is_err() && symbol(&"X".repeat(99)).is_err());
    }
}
