//! Faults on request, and a reader that does not read.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use cascade_domain::Venue;
use client::{BURST, Client, launch, until};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

const LINEAR: &str = "/v5/public/linear";
const TRADES: &str = r#"{"op":"subscribe","args":["publicTrade.BTCUSDT"]}"#;

#[tokio::test]
async fn a_closed_venue_cuts_all_its_connections_and_no_other() {
    let simulator = launch(BURST, 1, 4).await;
    let mut bybit = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let mut okx = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    bybit.ask(TRADES).await;
    simulator.faults().close(Venue::Bybit);
    assert_eq!(bybit.ended().await, None, "without a word");
    assert_eq!(simulator.connections(Venue::Bybit), 0);
    okx.send("ping").await;
    assert_eq!(okx.text().await, "pong");
}

#[tokio::test]
async fn garbage_reaches_every_connection() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    client.ask(r#"{"op":"ping"}"#).await;
    simulator.faults().garble(Venue::Bybit, "{\"topic\":");
    simulator.faults().binary(Venue::Bybit, &[0, 159, 146]);
    assert_eq!(client.text().await, "{\"topic\":");
    assert_eq!(client.next().await, Some(Message::binary(vec![0u8, 159, 146])));
}

#[tokio::test]
async fn a_mute_venue_stays_connected_and_speaks_again() {
    let simulator = launch(BURST, 1, 10).await;
    let mut mute = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let mut other = Client::connect(&simulator, Venue::Binance, "/market/stream").await;
    mute.ask(TRADES).await;
    other.ask(r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}"#).await;
    let faults = simulator.faults();
    faults.mute(Venue::Bybit, true);
    let silence_began = mute.drained().await;
    for _ in 0..20 {
        other.find(|f| f["stream"] == json!("btcusdt@aggTrade")).await;
    }
    assert!(silence_began && mute.drained().await, "nothing came while the other venue traded");
    faults.mute(Venue::Bybit, false);
    mute.find(|f| f["topic"] == json!("publicTrade.BTCUSDT")).await;
}

#[tokio::test]
async fn refused_connections_are_refused_with_a_status_until_they_are_let_in() {
    let simulator = launch(BURST, 1, 1).await;
    let faults = simulator.faults();
    faults.refuse_connections(Venue::Hyperliquid, true);
    let refused = Client::try_connect(&simulator, Venue::Hyperliquid, "/ws").await.err().unwrap();
    let Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 503);
    faults.refuse_connections(Venue::Hyperliquid, false);
    Client::connect(&simulator, Venue::Hyperliquid, "/ws").await;
}

#[tokio::test]
async fn a_refused_topic_is_refused_in_the_venues_own_words() {
    let simulator = launch(BURST, 1, 1).await;
    let faults = simulator.faults();
    for venue in Venue::ALL {
        faults.refuse_topic(venue, "BTC");
        faults.refuse_topic(venue, "btc");
    }
    for (venue, path, ask, field, expected) in [
        (
            Venue::Binance,
            "/market/stream",
            r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}"#,
            "/error/code",
            json!(2),
        ),
        (Venue::Bybit, LINEAR, TRADES, "/success", json!(false)),
        (
            Venue::Okx,
            "/ws/v5/public",
            r#"{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"}]}"#,
            "/code",
            json!("60018"),
        ),
        (
            Venue::Hyperliquid,
            "/ws",
            r#"{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}"#,
            "/channel",
            json!("error"),
        ),
    ] {
        let mut client = Client::connect(&simulator, venue, path).await;
        let answer = client.ask(ask).await;
        assert_eq!(answer.pointer(field), Some(&expected), "{answer}");
    }
}

#[tokio::test]
async fn an_ignored_subscription_is_neither_acknowledged_nor_followed_and_pings_are_answered() {
    let simulator = launch(BURST, 1, 10).await;
    simulator.faults().ignore_subscribe(Venue::Bybit, true);
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    client.send(TRADES).await;
    for _ in 0..5 {
        assert_eq!(client.ask(r#"{"op":"ping"}"#).await["op"], json!("ping"), "nothing but pongs");
    }
    simulator.faults().ignore_subscribe(Venue::Bybit, false);
    assert_eq!(client.ask(TRADES).await["op"], json!("subscribe"));
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_the_others_go_on() {
    let simulator = launch(BURST, 1, 4).await;
    let slow = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let mut quick = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    quick.ask(TRADES).await;
    until("both are connected", || simulator.connections(Venue::Bybit) == 2).await;
    let faults = simulator.faults();
    let frame = json!({"op": "x".repeat(50_000)}).to_string();
    for _ in 0..20_000 {
        if simulator.connections(Venue::Bybit) == 1 {
            break;
        }
        faults.garble(Venue::Bybit, &frame);
        quick.find(|f| f["op"].is_string()).await;
    }
    assert_eq!(simulator.connections(Venue::Bybit), 1, "the slow one was cut");
    quick.find(|f| f["topic"] == json!("publicTrade.BTCUSDT")).await;
    drop(slow);
}
