//! The pollers against simulated exchanges: what is asked lands in the right shards, once; who asks whom.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_domain::{Shard, Symbol, Venue};
use cascade_simulator::Simulator;
use cascade_testkit::{Observer, TestClock, TestProcess, TestRedis, eventually};
use cascade_wire::key;

use crate::support::{ASKED, DEADLINE, PROGRAM, Service, exchanges, health_of, samples, stored, variables};

/// A replica whose greeting has been read.
async fn replica(redis: &TestRedis, simulator: &Simulator) -> TestProcess {
    let url = redis.url();
    let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0"];
    let mut process = TestProcess::start(PROGRAM, &arguments, &variables(simulator)).unwrap();
    process.line().await.unwrap().unwrap();
    process
}

/// Who asks each venue, of those who are answered.
async fn askers(observer: &Observer) -> Vec<String> {
    let mut askers = Vec::new();
    for venue in ASKED {
        let reading = health_of(observer, venue).await;
        if reading["status"] == "live" {
            askers.push(reading["reader"].as_str().unwrap().to_owned());
        }
    }
    askers
}

/// Waits until both venues are asked by replicas of whom this holds; gives them.
async fn all_asked(observer: &Observer, by: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let all = eventually(DEADLINE, async || {
        let askers = askers(observer).await;
        found = askers.iter().cloned().collect();
        askers.len() == ASKED.len() && by(&found)
    });
    assert!(all.await, "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_both_venues_land_in_the_shards_of_their_symbols_once() {
    let redis = TestRedis::start().await.unwrap();
    let clock = Arc::new(TestClock::new(4.0));
    let simulator = exchanges(clock.clone()).await;
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let service = Service::start(&redis, clock, variables(&simulator));
    let known = async || {
        let [binance, okx] = [samples(&observer, Venue::Binance).await, samples(&observer, Venue::Okx).await];
        ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BTCUSD_PERP"].iter().all(|name| binance.get(*name) >= Some(&3))
            && ["BTC-USDT-SWAP", "SOL-USDT-SWAP"].iter().all(|name| okx.get(*name) >= Some(&2))
    };
    assert!(eventually(DEADLINE, known).await, "{}", service.metrics.render());
    let mut keys = BTreeSet::new();
    for (shard, sample) in stored(&observer, "open_interest").await {
        let symbol = Symbol::parse(sample["symbol"].as_str().unwrap()).unwrap();
        assert_eq!(shard, Shard::of(&symbol), "{sample}");
        assert!(["BTCUSDT", "ETHUSDT", "SOLUSDT"].contains(&symbol.as_str()), "nobody wants {symbol}");
        assert!(sample["coins"].is_f64() || sample["usd"].is_number(), "{sample}");
        assert!(sample["known_at_ms"].is_i64(), "{sample}");
        let key = format!("{}{}{}", sample["venue"], sample["instrument"], sample["event_time_ms"]);
        assert!(keys.insert(key), "twice: {sample}");
    }
    for venue in ASKED {
        assert!(service.counted(&["cascade_polls_total", venue.as_str(), "\"ok\""]) >= 2.0);
        assert!(service.counted(&["cascade_samples_total", venue.as_str()]) >= 2.0);
    }
    let up = async || {
        service.counted(&["cascade_poll_up", "binance"]) > 0.0
            && service.counted(&["cascade_poll_round_seconds", "binance"]) > 0.0
    };
    assert!(eventually(DEADLINE, up).await, "{}", service.metrics.render());
    let reading = health_of(&observer, Venue::Binance).await;
    assert_eq!(reading["status"], "live");
    assert!(reading["instruments"].as_u64() >= Some(4) && reading["round_ms"].is_i64(), "{reading}");
    assert!(service.health.readiness().is_ready(), "{:?}", service.health.readiness());

    service.stop().await;
    for venue in ASKED {
        let lease: Option<String> = observer.command("GET", &[&key::poll_lease(venue)]).await.unwrap();
        assert_eq!(lease, None, "the lease is given back");
        let reading = health_of(&observer, venue).await;
        assert_eq!((&reading["status"], &reading["reader"]), (&"stale".into(), &"in-test:1".into()));
        assert!(reading["reason"].as_str().unwrap().contains("nobody asks it"), "{reading}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_venues_and_one_that_is_killed_is_followed_when_its_leases_have_run_out() {
    let (redis, simulator) =
        (TestRedis::start().await.unwrap(), exchanges(Arc::new(TestClock::new(1.0))).await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let first = replica(&redis, &simulator).await;
    let alone = all_asked(&observer, |askers| askers.len() == 1).await;
    let _second = replica(&redis, &simulator).await;
    let second_lives = async || {
        let members: Vec<String> =
            observer.command("ZRANGE", &[&key::members("oi-detector"), "0", "-1"]).await.unwrap_or_default();
        members.len() == 2
    };
    assert!(eventually(DEADLINE, second_lives).await);
    assert_eq!(askers(&observer).await.len(), ASKED.len());
    assert!(all_asked(&observer, |_| true).await == alone, "who asks a venue keeps it");
    let count = async || samples(&observer, Venue::Binance).await.values().sum::<usize>();
    assert!(eventually(DEADLINE, async || count().await > 9).await, "every instrument at least once");

    first.signal("KILL").await.unwrap();
    let killed = Instant::now();
    all_asked(&observer, |askers| askers.is_disjoint(&alone)).await;
    // Six seconds until the lease has run out, and then what a question and its showing take; more on a busy machine.
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    println!("taken over {:?} after the kill", killed.elapsed());
    let before = count().await;
    assert!(eventually(DEADLINE, async || count().await > before + 9).await);
    assert!(stored(&observer, "gap").await.is_empty(), "so short a hole is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_ask_one_venue_each() {
    let redis = TestRedis::start().await.unwrap();
    let clock = Arc::new(TestClock::new(1.0));
    let simulator = exchanges(clock.clone()).await;
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let start = |name| Service::named(name, &redis, clock.clone(), variables(&simulator));
    let (one, two) = (start("one:1"), start("two:2"));
    let askers = all_asked(&observer, |_| true).await;
    assert_eq!(askers.len(), ASKED.len(), "{askers:?}");
    one.stop().await;
    // It gave its lease back: nobody waits for it to run out.
    all_asked(&observer, |askers| *askers == BTreeSet::from(["two:2".to_owned()])).await;
    two.stop().await;
}
