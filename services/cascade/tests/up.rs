//! `cascade up --demo` as a shell runs it: sockets, Redis, verdict and exit code.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

use std::time::Duration;

use cascade_testkit::{Observed, Observer, TestProcess, TestRedis};
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascade");
const DEADLINE: Duration = Duration::from_secs(90);

const CHANNELS: [&str; 2] = ["cascade:critical", "cascade:critical:json"];

/// Runs a demo to its end on this Redis; gives what it printed, and whether it exited with 0.
async fn demo(arguments: &[&str], url: &str) -> (String, bool) {
    let common = ["--once", "--redis-url", url, "--health-addr", "127.0.0.1:0"];
    let mut command = Command::new(PROGRAM);
    command.args(["up", "--demo"]).args(arguments).args(common).kill_on_drop(true);
    let output = tokio::time::timeout(2 * DEADLINE, command.output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    (printed + &String::from_utf8_lossy(&output.stderr), output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cascade_is_told_while_it_runs_and_the_table_agrees() {
    let redis = TestRedis::start().await.unwrap();
    let url = redis.url();
    let mut observer = Observer::connect(&url, &CHANNELS).await.unwrap();
    let arguments = ["cascade", "--speed", "8"];
    let ((printed, agreed), ()) = tokio::join!(demo(&arguments, &url), watch(&mut observer, &url));
    assert!(agreed, "{printed}");
    assert_eq!(printed.matches(" agree\n").count(), 3, "{printed}");
    assert!(printed.contains(" EXTREME BTCUSDT ") && printed.contains(" RESOLVED BTCUSDT "), "{printed}");
}

/// What somebody sees who looks while the cascade runs.
async fn watch(observer: &mut Observer, url: &str) {
    let extreme = |channel: &'static str| {
        move |seen: &[Observed]| {
            let told = |m: &Observed| m.channel == channel && m.value["level"] == "EXTREME";
            seen.iter().any(|m| told(m) && m.value["symbol"] == "BTCUSDT" && m.value["demo"] == true)
        }
    };
    for channel in CHANNELS {
        observer.wait_for(DEADLINE, extreme(channel)).await.unwrap();
    }
    let state = observer.reading("velocity:BTCUSDT:current").await.unwrap().unwrap();
    assert!(state["usd_30s_long"].as_f64().unwrap() > 1e6, "{state}");
    let tail = ["tail", "cascade:critical", "--redis-url", url];
    let mut tail = TestProcess::start(PROGRAM, &tail, &[]).unwrap();
    let line = tail.line().await.unwrap().unwrap();
    assert!(line.starts_with("DEMO ") && line.contains(" in 30 s "), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_a_busy_day_stays_below_alert() {
    let redis = TestRedis::start().await.unwrap();
    let (printed, agreed) = demo(&["busy-day", "--speed", "60"], &redis.url()).await;
    assert!(agreed, "{printed}");
    assert_eq!(printed.matches(" agree\n").count(), 3, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_or_a_closed_terminal_ends_a_demo_with_0() {
    let redis = TestRedis::start().await.unwrap();
    let url = redis.url();
    let arguments = ["up", "--demo", "--redis-url", &url, "--health-addr", "127.0.0.1:0"];
    for signal in ["INT", "TERM", "HUP"] {
        let mut process = TestProcess::start(PROGRAM, &arguments, &[]).unwrap();
        while !process.line().await.unwrap().unwrap().contains("feed ") {}
        assert_eq!(process.end_by(signal).await.unwrap(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let redis = TestRedis::start().await.unwrap();
    let arguments = ["up", "--demo", "--redis-url", &redis.url(), "--health-addr", &address];
    let output = TestProcess::output(PROGRAM, &arguments, &[]).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&address) && told.contains("--health-addr"), "{told}");
}
