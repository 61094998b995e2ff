//! Whatever a socket or a REST answer may hold, nothing panics, and what comes out is usable.
//!
//! Bounded here; `PROPTEST_CASES` raises the number of cases.

use cascade_domain::{Event, EventTime, Usd, Venue};
use cascade_venues::{
    Decoded, Instruments, Listing, Method, Quote, RestRequest, Sizing, decode_node_line, is_node_line,
    protocol,
};
use proptest::prelude::*;

/// One frame of each kind, in the venues' shapes.
const FRAMES: &[(Venue, &str)] = &[
    (
        Venue::Binance,
        r#"{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791391083124,"o":{"s":"ILVUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"116.5","p":"3.80300","ap":"3.85642","X":"FILLED","l":"25.2","z":"116.5","T":1791391082119,"ps":"ILVUSDT","st":1}}}"#,
    ),
    (
        Venue::Binance,
        r#"[{"e":"forceOrder","E":1791391083124,"o":{"s":"BTCUSD_PERP","S":"BUY","ap":"3.85642","X":"FILLED","z":"116","T":1791391082119},"st":2}]"#,
    ),
    (
        Venue::Binance,
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791391082024,"a":3478018549,"s":"BTCUSDT","p":"83434.40","q":"0.016","nq":"0.016","T":1791391081874,"m":true,"st":1}}"#,
    ),
    (
        Venue::Binance,
        r#"{"e":"markPriceUpdate","E":1791391082000,"s":"1000PEPEUSDT","p":"0.012","i":"0.0119","r":"-0.0001","T":1791417600000}"#,
    ),
    (Venue::Binance, r#"{"error":{"code":2,"msg":"Invalid request"},"id":3}"#),
    (
        Venue::Bybit,
        r#"{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"},{"T":1791565601058,"s":"BTCUSD","S":"Sell","v":"38","p":"82394.30"}]}"#,
    ),
    (
        Venue::Bybit,
        r#"{"topic":"publicTrade.BTCUSDT","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Sell","v":"0.5","p":"100","i":"20f43950"}]}"#,
    ),
    (
        Venue::Bybit,
        r#"{"topic":"tickers.BTCUSDT","type":"delta","ts":1791565601482,"data":{"symbol":"BTCUSDT","markPrice":"82396.90","openInterest":"59891.732","fundingRate":"-0.00005","nextFundingTime":"1791590400000","fundingIntervalHour":8}}"#,
    ),
    (
        Venue::Bybit,
        r#"{"success":false,"ret_msg":"Invalid topic","conn_id":"x","req_id":"2","op":"subscribe"}"#,
    ),
    (
        Venue::Okx,
        r#"{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"82655.7","posSide":"net","side":"sell","sz":"8.55","ts":"1791565600771"}],"instId":"BTC-USDT-SWAP","instType":"SWAP"}]}"#,
    ),
    (
        Venue::Okx,
        r#"{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"219066264","px":"43568.8","sz":"7","side":"buy","ts":"1646312440645"}]}"#,
    ),
    (
        Venue::Okx,
        r#"{"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"fundingRate":"0.00015","fundingTime":"1791590400000","nextFundingTime":"1791604800000","instId":"BTC-USDT-SWAP"}]}"#,
    ),
    (
        Venue::Okx,
        r#"{"event":"error","msg":"Wrong URL or channel:trades,instId:X doesn't exist.","code":"60018"}"#,
    ),
    (
        Venue::Hyperliquid,
        r#"{"channel":"userFills","data":{"user":"0x2e3d","fills":[{"coin":"SOL","px":"67.5499","sz":"28.33","side":"B","time":1770337193454,"dir":"Liquidated Cross Long","liquidation":{"liquidatedUser":"0x7ba2","markPx":"68.2","method":"backstop"},"tid":900100200300400}]}}"#,
    ),
    (
        Venue::Hyperliquid,
        r#"{"channel":"trades","data":[{"coin":"BTC","px":"105056.0","side":"B","sz":"0.00219","tid":121451470284048,"time":1737918794873}]}"#,
    ),
    (
        Venue::Hyperliquid,
        r#"{"channel":"activeAssetCtx","data":{"coin":"kPEPE","ctx":{"funding":"0.0000125","openInterest":"1000000.5","oraclePx":"0.0119","markPx":"0.012"}}}"#,
    ),
    (
        Venue::Hyperliquid,
        r#"{"channel":"error","data":"Invalid subscription {\"type\":\"trades\",\"coin\":\"X\"}"}"#,
    ),
];

