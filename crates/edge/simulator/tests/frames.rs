//! Faults in what a connection receives: broken, doubled, late, turned round, told again, wrongly stamped, held up.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cascade_domain::Venue;
use cascade_simulator::Simulator;
use client::{BURST, Client, DEADLINE, http, launch, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

const LINEAR: &str = "/v5/public/linear";
const MARKET: &str = "/market/stream";
const TRADES: &str = r#"{"op":"subscribe","args":["publicTrade.BTCUSDT"]}"#;
const AGGREGATED: &str = r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}"#;
const LIQUIDATIONS: &str = r#"{"op":"subscribe","args":["allLiquidation.BTCUSDT","allLiquidation.ETHUSDT","allLiquidation.ETHPERP","allLiquidation.BTCPERP"]}"#;
const OKX_LIQUIDATIONS: &str =
    r#"{"op":"subscribe","args":[{"channel":"liquidation-orders","instType":"SWAP"}]}"#;

async fn subscribed(simulator: &Simulator, venue: Venue, path: &str, ask: &str) -> Client {
    let mut client = Client::connect(simulator, venue, path).await;
    client.ask(ask).await;
    client
}

fn is_liquidation(frame: &Value) -> bool {
    frame["topic"].as_str().is_some_and(|topic| topic.starts_with("allLiquidation"))
}

