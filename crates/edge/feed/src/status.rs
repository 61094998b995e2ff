//! What a venue's HTTP status means for us, in words that name the way out.

use std::time::Duration;

use cascade_domain::Venue;

/// The statuses by which a venue tells us to come back later.
pub(crate) const fn asks_for_patience(status: u16) -> bool {
    matches!(status, 429 | 418)
}

/// Why the venue does not serve us, if that is what the status says.
pub(crate) fn refusal(venue: Venue, status: u16) -> Option<String> {
    let why = match status {
        451 => "it does not serve the place this machine is in",
        403 => "it forbids access: a blocked place or address, or too many requests of late",
        401 => "it wants credentials: the base URL leads to something that is not public",
        _ => return None,
    };
    Some(format!(
        "{venue} answers HTTP {status}: {why}; run from another place, set the base URLs of [venues.{venue}] to a \
         host that answers here, or take {venue} out of ingest.exchanges"
    ))
}

/// The seconds of a `Retry-After` header; a date in it is not read.
pub(crate) fn retry_after(header: Option<&[u8]>) -> Option<Duration> {
    let seconds: u64 = std::str::from_utf8(header?).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_venue_and_the_way_out() {
        let told = refusal(Venue::Binance, 451).unwrap();
        assert!(told.contains("binance answers HTTP 451") && told.contains("ingest.exchanges"), "{told}");
        assert_eq!(refusal(Venue::Binance, 500), None);
    }

    #[test]
    fn only_whole_seconds_are_read_from_retry_after() {
        assert_eq!(retry_after(Some(b" 7 ")), Some(Duration::from_secs(7)));
        for other in [None, Some(&b"Wed, 21 Oct 2026 07:28:00 GMT"[..]), Some(b"-1"), Some(b"\xff")] {
            assert_eq!(retry_after(other), None);
        }
    }
}
