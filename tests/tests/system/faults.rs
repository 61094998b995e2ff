//! What breaks is noticed, told as a gap, and survived: nothing ends.

use cascade_domain::Venue;
use cascade_testkit::{Observer, TestRedis, eventually};
use serde_json::Value;

use crate::harness::{DEADLINE, System, bitcoin_stream, feed, gaps};

/// What a gap may be in.
const STREAMS: [&str; 4] = ["liquidations", "trades", "mark", "open_interest"];

async fn delivers(observer: &Observer, venue: Venue) -> bool {
    eventually(DEADLINE, async || {
        matches!(feed(observer, venue).await.as_str(), "live" | "sampled" | "partial")
    })
    .await
}

/// How many BTC marks of this venue the stream holds.
async fn marks(observer: &Observer, venue: Venue) -> usize {
    let of_venue = |event: &&Value| event["kind"] == "mark" && event["venue"] == venue.as_str();
    bitcoin_stream(observer).await.iter().filter(of_venue).count()
}

async fn goes_on(observer: &Observer, venue: Venue) -> bool {
    let before = marks(observer, venue).await;
    eventually(DEADLINE, async || marks(observer, venue).await > before).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_ends_nothing_and_what_it_forgot_is_told() {
    let mut system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    system.redis.server.kill9().await.unwrap();
    let noticed = eventually(DEADLINE, async || !system.ingest.is_ready() && !system.signals.is_ready());
    assert!(noticed.await, "both say that Redis is away");
    assert!(system.ingest.lives() && system.signals.lives());

    system.redis.server.restart().await.unwrap();
    system.is_up().await;
    let mut observer = system.observer(&["cascade:critical"]).await;
    for venue in Venue::ALL {
        for stream in STREAMS {
            let told = eventually(DEADLINE, async || {
                gaps(&observer, venue, stream).await.iter().any(|reason| reason == "redis")
            });
            assert!(told.await, "{venue} {stream}");
        }
    }
    system.simulator.start();
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|m| m.value["level"] == "CRITICAL")).await.unwrap();
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_redis_hangs_waits_and_nothing_is_lost() {
    let system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    let observer = system.observer(&[]).await;
    system.redis.server.pause().await.unwrap();
    assert!(eventually(DEADLINE, async || !system.ingest.is_ready()).await, "it says that Redis is away");
    system.redis.server.resume().await.unwrap();
    system.is_up().await;
    assert!(goes_on(&observer, Venue::Bybit).await);
    for venue in Venue::ALL {
        for stream in STREAMS {
            assert_eq!(gaps(&observer, venue, stream).await, [""; 0], "{venue} {stream}");
        }
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_overflows_tells_what_was_dropped() {
    let redis = TestRedis::start().await.unwrap();
    let system = System::start(redis, 40.0, &[("ingest.queue_events", "1000")]).await;
    let observer = system.observer(&[]).await;
    system.redis.server.pause().await.unwrap();
    let dropped = eventually(DEADLINE, async || system.ingest.counted(&["cascade_dropped_total"]) > 0.0);
    assert!(dropped.await, "the queue never overflowed");
    system.redis.server.resume().await.unwrap();
    let told = eventually(DEADLINE, async || {
        let mut any = false;
        for venue in Venue::ALL {
            any |= gaps(&observer, venue, "trades").await.iter().any(|reason| reason == "queue_full");
        }
        any
    });
    assert!(told.await, "the gap is told");
    assert!(system.ingest.lives() && system.signals.lives());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_socket_is_a_gap_and_is_opened_again() {
    let system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    let observer = system.observer(&[]).await;
    for venue in Venue::ALL {
        system.faults().close(venue);
        for stream in ["liquidations", "trades", "mark"] {
            let told = eventually(DEADLINE, async || !gaps(&observer, venue, stream).await.is_empty());
            assert!(told.await, "{venue} {stream}");
        }
        assert!(delivers(&observer, venue).await && goes_on(&observer, venue).await, "{venue}");
        assert!(system.ingest.counted(&["cascade_sessions_total", venue.as_str()]) >= 1.0, "{venue}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_a_socket_is_counted_and_its_neighbours_are_kept() {
    let system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    let observer = system.observer(&[]).await;
    for venue in Venue::ALL {
        for text in ["{\"nonsense", "[]", "\u{0}", "{\"e\":\"forceOrder\",\"o\":{}}", "null"] {
            system.faults().garble(venue, text);
        }
        system.faults().binary(venue, &[0xff, 0x00, 0xfe]);
        let refused = eventually(DEADLINE, async || {
            system.ingest.counted(&["cascade_refused_total", venue.as_str()]) >= 1.0
        });
        assert!(refused.await, "{venue}");
        assert!(goes_on(&observer, venue).await, "{venue}");
    }
    assert!(system.ingest.lives() && system.signals.lives());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_falls_silent_is_dead_by_name_and_comes_back() {
    let system = System::start(TestRedis::start().await.unwrap(), 10.0, &[]).await;
    let observer = system.observer(&[]).await;
    system.faults().mute(Venue::Bybit, true);
    assert!(eventually(DEADLINE, async || feed(&observer, Venue::Bybit).await == "dead").await);
    assert!(goes_on(&observer, Venue::Okx).await, "the others go on");
    let in_ticks = bitcoin_stream(&observer)
        .await
        .iter()
        .any(|event| event["kind"] == "tick" && event["feeds"]["bybit"] == "dead");
    assert!(in_ticks, "every tick says so");
    system.faults().mute(Venue::Bybit, false);
    assert!(delivers(&observer, Venue::Bybit).await);
    let told = gaps(&observer, Venue::Bybit, "liquidations").await;
    assert_eq!(told.first().map(String::as_str), Some("silent"), "{told:?}");
    system.stop().await;
}
