//! What breaks is noticed, told as a gap, and survived: nothing ends.

use cascade_domain::{Shard, Symbol, Venue};
use cascade_testkit::{Observed, Observer, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;

use crate::harness::{DEADLINE, System, bitcoin_stream, feed, gaps};
use crate::once::is_whole;

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
    let gone_at = system.now();
    assert!(eventually(DEADLINE, async || system.now().since(gone_at) > 40_000).await);
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
async fn what_comes_while_redis_hangs_for_80_s_waits_and_is_taken_in_order() {
    let system = System::start(TestRedis::start().await.unwrap(), 10.0, &[]).await;
    let mut observer = system.observer(&["cascade:critical"]).await;
    system.simulator.start();
    let begun = system.now();
    system.redis.server.pause().await.unwrap();
    assert!(eventually(DEADLINE, async || system.now().since(begun) > 80_000).await);
    assert!(!system.ingest.is_ready(), "it says that Redis is away");
    system.redis.server.resume().await.unwrap();
    is_whole(&system, &observer).await;
    for venue in Venue::ALL {
        for stream in STREAMS {
            assert_eq!(gaps(&observer, venue, stream).await, [""; 0], "{venue} {stream}");
        }
    }
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|m| m.value["level"] == "EXTREME")).await.unwrap();
    assert!(system.signals.counted(&["cascade_engine_refused_total", "from_the_future"]) < 1.0);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_acknowledges_liquidations_and_sends_none_is_suspect_by_name() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let mut observer = system.observer(&["cascade:signals"]).await;
    system.faults().silence_topic(Venue::Bybit, "allLiquidation");
    system.simulator.start();
    assert!(eventually(DEADLINE, async || feed(&observer, Venue::Bybit).await == "suspect").await);
    let named = |seen: &[Observed]| seen.iter().any(|m| m.value["feeds"]["bybit"] == "suspect");
    observer.wait_for(DEADLINE, named).await.unwrap();
    system.faults().unsilence_topics(Venue::Bybit);
    assert!(eventually(DEADLINE, async || feed(&observer, Venue::Bybit).await == "live").await);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_let_nobody_in_for_a_while_is_live_again_when_it_does() {
    let system = System::start(TestRedis::start().await.unwrap(), 10.0, &[]).await;
    let observer = system.observer(&[]).await;
    system.faults().refuse_connections(Venue::Bybit, true);
    system.faults().close(Venue::Bybit);
    assert!(eventually(DEADLINE, async || feed(&observer, Venue::Bybit).await != "live").await);
    system.faults().refuse_connections(Venue::Bybit, false);
    assert!(eventually(DEADLINE, async || feed(&observer, Venue::Bybit).await == "live").await);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_refuses_its_liquidations_is_refused_although_its_marks_flow() {
    let system = System::start(TestRedis::start().await.unwrap(), 10.0, &[]).await;
    let observer = system.observer(&[]).await;
    system.faults().refuse_topic(Venue::Okx, "liquidation-orders");
    system.faults().close(Venue::Okx);
    assert!(eventually(DEADLINE, async || feed(&observer, Venue::Okx).await == "refused").await);
    assert!(goes_on(&observer, Venue::Okx).await, "the rest of the session goes on");
    assert_eq!(feed(&observer, Venue::Okx).await, "refused");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_between_two_ingests_is_a_gap() {
    let mut system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    let observer = system.observer(&[]).await;
    let last_tick = async || {
        let ticks = bitcoin_stream(&observer).await;
        ticks
            .iter()
            .filter(|e| e["kind"] == "tick")
            .filter_map(|e| e["event_time_ms"].as_i64())
            .max()
            .unwrap()
    };
    let before = last_tick().await;
    system.restart_ingest().await;
    assert!(eventually(DEADLINE, async || last_tick().await > before + 10_000).await, "it ticks again");
    for venue in Venue::ALL {
        let told = eventually(DEADLINE, async || {
            bitcoin_stream(&observer).await.iter().any(|event| {
                let of_start = event["kind"] == "gap" && event["reason"] == "start";
                let spans =
                    event["from_ms"].as_i64() <= Some(before) && event["to_ms"].as_i64() > Some(before);
                of_start && event["venue"] == venue.as_str() && event["stream"] == "liquidations" && spans
            })
        });
        assert!(told.await, "{venue}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_stops_no_other_shard() {
    let redis = TestRedis::start().await.unwrap();
    let bitcoin = Shard::of(&Symbol::parse("BTCUSDT").unwrap());
    let other = Shard::all().find(|shard| *shard != bitcoin).unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let set: String = observer.command("SET", &[&key::market(other), "not a stream"]).await.unwrap();
    assert_eq!(set, "OK");
    let system = System::start(redis, 8.0, &[]).await;
    let mut observer = system.observer(&["cascade:critical"]).await;
    system.simulator.start();
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|m| m.value["symbol"] == "BTCUSDT")).await.unwrap();
    assert!(system.ingest.counted(&["cascade_dropped_total"]) > 0.0, "what that shard lost is counted");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_carry_the_price_of_bitcoin_whatever_is_read() {
    let symbols = [("ingest.symbols", "ETHUSDT")];
    let system = System::start(TestRedis::start().await.unwrap(), 4.0, &symbols).await;
    let observer = system.observer(&[]).await;
    let priced = eventually(DEADLINE, async || {
        bitcoin_stream(&observer).await.iter().any(|event| {
            event["kind"] == "tick" && event["btc_price"].is_f64() && event["btc_usd_volume_1s"].is_f64()
        })
    });
    assert!(priced.await);
    for event in bitcoin_stream(&observer).await.iter().filter(|event| event["symbol"] == "BTCUSDT") {
        let kind = event["kind"].as_str().unwrap();
        assert!(["mark", "trade_bar"].contains(&kind), "nobody asked for more of it: {event}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_loses_nothing_that_fits_the_queue() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let mut observer = system.observer(&["cascade:critical"]).await;
    system.simulator.start();
    let memory = async |observer: &Observer, limit: &str| {
        let set: String = observer.command("CONFIG", &["SET", "maxmemory", limit]).await.unwrap();
        assert_eq!(set, "OK");
    };
    let set: String = observer.command("CONFIG", &["SET", "maxmemory-policy", "noeviction"]).await.unwrap();
    assert_eq!(set, "OK");
    memory(&observer, "1mb").await;
    let begun = system.now();
    assert!(eventually(DEADLINE, async || system.now().since(begun) > 60_000).await);
    assert!(system.ingest.lives() && system.signals.lives());
    memory(&observer, "0").await;
    is_whole(&system, &observer).await;
    for venue in Venue::ALL {
        assert_eq!(gaps(&observer, venue, "liquidations").await, [""; 0], "{venue}");
    }
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|m| m.value["level"] == "EXTREME")).await.unwrap();
    system.stop().await;
}
