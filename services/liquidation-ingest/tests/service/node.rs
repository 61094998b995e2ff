//! A node of one's own: its fills make Hyperliquid complete, and a reader that dies is followed without loss.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use cascade_domain::{EventTime, Shard, Venue};
use cascade_pace::Clock;
use cascade_simulator::Simulator;
use cascade_testkit::{Observer, TestClock, TestProcess, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;

use crate::support::{DEADLINE, PROGRAM, exchanges, variables};

/// `2026-11-21T07:03:09.250000000`: the days of the era as a calendar counts them.
fn utc(ms: i64) -> String {
    let (mut day, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let mut year = 1970;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let ms = of_day % 1000;
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}000000", day + 1)
}

/// A node's directory with the file of one hour.
struct Node {
    directory: tempfile::TempDir,
    clock: TestClock,
    block: u64,
}

impl Node {
    fn new() -> Self {
        let (directory, clock) = (tempfile::tempdir().unwrap(), TestClock::new(1.0));
        let node = Self { directory, clock, block: 0 };
        fs::create_dir_all(node.file().parent().unwrap()).unwrap();
        node
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("hourly/20261121/7")
    }

    fn now(&self) -> EventTime {
        self.clock.now()
    }

    /// Writes a block with both rows of one trade; the liquidation object stands on both.
    fn block(&mut self, tid: u64, dir: &str) {
        self.block += 1;
        let at = self.now().ms();
        let time = utc(at);
        let victim = "0x1111111111111111111111111111111111111111";
        let row = |user: &str, side: &str, dir: &str| {
            serde_json::json!([user, {
                "coin": "BTC", "px": "82400.5", "sz": "0.5", "side": side, "time": at, "startPosition": "0.5",
                "dir": dir, "closedPnl": "0.0", "hash": "0x0", "oid": 1, "crossed": side == "A", "fee": "0.1",
                "tid": tid, "feeToken": "USDC",
                "liquidation": {"liquidatedUser": victim, "markPx": "82410.0", "method": "market"}
            }])
        };
        let other = row("0x2222222222222222222222222222222222222222", "B", "Open Long");
        let line = serde_json::json!({
            "local_time": time, "block_time": time, "block_number": self.block,
            "events": [other, row(victim, "A", dir)]
        });
        let mut file = OpenOptions::new().create(true).append(true).open(self.file()).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

async fn reader(redis: &TestRedis, simulator: &Simulator, directory: &Path) -> (TestProcess, String) {
    let mut variables = variables(redis, simulator);
    let directory = directory.display().to_string();
    variables.push(("CASCADE_VENUES__HYPERLIQUID__NODE_FILLS_DIR".to_owned(), directory));
    let mut process = TestProcess::start(PROGRAM, &["--health-addr", "127.0.0.1:0"], &variables).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    (process, greeting.rsplit("http://").next().unwrap().to_owned())
}

/// The liquidations of the node in the streams.
async fn liquidations(observer: &Observer) -> Vec<Value> {
    let mut found = Vec::new();
    for shard in Shard::all() {
        let entries = observer.stream(&key::market(shard)).await.unwrap_or_default();
        found.extend(entries.into_iter().flat_map(|e| e.values).filter(|event| {
            event["kind"] == "liquidation"
                && event["venue"] == "hyperliquid"
                && event["coverage"] == "complete"
        }));
    }
    found
}

#[test]
fn the_tests_calendar_counts_as_others_do() {
    assert_eq!(utc(1_795_244_589_250), "2026-11-21T07:03:09.250000000");
    assert_eq!(utc(1_709_164_800_000), "2024-02-29T00:00:00.000000000");
    assert_eq!(utc(1_735_689_599_999), "2024-12-31T23:59:59.999000000");
}

async fn has(observer: &Observer, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let all = eventually(DEADLINE, async || {
        found = liquidations(observer).await;
        found.len() >= count
    });
    assert!(all.await, "{} of {count}", found.len());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_fills_make_hyperliquid_live_and_a_restart_loses_and_repeats_none() {
    let (redis, simulator) = (TestRedis::start().await.unwrap(), exchanges("busy-day").await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let mut node = Node::new();
    node.block(1, "Close Long");
    let (first, address) = reader(&redis, &simulator, node.directory.path()).await;
    let place = key::feed_position(Venue::Hyperliquid);
    let kept = async || observer.command::<Option<String>>("GET", &[&place]).await.unwrap();
    let begun = eventually(DEADLINE, async || kept().await.is_some());
    assert!(begun.await, "it follows from the newest line on");

    for tid in 10..20 {
        node.block(tid, "Close Long");
    }
    node.block(20, "Auto-Deleveraging");
    let found = has(&observer, 10).await;
    let live = eventually(DEADLINE, async || {
        let health = observer.reading(&key::feed_health(Venue::Hyperliquid)).await.ok().flatten();
        health.is_some_and(|health| health["status"] == "live")
    });
    assert!(live.await);
    assert!(found.iter().all(|e| e["side"] == "long" && e["quantity"] == 0.5), "the victim sold: {found:?}");
    let counted = "cascade_ingest_auto_deleveragings_total{venue=\"hyperliquid\"} 1";
    assert!(eventually(DEADLINE, async || metrics(&address).await.contains(counted)).await);
    let at_the_end = fs::metadata(node.file()).unwrap().len().to_string();
    let caught_up =
        eventually(DEADLINE, async || kept().await.is_some_and(|place| place.ends_with(&at_the_end)));
    assert!(caught_up.await, "{:?}", kept().await);

    node.block(30, "Close Long");
    first.signal("KILL").await.unwrap();
    for tid in 31..40 {
        node.block(tid, "Close Long");
    }
    let (_second, _) = reader(&redis, &simulator, node.directory.path()).await;
    has(&observer, 20).await;
    node.block(40, "Close Long");
    let found = has(&observer, 21).await;
    let mut ids: Vec<_> = found.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), found.len()), (21, 21), "each once");
}

/// What the program tells Prometheus.
async fn metrics(address: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}
