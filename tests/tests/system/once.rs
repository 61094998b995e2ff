//! Each event once, each finding once: through overlap, restarts, and readers that do not read.

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{Shard, Venue};
use cascade_testkit::{Observed, Observer, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::harness::{DEADLINE, System, gaps};

const CHANNELS: [&str; 4] =
    ["cascade:signals", "cascade:episodes", "cascade:critical", "cascade:critical:json"];

/// Every liquidation in the 64 streams.
pub(crate) async fn liquidations(observer: &Observer) -> Vec<Value> {
    let mut found = Vec::new();
    for shard in Shard::all() {
        let entries = observer.stream(&key::market(shard)).await.unwrap();
        found.extend(entries.into_iter().flat_map(|e| e.values).filter(|e| e["kind"] == "liquidation"));
    }
    found
}

fn on<'a>(seen: &'a [Observed], channel: &'a str) -> impl Iterator<Item = &'a Value> {
    seen.iter().filter(move |message| message.channel == channel).map(|message| &message.value)
}

fn is_over(seen: &[Observed]) -> bool {
    let resolved: BTreeSet<_> = on(seen, "cascade:episodes")
        .filter(|finding| finding["state"] == "resolved")
        .filter_map(|finding| finding["symbol"].as_str())
        .collect();
    resolved.len() == 3
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cascade_is_told_once_although_the_engine_is_restarted_within_it_and_a_reader_sleeps() {
    let mut system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let mut observer = system.observer(&CHANNELS).await;
    let mut sleeper =
        tokio::net::TcpStream::connect(system.redis.url().replace("redis://", "")).await.unwrap();
    sleeper.write_all(b"SUBSCRIBE cascade:signals cascade:signals:json\r\n").await.unwrap();

    system.simulator.start();
    let is_critical = |finding: &Value| finding["symbol"] == "BTCUSDT" && finding["level"] == "CRITICAL";
    observer.wait_for(DEADLINE, |seen| on(seen, "cascade:episodes").any(is_critical)).await.unwrap();
    system.restart_signals().await;
    observer.wait_for(DEADLINE, is_over).await.unwrap();

    let seen = observer.seen();
    for channel in CHANNELS {
        let ids: Vec<_> = on(seen, channel).map(|finding| finding["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "twice on {channel}");
    }
    let mut revisions: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for finding in on(seen, "cascade:signals") {
        let episode = finding["episode"].as_str().unwrap();
        revisions.entry(episode).or_default().push(finding["revision"].as_u64().unwrap());
    }
    for (episode, told) in revisions {
        assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>(), "a hole in {episode}");
    }
    assert!(
        on(seen, "cascade:critical").any(|f| f["symbol"] == "BTCUSDT" && f["level"] == "EXTREME"),
        "MessagePack maps on cascade:critical"
    );
    assert!(
        on(seen, "cascade:critical").eq(on(seen, "cascade:critical:json")),
        "the JSON twins are the same findings in the same order"
    );
    system.stop().await;
}

/// Waits until the scenario is over and every liquidation that the exchanges published is in the streams, once.
pub(crate) async fn is_whole(system: &System, observer: &Observer) {
    assert!(eventually(DEADLINE, async || system.simulator.is_over()).await);
    let published =
        |venue| system.simulator.truth().venues.get(&venue).map_or(0, |shown| shown.published.orders);
    let mut stored = Vec::new();
    let whole = eventually(DEADLINE, async || {
        stored = liquidations(observer).await;
        Venue::ALL.into_iter().all(|venue| of_venue(&stored, venue) == published(venue))
    });
    let whole = whole.await;
    let counts = Venue::ALL.map(|venue| (venue, of_venue(&stored, venue), published(venue)));
    assert!(whole, "stored and published: {counts:?}");
    let ids: BTreeSet<_> = stored.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), stored.len(), "an id twice");
}

fn of_venue(events: &[Value], venue: Venue) -> u64 {
    events.iter().filter(|event| event["venue"] == venue.as_str()).count() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_liquidation_is_in_the_streams_once() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let mut observer = system.observer(&CHANNELS).await;
    system.simulator.start();
    observer.wait_for(DEADLINE, is_over).await.unwrap();

    is_whole(&system, &observer).await;
    let truth = system.simulator.truth();
    assert!(truth.venues[&Venue::Bybit].published.orders > 1000, "the scenario is no quiet day");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlap_replicas_replay_and_backfill_of_one_cascade_store_each_liquidation_once() {
    let mut system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    let observer = system.observer(&[]).await;
    let faults = system.faults();
    let opened = system.simulator.opened(Venue::Okx);
    faults.replay_on_subscribe(Venue::Okx, true);
    let spare = system.spare_ingest();
    system.simulator.start();
    let published =
        |venue| system.simulator.truth().venues.get(&venue).map_or(0, |shown| shown.published.orders);

    assert!(eventually(DEADLINE, async || published(Venue::Okx) > 20).await);
    faults.garble(
        Venue::Okx,
        r#"{"event":"notice","code":"64008","msg":"the connection will soon be closed"}"#,
    );
    assert!(
        eventually(DEADLINE, async || system.simulator.opened(Venue::Okx) > opened).await,
        "a second one"
    );
    assert!(
        eventually(DEADLINE, async || system.simulator.connections(Venue::Okx) == 1).await,
        "and the first goes"
    );
    assert_eq!(gaps(&observer, Venue::Okx, "liquidations").await, [""; 0], "nothing was missed");

    let before = published(Venue::Okx);
    faults.refuse_connections(Venue::Okx, true);
    faults.close(Venue::Okx);
    assert!(eventually(DEADLINE, async || published(Venue::Okx) > before + 20).await);
    faults.refuse_connections(Venue::Okx, false);
    assert!(eventually(DEADLINE, async || system.simulator.connections(Venue::Okx) == 1).await);

    system.ingest.stop().await;
    system.ingest = spare;
    is_whole(&system, &observer).await;
    let told = gaps(&observer, Venue::Okx, "liquidations").await;
    assert!(!told.is_empty(), "what REST can't prove complete stays told");
    for venue in [Venue::Binance, Venue::Bybit, Venue::Hyperliquid] {
        assert_eq!(gaps(&observer, venue, "liquidations").await, [""; 0], "{venue}");
    }
    system.stop().await;
}
