//! How the venues' feeds and the questions for their open interest do.

use std::collections::BTreeMap;

use cascade_bus::{Bus, BusError};
use cascade_domain::{EventTime, FeedStatus, Venue};
use cascade_message::line::clock;
use cascade_wire::{FeedHealthReading, PollReading, key};
use serde::de::DeserializeOwned;

use super::Service;
use super::keys::{Unreadable, values};

/// What a poller says is old after so many milliseconds: it writes every two seconds.
const OLD_MS: i64 = 15_000;

/// The feeds.
pub(super) async fn read(
    bus: &Bus,
    unreadable: &mut Unreadable,
) -> Result<BTreeMap<Venue, FeedHealthReading>, BusError> {
    of_venues(bus, key::feed_health, unreadable).await
}

/// The pollers, as far as one of these services is who wrote it.
pub(super) async fn polls(
    bus: &Bus,
    services: &[Service],
    now: EventTime,
    unreadable: &mut Unreadable,
) -> Result<BTreeMap<Venue, PollReading>, BusError> {
    let mut polls = of_venues(bus, key::poll_health, unreadable).await?;
    for reading in polls.values_mut() {
        doubt(reading, services, now);
    }
    Ok(polls)
}

/// Makes of a reading that nobody renews any more one that says so: it stands a day. Where the wall's clock can't tell,
/// because a demo's is ahead of it, it tells that its writer is gone.
fn doubt(reading: &mut PollReading, services: &[Service], now: EventTime) {
    let has_writer = services.iter().any(|service| service.instance == reading.reader);
    if now.since(reading.told_ms) > OLD_MS || !has_writer {
        if reading.status != FeedStatus::Stale {
            (reading.status, reading.since_ms) = (FeedStatus::Stale, reading.told_ms);
        }
        reading.reason = format!("nobody asks it since {}", clock(reading.told_ms));
    }
}

/// What stands at each venue's key.
async fn of_venues<T: DeserializeOwned>(
    bus: &Bus,
    key: fn(Venue) -> String,
    unreadable: &mut Unreadable,
) -> Result<BTreeMap<Venue, T>, BusError> {
    let found = values(bus, Venue::ALL.into_iter().map(key).collect(), unreadable).await?;
    let venue = |name: &str| Venue::ALL.into_iter().find(|venue| key(*venue) == name);
    Ok(found.into_iter().filter_map(|(name, reading)| Some((venue(&name)?, reading))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> PollReading {
        serde_json::from_str(r#"{"status":"refused","since_ms":1791565601482,"last_answer_ms":1791565601000,"away_until_ms":1791565661482,"instruments":6,"round_ms":5040,"reader":"a:1","told_ms":1791565601482,"reason":"HTTP 418"}"#).unwrap()
    }

    #[test]
    fn what_nobody_renews_is_stale_and_its_ban_still_shown() {
        let of = |instance: &str| {
            let heartbeat = serde_json::from_str(r#"{"version":"0.1.0","uptime_s":5}"#).unwrap();
            let (name, instance) = ("oi-detector".to_owned(), instance.to_owned());
            vec![Service { name, instance, heartbeat, beat_age_ms: None }]
        };
        let doubted = |services: Vec<Service>, later_ms: i64| {
            let mut doubted = reading();
            doubt(&mut doubted, &services, reading().told_ms.plus_ms(later_ms));
            doubted
        };
        assert_eq!(doubted(of("a:1"), 15_000), reading(), "it is renewed");
        assert_eq!(doubted(of("a:1"), -3_600_000), reading(), "a demo's clock is ahead");
        for old in [doubted(of("a:1"), 15_001), doubted(of("b:2"), 1_000), doubted(vec![], -3_600_000)] {
            assert_eq!((old.status, old.since_ms), (FeedStatus::Stale, reading().told_ms));
            assert_eq!(old.reason, "nobody asks it since 17:06:41.482");
            assert_eq!(old.away_until_ms, reading().away_until_ms);
        }
    }
}
