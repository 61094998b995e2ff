//! Frames of every venue, written by hand in the venues' shapes, and what they must become.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]
#![expect(clippy::float_cmp, reason = "numbers must be the very same, not nearly")]

mod binance;
mod bybit;
mod hyperliquid;
mod instruments;
mod node;
mod okx;
mod routes;
mod samples;

use cascade_domain::{Event, Liquidation, Mark, OpenInterest, Trade, Venue};
use cascade_venues::{DecodeError, Decoded, Instruments, Meaning, protocol};

/// OKX's instruments answer, in its shape of 2026.
const OKX_INSTRUMENTS: &str = r#"{"code":"0","msg":"","data":[
 {"instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT","ctType":"linear","ctVal":"0.01","ctMult":"1","ctValCcy":"BTC","state":"live"},
 {"instId":"BTC-USDC-SWAP","instType":"SWAP","uly":"BTC-USDC","ctType":"linear","ctVal":"0.0001","ctMult":"1","ctValCcy":"BTC","state":"live"},
 {"instId":"BTC-USD-SWAP","instType":"SWAP","uly":"BTC-USD","ctType":"inverse","ctVal":"100","ctMult":"1","ctValCcy":"USD","state":"live"},
 {"instId":"PEPE-USDT-SWAP","instType":"SWAP","uly":"PEPE-USDT","ctType":"linear","ctVal":"10000000","ctMult":"1","ctValCcy":"PEPE","state":"live"},
 {"instId":"SOL-USDT-SWAP","instType":"SWAP","uly":"SOL-USDT","ctType":"linear","ctVal":"0.5","ctMult":"2","ctValCcy":"SOL","state":"live"},
 {"instId":"OLD-USDT-SWAP","instType":"SWAP","uly":"OLD-USDT","ctType":"linear","ctVal":"1","ctMult":"1","ctValCcy":"OLD","state":"suspend"},
 {"instId":"ETH-BTC-SWAP","instType":"SWAP","uly":"ETH-BTC","ctType":"linear","ctVal":"1","ctMult":"1","ctValCcy":"ETH","state":"live"},
 {"instId":7},
 "nonsense"]}"#;

/// Binance's USD-M and COIN-M answers.
const BINANCE_INSTRUMENTS: [&str; 2] = [
    r#"{"timezone":"UTC","symbols":[
 {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[]},
 {"symbol":"BTCUSDC","pair":"BTCUSDC","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDC"},
 {"symbol":"BTCUSDT_261225","pair":"BTCUSDT","contractType":"CURRENT_QUARTER","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT"},
 {"symbol":"1000PEPEUSDT","pair":"1000PEPEUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"1000PEPE","quoteAsset":"USDT"},
 {"symbol":"1INCHUSDT","pair":"1INCHUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"1INCH","quoteAsset":"USDT"},
 {"symbol":"DEADUSDT","pair":"DEADUSDT","contractType":"PERPETUAL","status":"SETTLING","baseAsset":"DEAD","quoteAsset":"USDT"},
 {"symbol":"ETHBTC","pair":"ETHBTC","contractType":"PERPETUAL","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC"},
 {"bad":"row"}]}"#,
    r#"{"symbols":[
 {"symbol":"BTCUSD_PERP","pair":"BTCUSD","contractType":"PERPETUAL","contractStatus":"TRADING","contractSize":100,"baseAsset":"BTC","quoteAsset":"USD"},
 {"symbol":"ADAUSD_PERP","pair":"ADAUSD","contractType":"PERPETUAL","contractStatus":"TRADING","contractSize":10,"baseAsset":"ADA","quoteAsset":"USD"},
 {"symbol":"BTCUSD_261225","pair":"BTCUSD","contractType":"CURRENT_QUARTER","contractStatus":"TRADING","contractSize":100,"baseAsset":"BTC","quoteAsset":"USD"}]}"#,
];

/// The table that these answers fill.
fn listed(venue: Venue, answers: &[&str]) -> Instruments {
    let mut table = Instruments::new();
    for answer in answers {
        protocol(venue).read_instruments_file(answer.as_bytes(), &mut table).unwrap();
    }
    table
}

/// What a frame becomes.
fn decode(venue: Venue, frame: &str, table: &Instruments) -> (Result<Meaning, DecodeError>, Decoded) {
    let mut out = Decoded::default();
    let meaning = protocol(venue).decode(frame, table, &mut out);
    (meaning, out)
}

/// What a frame means, without any instruments.
fn meaning(venue: Venue, frame: &str) -> Result<Meaning, DecodeError> {
    decode(venue, frame, &Instruments::new()).0
}

/// The liquidations of a frame in which nothing may be refused.
fn liquidations(venue: Venue, frame: &str, table: &Instruments) -> Vec<Liquidation> {
    let (meaning, out) = decode(venue, frame, table);
    assert_eq!((meaning, &out.refused[..]), (Ok(Meaning::Market), &[][..]), "{frame}");
    let of = |event| if let Event::Liquidation(event) = event { Some(event) } else { None };
    out.events.into_iter().map(|event| of(event).unwrap()).collect()
}

/// The trades of a frame in which nothing may be refused.
fn trades(venue: Venue, frame: &str, table: &Instruments) -> Vec<Trade> {
    let (meaning, out) = decode(venue, frame, table);
    assert_eq!((meaning, &out.refused[..]), (Ok(Meaning::Market), &[][..]), "{frame}");
    let of = |event| if let Event::Trade(event) = event { Some(event) } else { None };
    out.events.into_iter().map(|event| of(event).unwrap()).collect()
}

/// The marks and samples of open interest in a frame in which nothing may be refused.
fn marks(venue: Venue, frame: &str, table: &Instruments) -> (Vec<Mark>, Vec<OpenInterest>) {
    let (meaning, out) = decode(venue, frame, table);
    assert_eq!((meaning, &out.refused[..]), (Ok(Meaning::Market), &[][..]), "{frame}");
    let (mut marks, mut samples) = (Vec::new(), Vec::new());
    for event in out.events {
        match event {
            Event::Mark(mark) => marks.push(mark),
            Event::OpenInterest(sample) => samples.push(sample),
            other => assert_eq!(other.kind(), "mark"),
        }
    }
    (marks, samples)
}

/// The one refusal of a frame, inside it or of all of it.
fn refusal(venue: Venue, frame: &str, table: &Instruments) -> DecodeError {
    let (meaning, mut out) = decode(venue, frame, table);
    if let Err(refusal) = meaning {
        return refusal;
    }
    assert_eq!((out.events.len(), out.refused.len()), (0, 1), "{frame}");
    out.refused.remove(0)
}

/// A liquidation in the words of the expected table: symbol, side, price, quantity, dollars, times.
fn told(l: &Liquidation) -> String {
    let published = l.published_at_ms.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let (symbol, side, coverage) = (l.symbol, l.side, l.coverage.as_str());
    let usd = l.notional_usd.dollars();
    format!("{symbol} {side} {} {} {usd} {} {published} {coverage}", l.price, l.quantity, l.event_time_ms)
}

#[test]
fn no_frame_of_nonsense_is_understood() {
    for venue in Venue::ALL {
        for frame in [
            "",
            "{}",
            "[]",
            "null",
            "7",
            "\"x\"",
            "[[]]",
            "{\"data\":1}",
            "not json",
            "{\"topic\":[]}",
            "\u{0}",
        ] {
            assert!(meaning(venue, frame).is_err(), "{venue} {frame:?}");
        }
    }
}
