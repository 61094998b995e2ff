//! The program as a shell or an orchestrator runs it: configuration, health, signals, exit codes.

use cascade_testkit::{TestProcess, TestRedis, eventually};

use crate::support::{DEADLINE, PROGRAM, nowhere};

/// What `healthcheck` ends with.
async fn health(greeting: &str) -> Option<i32> {
    let check = ["healthcheck", "--health-addr", greeting.rsplit("http://").next().unwrap()];
    TestProcess::output(PROGRAM, &check, &[]).await.unwrap().status.code()
}

async fn started(redis: &TestRedis) -> (TestProcess, String) {
    let url = redis.url();
    let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0"];
    let mut process = TestProcess::start(PROGRAM, &arguments, &nowhere()).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    (process, greeting)
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let arguments = [
        "--check-config",
        "--set",
        "oi.weight_share=1.5",
        "--set",
        "ingest.stream_max_age_s=5",
        "--set",
        "open_interest.x=1",
    ];
    let output = TestProcess::output(PROGRAM, &arguments, &[]).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in ["oi.weight_share", "at most 1", "stream_max_age_s", "open_interest.x"] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    let fine = TestProcess::output(PROGRAM, &["--check-config"], &[]).await.unwrap();
    assert_eq!(fine.status.code(), Some(0));
}

#[tokio::test]
async fn help_says_what_it_is_and_a_flag_that_is_none_is_refused() {
    let help = TestProcess::output(PROGRAM, &["--help"], &[]).await.unwrap();
    let told = String::from_utf8_lossy(&help.stdout);
    assert_eq!(help.status.code(), Some(0));
    assert!(told.contains("open interest") && told.contains("--check-config"), "{told}");
    let wrong = TestProcess::output(PROGRAM, &["--chek-config"], &[]).await.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn it_waits_for_redis_is_ready_although_no_exchange_answers_and_ends_with_0_when_asked() {
    let mut redis = TestRedis::start().await.unwrap();
    redis.server.kill9().await.unwrap();
    let (process, greeting) = started(&redis).await;
    assert_eq!(health(&greeting).await, Some(1), "no Redis yet");
    redis.server.restart().await.unwrap();
    assert!(eventually(DEADLINE, async || health(&greeting).await == Some(0)).await, "not ready: {greeting}");
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn it_ends_with_0_when_asked_although_redis_is_gone() {
    let mut redis = TestRedis::start().await.unwrap();
    let (process, greeting) = started(&redis).await;
    assert!(eventually(DEADLINE, async || health(&greeting).await == Some(0)).await, "not ready: {greeting}");
    redis.server.kill9().await.unwrap();
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test]
async fn it_ends_with_0_within_a_short_deadline_although_redis_hangs() {
    let redis = TestRedis::start().await.unwrap();
    let (url, deadline) = (redis.url(), "service.shutdown_deadline_s=7");
    let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0", "--set", deadline];
    let mut process = TestProcess::start(PROGRAM, &arguments, &nowhere()).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    assert!(eventually(DEADLINE, async || health(&greeting).await == Some(0)).await, "not ready: {greeting}");
    redis.server.pause().await.unwrap();
    assert!(
        eventually(DEADLINE, async || health(&greeting).await == Some(1)).await,
        "it notices: {greeting}"
    );
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}
