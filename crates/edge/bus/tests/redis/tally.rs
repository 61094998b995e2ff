//! How many liquidations of each venue were stored: added to by many, asked for by whoever tells.

use std::collections::BTreeMap;

use cascade_bus::Tally;
use cascade_domain::{EventTime, Venue};
use cascade_wire::key;

use crate::support::{ask, bus, redis};

const HOUR_MS: i64 = 3_600_000;
const AT: EventTime = EventTime::from_ms(1_791_565_601_482);

/// What was counted at a time, so many hours away from now.
fn tally(of: &[(Venue, i64, usize)]) -> Tally {
    let mut tally = Tally::default();
    for (venue, hours, count) in of {
        (0..*count).for_each(|_| tally.count(*venue, AT.plus_ms(hours * HOUR_MS)));
    }
    tally
}

#[tokio::test]
async fn what_all_replicas_stored_in_a_day_is_counted_by_venue() {
    let (server, one) = redis().await;
    let two = bus(&server);
    let mut first = tally(&[(Venue::Binance, -24, 100), (Venue::Binance, -23, 3), (Venue::Bybit, 0, 2)]);
    one.add_liquidations(&mut first).await.unwrap();
    assert!(first.is_empty());
    two.add_liquidations(&mut tally(&[(Venue::Binance, 0, 4)])).await.unwrap();
    two.add_liquidations(&mut first).await.unwrap();
    let counts = bus(&server).liquidations([Venue::Binance, Venue::Bybit, Venue::Okx], AT).await.unwrap();
    assert_eq!(counts, BTreeMap::from([(Venue::Binance, 7), (Venue::Bybit, 2), (Venue::Okx, 0)]));
}

#[tokio::test]
async fn hours_that_nobody_asks_for_any_more_go_and_so_does_a_venue_that_is_read_no_more() {
    let (server, bus) = redis().await;
    for hours in [0, 20, 40, 44] {
        bus.add_liquidations(&mut tally(&[(Venue::Okx, hours, 1)])).await.unwrap();
    }
    let key = key::liquidations(Venue::Okx);
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (hours, ttl): (Vec<i64>, i64) =
        redis::pipe().hkeys(&key).ttl(&key).query_async(&mut connection).await.unwrap();
    assert_eq!(hours.len(), 2, "{hours:?}");
    assert!((24 * 3600..=26 * 3600).contains(&ttl), "{ttl}");
    let kept = bus.liquidations([Venue::Okx], AT.plus_ms(44 * HOUR_MS)).await.unwrap();
    assert_eq!(kept, BTreeMap::from([(Venue::Okx, 2)]));
}

#[tokio::test]
async fn what_redis_refuses_is_still_counted_later() {
    let (server, bus) = redis().await;
    let key = key::liquidations(Venue::Okx);
    ask(&server, redis::cmd("SET").arg(&key).arg("no hash")).await;
    let mut counted = tally(&[(Venue::Okx, 0, 5)]);
    assert!(bus.add_liquidations(&mut counted).await.is_err());
    assert!(bus.liquidations([Venue::Okx], AT).await.is_err());
    ask(&server, redis::cmd("DEL").arg(&key)).await;
    bus.add_liquidations(&mut counted).await.unwrap();
    assert_eq!(bus.liquidations([Venue::Okx], AT).await.unwrap(), BTreeMap::from([(Venue::Okx, 5)]));
}
