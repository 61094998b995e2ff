//! The observer sees what the bus writes, and both see the same.

use std::time::Duration;

use cascade_bus::{Stored, StreamBounds, Write};
use cascade_domain::{Event, EventTime, FeedHealth, FeedStatus, Shard, Venue};
use cascade_testkit::{Observer, ObserverError, TestRedis, eventually};
use cascade_wire::{encode_event, event_to_json, key};

const DEADLINE: Duration = Duration::from_secs(20);

fn event(number: i64) -> Event {
    Event::FeedHealth(FeedHealth {
        venue: Venue::Okx,
        status: FeedStatus::Live,
        since_ms: EventTime::from_ms(1_791_565_600_000 + number),
        reason: "back".to_owned(),
    })
}

#[tokio::test]
async fn messages_are_collected_and_decoded_in_both_spellings() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let mut observer = Observer::connect(&redis.url(), &["one", "one:json"]).await.unwrap();
    bus.publish(&[
        ("other".to_owned(), b"not subscribed".to_vec()),
        ("one".to_owned(), encode_event(&event(1)).unwrap()),
        ("one:json".to_owned(), event_to_json(&event(1)).unwrap().into_bytes()),
        ("one".to_owned(), b"\xc1".to_vec()),
    ])
    .await
    .unwrap();
    let seen = observer.wait_for(DEADLINE, |seen| seen.len() == 3).await.unwrap();
    assert_eq!(seen[0].value["kind"], "feed_health");
    assert_eq!(seen[0].value, seen[1].value);
    assert_eq!((seen[1].channel.as_str(), &seen[2].value), ("one:json", &serde_json::Value::Null));
    let error = observer.wait_for(Duration::from_millis(20), |seen| seen.len() > 3).await.unwrap_err();
    assert!(matches!(error, ObserverError::Deadline { seen: 3, .. }), "{error}");
    observer.close().await.unwrap();
}

#[tokio::test]
async fn streams_and_readings_are_read_as_they_stand() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let shard = Shard::new(5).unwrap();
    let bounds = StreamBounds { max_age_s: 600, max_len: 1000, for_snapshots_s: 0 };
    let stored = |number| Stored::event(&event(number), 60).unwrap();
    bus.store(shard, &[stored(1), stored(2)], bounds).await.unwrap();
    bus.store(shard, &[stored(3)], bounds).await.unwrap();
    bus.write_readings(&[Write::Json { key: "a".to_owned(), json: "{\"b\":1}".to_owned(), ttl_s: 60 }])
        .await
        .unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let entries = observer.stream(&key::market(shard)).await.unwrap();
    let times: Vec<Vec<i64>> = entries
        .iter()
        .map(|entry| entry.values.iter().map(|v| v["since_ms"].as_i64().unwrap() % 10).collect())
        .collect();
    assert_eq!(times, [vec![1, 2], vec![3]]);
    assert_eq!(observer.reading("a").await.unwrap().unwrap()["b"], 1);
    assert_eq!(observer.reading("absent").await.unwrap(), None);
}

#[tokio::test]
async fn a_condition_is_waited_for_and_no_longer_than_the_deadline() {
    let mut asked = 0;
    let comes_true = eventually(DEADLINE, async || {
        asked += 1;
        asked == 3
    });
    assert!(comes_true.await);
    assert_eq!(asked, 3);
    assert!(!eventually(Duration::from_millis(20), async || false).await);
}