/// Lines of a node's fills, of each shape.
const NODE_LINES: &[&str] = &[
    r#"{"local_time":"2026-10-09T17:06:41.001874687","block_time":"2026-10-09T17:06:40.992874687","block_number":880080044,"events":[["0xecb6",{"coin":"BTC","px":"78215.0","sz":"0.2","side":"B","time":1791565600992,"startPosition":"-136.21175","dir":"Close Short","crossed":false,"tid":565157617789996,"liquidation":{"liquidatedUser":"0x7ba2","markPx":"78219.0","method":"market"}}],["0x7ba2",{"coin":"BTC","px":"78215.0","sz":"0.2","side":"A","time":1791565600992,"startPosition":"0.5","dir":"Close Long","crossed":true,"tid":565157617789996,"liquidation":{"liquidatedUser":"0x7ba2","markPx":"78219.0","method":"market"}}]]}"#,
    r#"["0x4c64",{"coin":"SOL","px":"67.5499","sz":"28.33","side":"A","time":1791565601063,"startPosition":"28.33","dir":"Liquidated Cross Long","crossed":true,"tid":900100200300400,"liquidation":{"liquidatedUser":"0x4c64","markPx":"68.2","method":"backstop"}}]"#,
    r#"["0xecb6",{"coin":"AVAX","px":"22.075","sz":"28.53","side":"B","time":1791565601132,"startPosition":"-28.53","dir":"Auto-Deleveraging","tid":771334864158847,"liquidation":{"liquidatedUser":"0x2e3d","markPx":"22.025","method":"backstop"}}]"#,
    r#"{"user":"0x4c64","coin":"kPEPE","px":"0.012","sz":"28","side":"A","time":1791565601063,"dir":"Close Long","crossed":true,"tid":1,"liquidation":{"markPx":"68.2","method":"market"}}"#,
];

/// Answers about open interest, with the question.
const SAMPLES: &[(Venue, &str, &str)] = &[
    (
        Venue::Binance,
        "http://u/fapi/v1/openInterest?symbol=BTCUSDT",
        r#"{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}"#,
    ),
    (
        Venue::Binance,
        "http://c/dapi/v1/openInterest?symbol=BTCUSD_PERP",
        r#"{"symbol":"BTCUSD_PERP","pair":"BTCUSD","openInterest":"15004","contractType":"PERPETUAL","time":1591261042378}"#,
    ),
    (
        Venue::Okx,
        "http://u/api/v5/public/open-interest?instType=SWAP",
        r#"{"code":"0","data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP","oi":"2976000","oiCcy":"29760.5","oiUsd":"2452000000.25","ts":"1791565600771"}],"msg":""}"#,
    ),
];

/// Texts that venues never send and that have broken parsers before.
const ODD: &[&str] = &[
    "",
    "0",
    "-0",
    "-1",
    "NaN",
    "Infinity",
    "1e400",
    "1e-400",
    "1e29",
    "1e-29",
    "9e18",
    "99999999999999999999999999999",
    "0.0000000000000000000000000001",
    "null",
    "[]",
    "{}",
    "true",
    "\"",
    "\\u0000",
    "币",
    "9223372036854775808",
    "-9223372036854775808",
    "{s01}",
    "1_0",
    "+1",
    ".",
    "SELL",
    "0x10",
];

fn table(venue: Venue) -> Instruments {
    let listing = |name, quote, sizing| Listing::of(venue, name, "BTC", quote, sizing).ok();
    let mut table = Instruments::new();
    let listings = [
        listing("BTC-USDT-SWAP", Quote::Usdt, Sizing::ContractsOfCoins("0.01".parse().unwrap_or_default())),
        listing("BTCUSD_PERP", Quote::Usd, Sizing::ContractsOfUsd(100.into())),
        listing("BTCUSD", Quote::Usd, Sizing::Usd),
    ];
    listings.into_iter().flatten().for_each(|listing| table.insert(listing));
    table
}

