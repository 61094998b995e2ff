//! `cascade doctor`, as a shell runs it, against simulated exchanges and a Redis of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a program that cannot be run fails the test")]

mod market;

use std::net::TcpListener;

use cascade_simulator::Scenario;
use cascade_testkit::{Observer, TestProcess, TestRedis};
use market::{Market, answers};
use serde_json::Value;

/// What a doctor said as JSON, and its exit code.
async fn examined(variables: &[(String, String)], arguments: &[&str]) -> (Value, Option<i32>) {
    let arguments = [&["doctor", "--json"], arguments].concat();
    let output = TestProcess::output(env!("CARGO_BIN_EXE_cascade"), &arguments, variables).await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    (report, output.status.code())
}

/// Everything is where it should be: exchanges, Redis, free ports.
async fn healthy() -> (Market, TestRedis, Vec<(String, String)>) {
    let market = Market::open(Scenario::named("busy-day").unwrap(), 1.0).await;
    let redis = TestRedis::start().await.unwrap();
    let mut variables = market.variables();
    variables.push(("CASCADE_REDIS__URL".to_owned(), redis.url()));
    for section in ["UP", "INGEST", "SIGNALS"] {
        variables.push((format!("CASCADE_{section}__HEALTH_ADDR"), "127.0.0.1:0".to_owned()));
    }
    (market, redis, variables)
}

fn change(variables: &mut [(String, String)], name: &str, value: String) {
    variables.iter_mut().find(|(known, _)| known == name).unwrap().1 = value;
}

