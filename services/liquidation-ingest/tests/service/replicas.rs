//! Several replicas: one reads a venue, the others stand by; what one leaves another takes, and nothing is stored twice.

use std::collections::BTreeSet;

use cascade_domain::{Shard, Symbol, Venue};
use cascade_simulator::Simulator;
use cascade_testkit::{Observer, TestProcess, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;

use crate::support::{DEADLINE, PROGRAM, exchanges, variables};

/// A replica whose greeting has been read.
async fn replica(redis: &TestRedis, simulator: &Simulator) -> TestProcess {
    let variables = variables(redis, simulator);
    let mut process = TestProcess::start(PROGRAM, &["--health-addr", "127.0.0.1:0"], &variables).unwrap();
    process.line().await.unwrap().unwrap();
    process
}

/// Who reads each venue, of those that deliver.
async fn readers(observer: &Observer) -> Vec<String> {
    let mut readers = Vec::new();
    for venue in Venue::ALL {
        let reading = observer.reading(&key::feed_health(venue)).await.ok().flatten().unwrap_or_default();
        let delivers = matches!(reading["status"].as_str(), Some("live" | "sampled" | "partial"));
        if delivers && reading["settled"] == true {
            readers.push(reading["reader"].as_str().unwrap().to_owned());
        }
    }
    readers
}

/// Waits until every venue delivers to readers of whom this holds; gives them.
async fn all_read(observer: &Observer, by: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let all = eventually(DEADLINE, async || {
        let readers = readers(observer).await;
        found = readers.iter().cloned().collect();
        readers.len() == Venue::ALL.len() && by(&found)
    });
    assert!(all.await, "{found:?}");
    found
}

/// What the streams hold of this kind, each shard's in its order.
async fn stored(observer: &Observer, kind: &str, shards: impl Iterator<Item = Shard>) -> Vec<Value> {
    let mut found = Vec::new();
    for shard in shards {
        let entries = observer.stream(&key::market(shard)).await.unwrap_or_default();
        found.extend(entries.into_iter().flat_map(|e| e.values).filter(|e| e["kind"] == kind));
    }
    found
}

/// Each venue's count of stored liquidations becomes what stands in the streams.
async fn is_counted(observer: &Observer) {
    let liquidations = stored(observer, "liquidation", Shard::all()).await;
    for venue in Venue::ALL {
        let stored = liquidations.iter().filter(|event| event["venue"] == venue.as_str()).count();
        let mut counted = 0;
        let same = eventually(DEADLINE, async || {
            let hours: Vec<String> = observer.command("HVALS", &[&key::liquidations(venue)]).await.unwrap();
            counted = hours.iter().map(|count| count.parse::<usize>().unwrap()).sum();
            counted == stored
        });
        assert!(same.await, "{venue}: {counted} of {stored}");
    }
}

fn bitcoin() -> Shard {
    Shard::of(&Symbol::parse("BTCUSDT").unwrap())
}

/// Every liquidation that the exchanges published stands in the streams exactly once.
async fn is_whole(observer: &Observer, simulator: &Simulator) {
    assert!(eventually(DEADLINE, async || simulator.is_over()).await);
    let published = |venue| simulator.truth().venues.get(&venue).map_or(0, |shown| shown.published.orders);
    let mut liquidations = Vec::new();
    let of = |events: &[Value], venue: Venue| {
        events.iter().filter(|e| e["venue"] == venue.as_str()).count() as u64
    };
    let whole = eventually(DEADLINE, async || {
        liquidations = stored(observer, "liquidation", Shard::all()).await;
        Venue::ALL.into_iter().all(|venue| of(&liquidations, venue) == published(venue))
    });
    let whole = whole.await;
    let counts = Venue::ALL.map(|venue| (venue, of(&liquidations, venue), published(venue)));
    assert!(whole, "stored and published: {counts:?}");
    let ids: BTreeSet<_> = liquidations.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), liquidations.len(), "an id twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_is_followed_within_15_s_and_its_gap_is_told() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("busy-day").await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let first = replica(&redis, &simulator).await;
    let killed = all_read(&observer, |readers| readers.len() == 1).await;
    let _second = replica(&redis, &simulator).await;
    first.signal("KILL").await.unwrap();
    all_read(&observer, |readers| readers.is_disjoint(&killed)).await;

    for venue in Venue::ALL {
        let mut told = Vec::new();
        let gap = eventually(DEADLINE, async || {
            told = stored(&observer, "gap", [bitcoin()].into_iter()).await;
            told.retain(|gap| gap["venue"] == venue.as_str() && gap["stream"] == "liquidations");
            told.len() >= 2
        });
        assert!(gap.await, "{venue}: {told:?}");
        for gap in &told {
            let length_ms = gap["to_ms"].as_i64().unwrap() - gap["from_ms"].as_i64().unwrap();
            assert!((1..15_000).contains(&length_ms), "{venue}: {told:?}");
        }
    }
    let last = |ticks: &[Value]| ticks.last().and_then(|tick| tick["event_time_ms"].as_i64());
    let before = last(&stored(&observer, "tick", [bitcoin()].into_iter()).await);
    let ticks = eventually(DEADLINE, async || {
        last(&stored(&observer, "tick", [bitcoin()].into_iter()).await) > before.map(|at| at + 3_000)
    });
    assert!(ticks.await, "it writes the ticks too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_in_a_cascade_hands_over_and_each_liquidation_is_stored_once() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("burst").await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let first = replica(&redis, &simulator).await;
    all_read(&observer, |readers| readers.len() == 1).await;
    let _second = replica(&redis, &simulator).await;
    simulator.start();
    let many = eventually(DEADLINE, async || {
        stored(&observer, "liquidation", [bitcoin()].into_iter()).await.len() > 400
    });
    assert!(many.await, "no cascade");
    assert_eq!(first.end_by("TERM").await.unwrap(), Some(0));
    let taken = all_read(&observer, |readers| readers.len() == 1).await;
    is_whole(&observer, &simulator).await;
    is_counted(&observer).await;
    assert_eq!(all_read(&observer, |_| true).await, taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_read_every_venue_once_and_every_tick_knows_all_of_them() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("busy-day").await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let (_one, _two) = tokio::join!(replica(&redis, &simulator), replica(&redis, &simulator));
    all_read(&observer, |_| true).await;
    let lead: Option<String> = observer.command("GET", &[key::TICK_LEASE]).await.unwrap();
    assert!(lead.is_some());
    let known = eventually(DEADLINE, async || {
        let ticks = stored(&observer, "tick", [bitcoin()].into_iter()).await;
        ticks.last().is_some_and(|tick| {
            let feeds = tick["feeds"].as_object().unwrap();
            let delivers = |status: &Value| matches!(status.as_str(), Some("live" | "sampled" | "partial"));
            feeds.len() == Venue::ALL.len() && feeds.values().all(delivers) && tick["btc_price"].is_f64()
        })
    });
    assert!(known.await, "{:?}", stored(&observer, "tick", [bitcoin()].into_iter()).await.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_slept_wakes_beside_its_successor_and_nothing_is_stored_twice() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("burst").await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let first = replica(&redis, &simulator).await;
    let slept = all_read(&observer, |readers| readers.len() == 1).await;
    let _second = replica(&redis, &simulator).await;
    first.signal("STOP").await.unwrap();
    all_read(&observer, |readers| readers.is_disjoint(&slept)).await;
    simulator.start();
    first.signal("CONT").await.unwrap();
    is_whole(&observer, &simulator).await;
    assert!(all_read(&observer, |_| true).await.is_disjoint(&slept), "it has given the venues up");
}
