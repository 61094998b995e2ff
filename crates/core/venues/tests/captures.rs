//! What exchanges really sent, as recorded by other projects. The recordings are not part of the repository: their
//! folder is named by the environment variable `CASCADE_CAPTURES`; without it these tests say loudly that they are
//! skipped.
#![expect(clippy::unwrap_used, reason = "a capture that cannot be read fails the test")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cascade_domain::{Event, Venue};
use cascade_venues::{DecodeError, Decoded, Instruments, Meaning, protocol};
use serde::Deserialize;

#[expect(
    clippy::disallowed_methods,
    reason = "the one test that reads files which are not in the repository"
)]
fn captures() -> Option<PathBuf> {
    let folder = std::env::var("CASCADE_CAPTURES").ok().map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        // Written past the test's captured output, so that nobody takes a skipped test for a passed one.
        io::stderr().write_all(b"SKIPPED: CASCADE_CAPTURES names no folder with captures\n").unwrap();
    }
    folder
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let mut file = File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

fn okx_instruments(folder: &Path) -> Instruments {
    let mut table = Instruments::new();
    let body = text(&folder.join("okx/instruments_SWAP_2022-05-13.json"));
    protocol(Venue::Okx).read_instruments_file(body.as_bytes(), &mut table).unwrap();
    table
}

/// Binance's own COIN-M answer is not among the captures; this row is its shape.
fn coinm_instruments() -> Instruments {
    let mut table = Instruments::new();
    let body = br#"{"symbols":[{"symbol":"BTCUSD_PERP","contractType":"PERPETUAL","contractStatus":"TRADING","contractSize":100,"baseAsset":"BTC","quoteAsset":"USD"}]}"#;
    protocol(Venue::Binance).read_instruments_file(body, &mut table).unwrap();
    table
}

/// What became of a file's lines: events by kind, refusals by reason, and the kinds that nobody knows.
#[derive(Debug, Default)]
struct Tally {
    events: BTreeMap<&'static str, usize>,
    refused: BTreeMap<&'static str, usize>,
    unknown: BTreeMap<String, usize>,
    ignored: usize,
}

impl Tally {
    fn take(&mut self, venue: Venue, frame: &str, table: &Instruments, out: &mut Decoded) {
        let meaning = protocol(venue).decode(frame, table, out);
        let whole = match meaning {
            Err(refusal) => Some(refusal),
            Ok(meaning) => {
                self.ignored += usize::from(matches!(meaning, Meaning::Ignored(_)));
                None
            }
        };
        for refusal in out.refused.drain(..).chain(whole) {
            *self.refused.entry(refusal.label()).or_default() += 1;
            if let DecodeError::UnknownKind(name) = refusal {
                *self.unknown.entry(name).or_default() += 1;
            }
        }
        for event in &out.events {
            *self.events.entry(event.kind()).or_default() += 1;
            let Event::Trade(trade) = event else { continue };
            let product = trade.price * trade.quantity;
            let off = (trade.notional_usd.dollars() - product).abs();
            assert!(off <= 1e-6 + product * 1e-12, "{trade:?}");
        }
    }

    fn of(venue: Venue, path: &Path, table: &Instruments) -> Self {
        let (mut tally, mut out) = (Self::default(), Decoded::default());
        for line in text(path).lines() {
            tally.take(venue, frame_of(line), table, &mut out);
        }
        tally
    }

    fn events(&self, kind: &str) -> usize {
        self.events.get(kind).copied().unwrap_or_default()
    }
}

/// The frame in a line: `<receive ns> <json>`, `<receive s>: <json>`, or the whole line.
fn frame_of(line: &str) -> &str {
    match line.split_once(' ') {
        Some((stamp, frame)) if stamp.trim_end_matches(':').parse::<f64>().is_ok() => frame,
        _ => line,
    }
}

#[derive(Deserialize)]
struct Recorded {
    venue: Venue,
    frame: String,
}

