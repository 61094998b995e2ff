//! Who is let in and who is thrown out: limits of the venues, closes, HTTP refusals, age, and what is counted of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use std::time::Duration;

use cascade_domain::Venue;
use client::{BURST, Client, bare_http, http, launch, until};
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

const LINEAR: &str = "/v5/public/linear";
const MARKET: &str = "/market/stream";
const PUBLIC: &str = "/ws/v5/public";
const PING: &str = r#"{"op":"ping"}"#;

#[tokio::test]
async fn a_limit_close_reaches_every_connection_with_its_code() {
    let simulator = launch(BURST, 1, 1).await;
    let mut first = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let mut second = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    first.ask(PING).await;
    second.ask(PING).await;
    simulator.faults().limit_close(Venue::Bybit, 1008, "rate limit");
    assert_eq!((first.ended().await, second.ended().await), (Some(1008), Some(1008)));
    assert_eq!(simulator.refused_for_rate(Venue::Bybit), 0, "no client broke a limit");
}

#[tokio::test]
async fn new_connections_are_closed_after_their_first_message_and_old_ones_stay() {
    let simulator = launch(BURST, 1, 1).await;
    let mut old = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    old.ask(PING).await;
    simulator.faults().close_new(Venue::Bybit, Some(1013));
    for _ in 0..2 {
        let mut new = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
        assert!(new.drained().await, "nothing before its first message");
        new.send(PING).await;
        assert_eq!(new.ended().await, Some(1013));
    }
    old.ask(PING).await;
    simulator.faults().close_new(Venue::Bybit, None);
    Client::connect(&simulator, Venue::Bybit, LINEAR).await.ask(PING).await;
    assert_eq!(simulator.opened(Venue::Bybit), 4);
}

#[tokio::test]
async fn a_connection_ends_when_it_is_old_enough_also_one_that_stands_already() {
    let simulator = launch(BURST, 1, 20).await;
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    client.ask(PING).await;
    simulator.faults().connection_age(Venue::Bybit, Some(Duration::from_secs(20)));
    assert_eq!(client.ended().await, Some(1001));
    simulator.faults().connection_age(Venue::Bybit, None);
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    client.ask(PING).await;
}

#[tokio::test]
async fn connections_and_requests_are_answered_with_the_status_and_the_pause_asked_for() {
    let simulator = launch(BURST, 1, 1).await;
    let faults = simulator.faults();
    for (status, after) in [(429, Some(7)), (418, Some(120)), (403, None), (451, None)] {
        faults.answer_connect(Venue::Binance, Some((status, after)));
        faults.answer_rest(Venue::Binance, Some((status, after)));
        let refused = Client::try_connect(&simulator, Venue::Binance, MARKET).await.err().unwrap();
        let Error::Http(answer) = refused else { panic!("{refused}") };
        let pause = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((answer.status().as_u16(), pause), (status, after.map(|s| s.to_string())));
        for path in ["/binance/fapi/v1/exchangeInfo", "/binance-coinm/dapi/v1/exchangeInfo"] {
            let answer = bare_http(&simulator, &format!("GET {path}"), "").await.to_lowercase();
            assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
            let pause = after.map(|seconds| format!("\r\nretry-after: {seconds}\r\n"));
            assert!(pause.is_none_or(|pause| answer.contains(&pause)), "{answer}");
        }
    }
    assert_eq!(http(&simulator, "GET /bybit/v5/market/instruments-info?category=linear", "").await.0, 200);
    faults.answer_connect(Venue::Binance, None);
    faults.answer_rest(Venue::Binance, None);
    Client::connect(&simulator, Venue::Binance, MARKET).await;
    assert_eq!(http(&simulator, "GET /binance/fapi/v1/exchangeInfo", "").await.0, 200);
    until("it is counted", || simulator.opened(Venue::Binance) == 1).await;
    assert_eq!(simulator.refused_for_rate(Venue::Binance), 0);
}

#[tokio::test]
async fn each_venue_lets_in_so_many_connections_and_refuses_the_next() {
    let simulator = launch("busy-day", 1, 1).await;
    for (venue, path, most) in [(Venue::Binance, MARKET, 300), (Venue::Bybit, LINEAR, 500)] {
        for _ in 0..most {
            Client::connect(&simulator, venue, path).await;
        }
        let refused = Client::try_connect(&simulator, venue, path).await.err().unwrap();
        let Error::Http(answer) = refused else { panic!("{refused}") };
        assert_eq!(answer.status(), 429);
        until("all are counted", || simulator.opened(venue) == most).await;
        assert_eq!(simulator.refused_for_rate(venue), 1);
    }
}

