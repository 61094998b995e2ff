//! Shards, their owners, and the ticks that go the whole way.

use std::time::Duration;

use cascade_testkit::eventually;
use cascade_wire::{EngineKeys, key};
use serde_json::json;

use cascade_domain::Shard;

use crate::support::{DEADLINE, Site, beat_of, engine_beat};

#[tokio::test(flavor = "multi_thread")]
async fn shards_that_nobody_takes_are_a_reason_after_twenty_seconds() {
    let site = Site::healthy().await;
    assert_eq!(site.metric("cascade_shards_unowned{engine=\"oi\"}"), Some(0.0));
    site.change(|alive| alive.owners.retain(|(engine, ..)| *engine != "oi"));
    let unowned = eventually(DEADLINE, async || {
        for shard in Shard::all() {
            let lease = EngineKeys::of(shard, "oi").lease;
            let _: i64 = site.observer.command("DEL", &[&lease]).await.unwrap();
        }
        site.metric("cascade_shards_unowned{engine=\"oi\"}") == Some(64.0)
    });
    assert!(unowned.await);
    let said = site.health().await;
    assert_eq!(said.status, 200, "they may be on their way to another replica: {said:?}");
    site.clock.pass(Duration::from_secs(21));
    let said = site.until("a reason", |said| said.reason("shards:oi").starts_with("64 of 64")).await;
    assert_eq!((said.status, &said.report["services_healthy"]), (503, &json!("4/4")));
    assert_eq!(said.reason("shards:cascade"), "");
    site.clock.pass(Duration::from_secs(10));
    site.until("the path, too", |said| !said.reason("signal_path:oi").is_empty()).await;
    assert!(
        site.metric("cascade_signal_path_age_seconds{engine=\"oi\"}") > Some(30.0),
        "the last known grows"
    );
    assert!(site.metric("cascade_signal_path_age_seconds{engine=\"cascade\"}") < Some(30.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_side_by_side_are_shown_and_are_well() {
    let site = Site::healthy().await;
    let owners = |engine| {
        let of = |owner: &str, shards| (engine, owner.to_owned(), shards);
        vec![of("a 0.1.0+aa", 0..40), of("b 0.2.0+bb", 40..64)]
    };
    site.change(|alive| {
        alive.owners.retain(|(engine, ..)| *engine != "cascade");
        alive.owners.extend(owners("cascade"));
        alive.beats.insert(beat_of("cascade-signals"), engine_beat("0.1.0+aa", 40));
        let other = beat_of("cascade-signals").replace(":a", ":b");
        alive.beats.insert(other, engine_beat("0.2.0+bb", 24));
    });
    let shards = |range: std::ops::Range<u8>| json!(range.collect::<Vec<_>>());
    let mut told = json!(null);
    let shared = eventually(DEADLINE, async || {
        // What the first owner does not renew runs out; nobody waits for that here.
        for shard in Shard::all().skip(40) {
            let lease = EngineKeys::of(shard, "cascade").lease;
            let owner: Option<String> = site.observer.command("GET", &[&lease]).await.unwrap();
            if owner.is_some_and(|owner| owner.starts_with("a ")) {
                let _: i64 = site.observer.command("DEL", &[&lease]).await.unwrap();
            }
        }
        told = site.status().await["engines"]["cascade"].clone();
        told["owners"][1]["shards"] == shards(40..64) && told["path_age_ms"].is_u64()
    });
    assert!(shared.await, "{told}");
    let of =
        |place: usize| (told["owners"][place]["engine"].clone(), told["owners"][place]["shards"].clone());
    assert_eq!(of(0), (json!("0.1.0+aa"), shards(0..40)));
    assert_eq!(of(1), (json!("0.2.0+bb"), shards(40..64)));
    assert_eq!((&told["owned"], &told["lag_ms"]), (&json!(64), &json!(700)), "{told}");
    let path_ms = told["path_age_ms"].as_u64().unwrap();
    assert!((700..15_700).contains(&path_ms), "its lag, and how old its word is: {path_ms}");
    assert_eq!(site.health().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_that_stop_are_a_reason_and_so_is_a_stream_without_any() {
    const OLDER: &str = "local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1] \
                         local t = redis.call('TIME') redis.call('DEL', KEYS[1]) \
                         return redis.call('XADD', KEYS[1], (t[1] - 12) .. '000-1', unpack(e[2]))";
    let site = Site::healthy().await;
    assert!(site.metric("cascade_tick_age_seconds") < Some(10.0));
    site.change(|alive| alive.ticks = false);
    let stream = key::market(Shard::new(0).unwrap());
    let said = {
        let mut last = None;
        let stale = eventually(DEADLINE, async || {
            let _: String = site.observer.command("EVAL", &[OLDER, "1", &stream]).await.unwrap();
            let said = site.health().await;
            let is_stale = said.reason("ticks").starts_with("the newest is 1");
            last = Some(said);
            is_stale
        });
        assert!(stale.await, "{last:?}");
        last.unwrap()
    };
    assert_eq!((said.status, &said.report["services_healthy"]), (503, &json!("4/4")));
    let _: i64 = site.observer.command("DEL", &[&stream]).await.unwrap();
    site.until("none", |said| said.reason("ticks").starts_with("there is none")).await;
    site.change(|alive| alive.ticks = true);
    site.until("ticks again", |said| said.status == 200).await;
}
