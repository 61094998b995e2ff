//! Subscribers through outages, silence and slowness.

use std::time::Duration;

use cascade_bus::{Bus, Subscriber};
use cascade_wire::Channel;

use crate::support::{DEADLINE, eventually, redis};

pub(crate) async fn heard(subscriber: &mut Subscriber) -> String {
    let message = tokio::time::timeout(DEADLINE, subscriber.next()).await.unwrap();
    String::from_utf8(message.bytes).unwrap()
}

pub(crate) async fn listen(bus: &Bus) -> Subscriber {
    let mut subscriber = bus.subscriber(&[Channel::Signals.as_str().to_owned()]).unwrap();
    tokio::time::timeout(DEADLINE, subscriber.subscribed()).await.unwrap();
    subscriber
}

/// Publishes until the subscriber hears it.
pub(crate) async fn is_heard(bus: &Bus, subscriber: &mut Subscriber, text: &str) {
    let message = [(Channel::Signals.as_str().to_owned(), text.as_bytes().to_vec())];
    eventually(async || {
        let published = bus.publish(&message).await.map_err(|e| e.to_string());
        let heard = tokio::time::timeout(Duration::from_millis(100), subscriber.next()).await;
        match heard {
            Ok(message) if message.bytes == text.as_bytes() => Ok(()),
            other => Err(format!("{published:?}, {other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_hears_again_after_redis_was_killed_and_came_back() {
    let (mut server, bus) = redis().await;
    let mut subscriber = listen(&bus).await;
    is_heard(&bus, &mut subscriber, "before").await;
    assert_eq!(subscriber.lost(), 0);
    server.kill9().await.unwrap();
    server.restart().await.unwrap();
    is_heard(&bus, &mut subscriber, "after").await;
    assert_eq!(subscriber.lost(), 1, "it says that a gap was possible");
}

#[tokio::test]
async fn a_subscriber_notices_a_frozen_redis_by_its_own_probes() {
    let (server, bus) = redis().await;
    let mut subscriber = listen(&bus).await;
    server.pause().await.unwrap();
    eventually(async || {
        let silent = tokio::time::timeout(Duration::from_millis(20), subscriber.next()).await;
        assert!(silent.is_err());
        if subscriber.lost() > 0 { Ok(()) } else { Err("not noticed yet") }
    })
    .await;
    server.resume().await.unwrap();
    is_heard(&bus, &mut subscriber, "after").await;
}

#[tokio::test]
async fn a_quiet_channel_is_no_outage() {
    let (_server, bus) = redis().await;
    let mut subscriber = listen(&bus).await;
    // Five probes' time.
    assert!(tokio::time::timeout(Duration::from_secs(1), subscriber.next()).await.is_err());
    assert_eq!(subscriber.lost(), 0);
}

#[tokio::test]
async fn a_slow_subscriber_drops_and_counts_instead_of_growing() {
    let (server, _) = redis().await;
    let settings = cascade_bus::BusSettings { subscriber_queue: 10, ..cascade_bus::BusSettings::default() };
    let bus = Bus::open(&server.url(), settings).unwrap();
    let mut subscriber = listen(&bus).await;
    let many: Vec<_> = (0..100).map(|i| (Channel::Signals.as_str().to_owned(), vec![i])).collect();
    bus.publish(&many).await.unwrap();
    eventually(async || if subscriber.dropped() >= 90 { Ok(()) } else { Err(subscriber.dropped()) }).await;
    assert_eq!(subscriber.next().await.bytes, [0], "the oldest stay, in order");
    assert_eq!(subscriber.lost(), 0);
}