/// Decodes at every venue; whatever comes out must be what the contract promises.
fn survives(frame: &str) -> Result<(), TestCaseError> {
    let mut out = Decoded::default();
    for venue in Venue::ALL {
        let _meaning = protocol(venue).decode(frame, &table(venue), &mut out);
        for refusal in &out.refused {
            prop_assert!(refusal.to_string().len() < 600, "{refusal}");
        }
        for event in &out.events {
            usable(event)?;
        }
    }
    survives_as_node_line(frame)
}

/// The same of the decoder of a node's fills.
fn survives_as_node_line(line: &str) -> Result<(), TestCaseError> {
    let mut out = Decoded::default();
    let meaning = decode_node_line(line, &Instruments::new(), &mut out);
    let _shape = is_node_line(line);
    for refusal in out.refused.iter().chain(meaning.as_ref().err()) {
        prop_assert!(refusal.to_string().len() < 600, "{refusal}");
    }
    for event in &out.events {
        prop_assert!(event.kind() == "liquidation", "{event:?}");
        usable(event)?;
    }
    Ok(())
}

/// The same of an answer to every question.
fn survives_as_sample(body: &[u8]) -> Result<(), TestCaseError> {
    let mut out = Decoded::default();
    for (venue, url, _) in SAMPLES {
        let request = RestRequest { method: Method::Get, url: (*url).to_owned() };
        let read = protocol(*venue).read_sample(&request, body, &table(*venue), &mut out);
        prop_assert!(read.is_ok() || out.events.is_empty(), "{read:?} {:?}", out.events);
        for refusal in out.refused.iter().chain(read.as_ref().err()) {
            prop_assert!(refusal.to_string().len() < 600, "{refusal}");
        }
        for event in &out.events {
            prop_assert!(event.kind() == "open_interest", "{event:?}");
            usable(event)?;
        }
    }
    Ok(())
}

fn usable(event: &Event) -> Result<(), TestCaseError> {
    let amount = |price: f64, quantity: f64, usd: Usd, at: EventTime| {
        let in_range = Usd::ZERO <= usd && usd <= Usd::LARGEST_EVENT;
        price.is_finite()
            && price > 0.0
            && quantity.is_finite()
            && quantity > 0.0
            && in_range
            && at.is_plausible()
    };
    let fine = match event {
        Event::Liquidation(e) => amount(e.price, e.quantity, e.notional_usd, e.event_time_ms),
        Event::Trade(e) => amount(e.price, e.quantity, e.notional_usd, e.event_time_ms),
        Event::Mark(e) => {
            let price = |price: Option<f64>| price.is_none_or(|price| price.is_finite() && price > 0.0);
            price(e.mark_price) && price(e.index_price) && e.funding_rate.is_none_or(f64::is_finite)
        }
        Event::OpenInterest(e) => {
            e.coins.is_none_or(|coins| coins.is_finite() && coins >= 0.0)
                && e.usd.is_none_or(|usd| usd >= Usd::ZERO)
        }
        _ => false,
    };
    prop_assert!(fine, "{event:?}");
    Ok(())
}

