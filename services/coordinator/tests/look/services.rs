//! Services that die, are missing or not ready, and what of that can be read.

use std::time::Duration;

use cascade_testkit::eventually;
use serde_json::json;

use crate::support::{DEADLINE, SERVICES, Site, beat_of, engine_beat};

const SIGNALS: &str = "cascade-signals";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_killed_is_silent_then_gone_and_is_well_again_when_it_is_back() {
    let site = Site::healthy().await;
    assert_eq!(site.health().await.report["services_healthy"], "4/4");
    site.kill(&beat_of(SIGNALS), Duration::from_secs(4)).await;
    let said =
        site.until("silent", |said| said.of_service(SIGNALS).contains("a has been silent for 1")).await;
    assert_eq!((said.status, &said.report["services_healthy"]), (503, &json!("3/4")));
    assert_eq!(said.report["services"][SIGNALS]["replicas"], 1, "its heartbeat stands still");
    let said = site.until("gone", |said| said.of_service(SIGNALS).starts_with("gone")).await;
    assert_eq!((said.status, &said.report["services"][SIGNALS]["replicas"]), (503, &json!(0)));
    assert_eq!(site.metric("cascade_service_up{service=\"cascade-signals\"}"), Some(0.0));
    // Another process under another name: it is found although nobody has heard of it.
    let back = beat_of(SIGNALS).replace(":a", ":b");
    site.change(|alive| drop(alive.beats.insert(back, engine_beat("0.1.0+aa", 0))));
    let said = site.until("back", |said| said.of_service(SIGNALS).is_empty()).await;
    assert_eq!(said.report["services"][SIGNALS]["replicas"], 1);
    assert_eq!(site.metric("cascade_service_up{service=\"cascade-signals\"}"), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_says_farewell_leaves_the_others_to_work() {
    let site = Site::healthy().await;
    let other = beat_of(SIGNALS).replace(":a", ":b");
    site.change(|alive| drop(alive.beats.insert(other.clone(), engine_beat("0.1.0+aa", 0))));
    site.until("two", |said| said.report["services"][SIGNALS]["replicas"] == 2).await;
    site.kill(&other, Duration::from_millis(1)).await;
    let said = site.until("one", |said| said.report["services"][SIGNALS]["replicas"] == 1).await;
    assert_eq!(said.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_says_why() {
    let site = Site::healthy().await;
    let dispatcher = beat_of("alert-dispatcher");
    let unready = json!({"version": "0.1.0", "uptime_s": 1, "unready": "redis: away"});
    site.change(|alive| drop(alive.beats.insert(dispatcher, unready)));
    let said = site.until("not ready", |said| said.status == 503).await;
    assert_eq!(said.of_service("alert-dispatcher"), "a is not ready (redis: away)");
    let status = site.status().await;
    let services = status["services"].as_array().unwrap();
    let told = services.iter().find(|service| service["name"] == "alert-dispatcher").unwrap();
    assert_eq!(told["unready"], "redis: away");
    assert!(told["beat_age_ms"].as_u64().unwrap() < 10_000, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_stops_nothing() {
    let site = Site::healthy().await;
    let set = [("service:broken:x", "SET", "nonsense"), ("feed:bybit:health", "LPUSH", "a list")];
    for (key, command, value) in set {
        let _: String = site.observer.command(command, &[key, value]).await.unwrap();
    }
    let named = eventually(DEADLINE, async || {
        let unreadable = site.status().await["unreadable"].clone();
        set.iter().all(|(key, ..)| unreadable[*key].is_string())
    });
    assert!(named.await, "{}", site.status().await);
    assert_eq!(site.health().await.status, 200);
    let status = site.status().await;
    assert_eq!(status["feeds"]["okx"]["status"], "live", "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_is_missing_at_once_where_nothing_runs() {
    let site = Site::healthy().await;
    site.change(|alive| alive.beats.clear());
    for name in SERVICES {
        site.kill(&beat_of(name), Duration::from_millis(1)).await;
    }
    let said = site.until("nothing runs", |said| said.report["services_healthy"] == "0/4").await;
    assert_eq!(said.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_coordinator_beats_itself_and_says_farewell() {
    let mut site = Site::healthy().await;
    let key = "service:coordinator:one";
    let left = async || {
        let left: i64 = site.observer.command("PTTL", &[key]).await.unwrap();
        left
    };
    assert!(eventually(DEADLINE, async || left().await > 12_000).await);
    let _: i64 = site.observer.command("PEXPIRE", &[key, "6000"]).await.unwrap();
    assert!(eventually(DEADLINE, async || left().await > 12_000).await, "it is renewed");
    let ready = site.observer.reading(key).await.unwrap().unwrap();
    assert_eq!(ready.get("unready"), None, "{ready}");
    site.stop().await;
    assert_eq!(site.observer.reading(key).await.unwrap(), None);
}
