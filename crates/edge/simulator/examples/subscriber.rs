//! A reader of the simulated exchanges that subscribes to everything and counts, for measuring the exchanges.
//!
//! `exchanges --scenario storm | subscriber`: reads the addresses from the first line of standard input, and prints its
//! counts as one JSON object for every line that follows. Decodes nothing: rows are counted by a word in them.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

type Failure = Box<dyn Error + Send + Sync>;

/// A connection to make: where, what to ask, with which ping.
struct Reading {
    venue: usize,
    url: String,
    asks: Vec<String>,
    ping: &'static str,
}

#[derive(Debug, Default)]
struct Counts {
    frames: AtomicU64,
    bytes: AtomicU64,
    trades: AtomicU64,
    liquidations: AtomicU64,
    ended: AtomicU64,
}

const VENUES: [&str; 4] = ["binance", "bybit", "okx", "hyperliquid"];
/// Between two pings, on the wall.
const PING: std::time::Duration = std::time::Duration::from_secs(15);

impl Counts {
    fn add(&self, venue: usize, text: &str) {
        let rows = |word: &str| u64::try_from(text.matches(word).count()).unwrap_or_default();
        let (trades, liquidations) = match venue {
            0 => (rows("\"aggTrade\""), rows("\"forceOrder\"")),
            1 if text.starts_with(r#"{"topic":"allLiquidation"#) => (0, rows("\"T\":")),
            1 => (rows("\"BT\":"), 0),
            2 => (rows("\"tradeId\""), rows("\"bkPx\"")),
            _ if text.starts_with(r#"{"channel":"trades""#) => (rows("\"tid\""), 0),
            _ => (0, rows("\"liquidatedUser\"")),
        };
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(text.len()).unwrap_or_default(), Ordering::Relaxed);
        self.trades.fetch_add(trades, Ordering::Relaxed);
        self.liquidations.fetch_add(liquidations, Ordering::Relaxed);
    }

    fn told(&self) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "frames": of(&self.frames), "bytes": of(&self.bytes), "trades": of(&self.trades),
            "liquidations": of(&self.liquidations), "ended": of(&self.ended),
        })
    }
}

async fn rest(url: &str, request: (&str, &str), body: &str) -> Result<Value, Failure> {
    let (host, base) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no address")?;
    let mut socket = TcpStream::connect(host).await?;
    let (method, path) = request;
    let head = format!(
        "{method} /{base}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(serde_json::from_str(answer.split_once("\r\n\r\n").ok_or("no body")?.1)?)
}

fn names(rows: &Value, key: &str) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row[key].as_str()).map(str::to_owned).collect()
}

async fn readings(addresses: &Value) -> Result<Vec<Reading>, Failure> {
    let url =
        |venue: &str, key: &str| addresses["venues"][venue][key].as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();

    let usdm = rest(&url("binance", "rest_url"), ("GET", "/fapi/v1/exchangeInfo"), "").await?;
    let coinm = rest(&url("binance", "coinm_rest_url"), ("GET", "/dapi/v1/exchangeInfo"), "").await?;
    let mut streams = vec!["!forceOrder@arr".to_owned()];
    for symbol in names(&usdm["symbols"], "symbol").into_iter().chain(names(&coinm["symbols"], "symbol")) {
        let symbol = symbol.to_lowercase();
        streams.extend([format!("{symbol}@aggTrade"), format!("{symbol}@markPrice@1s")]);
    }
    for (id, some) in streams.chunks(200).enumerate() {
        let asks = vec![json!({"method": "SUBSCRIBE", "params": some, "id": id}).to_string()];
        let url = url("binance", "ws_url") + "/market/stream";
        all.push(Reading { venue: 0, url, asks, ping: r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"# });
    }

    for category in ["linear", "inverse"] {
        let path = format!("/v5/market/instruments-info?category={category}&limit=1000");
        let page = rest(&url("bybit", "rest_url"), ("GET", &path), "").await?;
        let topics: Vec<String> = names(&page["result"]["list"], "symbol")
            .iter()
            .flat_map(|s| {
                ["allLiquidation", "publicTrade", "tickers"].map(|channel| format!("{channel}.{s}"))
            })
            .collect();
        let asks = topics.chunks(300).map(|some| json!({"op": "subscribe", "args": some}).to_string());
        let url = url("bybit", "ws_url") + "/v5/public/" + category;
        all.push(Reading { venue: 1, url, asks: asks.collect(), ping: r#"{"op":"ping"}"# });
    }

    let path = ("GET", "/api/v5/public/instruments?instType=SWAP");
    let swaps = rest(&url("okx", "rest_url"), path, "").await?;
    let mut args = vec![json!({"channel": "liquidation-orders", "instType": "SWAP"})];
    for id in names(&swaps["data"], "instId") {
        args.extend(
            ["trades", "mark-price", "open-interest"]
                .map(|channel| json!({"channel": channel, "instId": id})),
        );
    }
    let asks = args.chunks(200).map(|some| json!({"op": "subscribe", "args": some}).to_string());
    all.push(Reading {
        venue: 2,
        url: url("okx", "ws_url") + "/ws/v5/public",
        asks: asks.collect(),
        ping: "ping",
    });

    let meta = rest(&url("hyperliquid", "rest_url"), ("POST", "/info"), r#"{"type":"meta"}"#).await?;
    let mut wanted = vec![json!({"type": "allDexsAssetCtxs"})];
    wanted
        .extend(names(&meta["universe"], "name").iter().map(|coin| json!({"type": "trades", "coin": coin})));
    let asks = wanted.iter().map(|what| json!({"method": "subscribe", "subscription": what}).to_string());
    let (url, asks) = (url("hyperliquid", "ws_url") + "/ws", asks.collect());
    all.push(Reading { venue: 3, url, asks, ping: r#"{"method":"ping"}"# });
    Ok(all)
}

async fn read(reading: Reading, counts: Arc<[Counts; 4]>) -> Result<(), Failure> {
    let (mut socket, _) = connect_async(&reading.url).await?;
    for ask in reading.asks {
        socket.send(Message::text(ask)).await?;
    }
    let counts = &counts[reading.venue];
    let mut ping = tokio::time::interval(PING);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => counts.add(reading.venue, &text),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            _ = ping.tick() => socket.send(Message::text(reading.ping)).await?,
        }
    }
    counts.ended.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut lines = std::io::stdin().lock().lines();
    let addresses: Value = serde_json::from_str(&lines.next().ok_or("no addresses")??)?;
    let counts: Arc<[Counts; 4]> = Arc::default();
    for reading in readings(&addresses).await? {
        #[expect(clippy::disallowed_methods, reason = "one task a connection, in an example")]
        tokio::spawn(read(reading, Arc::clone(&counts)));
    }
    tokio::task::block_in_place(|| {
        for line in lines {
            let truth: Value = serde_json::from_str(&line?)?;
            let told =
                VENUES.iter().zip(counts.iter()).map(|(venue, count)| ((*venue).to_owned(), count.told()));
            let told: serde_json::Map<String, Value> = told.collect();
            writeln!(std::io::stdout(), "{}", json!({"truth": truth, "received": told}))?;
        }
        Ok(())
    })
}
