//! Open interest as the venues tell it: shapes, how long an answer stands, the same coins from every venue's own unit,
//! and nothing that was not traded.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{Event, Instrument, Venue};
use cascade_simulator::Simulator;
use cascade_venues::{Decoded, Endpoints, Instruments, Method, RestRequest, Wanted, protocol};
use client::{BURST, Client, asked_until, bare_http, http, launch, number};
use serde_json::{Value, json};

/// BTC's open interest rises, and that of others rests.
const RISING: &str = r#"
name = "rising"
duration_s = 600
[[symbol]]
symbol = "BTCUSDT"
price = 80000
funding_8h = 0.0001
open_interest_usd = 8e8
phase = [ { until_s = 600, orders = 0, median_usd = 1000, sigma = 1.0, long_share = 0.5, open_interest_pct = 20.0 } ]
"#;

const LINEAR: &str = "/binance/fapi/v1/openInterest";
const INVERSE: &str = "/binance-coinm/dapi/v1/openInterest";
const SWAPS: &str = "/okx/api/v5/public/open-interest";

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    http(simulator, &format!("GET {path}"), "").await
}

#[tokio::test]
async fn binance_tells_the_open_interest_of_one_contract_a_question() {
    let simulator = launch(BURST, 1, 1).await;
    let (status, linear) = get(&simulator, &format!("{LINEAR}?symbol=BTCUSDT")).await;
    let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((status, &linear["symbol"]), (200, &json!("BTCUSDT")));
    assert_eq!(keys(&linear), ["openInterest", "symbol", "time"]);
    let coins = 18e9 / 82_400.0 * 0.40 * 0.86;
    assert!((number(&linear["openInterest"]) / coins - 1.0).abs() < 1e-6, "{linear}");
    assert!(linear["time"].is_i64());

    let (status, inverse) = get(&simulator, &format!("{INVERSE}?symbol=BTCUSD_PERP")).await;
    assert_eq!((status, &inverse["pair"]), (200, &json!("BTCUSD")));
    assert_eq!(keys(&inverse), ["contractType", "openInterest", "pair", "symbol", "time"]);
    assert_eq!(inverse["contractType"], json!("PERPETUAL"));
    let contracts = number(&inverse["openInterest"]);
    assert!(contracts.fract() == 0.0 && (contracts / (18e7 * 0.40 * 0.08) - 1.0).abs() < 0.001, "{inverse}");

    for (path, code, msg) in [
        (format!("{LINEAR}?symbol=NOPEUSDT"), -1121, "Invalid symbol."),
        (format!("{LINEAR}?symbol=BTCUSD_PERP"), -1121, "Invalid symbol."),
        (format!("{INVERSE}?symbol=BTCUSDT"), -1121, "Invalid symbol."),
        (
            LINEAR.to_owned(),
            -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        ),
    ] {
        assert_eq!(get(&simulator, &path).await, (400, json!({"code": code, "msg": msg})), "{path}");
    }
}

#[tokio::test]
async fn binance_counts_anew_every_five_seconds_and_stands_still_between() {
    let simulator = launch(RISING, 1, 20).await;
    simulator.start();
    let start = simulator.started_at().unwrap().ms();
    for path in [format!("{LINEAR}?symbol=BTCUSDT"), format!("{INVERSE}?symbol=BTCUSD_PERP")] {
        let mut told: BTreeMap<i64, String> = BTreeMap::new();
        asked_until(&simulator, &format!("GET {path}"), |_, figure| {
            let (time, size) = (figure["time"].as_i64().unwrap(), figure["openInterest"].as_str().unwrap());
            if time > start {
                assert_eq!(told.entry(time).or_insert_with(|| size.to_owned()), size, "{path} at {time}");
            }
            told.len() == 6
        })
        .await;
        let times: Vec<i64> = told.keys().copied().collect();
        assert!(times.windows(2).all(|pair| (5000..=5100).contains(&(pair[1] - pair[0]))), "{times:?}");
        let sizes: Vec<f64> = told.values().map(|size| size.parse().unwrap()).collect();
        assert!(sizes.last() > sizes.first(), "{path}: {sizes:?}");
    }
}

