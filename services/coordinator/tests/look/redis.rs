//! A Redis that hangs, dies, or is full.

use std::time::{Duration, Instant};

use crate::support::Site;

/// What is promised is 3 s; a machine that builds at the same time may take some more. Twenty answers that each waited for
/// Redis would take three times as long.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_told_in_time_and_holds_up_no_answer() {
    let site = Site::healthy().await;
    site.redis.server.pause().await.unwrap();
    let paused = Instant::now();
    let said = site
        .until("unhealthy", |said| {
            assert!(paused.elapsed() < IN_TIME, "{:?}", paused.elapsed());
            said.status == 503
        })
        .await;
    assert!(said.reason("redis").contains("did not answer within 1500 ms"), "{said:?}");
    assert_eq!(said.report["services_healthy"], "0/4");
    let asked = Instant::now();
    for _ in 0..20 {
        assert_eq!(site.health().await.status, 503);
    }
    assert!(asked.elapsed() < IN_TIME, "nobody waits for Redis: {:?}", asked.elapsed());
    assert_eq!(site.metric("cascade_redis_up"), Some(0.0));
    let of_redis = [
        "cascade_redis_memory_bytes",
        "cascade_redis_memory_limit_bytes",
        "cascade_shards_unowned{engine=\"cascade\"}",
        "cascade_service_replicas{service=\"cascade-signals\"}",
    ];
    let is_known = |line: &&str| site.metric(line).is_some_and(|told| !told.is_nan());
    assert!(
        !of_redis.iter().any(is_known),
        "what was seen last is no figure of now: {}",
        site.metrics.render()
    );
    site.redis.server.resume().await.unwrap();
    site.until("well again", |said| said.status == 200).await;
    assert_eq!(site.metric("cascade_redis_up"), Some(1.0));
    assert!(of_redis.iter().all(is_known), "{}", site.metrics.render());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_empty_is_well_when_everybody_has_spoken() {
    let mut site = Site::healthy().await;
    site.redis.server.kill9().await.unwrap();
    let said = site.until("away", |said| said.status == 503).await;
    assert!(!said.reason("redis").is_empty(), "{said:?}");
    site.redis.server.restart().await.unwrap();
    site.until("well again", |said| said.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_restarted_between_two_looks_is_told_for_a_while() {
    let mut site = Site::healthy().await;
    site.until("running for a while", |said| said.report["uptime_seconds"].as_u64() > Some(4)).await;
    site.redis.server.kill9().await.unwrap();
    site.redis.server.restart().await.unwrap();
    let said = site.until("restarted", |said| said.reason("redis").starts_with("it was restarted")).await;
    assert_eq!(said.status, 503);
    site.until("well again", |said| said.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_a_reason() {
    let site = Site::healthy().await;
    assert!(site.metric("cascade_redis_memory_bytes") > Some(100_000.0));
    assert_eq!(site.metric("cascade_redis_memory_limit_bytes"), Some(0.0), "it has none");
    let _: String = site.observer.command("CONFIG", &["SET", "maxmemory", "1000"]).await.unwrap();
    let said = site.until("full", |said| said.reason("redis").starts_with("its memory is full")).await;
    assert_eq!(said.status, 503);
    assert_eq!(site.metric("cascade_redis_memory_limit_bytes"), Some(1000.0));
    let _: String = site.observer.command("CONFIG", &["SET", "maxmemory", "0"]).await.unwrap();
    site.until("well again", |said| said.status == 200).await;
}