/// Puts an odd text where the n-th quoted value or number of a frame stands.
fn replaced(frame: &str, at: usize, odd: &str) -> String {
    let values: Vec<(usize, usize)> = frame
        .match_indices(':')
        .map(|(colon, _)| {
            let start = colon + 1 + usize::from(frame[colon + 1..].starts_with('"'));
            let length = frame[start..].find(['"', ',', '}']).unwrap_or(0);
            (start, start + length)
        })
        .collect();
    let (start, end) = values[at % values.len()];
    format!("{}{odd}{}", &frame[..start], &frame[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        survives(&text)?;
    }

    #[test]
    fn arbitrary_json_shapes_never_panic(text in r#"[\[\]{}",:0-9a-zA-Z.@!\\ -]{0,120}"#) {
        survives(&text)?;
    }

    #[test]
    fn arbitrary_bytes_as_an_instruments_answer_never_panic(body in any::<Vec<u8>>()) {
        for venue in Venue::ALL {
            let mut table = Instruments::new();
            let _answer = protocol(venue).read_instruments_file(&body, &mut table);
        }
    }

    #[test]
    fn a_frame_with_odd_values_never_panics(
        which in 0..FRAMES.len(),
        changes in prop::collection::vec((0..40_usize, 0..ODD.len()), 1..4),
    ) {
        let mut frame = FRAMES[which].1.to_owned();
        for (at, odd) in changes {
            frame = replaced(&frame, at, ODD[odd]);
        }
        survives(&frame)?;
    }

    #[test]
    fn a_frame_with_broken_bytes_never_panics(
        which in 0..FRAMES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = FRAMES[which].1.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        survives(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn arbitrary_bytes_as_a_sample_never_panic(body in any::<Vec<u8>>()) {
        survives_as_sample(&body)?;
    }

    #[test]
    fn a_sample_with_odd_values_never_panics(
        which in 0..SAMPLES.len(),
        changes in prop::collection::vec((0..20_usize, 0..ODD.len()), 1..4),
    ) {
        let mut body = SAMPLES[which].2.to_owned();
        for (at, odd) in changes {
            body = replaced(&body, at, ODD[odd]);
        }
        survives_as_sample(body.as_bytes())?;
    }

    #[test]
    fn a_sample_with_broken_bytes_never_panics(
        which in 0..SAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = SAMPLES[which].2.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        survives_as_sample(&bytes)?;
    }

    #[test]
    fn a_nodes_line_with_odd_values_never_panics(
        which in 0..NODE_LINES.len(),
        changes in prop::collection::vec((0..60_usize, 0..ODD.len()), 1..4),
    ) {
        let mut line = NODE_LINES[which].to_owned();
        for (at, odd) in changes {
            line = replaced(&line, at, ODD[odd]);
        }
        survives_as_node_line(&line)?;
    }

    #[test]
    fn a_nodes_line_with_broken_bytes_never_panics(
        which in 0..NODE_LINES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = NODE_LINES[which].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        survives_as_node_line(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_number_is_read_to_the_same_bits_as_the_standard_library_reads_it(
        mantissa in 1..10_000_000_000_000_000_000_u64,
        point in 0..19_usize,
    ) {
        let digits = format!("{mantissa:020}");
        let text = format!("{}.{}", &digits[..20 - point], &digits[20 - point..]);
        let text = text.trim_end_matches('.');
        let frame = FRAMES[14].1.replace("0.00219", "0.000001").replace("105056.0", text);
        let mut out = Decoded::default();
        let _meaning = protocol(Venue::Hyperliquid).decode(&frame, &Instruments::new(), &mut out);
        for event in &out.events {
            let Event::Trade(trade) = event else { continue };
            prop_assert_eq!(trade.price.to_bits(), text.parse::<f64>().unwrap_or(f64::NAN).to_bits());
        }
    }
}

#[test]
fn the_frames_that_are_mutated_are_good_ones() {
    let mut out = Decoded::default();
    for (venue, frame) in FRAMES {
        let meaning = protocol(*venue).decode(frame, &table(*venue), &mut out);
        assert!(meaning.is_ok() && out.refused.is_empty(), "{frame}: {meaning:?} {:?}", out.refused);
    }
    for (venue, url, body) in SAMPLES {
        let request = RestRequest { method: Method::Get, url: (*url).to_owned() };
        let read = protocol(*venue).read_sample(&request, body.as_bytes(), &table(*venue), &mut out);
        assert_eq!((read, out.events.len(), out.refused.len()), (Ok(()), 1, 0), "{body}");
    }
    for line in NODE_LINES {
        let meaning = decode_node_line(line, &Instruments::new(), &mut out);
        assert!(meaning.is_ok() && out.refused.is_empty(), "{line}: {meaning:?} {:?}", out.refused);
        assert_eq!(out.events.len() + usize::try_from(out.auto_deleveraged).unwrap_or(0), 1, "{line}");
    }
}