#[tokio::test]
async fn hyperliquid_closes_the_thirty_first_connection_of_a_minute() {
    let simulator = launch("busy-day", 1, 1).await;
    let ping = r#"{"method":"ping"}"#;
    for _ in 0..30 {
        Client::connect(&simulator, Venue::Hyperliquid, "/ws").await.ask(ping).await;
        until("it has left", || simulator.connections(Venue::Hyperliquid) == 0).await;
    }
    let mut client = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
    assert_eq!(client.ended().await, Some(1008));
    assert_eq!(simulator.refused_for_rate(Venue::Hyperliquid), 1);
}

#[tokio::test]
async fn hyperliquid_refuses_the_1001st_subscription_and_closes_after_the_2000th_message() {
    let swarm = "[swarm]\nbases = 500\nfrom_s = 1\nuntil_s = 10\norders_per_s = {}\ntrades_per_s = {}\nquiet_share = 0\nmedian_usd = 1\nsigma = 0\nlong_share = 0\n";
    let simulator = launch(&format!("{BURST}\n{swarm}"), 1, 1).await;
    simulator.faults().silence_topic(Venue::Hyperliquid, " ");
    let mut client = Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
    let ask = |kind: &str, number: usize| {
        let what = json!({"type": kind, "coin": format!("S{number:03}")});
        json!({"method": "subscribe", "subscription": what}).to_string()
    };
    for number in 0..500 {
        for kind in ["activeAssetCtx", "trades"] {
            client.send(ask(kind, number)).await;
            client.find(|frame| frame["channel"] == json!("subscriptionResponse")).await;
        }
    }
    client.send(r#"{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}"#).await;
    let refused = client.find(|frame| frame["channel"] == json!("error")).await;
    assert!(refused["data"].as_str().unwrap().contains("1000"), "{refused}");
    assert_eq!(simulator.refused_for_rate(Venue::Hyperliquid), 1);
    for _ in 1001..2001 {
        client.send(r#"{"method":"ping"}"#).await;
    }
    assert_eq!(client.ended().await, Some(1008));
    assert_eq!(simulator.refused_for_rate(Venue::Hyperliquid), 2);
}

#[tokio::test]
async fn okx_refuses_the_481st_request_of_an_hour_and_one_that_is_too_long() {
    let simulator = launch("busy-day", 1, 1).await;
    let mut client = Client::connect(&simulator, Venue::Okx, PUBLIC).await;
    let long = json!({"op": "subscribe", "args": [{"channel": "trades", "instId": "x".repeat(65_536)}]});
    assert_eq!(client.ask(long.to_string()).await["code"], json!("60012"));
    assert_eq!(simulator.refused_for_rate(Venue::Okx), 1);
    let ask = r#"{"op":"unsubscribe","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"}]}"#;
    for _ in 0..480 {
        assert_eq!(client.ask(ask).await["event"], json!("unsubscribe"));
    }
    assert_eq!(client.ask(ask).await["code"], json!("60014"));
    assert_eq!(simulator.refused_for_rate(Venue::Okx), 2);
}

#[tokio::test]
async fn what_a_client_asks_for_beyond_the_limits_is_counted_and_nothing_else_is() {
    let simulator = launch("busy-day", 1, 1).await;
    let mut client = Client::connect(&simulator, Venue::Binance, MARKET).await;
    let streams: Vec<String> = (0..201).map(|n| format!("x{n}@aggTrade")).collect();
    let subscribe =
        |streams: &[String]| json!({"method": "SUBSCRIBE", "params": streams, "id": 2}).to_string();
    client.ask(subscribe(&streams[..200])).await;
    client.ask("nonsense").await;
    assert_eq!(simulator.refused_for_rate(Venue::Binance), 0);
    client.ask(subscribe(&streams)).await;
    assert_eq!(simulator.refused_for_rate(Venue::Binance), 1);
    for _ in 3..11 {
        client.send("nonsense").await;
    }
    assert_eq!(client.ended().await, Some(1008));
    assert_eq!(simulator.refused_for_rate(Venue::Binance), 2);

    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    client.ask(json!({"op": "subscribe", "args": ["tickers.NOPEUSDT"]}).to_string()).await;
    assert_eq!(simulator.refused_for_rate(Venue::Bybit), 0);
    client.ask(json!({"op": "subscribe", "args": ["x".repeat(21_001)]}).to_string()).await;
    assert_eq!(simulator.refused_for_rate(Venue::Bybit), 1);
}
