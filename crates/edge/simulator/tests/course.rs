//! What changes while the exchanges run: faults that the scenario plans, bases that are listed later, and OKX's record.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use std::collections::BTreeSet;

use cascade_domain::Venue;
use cascade_simulator::{Scenario, Simulator};
use client::{BURST, Client, http, launch, until};
use serde_json::{Value, json};

const LINEAR: &str = "/v5/public/linear";
const LIQUIDATIONS: &str =
    r#"{"op":"subscribe","args":[{"channel":"liquidation-orders","instType":"SWAP"}]}"#;

#[tokio::test]
async fn a_planned_silence_begins_and_ends_at_its_seconds_and_what_it_withheld_is_counted() {
    let fault = "[[fault]]\nvenue = \"bybit\"\nkind = \"mute\"\nfrom_s = 2\nuntil_s = 6\n";
    let simulator = launch(&format!("{BURST}\n{fault}"), 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    client.ask(r#"{"op":"subscribe","args":["publicTrade.BTCUSDT","publicTrade.ETHUSDT"]}"#).await;
    simulator.start();
    let start = simulator.started_at().unwrap().ms();
    let mut times = Vec::new();
    while times.last().is_none_or(|last| *last < 8000) {
        times.push(client.find(|frame| frame["ts"].is_i64()).await["ts"].as_i64().unwrap() - start);
    }
    assert!(times.iter().any(|at| (100..=2000).contains(at)), "{times:?}");
    assert!(!times.iter().any(|at| (2100..=6000).contains(at)), "{times:?}");
    until("the scenario is over", || simulator.is_over()).await;
    let (withheld, shown) = (simulator.withheld(Venue::Bybit), simulator.truth().venues[&Venue::Bybit]);
    assert!(withheld.orders * 4 > shown.published.orders, "{withheld:?} of {shown:?}");
    assert!(withheld.orders < shown.published.orders && withheld.usd < shown.published.usd);
    assert_eq!(simulator.withheld(Venue::Okx).orders, 0);
}

#[test]
fn the_dead_feed_is_binance_for_long_enough_to_be_told() {
    let scenario = Scenario::named("dead-feed").unwrap();
    let ([feed], [fault]) = (scenario.expected_feeds(), scenario.faults()) else { panic!("one of each") };
    assert_eq!((feed.venue, feed.status.as_str()), (Venue::Binance, "dead"));
    assert_eq!(fault.venue, Venue::Binance);
    assert!(fault.until_s - fault.from_s >= 110 && scenario.duration_s() <= 260);
}

async fn bybit_symbols(simulator: &Simulator) -> Vec<String> {
    let path = "GET /bybit/v5/market/instruments-info?category=linear&limit=1000";
    let (_, page) = http(simulator, path, "").await;
    let list = page["result"]["list"].as_array().unwrap();
    list.iter().map(|row| row["symbol"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_base_is_listed_while_clients_are_connected_and_lives_only_then() {
    let simulator = launch(BURST, 1, 40).await;
    let faults = simulator.faults();
    for base in ["BTC", "ETH"] {
        faults.unlisted(Venue::Bybit, base);
    }
    faults.unlisted(Venue::Hyperliquid, "ETH");
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let ask = r#"{"op":"subscribe","args":["publicTrade.BTCUSDT","tickers.BTCUSDT"]}"#;
    assert_eq!(client.ask(ask).await["success"], json!(false));
    let before = bybit_symbols(&simulator).await;
    assert!(
        !before.iter().any(|symbol| symbol.starts_with("BTC") || symbol.starts_with("ETH")),
        "{before:?}"
    );
    simulator.start();
    until("some of it has happened", || simulator.truth().venues.contains_key(&Venue::Okx)).await;
    until("the scenario is over", || simulator.is_over()).await;
    assert!(
        !simulator.truth().venues.contains_key(&Venue::Bybit),
        "nobody is liquidated where nothing is listed"
    );

    faults.list(Venue::Bybit, "BTC");
    let after = bybit_symbols(&simulator).await;
    assert_eq!(after[..before.len()], before, "what was listed stands where it stood");
    assert_eq!(after[before.len()..], ["BTCUSDT", "BTCPERP"]);
    assert_eq!(client.ask(ask).await["success"], json!(true));
    for topic in ["publicTrade.BTCUSDT", "tickers.BTCUSDT"] {
        client.find(|frame| frame["topic"] == json!(topic)).await;
    }
    let universe = http(&simulator, "POST /hyperliquid/info", r#"{"type":"meta"}"#).await.1;
    assert!(universe["universe"].as_array().unwrap().iter().all(|coin| coin["name"] != json!("ETH")));
    faults.list(Venue::Hyperliquid, "ETH");
    let universe = http(&simulator, "POST /hyperliquid/info", r#"{"type":"meta"}"#).await.1;
    assert_eq!(universe["universe"].as_array().unwrap().last().unwrap()["name"], json!("ETH"), "at the end");
}

/// A liquidation with its contract, as text: what must be the same on both ways.
fn rows(data: &Value) -> Vec<(String, String)> {
    let contracts = data.as_array().unwrap().iter();
    contracts
        .flat_map(|contract| {
            let id = contract["instId"].as_str().unwrap().to_owned();
            let details = contract["details"].as_array().unwrap().iter();
            details.map(move |detail| (id.clone(), detail.to_string())).collect::<Vec<_>>()
        })
        .collect()
}

async fn page(simulator: &Simulator, tail: &str) -> Value {
    let path = format!("GET /okx/api/v5/public/liquidation-orders?instType=SWAP&state=filled{tail}");
    http(simulator, &path, "").await.1
}

fn times(rows: &[(String, String)]) -> Vec<i64> {
    let detail = |(_, text): &(String, String)| serde_json::from_str::<Value>(text).unwrap();
    rows.iter().map(|row| detail(row)["ts"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn okx_records_what_it_tells_row_for_row() {
    let simulator = launch(BURST, 3, 4).await;
    let mut client = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    client.ask(LIQUIDATIONS).await;
    simulator.start();
    let mut told = BTreeSet::new();
    until("the scenario is over", || simulator.is_over()).await;
    let published = simulator.truth().venues[&Venue::Okx].published.orders;
    while u64::try_from(told.len()).unwrap() < published {
        told.extend(rows(&client.find(|frame| frame["data"].is_array()).await["data"]));
    }
    let mut recorded = BTreeSet::new();
    for underlying in ["BTC-USDT", "BTC-USD", "ETH-USDT", "ETH-USD"] {
        let mut after = String::new();
        loop {
            let answer = page(&simulator, &format!("&uly={underlying}&limit=3{after}")).await;
            assert_eq!(answer["code"], json!("0"), "{answer}");
            let rows = rows(&answer["data"]);
            let times = times(&rows);
            assert!(rows.len() <= 3 && times.is_sorted_by(|newer, older| newer > older), "{times:?}");
            let Some(oldest) = times.last() else { break };
            after = format!("&after={oldest}");
            recorded.extend(rows);
        }
    }
    assert_eq!(recorded, told);
    let newest = rows(&page(&simulator, "&uly=BTC-USDT").await["data"]);
    let second = times(&newest)[1];
    let newer = page(&simulator, &format!("&instFamily=BTC-USDT&before={second}")).await;
    assert_eq!(rows(&newer["data"]), newest[..1], "only what is newer");
}

#[tokio::test]
async fn okx_records_while_it_is_mute_and_refuses_nonsense_and_the_41st_request_in_two_seconds() {
    let simulator = launch(BURST, 3, 10).await;
    simulator.faults().mute(Venue::Okx, true);
    simulator.start();
    until("the scenario is over", || simulator.is_over()).await;
    let recorded = rows(&page(&simulator, "&uly=BTC-USDT").await["data"]);
    assert!((4..=9).contains(&recorded.len()), "one a second: {recorded:?}");

    let simulator = launch(BURST, 3, 1).await;
    for (tail, code) in [
        ("instType=SWAP&state=filled", "50015"),
        ("state=filled&uly=BTC-USDT", "50014"),
        ("instType=SWAP&state=filled&uly=NOPE-USDT", "51000"),
        ("instType=SWAP&state=filled&uly=BTC-USDT&limit=101", "51000"),
        ("instType=SWAP&state=filled&uly=BTC-USDT&after=x", "51000"),
    ] {
        let path = format!("GET /okx/api/v5/public/liquidation-orders?{tail}");
        assert_eq!(http(&simulator, &path, "").await.1["code"], json!(code), "{tail}");
    }
    let mut answered = 5;
    let path = "GET /okx/api/v5/public/liquidation-orders?instType=SWAP&state=filled&uly=BTC-USDT";
    let refused = loop {
        let (status, body) = http(&simulator, path, "").await;
        if status != 200 {
            break (status, body["code"].clone());
        }
        answered += 1;
        assert!(answered < 2000, "never refused");
    };
    assert!(answered >= 40, "{answered}");
    assert_eq!(refused, (429, json!("50011")));
    assert_eq!(simulator.refused_for_rate(Venue::Okx), 1);
}