#[tokio::test]
async fn half_a_frame_is_the_beginning_of_one_just_sent_and_the_connection_goes_on() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = subscribed(&simulator, Venue::Bybit, LINEAR, TRADES).await;
    let mut silent = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let mut last = client.text().await;
    simulator.faults().garble(Venue::Bybit, "{}");
    simulator.faults().half_frame(Venue::Bybit);
    let half = loop {
        let text = client.text().await;
        if text == "{}" {
            continue;
        }
        if serde_json::from_str::<Value>(&text).is_err() {
            break text;
        }
        last = text;
    };
    assert!(half.starts_with(r#"{"topic":"publicTrade.BTCUSDT""#), "{half}");
    assert!(last.starts_with(&half), "{half} is not the beginning of {last}");
    client.find(|frame| frame["topic"] == json!("publicTrade.BTCUSDT")).await;
    assert_eq!(silent.text().await, "{}");
    let next = silent.ask(r#"{"op":"ping"}"#).await;
    assert_eq!(next["op"], json!("ping"), "who was told nothing got no half of it");
}

/// A WebSocket handshake by hand, so that bytes can be counted.
async fn by_hand(simulator: &Simulator) -> TcpStream {
    let mut socket = TcpStream::connect(simulator.addr()).await.unwrap();
    let ask = format!(
        "GET /bybit{LINEAR} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    socket
}

#[tokio::test]
async fn a_connection_cut_in_a_frame_ends_in_the_middle_of_its_bytes() {
    let simulator = launch(BURST, 1, 1).await;
    let mut socket = by_hand(&simulator).await;
    let mut idle = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    until("both are connected", || simulator.connections(Venue::Bybit) == 2).await;
    let ping = br#"{"op":"ping"}"#;
    let masked = [&[0x81, 0x8d, 0, 0, 0, 0], ping.as_slice()].concat();
    socket.write_all(&masked).await.unwrap();
    let mut whole = vec![0; 2];
    socket.read_exact(&mut whole).await.unwrap();
    assert!(whole[0] == 0x81 && whole[1] < 126, "one short text frame, unmasked: {whole:?}");
    whole.resize(2 + usize::from(whole[1]), 0);
    socket.read_exact(&mut whole[2..]).await.unwrap();
    let faults = simulator.faults();
    faults.garble(Venue::Bybit, "x");
    assert_eq!(socket.read_u16().await.unwrap(), 0x8101);
    assert_eq!(socket.read_u8().await.unwrap(), b'x');
    faults.cut_in_frame(Venue::Bybit);
    let mut rest = Vec::new();
    tokio::time::timeout(DEADLINE, socket.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, whole[..whole.len().div_ceil(2)], "half of it, and then the end");
    while let Some(message) = idle.next().await {
        assert_eq!(message.into_text().unwrap(), "x", "no frame but the first");
    }
    until("both are over", || simulator.connections(Venue::Bybit) == 0).await;
}

#[tokio::test]
async fn an_oversized_frame_has_as_many_bytes_as_asked_and_a_compressed_one_holds_a_real_frame() {
    let simulator = launch(BURST, 1, 4).await;
    let mut client = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    let pong = client.ask(r#"{"op":"ping"}"#).await;
    let faults = simulator.faults();
    for bytes in [0, 1, 3_000_000] {
        faults.oversize(Venue::Bybit, bytes);
        assert_eq!(client.text().await.len(), bytes);
    }
    client.ask(r#"{"op":"ping"}"#).await;
    faults.compressed(Venue::Bybit);
    let Some(Message::Binary(bytes)) = client.next().await else { panic!("no binary frame") };
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), pong);
}

#[tokio::test]
async fn duplicates_come_in_pairs_while_they_last() {
    let simulator = launch(BURST, 1, 10).await;
    let faults = simulator.faults();
    faults.duplicate(Venue::Binance, true);
    let mut client = subscribed(&simulator, Venue::Binance, MARKET, AGGREGATED).await;
    for _ in 0..10 {
        assert_eq!(client.text().await, client.text().await);
    }
    faults.duplicate(Venue::Binance, false);
    let mut last = client.json().await;
    let alone = async {
        loop {
            let (next, after) = (client.json().await, client.json().await);
            if next != last && after != next {
                return;
            }
            last = after;
        }
    };
    tokio::time::timeout(DEADLINE, alone).await.unwrap();
}

#[tokio::test]
async fn a_delayed_topic_comes_so_much_later_and_is_overtaken() {
    const LATE_MS: i64 = 60_000;
    let simulator = launch(BURST, 1, 40).await;
    let faults = simulator.faults();
    faults.delay_topic(Venue::Bybit, "allLiquidation", Duration::from_millis(LATE_MS.unsigned_abs()));
    let mut client = subscribed(&simulator, Venue::Bybit, LINEAR, LIQUIDATIONS).await;
    client.ask(TRADES).await;
    simulator.start();
    let all_told = || {
        let truth = simulator.truth();
        let real: u64 = truth.venues.values().map(|shown| shown.real.orders).sum();
        real == 1200 && truth.venues[&Venue::Bybit].real == truth.venues[&Venue::Bybit].published
    };
    until("every order has happened and is held", all_told).await;
    faults.undelay(Venue::Bybit);
    let mut traded = 0;
    let first = loop {
        let frame = client.json().await;
        if is_liquidation(&frame) {
            break frame;
        }
        traded = frame["ts"].as_i64().unwrap_or_default();
    };
    let late = traded - first["ts"].as_i64().unwrap();
    assert!((LATE_MS - 5000..LATE_MS + 5000).contains(&late), "{late} ms behind the trades: {first}");
}

#[tokio::test]
async fn reordered_liquidations_run_backwards_within_a_second_and_trades_do_not() {
    let simulator = launch(BURST, 1, 4).await;
    simulator.faults().reorder(Venue::Bybit, true);
    let mut client = subscribed(&simulator, Venue::Bybit, LINEAR, LIQUIDATIONS).await;
    client.ask(TRADES).await;
    simulator.start();
    let (mut liquidation, mut trade, mut backwards) = (0, 0, 0);
    while backwards < 3 {
        let frame = client.json().await;
        let Some(ts) = frame["ts"].as_i64() else { continue };
        if is_liquidation(&frame) {
            assert!(ts > liquidation - 1000, "{ts} after {liquidation}: more than a second back");
            backwards += usize::from(ts < liquidation);
            liquidation = ts;
        } else {
            assert!(ts >= trade, "{ts} after {trade}");
            trade = ts;
        }
    }
}

#[tokio::test]
async fn a_replay_on_subscribe_tells_what_was_told_from_the_oldest_on() {
    let simulator = launch(BURST, 1, 4).await;
    let okx = (Venue::Okx, "/ws/v5/public");
    let mut early = subscribed(&simulator, okx.0, okx.1, OKX_LIQUIDATIONS).await;
    simulator.start();
    let mut told = Vec::new();
    while told.len() < 8 {
        told.push(early.json().await);
    }
    let plain = |client: Client| async {
        let mut client = client;
        client.json().await
    };
    let without = plain(subscribed(&simulator, okx.0, okx.1, OKX_LIQUIDATIONS).await).await;
    assert_ne!(without, told[0]);
    simulator.faults().replay_on_subscribe(Venue::Okx, true);
    let mut late = subscribed(&simulator, okx.0, okx.1, OKX_LIQUIDATIONS).await;
    late.json().await; // The last one, which OKX repeats anyway.
    for frame in told {
        assert_eq!(late.json().await, frame);
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "compares the venue's clock with the wall")]
async fn a_wrong_clock_stamps_everything_so_much_off() {
    let simulator = launch(BURST, 1, 1).await;
    let wall = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap()
    };
    let near = |stamp: &Value, offset: i64| {
        let off = stamp.as_i64().unwrap() - wall();
        assert!((offset - 1500..offset + 500).contains(&off), "{off} instead of {offset}");
    };
    for offset in [-4000, 4000, 0] {
        simulator.faults().wrong_clock(Venue::Binance, offset);
        let mut client = subscribed(&simulator, Venue::Binance, MARKET, AGGREGATED).await;
        let frame = client.json().await;
        near(&frame["data"]["E"], offset);
        near(&frame["data"]["T"], offset);
        let (_, rest) = http(&simulator, "GET /binance/fapi/v1/exchangeInfo", "").await;
        near(&rest["serverTime"], offset);
    }
}

#[tokio::test]
async fn a_stalled_network_holds_everything_back_and_loses_nothing() {
    let simulator = launch(BURST, 1, 10).await;
    let mut held = subscribed(&simulator, Venue::Binance, MARKET, AGGREGATED).await;
    let mut other = subscribed(&simulator, Venue::Bybit, LINEAR, TRADES).await;
    let faults = simulator.faults();
    let mut id = held.json().await["data"]["a"].as_i64().unwrap();
    faults.stall(Venue::Binance, true);
    let mut seen = 0;
    while let Ok(Some(frame)) = tokio::time::timeout(Duration::from_millis(100), held.next()).await {
        let frame: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        id = frame["data"]["a"].as_i64().unwrap();
        seen += 1;
        assert!(seen < 200, "it goes on and on");
    }
    for _ in 0..10 {
        other.find(|frame| frame["topic"].is_string()).await;
    }
    assert!(held.drained().await);
    faults.stall(Venue::Binance, false);
    for _ in 0..20 {
        id += 1;
        assert_eq!(held.json().await["data"]["a"].as_i64().unwrap(), id, "the next in the row");
    }
}

#[tokio::test]
async fn a_reader_for_whom_too_much_waits_is_cut_and_counted() {
    let simulator = launch(BURST, 1, 4).await;
    let mut stuck = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    stuck.ask(r#"{"op":"ping"}"#).await;
    let faults = simulator.faults();
    faults.stall(Venue::Bybit, true);
    for _ in 0..20_000 {
        faults.garble(Venue::Bybit, "x");
    }
    assert_eq!((simulator.connections(Venue::Bybit), simulator.slow_readers(Venue::Bybit)), (0, 1));
    assert_eq!(stuck.ended().await, None, "without a word");
    faults.stall(Venue::Bybit, false);
    let mut quick = Client::connect(&simulator, Venue::Bybit, LINEAR).await;
    quick.ask(r#"{"op":"ping"}"#).await;
    faults.cut_slow_readers(Venue::Bybit);
    assert_eq!(quick.ended().await, None);
    assert_eq!((simulator.connections(Venue::Bybit), simulator.slow_readers(Venue::Bybit)), (0, 2));
}
