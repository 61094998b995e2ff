//! The whole on a Redis Cluster: the same findings, and after a master's death everything resumes by itself, with the
//! lost tail told.

use cascade_domain::{Shard, Symbol, Venue};
use cascade_testkit::{Observer, TestCluster, eventually};
use cascade_wire::{EngineKeys, key};

use crate::harness::{DEADLINE, System, bitcoin_stream, feed, gaps};

async fn newest_tick(observer: &Observer) -> i64 {
    let events = bitcoin_stream(observer).await;
    let ticks = events.iter().filter(|event| event["kind"] == "tick");
    ticks.filter_map(|tick| tick["event_time_ms"].as_i64()).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_findings_come_and_a_dead_master_is_a_gap_and_no_end() {
    let bitcoin = Shard::of(&Symbol::parse("BTCUSDT").unwrap());
    let mut system = System::start(TestCluster::start(3, 1).await.unwrap(), 4.0, &[]).await;
    let mut observer = system.observer(&["cascade:critical"]).await;
    system.simulator.start();
    observer
        .wait_for(DEADLINE, |seen| {
            seen.iter().any(|m| m.value["symbol"] == "BTCUSDT" && m.value["level"] == "CRITICAL")
        })
        .await
        .unwrap();

    system.redis.kill_master_of(&key::market(bitcoin)).await.unwrap();
    let noticed = eventually(DEADLINE, async || !system.ingest.is_ready() && !system.signals.is_ready());
    assert!(noticed.await, "both say that a part of Redis is away");
    let back = eventually(DEADLINE, async || system.ingest.is_ready() && system.signals.is_ready());
    assert!(back.await, "{:?} {:?}", system.ingest.health.readiness(), system.signals.health.readiness());
    // The observer is met anew: its own way to the dead master is not what is tested.
    let observer = system.observer(&[]).await;
    let before = newest_tick(&observer).await;
    let ticks = eventually(DEADLINE, async || newest_tick(&observer).await > before + 5_000);
    assert!(ticks.await, "it ticks again");
    for venue in Venue::ALL {
        for stream in ["liquidations", "trades", "mark", "open_interest"] {
            let told = eventually(DEADLINE, async || {
                gaps(&observer, venue, stream).await.iter().any(|reason| reason == "redis")
            });
            assert!(told.await, "{venue} {stream}");
        }
        let delivers = eventually(DEADLINE, async || {
            matches!(feed(&observer, venue).await.as_str(), "live" | "sampled" | "partial")
        });
        assert!(delivers.await, "{venue}");
    }
    let keys = EngineKeys::of(bitcoin, "cascade");
    let moves = async || observer.command::<Option<String>>("GET", &[&keys.cursor]).await.unwrap();
    let cursor = moves().await;
    assert!(eventually(DEADLINE, async || moves().await > cursor).await, "the shard's engine goes on");
    let held = observer.command::<Option<String>>("GET", &[&keys.lease]).await.unwrap();
    assert!(held.is_some(), "its lease is held");
    assert!(system.ingest.lives() && system.signals.lives());
    system.stop().await;
}