#[tokio::test]
async fn okx_answers_with_what_its_channel_told_last() {
    let simulator = launch(RISING, 1, 10).await;
    simulator.start();
    let mut client = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    let channel = |id: &str| json!({"channel": "open-interest", "instId": id});
    let args = [channel("BTC-USDT-SWAP"), channel("BTC-USD-SWAP")];
    client.send(json!({"op": "subscribe", "args": args}).to_string()).await;
    let (mut heard, mut told) = (BTreeMap::new(), BTreeSet::new());
    while told.len() < 3 {
        let request = format!("GET {SWAPS}?instType=SWAP");
        // Twenty questions in two seconds are answered, and news comes every three.
        let is_new =
            |status, answer: &Value| status == 200 && !told.contains(&answer["data"][0]["ts"].to_string());
        let (_, answer) = asked_until(&simulator, &request, is_new).await;
        assert_eq!((&answer["code"], &answer["msg"]), (&json!("0"), &json!("")));
        let rows = answer["data"].as_array().unwrap();
        assert_eq!(rows.len(), 8, "all that are listed: {answer}");
        for id in ["BTC-USDT-SWAP", "BTC-USD-SWAP"] {
            let row = rows.iter().find(|row| row["instId"] == json!(id)).unwrap();
            let key = |row: &Value| (row["instId"].to_string(), row["ts"].to_string());
            while !heard.contains_key(&key(row)) {
                client.ping().await;
                let frame = client.find(|frame| frame["data"].is_array()).await;
                heard.insert(key(&frame["data"][0]), frame["data"][0].clone());
            }
            assert_eq!(&heard[&key(row)], row);
        }
        told.insert(rows[0]["ts"].to_string());
    }
    // So many questions are too many at times.
    let answer = async |query: &str| {
        let request = format!("GET {SWAPS}{query}");
        asked_until(&simulator, &request, |status, _| status != 429).await
    };
    let (_, one) = answer("?instType=SWAP&instId=ETH-USDT-SWAP").await;
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    let row = &one["data"][0];
    let contracts_as_coins = number(&row["oi"]) * 0.1;
    assert!((contracts_as_coins / number(&row["oiCcy"]) - 1.0).abs() < 1e-6, "contracts of 0.1 ETH: {row}");
    assert!((number(&row["oiUsd"]) / number(&row["oiCcy"]) / 2650.0 - 1.0).abs() < 0.01, "{row}");
    for (query, code) in [
        ("?instType=SWAP&instId=NOPE-USDT-SWAP", "51001"),
        ("", "50014"),
        ("?instType=SPOT", "51000"),
        ("?instType=FUTURES", "0"),
    ] {
        let (status, answer) = answer(query).await;
        assert_eq!((status, &answer["code"], &answer["data"]), (200, &json!(code), &json!([])), "{query}");
    }
}

/// A venue as its readers know it: its instruments, and what its answers and frames become.
struct Reader {
    venue: Venue,
    endpoints: Endpoints,
    instruments: Instruments,
    out: Decoded,
}

impl Reader {
    async fn of(simulator: &Simulator, venue: Venue) -> Self {
        let at = simulator.endpoints(venue);
        let endpoints =
            Endpoints { ws_url: at.ws_url, rest_url: at.rest_url, coinm_rest_url: at.coinm_rest_url };
        let mut instruments = Instruments::new();
        for request in protocol(venue).instrument_requests(&endpoints) {
            let body = body_of(simulator, &request).await;
            protocol(venue).read_instruments(&request, body.as_bytes(), &mut instruments).unwrap();
        }
        Self { venue, endpoints, instruments, out: Decoded::default() }
    }

    /// The samples that its REST answers hold.
    async fn ask(&mut self, simulator: &Simulator) -> Vec<cascade_domain::OpenInterest> {
        let mut samples = Vec::new();
        for sampling in protocol(self.venue).samplings(&Wanted::default(), &self.instruments, &self.endpoints)
        {
            let body = body_of(simulator, &sampling.request).await;
            let (request, bytes) = (&sampling.request, body.as_bytes());
            protocol(self.venue).read_sample(request, bytes, &self.instruments, &mut self.out).unwrap();
            samples.extend(self.samples());
        }
        samples
    }

    fn hear(&mut self, frame: &str) -> Vec<cascade_domain::OpenInterest> {
        protocol(self.venue).decode(frame, &self.instruments, &mut self.out).unwrap();
        self.samples()
    }

    fn samples(&mut self) -> Vec<cascade_domain::OpenInterest> {
        assert!(self.out.refused.is_empty(), "{:?}", self.out.refused);
        let events = self.out.events.drain(..);
        events
            .filter_map(|event| if let Event::OpenInterest(sample) = event { Some(sample) } else { None })
            .collect()
    }
}

