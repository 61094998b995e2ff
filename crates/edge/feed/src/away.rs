//! How long to stay away after each way in which a venue can turn us down: one table, for WebSockets and REST.
//!
//! | what came | what it means | how long we stay away |
//! | --- | --- | --- |
//! | HTTP 429 | too many requests | `Retry-After`, else 60 s |
//! | HTTP 418 | banned for asking on after 429 (Binance: 2 min to 3 days) | `Retry-After`, at least 2 min, doubling with each in a row |
//! | HTTP 403 | forbidden, or (Bybit) too many requests | `Retry-After`, at least 10 min |
//! | HTTP 401, 451 | not for us, or not here | `Retry-After`, at least 1 h |
//! | HTTP 5xx and others | it fails | `Retry-After`, else the backoff alone |
//! | close 1008 | against its policy: too many connections or messages | 60 s |
//! | close 1012, 1013 and others, and everything else | it restarts, or the network fails | the backoff alone |
//!
//! The backoff comes on top, so that many routes do not return at once. No wait is longer than a day. All spans are of
//! the clock's time. Pure: nothing here waits.

use std::time::Duration;

use crate::{End, Ended};

/// However long a venue asks us to stay away, we ask again after this.
pub(crate) const LONGEST: Duration = Duration::from_hours(24);
const RATE: Duration = Duration::from_mins(1);
const BAN: Duration = Duration::from_mins(2);
const FORBIDDEN: Duration = Duration::from_mins(10);
const REFUSED: Duration = Duration::from_hours(1);

/// The close code for what is against the venue's policy.
const POLICY: u16 = 1008;

/// How long to stay away after an HTTP status; `bans` = how many 418 came in a row, with this one.
pub(crate) fn after_status(status: u16, retry_after: Option<Duration>, bans: u32) -> Duration {
    let asked = retry_after.unwrap_or_default();
    let away = match status {
        429 => retry_after.unwrap_or(RATE),
        418 => asked.max(BAN.saturating_mul(1 << bans.saturating_sub(1).min(20))),
        403 => asked.max(FORBIDDEN),
        401 | 451 => asked.max(REFUSED),
        _ => asked,
    };
    away.min(LONGEST)
}

/// How long to stay away after a session that ended so; `bans` as for [`after_status`].
pub(crate) fn after_session(ended: &Ended, bans: u32) -> Duration {
    match (ended.status, &ended.end) {
        (Some(status), _) => after_status(status, ended.retry_after, bans),
        (None, End::Closed { code: Some(POLICY), .. }) => RATE,
        (None, _) => Duration::ZERO,
    }
}

/// Whether a status is about the address we come from, so that no other route need try either.
pub(crate) const fn is_for_the_address(status: u16) -> bool {
    matches!(status, 429 | 418 | 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn each_status_has_its_own_answer() {
        for (status, asked_s, bans, away) in [
            (429, None, 0, minutes(1)),
            (429, Some(7), 0, Duration::from_secs(7)),
            (429, Some(7200), 0, minutes(120)),
            (418, None, 1, minutes(2)),
            (418, None, 2, minutes(4)),
            (418, None, 5, minutes(32)),
            (418, None, 40, LONGEST),
            (418, Some(30), 1, minutes(2)),
            (418, Some(3600), 1, minutes(60)),
            (418, Some(u64::MAX), 1, LONGEST),
            (403, None, 0, minutes(10)),
            (403, Some(60), 0, minutes(10)),
            (401, None, 0, minutes(60)),
            (451, None, 0, minutes(60)),
            (503, None, 0, Duration::ZERO),
            (503, Some(20), 0, Duration::from_secs(20)),
            (500, None, 0, Duration::ZERO),
            (404, None, 0, Duration::ZERO),
        ] {
            let asked = asked_s.map(Duration::from_secs);
            assert_eq!(after_status(status, asked, bans), away, "{status} {asked_s:?} {bans}");
        }
    }

    #[test]
    fn only_a_close_for_policy_keeps_us_away_by_itself() {
        let ended = |end, status| Ended {
            end,
            connected_for: Duration::ZERO,
            live_for: Duration::ZERO,
            last_frame_at: None,
            status,
            retry_after: None,
        };
        let closed = |code| End::Closed { code, reason: String::new() };
        for (code, away) in [
            (Some(1008), minutes(1)),
            (Some(1012), Duration::ZERO),
            (Some(1013), Duration::ZERO),
            (None, Duration::ZERO),
        ] {
            assert_eq!(after_session(&ended(closed(code), None), 0), away, "{code:?}");
        }
        assert_eq!(after_session(&ended(End::Silent, None), 0), Duration::ZERO);
        let refused = End::Refused { topics: Vec::new(), reason: String::new() };
        assert_eq!(after_session(&ended(refused, Some(451)), 0), minutes(60));
    }
}