#[test]
fn the_liquidation_frames_become_the_expected_table() {
    let Some(folder) = captures() else { return };
    let okx = okx_instruments(&folder);
    let mut out = Decoded::default();
    let mut rows = Vec::new();
    for line in text(&folder.join("liquidation_frames.jsonl")).lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        protocol(recorded.venue).decode(&recorded.frame, &okx, &mut out).unwrap();
        assert!(out.refused.is_empty(), "{:?}", out.refused);
        for event in &out.events {
            let Event::Liquidation(l) = event else { continue };
            let published = l.published_at_ms.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let usd = l.notional_usd.dollars();
            let (coverage, at) = (l.coverage.as_str(), l.event_time_ms);
            let row = format!("{} {} {} {} {} {usd}", l.venue, l.symbol, l.side, l.price, l.quantity);
            rows.push(format!("{row} {at} {published} {coverage}"));
        }
    }
    let expected = [
        "binance ILVUSDT long 3.85642 116.5 449.27293 1791391082119 1791391083124 sampled",
        "bybit BTCUSDT long 82396.9 0.006 494.3814 1791565600992 1791565601482 complete",
        "bybit BTCUSDT long 82394.3 0.038 3130.9834 1791565601058 1791565601482 complete",
        "okx BTCUSDT long 82655.7 0.0855 7067.06235 1791565600771 - sampled",
        "hyperliquid SOLUSDT long 67.5499 28.33 1913.688667 1770337193454 - partial",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn six_minutes_of_binance_decode_whole() {
    let Some(folder) = captures() else { return };
    let path = folder.join("binance_usdm/hftbacktest_btcusdt_20240808.gz");
    let tally = Tally::of(Venue::Binance, &path, &Instruments::new());
    assert!(tally.events("trade") > 20_000, "{tally:?}");
    assert_eq!(tally.refused, BTreeMap::from([("malformed", 1)]), "the REST answer among the frames");
    let path = folder.join("binance_coinm/hftbacktest_btcusd_perp_20240808.gz");
    let tally = Tally::of(Venue::Binance, &path, &coinm_instruments());
    assert!(tally.events("trade") > 2_000, "{tally:?}");
    assert_eq!(tally.refused, BTreeMap::from([("malformed", 1)]));
    let unlisted = Tally::of(Venue::Binance, &path, &Instruments::new());
    assert_eq!(unlisted.events("trade"), 0);
    assert_eq!(unlisted.refused.get("unknown_contract_size"), Some(&tally.events("trade")));
}

#[test]
fn the_replay_after_a_hyperliquid_subscription_decodes() {
    let Some(folder) = captures() else { return };
    let path = folder.join("hyperliquid/hftbacktest_btcusd_20250126.gz");
    let tally = Tally::of(Venue::Hyperliquid, &path, &Instruments::new());
    assert!(tally.events("trade") > 30 && tally.refused.is_empty(), "{tally:?}");
}

#[test]
fn every_other_capture_decodes_without_a_panic_and_unknown_kinds_are_named() {
    let Some(folder) = captures() else { return };
    let okx = okx_instruments(&folder);
    let none = Instruments::new();
    let of = |venue, path: &str, table| Tally::of(venue, &folder.join(path), table);

    let binance = of(Venue::Binance, "binance_usdm/cryptofeed_BINANCE_FUTURES.ws.1.0", &none);
    assert!(binance.events("trade") > 20 && binance.unknown.is_empty(), "{binance:?}");
    let bybit = of(Venue::Bybit, "bybit/cryptofeed_BYBIT.ws.25.0", &none);
    assert!(bybit.events.is_empty(), "shapes of 2021: {bybit:?}");
    assert!(bybit.unknown.keys().any(|name| name.starts_with("trade.")), "{bybit:?}");
    let okx_frames = of(Venue::Okx, "okx/cryptofeed_OKX.ws.1.0", &okx);
    assert!(okx_frames.unknown.is_empty(), "{okx_frames:?}");
    for (venue, path, table) in [
        (Venue::Binance, "binance_usdm/cryptofeed_BINANCE_FUTURES.0", &none),
        (Venue::Binance, "binance_usdm/cryptofeed_BINANCE_FUTURES.http.0.0", &none),
        (Venue::Bybit, "bybit/cryptofeed_BYBIT.0", &none),
        (Venue::Bybit, "bybit/cryptofeed_BYBIT.ws.26.0", &none),
    ] {
        let tally = of(venue, path, table);
        assert!(tally.events.is_empty() && !tally.refused.is_empty(), "{path}: {tally:?}");
    }
    for entry in std::fs::read_dir(folder.join("hyperliquid/python_sdk_cassettes")).unwrap() {
        let tally = Tally::of(Venue::Hyperliquid, &entry.unwrap().path(), &none);
        assert!(
            tally.events.is_empty() && !tally.refused.is_empty(),
            "REST answers are no frames: {tally:?}"
        );
    }
}

#[derive(Deserialize)]
struct Parsed {
    test: String,
    raw: String,
}

#[test]
fn one_frame_of_every_channel_and_contract_is_told_apart() {
    let Some(folder) = captures() else { return };
    let okx = okx_instruments(&folder);
    let coinm = coinm_instruments();
    let mut out = Decoded::default();
    let mut seen = BTreeMap::new();
    for (venue, path, table) in [
        (Venue::Binance, "binance_usdm/crypto_msg_parser_binance.jsonl", &coinm),
        (Venue::Bybit, "bybit/crypto_msg_parser_bybit.jsonl", &coinm),
        (Venue::Okx, "okx/crypto_msg_parser_okx.jsonl", &okx),
    ] {
        let mut tally = Tally::default();
        for line in text(&folder.join(path)).lines() {
            let parsed: Parsed = serde_json::from_str(line).unwrap();
            tally.take(venue, &parsed.raw, table, &mut out);
            let perpetual = parsed.test.contains("swap");
            assert!(perpetual || out.events.is_empty(), "{} gave {:?}", parsed.raw, out.events);
        }
        seen.insert(venue, tally);
    }
    assert_eq!(seen[&Venue::Binance].events, BTreeMap::from([("mark", 6), ("trade", 2)]));
    assert!(seen[&Venue::Binance].unknown.contains_key("BTCUSDT_C@TRADE_ALL"), "{seen:?}");
    assert_eq!(seen[&Venue::Okx].events, BTreeMap::from([("mark", 2), ("trade", 2)]));
    assert_eq!(seen[&Venue::Okx].unknown, BTreeMap::from([("spot/depth5".to_owned(), 1)]));
    assert!(seen[&Venue::Bybit].unknown.contains_key("trade.BTCUSDT"), "{seen:?}");
}