async fn body_of(simulator: &Simulator, request: &RestRequest) -> String {
    let (method, body) = match &request.method {
        Method::Get => ("GET", ""),
        Method::Post(body) => ("POST", body.as_str()),
    };
    let path = request.url.strip_prefix(&format!("http://{}", simulator.addr())).unwrap();
    let answer = bare_http(simulator, &format!("{method} {path}"), body).await;
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// What each contract of BTC holds in coins of one side, as its readers understand it.
async fn coins_of_bitcoin(simulator: &Simulator) -> BTreeMap<(Venue, Instrument), f64> {
    let mut all = BTreeMap::new();
    let mut keep = |samples: Vec<cascade_domain::OpenInterest>| {
        for sample in samples.into_iter().filter(|sample| sample.symbol.base() == "BTC") {
            // Contracts of dollars are told without coins.
            let coins = sample.coins.unwrap_or_else(|| sample.usd.unwrap().dollars() / 82_400.0);
            all.insert((sample.venue, sample.instrument), coins);
        }
    };
    for venue in [Venue::Binance, Venue::Okx] {
        keep(Reader::of(simulator, venue).await.ask(simulator).await);
    }
    for (venue, path, asks, wanted) in [
        (
            Venue::Bybit,
            "/v5/public/linear",
            vec![json!({"op": "subscribe", "args": ["tickers.BTCUSDT", "tickers.BTCPERP"]})],
            2,
        ),
        (Venue::Bybit, "/v5/public/inverse", vec![json!({"op": "subscribe", "args": ["tickers.BTCUSD"]})], 1),
        (
            Venue::Hyperliquid,
            "/ws",
            vec![json!({"method": "subscribe", "subscription": {"type": "activeAssetCtx", "coin": "BTC"}})],
            1,
        ),
    ] {
        let mut reader = Reader::of(simulator, venue).await;
        let mut client = Client::connect(simulator, venue, path).await;
        for ask in asks {
            client.send(ask.to_string()).await;
        }
        let mut heard = Vec::new();
        while heard.len() < wanted {
            let samples = reader.hear(&client.text().await);
            let is_new = |sample: &cascade_domain::OpenInterest, heard: &[cascade_domain::OpenInterest]| {
                heard.iter().all(|other| other.instrument != sample.instrument)
            };
            for sample in samples {
                if is_new(&sample, &heard) {
                    heard.push(sample);
                }
            }
        }
        keep(heard);
    }
    all
}

#[tokio::test]
async fn every_venues_own_unit_is_the_same_coins() {
    let simulator = launch(BURST, 1, 4).await;
    let coins = coins_of_bitcoin(&simulator).await;
    let all = 18e9 / 82_400.0;
    let expected = [
        (Venue::Binance, "BTCUSDT", 0.40 * 0.86),
        (Venue::Binance, "BTCUSDC", 0.40 * 0.06),
        (Venue::Binance, "BTCUSD_PERP", 0.40 * 0.08),
        (Venue::Bybit, "BTCUSDT", 0.27 * 0.88),
        (Venue::Bybit, "BTCPERP", 0.27 * 0.05),
        (Venue::Bybit, "BTCUSD", 0.27 * 0.07),
        (Venue::Okx, "BTC-USDT-SWAP", 0.18 * 0.84),
        (Venue::Okx, "BTC-USD-SWAP", 0.18 * 0.16),
        (Venue::Hyperliquid, "BTC", 0.15),
    ];
    assert_eq!(coins.len(), expected.len(), "{coins:?}");
    for (venue, instrument, part) in expected {
        let told = coins[&(venue, Instrument::parse(instrument).unwrap())];
        // Dollars are at a mark that hovers.
        assert!((told / (all * part) - 1.0).abs() < 0.003, "{venue} {instrument}: {told} of {}", all * part);
    }
}

#[tokio::test]
async fn who_listens_hears_every_change_carried_by_trades() {
    let simulator = launch(RISING, 2, 20).await;
    simulator.start();
    let mut okx = Client::connect(&simulator, Venue::Okx, "/ws/v5/public").await;
    let channel = |name: &str| json!({"channel": name, "instId": "BTC-USDT-SWAP"});
    okx.send(json!({"op": "subscribe", "args": [channel("trades"), channel("open-interest")]}).to_string())
        .await;
    let (mut samples, mut trades): (BTreeMap<i64, f64>, Vec<(i64, f64)>) = (BTreeMap::new(), Vec::new());
    let mut first = true;
    while samples.len() < 20 {
        let frame = okx.find(|frame| frame["data"].is_array()).await;
        let (row, channel) = (&frame["data"][0], frame["arg"]["channel"].as_str().unwrap());
        let time = row["ts"].as_str().unwrap().parse().unwrap();
        match channel {
            "trades" => trades.push((time, number(&row["sz"]) * 0.01)),
            // The first repeats what was told before anybody listened.
            _ if std::mem::take(&mut first) => {}
            _ => {
                okx.ping().await;
                samples.insert(time, number(&row["oi"]) * 0.01);
            }
        }
    }
    let samples: Vec<(i64, f64)> = samples.into_iter().collect();
    let mut moved = 0;
    for (at, pair) in samples.windows(2).map(|pair| (pair[0].0..pair[1].0, pair)) {
        let change = (pair[1].1 - pair[0].1).abs();
        let exchanged: f64 =
            trades.iter().filter(|(time, _)| at.contains(time)).map(|(_, coins)| coins).sum();
        assert!(change <= exchanged, "{change} coins of {exchanged} in {at:?}");
        moved += usize::from(change > 0.0);
    }
    assert!(moved >= 10, "it moves all the time: {moved}");
}