/// The check of this name.
fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// The names of the checks with this status.
fn named<'a>(report: &'a Value, status: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["status"] == status).map(|check| check["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_wrong_everything_is_ok_and_the_text_says_the_same() {
    let (_market, _redis, variables) = healthy().await;
    let (report, code) = examined(&variables, &[]).await;
    assert_eq!(
        (named(&report, "ok").len(), code),
        (report["checks"].as_array().unwrap().len(), Some(0)),
        "{report}"
    );
    assert_eq!((&report["ok"], &report["failed"], &report["warned"]), (&true.into(), &0.into(), &0.into()));
    for venue in ["binance", "bybit", "okx", "hyperliquid"] {
        for what in ["REST", "WebSocket", "clock"] {
            check(&report, &format!("{venue} {what}"));
        }
    }
    assert!(check(&report, "okx REST")["found"].as_str().unwrap().contains("instruments"));

    let output = TestProcess::output(env!("CARGO_BIN_EXE_cascade"), &["doctor"], &variables).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("\nnothing is wrong\n") && !text.contains('\u{1b}'), "{text}");
    for check in report["checks"].as_array().unwrap() {
        let (name, found) = (check["name"].as_str().unwrap(), check["found"].as_str().unwrap());
        let same = |line: &str| line.starts_with("ok ") && line.contains(name);
        // What is measured differs from time to time.
        let told = |line: &str| name.ends_with(" clock") || name == "redis memory" || line.ends_with(found);
        assert!(text.lines().any(|line| same(line) && told(line)), "{check} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_does_not_serve_this_place_is_named_with_the_way_out() {
    let (_market, _redis, mut variables) = healthy().await;
    let there = answers("451 Unavailable For Legal Reasons").await;
    change(&mut variables, "CASCADE_VENUES__BINANCE__REST_URL", format!("http://{there}"));
    change(&mut variables, "CASCADE_VENUES__BINANCE__WS_URL", format!("ws://{there}"));
    let there = answers("429 Too Many Requests\r\nRetry-After: 90").await;
    change(&mut variables, "CASCADE_VENUES__BYBIT__REST_URL", format!("http://{there}"));
    let (report, code) = examined(&variables, &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(named(&report, "fail"), ["binance REST", "binance WebSocket", "bybit REST"], "{report}");
    for name in ["binance REST", "binance WebSocket"] {
        let check = check(&report, name);
        let (found, way_out) = (check["found"].as_str().unwrap(), check["way_out"].as_str().unwrap());
        assert!(found.contains("binance answers HTTP 451: it does not serve the place"), "{check}");
        assert!(
            way_out.contains("run from another place") && way_out.contains("ingest.exchanges"),
            "{check}"
        );
    }
    let limited = check(&report, "bybit REST");
    assert!(
        limited["found"].as_str().unwrap().contains("HTTP 429") && limited["way_out"].is_string(),
        "{limited}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_there_is_named_and_asked_nothing_more() {
    let (market, _redis, mut variables) = healthy().await;
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    change(&mut variables, "CASCADE_VENUES__OKX__WS_URL", format!("ws://{nowhere}"));
    let (report, code) = examined(&variables, &["--set", "ingest.exchanges=okx"]).await;
    let blocked = format!("okx {nowhere}");
    assert_eq!((named(&report, "fail"), code), (vec![blocked.as_str()], Some(1)), "{report}");
    let way_out = check(&report, &blocked)["way_out"].as_str().unwrap();
    assert!(
        way_out.contains(&format!("TCP to {nowhere}")) && way_out.contains("venues.okx.ws_url"),
        "{way_out}"
    );
    assert!(check(&report, &format!("okx {}", market.simulator.addr()))["status"] == "ok");
    assert!(!report.to_string().contains("WebSocket"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_hangs_holds_nothing_up_for_long() {
    let (_market, _redis, mut variables) = healthy().await;
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = mute.local_addr().unwrap();
    change(&mut variables, "CASCADE_VENUES__OKX__REST_URL", format!("http://{there}"));
    change(&mut variables, "CASCADE_VENUES__OKX__WS_URL", format!("ws://{there}"));
    let (report, code) = examined(&variables, &["--set", "ingest.exchanges=okx,bybit"]).await;
    assert_eq!((named(&report, "fail"), code), (vec!["okx REST", "okx WebSocket"], Some(1)), "{report}");
    assert_eq!(named(&report, "warn"), ["okx clock"]);
    assert!(check(&report, "okx REST")["found"].as_str().unwrap().contains("no answer within"), "{report}");
    assert_eq!(check(&report, "bybit clock")["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_or_forgets_is_named() {
    let (_market, mut redis, variables) = healthy().await;
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let set = ["SET", "maxmemory-policy", "allkeys-lru"];
    let _: String = observer.command("CONFIG", &set).await.unwrap();
    let _: String = observer.command("CONFIG", &["SET", "maxmemory", "1mb"]).await.unwrap();
    let arguments = ["--set", "ingest.exchanges=bybit"];
    let (report, code) = examined(&variables, &arguments).await;
    assert_eq!((named(&report, "warn"), code), (vec!["redis memory", "redis eviction"], Some(0)), "{report}");
    redis.server.kill9().await.unwrap();
    let (report, code) = examined(&variables, &arguments).await;
    assert_eq!((named(&report, "fail"), code), (vec!["redis"], Some(1)), "{report}");
    let away = check(&report, "redis");
    assert!(away["found"].as_str().unwrap().contains(&redis.url()), "{away}");
    assert!(away["way_out"].as_str().unwrap().contains("--redis-url"), "{away}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_the_configuration_is_a_check_and_the_rest_is_looked_at_all_the_same() {
    let (_market, _redis, mut variables) = healthy().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    change(&mut variables, "CASCADE_INGEST__HEALTH_ADDR", port.clone());
    let mistakes =
        ["--set", "ingest.symbols=BTCUSD", "--set", "cascade.preset=wild", "--set", "ingest.exchanges=okx"];
    let (report, code) = examined(&variables, &mistakes).await;
    assert_eq!((named(&report, "fail"), code), (vec!["configuration"; 2], Some(1)), "{report}");
    let told = report.to_string();
    assert!(told.contains("ingest.symbols") && told.contains("cascade.preset"), "{told}");
    assert_eq!(named(&report, "warn"), ["port of liquidation-ingest"]);
    assert!(
        check(&report, "port of liquidation-ingest")["found"].as_str().unwrap().contains(&port),
        "{report}"
    );
    check(&report, "okx clock");
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("redis://ann:s3cret@{nowhere}");
    for json in [&["doctor", "--json"][..], &["doctor"]] {
        let arguments = [json, &["--redis-url", &url, "--set", "ingest.exchanges=okx"]].concat();
        let output = TestProcess::output(env!("CARGO_BIN_EXE_cascade"), &arguments, &[]).await.unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(&nowhere.to_string()) && !told.contains("s3cret"), "{told}");
    }
}
