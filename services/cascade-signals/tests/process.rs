//! The program as a shell or an orchestrator runs it: configuration, health, signals, exit codes.
#![expect(clippy::unwrap_used, reason = "what can't be started fails the test")]

use std::time::Duration;

use cascade_bus::Write;
use cascade_testkit::{TestProcess, TestRedis, eventually};
use cascade_wire::key;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascade-signals");
const DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let arguments = [
        "--check-config",
        "--set",
        "cascade.preset=wild",
        "--set",
        "cascade.flow.share=1.5",
        "--set",
        "cascade.x=1",
    ];
    let output = TestProcess::output(PROGRAM, &arguments, &[]).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in ["wild", "flow.share", "cascade.x"] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    let fine = TestProcess::output(PROGRAM, &["--check-config"], &[]).await.unwrap();
    assert_eq!(fine.status.code(), Some(0));
}

/// What `healthcheck` ends with.
async fn health(greeting: &str) -> Option<i32> {
    let check = ["healthcheck", "--health-addr", greeting.rsplit("http://").next().unwrap()];
    TestProcess::output(PROGRAM, &check, &[]).await.unwrap().status.code()
}

/// The program, and its first line.
async fn started(redis: &TestRedis, settings: &[&str]) -> (TestProcess, String) {
    let url = redis.url();
    let arguments = [&["--redis-url", &url, "--health-addr", "127.0.0.1:0"], settings].concat();
    let mut process = TestProcess::start(PROGRAM, &arguments, &[]).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    (process, greeting)
}

/// Waits until `healthcheck` ends so.
async fn becomes(greeting: &str, code: i32) {
    assert!(
        eventually(DEADLINE, async || health(greeting).await == Some(code)).await,
        "not {code}: {greeting}"
    );
}

#[tokio::test]
async fn it_waits_for_redis_becomes_ready_and_ends_with_0_when_asked() {
    let mut redis = TestRedis::start().await.unwrap();
    redis.server.kill9().await.unwrap();
    let (process, greeting) = started(&redis, &[]).await;
    assert_eq!(health(&greeting).await, Some(1), "no Redis yet");
    redis.server.restart().await.unwrap();
    becomes(&greeting, 0).await;
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn what_is_live_is_not_ready_on_a_redis_that_a_demo_has_marked() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let (demo, _) = started(&redis, &["--set", "simulator.url=http://127.0.0.1:9"]).await;
    let marked = async || bus.get(key::DEMO).await.unwrap();
    assert!(eventually(DEADLINE, async || marked().await.is_some()).await, "the demo marks it");
    assert_eq!(marked().await.as_deref(), Some(r#"{"simulator":"http://127.0.0.1:9"}"#));
    let (live, greeting) = started(&redis, &[]).await;
    let check = ["healthcheck", "--health-addr", greeting.rsplit("http://").next().unwrap()];
    let told = async || {
        let output = TestProcess::output(PROGRAM, &check, &[]).await.unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let is_loud = eventually(DEADLINE, async || told().await.contains("this Redis is a demo's")).await;
    assert!(is_loud, "{}", told().await);
    assert_eq!(demo.end_by("TERM").await.unwrap(), Some(0));
    assert!(marked().await.is_some(), "what it wrote is still there");
    bus.write_readings(&[Write::Forget { key: key::DEMO.to_owned() }]).await.unwrap();
    becomes(&greeting, 0).await;
    assert_eq!(live.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn it_ends_with_0_when_asked_although_redis_is_gone() {
    let mut redis = TestRedis::start().await.unwrap();
    let (process, greeting) = started(&redis, &[]).await;
    becomes(&greeting, 0).await;
    redis.server.kill9().await.unwrap();
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn it_ends_with_0_within_a_short_deadline_although_redis_hangs_from_then_on() {
    let redis = TestRedis::start().await.unwrap();
    let (process, greeting) = started(&redis, &["--set", "service.shutdown_deadline_s=5"]).await;
    becomes(&greeting, 0).await;
    redis.server.pause().await.unwrap();
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn it_ends_with_0_within_a_short_deadline_although_redis_has_hung_for_a_while() {
    let redis = TestRedis::start().await.unwrap();
    let (process, greeting) = started(&redis, &["--set", "service.shutdown_deadline_s=5"]).await;
    becomes(&greeting, 0).await;
    redis.server.pause().await.unwrap();
    becomes(&greeting, 1).await;
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}
