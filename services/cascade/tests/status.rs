//! `cascade status --json` and the coordinator's `GET /status` say the same of the same Redis.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests, outside of any service"
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::Write;
use cascade_domain::Venue;
use cascade_pace::Clock as _;
use cascade_service::config::{Document, Mistakes, Sources};
use cascade_service::{Context, Health, Metrics, Routes, Shutdown, Supervisor, SystemClock, Traces, health};
use cascade_testkit::{TestRedis, eventually};
use cascade_wire::{dispatch, finding_from_json, key};
use serde_json::{Value, json};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_mins(1);
const FINDING: &str = include_str!("finding.json");
/// What is another a moment later.
const PASSING: [&str; 7] =
    ["age_ms", "beat_age_ms", "path_age_ms", "oldest_due_age_ms", "uptime_s", "lag_ms", "used_memory_bytes"];

/// A coordinator and the real cascade-signals in this process; their address.
async fn system(redis: &TestRedis) -> SocketAddr {
    let environment = vec![("CASCADE_REDIS__URL".to_owned(), redis.url())];
    let (document, mut mistakes): (_, Mistakes) =
        Document::load(&Sources { environment, ..Sources::default() });
    let signals = cascade_signals::Config::read(&document, &mut mistakes);
    let coordinator = coordinator::Config::read(&document, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    let shutdown = Shutdown::new();
    let mut supervisor = Supervisor::new(&shutdown, DEADLINE);
    let (whole, metrics, routes) = (Health::new(), Metrics::new("test", "0"), Routes::default());
    let (own, stop) = ((whole.clone(), metrics.clone(), routes.clone()), supervisor.shutdown());
    let (address, server) = health::serve("127.0.0.1:0", own.0, own.1, own.2, stop).await.unwrap();
    supervisor.spawn("health", server);
    let context = |name| Context {
        name,
        version: "0.1.0",
        instance: "one".to_owned(),
        clock: Arc::new(SystemClock::new()),
        seed: 1,
        health: whole.part(),
        metrics: metrics.clone(),
        routes: routes.clone(),
        traces: Traces::off(),
        shutdown: supervisor.shutdown(),
        deadline: Duration::from_secs(10),
    };
    let (looks, detects) = (context(coordinator::PROGRAM.name), context(cascade_signals::PROGRAM.name));
    supervisor.spawn("coordinator", coordinator::run(coordinator, looks));
    supervisor.spawn("cascade-signals", cascade_signals::run(signals, detects));
    tokio::spawn(supervisor.run());
    address
}

/// What services that are not here leave on Redis.
async fn traces(redis: &TestRedis) {
    let json = |key: String, json: &str| Write::Json { key, json: json.to_owned(), ttl_s: 600 };
    let btc = finding_from_json(FINDING).unwrap();
    let until_ms = SystemClock::new().now().plus_ms(3_600_000).ms();
    let writes = [
        json(
            key::heartbeat("oi-detector", "two"),
            r#"{"version":"0.1.0","uptime_s":9,"unready":"redis: away","engine":"0.1.0+aa","shards_owned":0}"#,
        ),
        json(key::heartbeat("broken", "three"), "nonsense"),
        json(
            key::feed_health(Venue::Bybit),
            r#"{"status":"live","since_ms":1,"reconnects":1,"liquidations":42,"reason":""}"#,
        ),
        json(
            key::poll_health(Venue::Okx),
            r#"{"status":"live","since_ms":1,"instruments":6,"reader":"gone","told_ms":1,"reason":""}"#,
        ),
        json(
            key::velocity(btc.symbol().unwrap()),
            r#"{"symbol":"BTCUSDT","count_60s":212,"risk_score":61.2}"#,
        ),
        json(
            dispatch::DESTINATIONS.to_owned(),
            r#"{"phone":{"kind":"telegram","up":true,"produced":3,"sent":2,"open":1}}"#,
        ),
        json(
            dispatch::MUTES.to_owned(),
            &json!([{"what": {"rule": "feed"}, "until_ms": until_ms}]).to_string(),
        ),
    ];
    redis.bus("traces").unwrap().write_readings(&writes).await.unwrap();
}

/// The same without what is another a moment later, which must have been there in both or in neither.
fn lasting(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = |(name, value): (&String, &Value)| {
                let passing = PASSING.contains(&name.as_str()).then(|| json!("passing"));
                (name.clone(), passing.unwrap_or_else(|| lasting(value)))
            };
            Value::Object(map.iter().map(kept).collect())
        }
        Value::Array(values) => values.iter().map(lasting).collect(),
        other => other.clone(),
    }
}

async fn command(redis: &TestRedis) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cascade"));
    command.args(["status", "--json", "--redis-url", &redis.url()]).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn route(address: SocketAddr) -> Option<Value> {
    let answer = reqwest::Client::new().get(format!("http://{address}/status")).timeout(DEADLINE);
    answer.send().await.unwrap().error_for_status().ok()?.json().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_and_the_route_say_the_same() {
    let redis = TestRedis::start().await.unwrap();
    traces(&redis).await;
    let address = system(&redis).await;
    let (mut told, mut served) = (Value::Null, None);
    let agree = eventually(DEADLINE, async || {
        told = command(&redis).await;
        served = route(address).await;
        let is_whole =
            told["engines"]["cascade"]["owned"] == 64 && told["services"][2]["name"] == "oi-detector";
        is_whole && served.as_ref().is_some_and(|served| lasting(served) == lasting(&told))
    });
    assert!(agree.await, "the command:\n{told}\nthe route:\n{served:?}");
    // Both could say the same of nothing.
    assert_eq!(told["engines"]["cascade"]["owners"][0]["instance"], "one");
    assert_eq!(told["services"][0]["name"], "cascade-signals");
    assert_eq!(told["services"][2]["unready"], "redis: away");
    assert_eq!(told["feeds"]["bybit"]["liquidations"], 42);
    assert_eq!(told["polls"]["okx"]["status"], "stale");
    assert_eq!(told["velocity"]["BTCUSDT"]["count_60s"], 212);
    assert_eq!(told["dispatch"]["destinations"]["phone"]["sent"], 2);
    assert_eq!(told["dispatch"]["mutes"][0]["what"]["rule"], "feed");
    assert_eq!(told["dispatch"]["dead_letters"], 0);
    assert_eq!(told["redis_server"]["role"], "master");
    assert!(told["unreadable"]["service:broken:three"].is_string());
}
