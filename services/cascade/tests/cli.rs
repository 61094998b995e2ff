//! `cascade tail` and `cascade status`, as a shell runs them, against a Redis of their own.
#![expect(clippy::unwrap_used, reason = "a program that cannot be run fails the test")]

use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::Duration;

use cascade_bus::{Bus, Write};
use cascade_domain::{Finding, Venue};
use cascade_pace::Clock;
use cascade_testkit::{TestClock, TestRedis};
use cascade_wire::{Channel, encode_finding, finding_from_json, key};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

const FINDING: &str = include_str!("finding.json");
const LINE: &str = "17:06:41.482 CRITICAL BTCUSDT longs $18.4M in 30 s (93 %), price -1.2 % in 60 s, score 0.78 [flow score]";
const DEADLINE: Duration = Duration::from_secs(20);

fn cascade(arguments: &[&str], url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cascade"));
    command.args(arguments).args(["--redis-url", url]).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
async fn ended(arguments: &[&str], url: &str) -> Output {
    timeout(DEADLINE, cascade(arguments, url).output()).await.unwrap().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The address of a Redis that is not there.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("redis://127.0.0.1:{port}")
}

/// A `cascade tail` that listens.
struct Tail {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Tail {
    async fn start(arguments: &[&str], url: &str) -> Self {
        let mut child = cascade(&[&["tail"], arguments].concat(), url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut tail = Self { child, out, err };
        tail.says("listening on ").await;
        tail
    }

    /// The next line on stdout.
    async fn line(&mut self) -> String {
        timeout(DEADLINE, self.out.next_line()).await.unwrap().unwrap().unwrap()
    }

    /// Waits for a line on stderr that contains this.
    async fn says(&mut self, words: &str) -> String {
        let seen = async {
            loop {
                let line = self.err.next_line().await.unwrap().unwrap();
                if line.contains(words) {
                    return line;
                }
            }
        };
        timeout(DEADLINE, seen).await.unwrap()
    }
}

/// Publishes the finding of this text on a channel.
async fn publish(bus: &Bus, channel: &str, finding: &str) {
    let bytes = encode_finding(&finding_from_json(finding).unwrap()).unwrap();
    bus.publish(&[(channel.to_owned(), bytes)]).await.unwrap();
}

/// The finding with another id, for another market.
fn other() -> String {
    FINDING
        .replacen("\"id\":\"0000000000000001\"", "\"id\":\"0000000000000007\"", 1)
        .replace("BTCUSDT", "ETHUSDT")
}

#[tokio::test]
async fn a_published_finding_is_printed_once_however_many_channels_carry_it() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let mut tail = Tail::start(&[], &redis.url()).await;
    let finding: Finding = finding_from_json(FINDING).unwrap();
    for channel in Channel::of(&finding) {
        publish(&bus, channel.as_str(), FINDING).await;
    }
    publish(&bus, "cascade:critical", &other()).await;
    assert_eq!(tail.line().await, LINE);
    assert_eq!(tail.line().await, LINE.replace("BTC", "ETH"));
}

#[tokio::test]
async fn json_lines_and_json_twins_are_the_finding_itself() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let mut tail = Tail::start(&["--json", "cascade:episodes", "cascade:large:json"], &redis.url()).await;
    publish(&bus, "cascade:episodes", FINDING).await;
    bus.publish(&[("cascade:large:json".to_owned(), br#"{"finding":"large_liquidation"}"#.to_vec())])
        .await
        .unwrap();
    assert_eq!(tail.line().await, FINDING.trim_end());
    assert_eq!(tail.line().await, r#"{"finding":"large_liquidation"}"#);
}

#[tokio::test]
async fn open_interest_is_listened_to_by_name_and_told_in_words() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let finding = include_str!("interest.json");
    let mut tail = Tail::start(&["cascade:oi"], &redis.url()).await;
    let mut as_json = Tail::start(&["cascade:oi", "--json"], &redis.url()).await;
    for channel in Channel::of(&finding_from_json(finding).unwrap()) {
        publish(&bus, channel.as_str(), finding).await;
    }
    let line = tail.line().await;
    assert!(line.starts_with("17:06:41.482 OI EXPLOSION BTCUSDT +18.0 % in 15 min: "), "{line}");
    assert!(line.contains(": $2.1B -> $2.5B (+$378M), 3 of 3 venues (binance +18.1 %, "), "{line}");
    assert_eq!(as_json.line().await, finding.trim_end());
}

#[tokio::test]
async fn what_is_unreadable_is_named_and_the_rest_goes_on() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let mut tail = Tail::start(&["cascade:alerts", "of-somebody-else"], &redis.url()).await;
    bus.publish(&[
        ("cascade:alerts".to_owned(), b"\x1b[2Jgarbage".to_vec()),
        ("of-somebody-else".to_owned(), br#"{"any":"JSON"}"#.to_vec()),
    ])
    .await
    .unwrap();
    publish(&bus, "cascade:alerts", FINDING).await;
    assert!(tail.says("unreadable on cascade:alerts: ").await.contains("not readable"));
    assert_eq!(tail.line().await, r#"{"any":"JSON"}"#);
    assert_eq!(tail.line().await, LINE);
}

#[tokio::test]
async fn a_lost_connection_is_said_and_found_again() {
    let mut redis = TestRedis::start().await.unwrap();
    let mut tail = Tail::start(&[], &redis.url()).await;
    redis.server.kill9().await.unwrap();
    tail.says("the connection to Redis is lost").await;
    redis.server.restart().await.unwrap();
    tail.says("connected again").await;
    publish(&redis.bus("test").unwrap(), "cascade:signals", FINDING).await;
    assert_eq!(tail.line().await, LINE);
}

#[tokio::test]
async fn a_tail_ends_quietly_when_nobody_reads_any_more() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let Tail { mut child, out, .. } = Tail::start(&[], &redis.url()).await;
    drop(out);
    publish(&bus, "cascade:signals", FINDING).await;
    assert_eq!(timeout(DEADLINE, child.wait()).await.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn an_interrupt_ends_a_tail_with_0_and_a_summary() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    for signal in ["INT", "TERM"] {
        let mut tail = Tail::start(&[], &redis.url()).await;
        publish(&bus, "cascade:signals", FINDING).await;
        tail.line().await;
        let kill = format!("kill -{signal} {}", tail.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
        tail.says("1 printed, 0 unreadable").await;
        let status = timeout(DEADLINE, tail.child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_url_that_names_no_redis_is_a_mistake_in_the_configuration() {
    for command in ["up", "tail", "status"] {
        let output = ended(&[command], "http://ann:s3cret@db.example").await;
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {err}");
        assert!(
            err.contains("1 mistake in the configuration") && err.contains("redis.url"),
            "{command}: {err}"
        );
        assert!(err.contains("--redis-url") && !err.contains("s3cret"), "{command}: {err}");
    }
}

#[tokio::test]
async fn without_a_redis_the_way_out_is_named() {
    for command in ["tail", "status"] {
        let output = ended(&[command], &nowhere()).await;
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {err}");
        assert!(err.contains("Redis is not reachable") && err.contains("`cascade up`"), "{command}: {err}");
        assert!(err.contains("--redis-url") && output.stdout.is_empty(), "{command}: {err}");
    }
}

#[tokio::test]
async fn a_password_in_the_url_is_never_shown() {
    let url = nowhere().replace("redis://", "redis://ann:s3cret@");
    for command in ["up", "tail", "status"] {
        let output = ended(&[command], &url).await;
        assert!(!text(&output.stderr).contains("s3cret"), "{command}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn a_redis_on_which_nothing_runs_is_said_to_be_empty() {
    let redis = TestRedis::start().await.unwrap();
    let output = ended(&["status"], &redis.url()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("no services"), "{}", text(&output.stdout));
    let err = text(&output.stderr);
    assert!(err.contains("nothing runs on") && err.contains("`cascade up`"), "{err}");
}

#[tokio::test]
async fn status_shows_services_feeds_and_markets_as_a_table_and_as_json() {
    let redis = TestRedis::start().await.unwrap();
    let write = |key: String, json: &str| Write::Json { key, json: json.to_owned(), ttl_s: 60 };
    let poll = |told_ms: i64| {
        format!(
            r#"{{"status":"live","since_ms":1791565601482,"last_answer_ms":1791565602000,"instruments":6,"round_ms":5040,"reader":"host:9","told_ms":{told_ms},"reason":""}}"#
        )
    };
    let told_ms = TestClock::new(1.0).now().ms() + 3_600_000;
    let btc = finding_from_json(FINDING).unwrap();
    redis
        .bus("test")
        .unwrap()
        .write_readings(&[
            write(key::heartbeat("cascade-signals", "host:7"), r#"{"version":"0.1.0","uptime_s":61,"shards_owned":64}"#),
            write(key::heartbeat("broken", "host:8"), "nonsense"),
            write(
                key::feed_health(Venue::Bybit),
                r#"{"status":"live","since_ms":1791565601482,"last_frame_ms":1791565602000,"reconnects":1,"liquidations":42,"reason":""}"#,
            ),
            write(
                key::poll_health(Venue::Binance),
                &poll(told_ms),
            ),
            write(key::poll_health(Venue::Okx), &poll(1_791_565_602_000)),
            write(key::heartbeat("oi-detector", "host:9"), r#"{"version":"0.1.0","uptime_s":62,"shards_owned":63}"#),
            write(
                key::velocity(btc.symbol().unwrap()),
                r#"{"symbol":"BTCUSDT","event_time_ms":1791565601482,"count_60s":212,"risk_score":61.2,"risk_level":"HIGH","usd_30s_long":18400000.0,"usd_30s_short":0.0}"#,
            ),
        ])
        .await
        .unwrap();
    let table = ended(&["status"], &redis.url()).await;
    let (out, err) = (text(&table.stdout), text(&table.stderr));
    assert_eq!(table.status.code(), Some(0), "{out}{err}");
    for row in [
        vec!["cascade-signals", "host:7", "0.1.0", "61", "s", "64", "-"],
        vec!["oi-detector", "host:9", "0.1.0", "62", "s", "63", "-"],
        vec!["bybit", "live", "17:06:41.482", "17:06:42.000", "42", "1", "-"],
        vec!["binance", "live", "17:06:41.482", "17:06:42.000", "6", "5.0", "s", "-", "host:9"],
        vec![
            "okx",
            "stale",
            "17:06:42.000",
            "17:06:42.000",
            "6",
            "5.0",
            "s",
            "-",
            "host:9",
            "nobody",
            "asks",
            "it",
            "since",
            "17:06:42.000",
        ],
        vec!["BTCUSDT", "17:06:41.482", "61", "HIGH", "212", "$18.4M", "$0"],
    ] {
        assert!(out.lines().any(|line| line.split_whitespace().eq(row.iter().copied())), "{row:?} in {out}");
    }
    assert!(err.contains("unreadable at service:broken:host:8"), "{err}");

    let json = ended(&["status", "--json"], &redis.url()).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["services"][0]["name"], "cascade-signals");
    assert_eq!(json["feeds"]["bybit"]["liquidations"], 42);
    assert_eq!(json["polls"]["binance"]["instruments"], 6);
    assert_eq!(json["velocity"]["BTCUSDT"]["count_60s"], 212);
}
