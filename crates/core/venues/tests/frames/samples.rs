//! Questions for open interest, and their answers.

use std::time::Duration;

use cascade_domain::{Event, EventTime, OpenInterest, Symbol, Usd, Venue};
use cascade_venues::{
    DecodeError, Decoded, Endpoints, Instruments, Method, RestRequest, Sampling, Wanted, protocol,
};

use super::{BINANCE_INSTRUMENTS, OKX_INSTRUMENTS, listed, marks};

fn table(venue: Venue) -> Instruments {
    match venue {
        Venue::Binance => listed(venue, &BINANCE_INSTRUMENTS),
        Venue::Okx => listed(venue, &[OKX_INSTRUMENTS]),
        _ => Instruments::new(),
    }
}

fn wanted(symbols: &[&str]) -> Wanted {
    let symbols = symbols.iter().map(|text| Symbol::parse(text).unwrap()).collect();
    Wanted { symbols: Some(symbols), ..Wanted::default() }
}

fn endpoints() -> Endpoints {
    Endpoints {
        ws_url: String::new(),
        rest_url: "http://u:1".to_owned(),
        coinm_rest_url: Some("http://c:2".to_owned()),
    }
}

fn asked(venue: Venue, wanted: &Wanted, endpoints: &Endpoints) -> Vec<Sampling> {
    protocol(venue).samplings(wanted, &table(venue), endpoints)
}

fn urls(samplings: &[Sampling]) -> Vec<&str> {
    assert!(samplings.iter().all(|sampling| sampling.request.method == Method::Get));
    samplings.iter().map(|sampling| sampling.request.url.as_str()).collect()
}

/// What an answer to the question at this address becomes.
fn answer(venue: Venue, url: &str, body: &str) -> (Result<(), DecodeError>, Vec<OpenInterest>, Decoded) {
    let request = RestRequest { method: Method::Get, url: url.to_owned() };
    let mut out = Decoded::default();
    let read = protocol(venue).read_sample(&request, body.as_bytes(), &table(venue), &mut out);
    let of = |event| if let Event::OpenInterest(sample) = event { Some(sample) } else { None };
    let samples = out.events.drain(..).map(|event| of(event).unwrap()).collect();
    (read, samples, out)
}

/// The one sample of an answer.
fn one(venue: Venue, url: &str, body: &str) -> OpenInterest {
    let (read, mut samples, out) = answer(venue, url, body);
    assert_eq!((read, samples.len(), out.refused.len()), (Ok(()), 1, 0), "{body}");
    samples.remove(0)
}

/// The refusal of a whole answer.
fn refused(venue: Venue, url: &str, body: &str) -> DecodeError {
    let (read, samples, _) = answer(venue, url, body);
    assert!(samples.is_empty(), "{body}: {samples:?}");
    read.unwrap_err()
}

const BTC: &str = "http://u:1/fapi/v1/openInterest?symbol=BTCUSDT";
const BTC_COIN: &str = "http://c:2/dapi/v1/openInterest?symbol=BTCUSD_PERP";
const BTC_BODY: &str = r#"{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}"#;
const BTC_COIN_BODY: &str = r#"{"symbol":"BTCUSD_PERP","pair":"BTCUSD","openInterest":"15004","contractType":"PERPETUAL","time":1591261042378}"#;
const ALL_SWAPS: &str = "http://u:1/api/v5/public/open-interest?instType=SWAP";

#[test]
fn binance_is_asked_for_every_wanted_listing_where_it_is_listed() {
    let questions = asked(Venue::Binance, &wanted(&["BTCUSDT", "PEPEUSDT"]), &endpoints());
    let linear = |name: &str| format!("http://u:1/fapi/v1/openInterest?symbol={name}");
    assert_eq!(
        urls(&questions),
        [linear("BTCUSDC"), linear("BTCUSDT"), BTC_COIN.to_owned(), linear("1000PEPEUSDT")]
    );
    assert!(questions.iter().all(|question| question.every == Duration::from_secs(5)));
    let every_one = asked(Venue::Binance, &Wanted::default(), &endpoints());
    assert_eq!(every_one.len(), 6, "dated, settling and other quotes are not listed: {every_one:?}");
    let without_coinm = Endpoints { coinm_rest_url: None, ..endpoints() };
    assert_eq!(urls(&asked(Venue::Binance, &wanted(&["ADAUSDT"]), &without_coinm)), [""; 0]);
    let unlisted = protocol(Venue::Binance).samplings(&Wanted::default(), &Instruments::new(), &endpoints());
    assert!(unlisted.is_empty(), "nothing is guessed");
}

#[test]
fn okx_is_asked_once_for_all_and_what_is_streamed_is_not_asked_for() {
    let questions = asked(Venue::Okx, &wanted(&["BTCUSDT", "SOLUSDT"]), &endpoints());
    assert_eq!((urls(&questions), questions[0].every), (vec![ALL_SWAPS], Duration::from_secs(10)));
    assert!(asked(Venue::Okx, &wanted(&["NOSUCHUSDT"]), &endpoints()).is_empty());
    for venue in [Venue::Bybit, Venue::Hyperliquid] {
        assert!(asked(venue, &Wanted::default(), &endpoints()).is_empty());
        assert!(matches!(refused(venue, BTC, BTC_BODY), DecodeError::UnknownKind(_)));
    }
}

#[test]
fn usd_m_counts_listed_coins_and_multiples_are_undone() {
    let sample = one(Venue::Binance, BTC, BTC_BODY);
    assert_eq!((sample.symbol.as_str(), sample.instrument.as_str()), ("BTCUSDT", "BTCUSDT"));
    assert_eq!((sample.coins, sample.usd), (Some(10659.509), None));
    let at = Some(EventTime::from_ms(1_589_437_530_011));
    assert_eq!((sample.event_time_ms, sample.published_at_ms, sample.known_at_ms), (at, at, None));
    let pepe = one(
        Venue::Binance,
        "http://u:1/fapi/v1/openInterest?symbol=1000PEPEUSDT",
        r#"{"openInterest":"20000000.5","symbol":"1000PEPEUSDT","time":1589437530011}"#,
    );
    assert_eq!((pepe.symbol.as_str(), pepe.coins), ("PEPEUSDT", Some(20_000_000_500.0)));
    let none = one(Venue::Binance, BTC, &BTC_BODY.replace("10659.509", "0"));
    assert_eq!(none.coins, Some(0.0), "that nobody holds anything is a sample too");
}

#[test]
fn coin_m_counts_contracts_of_so_many_dollars_and_says_nothing_of_coins() {
    let sample = one(Venue::Binance, BTC_COIN, BTC_COIN_BODY);
    assert_eq!((sample.symbol.as_str(), sample.instrument.as_str()), ("BTCUSDT", "BTCUSD_PERP"));
    assert_eq!((sample.coins, sample.usd.map(Usd::dollars)), (None, Some(1_500_400.0)));
    let ada = one(
        Venue::Binance,
        &BTC_COIN.replace("BTCUSD", "ADAUSD"),
        &BTC_COIN_BODY.replace("BTCUSD", "ADAUSD"),
    );
    assert_eq!(ada.usd.map(Usd::dollars), Some(150_040.0), "ten dollars each");
    let unlisted = refused(
        Venue::Binance,
        &BTC_COIN.replace("BTCUSD", "XRPUSD"),
        &BTC_COIN_BODY.replace("BTCUSD", "XRPUSD"),
    );
    assert_eq!(unlisted, DecodeError::UnknownContractSize("XRPUSD_PERP".to_owned()));
    let coins_for_contracts = refused(Venue::Binance, &BTC_COIN.replace("BTCUSD_PERP", "BTCUSDT"), BTC_BODY);
    assert_eq!(coins_for_contracts, DecodeError::UnknownContractSize("BTCUSDT".to_owned()));
}

#[test]
fn the_answer_to_another_question_is_refused_by_name() {
    let wrong = refused(Venue::Binance, BTC, &BTC_BODY.replace("BTCUSDT", "ETHUSDT"));
    let named = DecodeError::WrongAnswer { asked: "BTCUSDT".to_owned(), told: "ETHUSDT".to_owned() };
    assert_eq!((wrong.label(), &wrong), ("wrong_answer", &named));
    assert_eq!(wrong.to_string(), "asked for BTCUSDT, it answers for ETHUSDT");
    for other in ["btcusdt", "BTCUSDC", "BTCUSDT ", "BTCUSD_PERP"] {
        let wrong = refused(Venue::Binance, BTC, &BTC_BODY.replace("BTCUSDT", other));
        assert_eq!(wrong.label(), "wrong_answer", "{other}");
    }
    assert_eq!(refused(Venue::Binance, BTC_COIN, BTC_BODY).label(), "wrong_answer");
    for url in ["http://u:1/fapi/v1/ping", "http://u:1/fapi/v1/time?symbol=BTCUSDT", ""] {
        assert_eq!(refused(Venue::Binance, url, BTC_BODY).label(), "unknown_kind", "{url}");
    }
    assert_eq!(refused(Venue::Okx, BTC, BTC_BODY).label(), "unknown_kind");
}

#[test]
fn a_name_is_spelled_for_the_address_and_known_in_the_answer() {
    let mut table = Instruments::new();
    let answer = r#"{"symbols":[{"symbol":"币安人生USDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"币安人生","quoteAsset":"USDT"}]}"#;
    protocol(Venue::Binance).read_instruments_file(answer.as_bytes(), &mut table).unwrap();
    let questions = protocol(Venue::Binance).samplings(&Wanted::default(), &table, &endpoints());
    let url = "http://u:1/fapi/v1/openInterest?symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT";
    assert_eq!(urls(&questions), [url]);
    let body = BTC_BODY.replace("BTCUSDT", "币安人生USDT");
    let mut out = Decoded::default();
    let read = protocol(Venue::Binance).read_sample(&questions[0].request, body.as_bytes(), &table, &mut out);
    assert_eq!((read, out.events.len()), (Ok(()), 1));
}

#[test]
fn a_field_that_is_missing_or_nonsense_makes_no_sample() {
    for (from, to, label) in [
        (r#""openInterest":"10659.509","#, "", "malformed"),
        (r#""10659.509""#, r#""""#, "malformed"),
        (r#""10659.509""#, "null", "malformed"),
        (r#""10659.509""#, "[]", "malformed"),
        ("10659.509", "-1", "bad_number"),
        ("10659.509", "NaN", "bad_number"),
        ("10659.509", "1e400", "bad_number"),
        (r#""symbol":"BTCUSDT","#, "", "malformed"),
        (r#","time":1589437530011"#, "", "malformed"),
        ("1589437530011", "1589437530", "bad_time"),
        ("1589437530011", "0", "bad_time"),
        ("1589437530011", r#""soon""#, "malformed"),
    ] {
        assert!(BTC_BODY.contains(from), "{from}");
        let error = refused(Venue::Binance, BTC, &BTC_BODY.replace(from, to));
        assert_eq!(error.label(), label, "{from} -> {to}: {error}");
    }
    for body in ["", "[]", "<html>", "null", "{}", "7", "{\"openInterest\":\"1065"] {
        assert_eq!(refused(Venue::Binance, BTC, body).label(), "malformed", "{body}");
        assert_eq!(refused(Venue::Okx, ALL_SWAPS, body).label(), "malformed", "{body}");
    }
    let huge =
        refused(Venue::Binance, BTC_COIN, &BTC_COIN_BODY.replace("15004", "9999999999999999999999999999"));
    assert_eq!(huge.label(), "bad_number", "{huge}");
    let told = refused(Venue::Binance, BTC, r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    assert_eq!(told.to_string(), "not a frame of this venue: the venue answers -1121: Invalid symbol.");
}

/// Rows of OKX's answer: linear, inverse, and two that are not listed as dollar-quoted perpetuals.
const OKX_ROWS: [&str; 4] = [
    r#"{"instId":"BTC-USDT-SWAP","instType":"SWAP","oi":"2976000","oiCcy":"29760.5","oiUsd":"2452000000.25","ts":"1791565600771"}"#,
    r#"{"instId":"BTC-USD-SWAP","instType":"SWAP","oi":"4000000","oiCcy":"4854.4","oiUsd":"400000000","ts":"1791565600771"}"#,
    r#"{"instId":"ETH-BTC-SWAP","instType":"SWAP","oi":"1","oiCcy":"1","oiUsd":"1","ts":"1791565600771"}"#,
    r#"{"instId":"OLD-USDT-SWAP","instType":"SWAP","oi":"1","oiCcy":"1","oiUsd":"1","ts":"1791565600771"}"#,
];

fn okx(rows: &[&str]) -> String {
    format!(r#"{{"code":"0","data":[{}],"msg":""}}"#, rows.join(","))
}

#[test]
fn okx_tells_the_very_samples_of_its_channel() {
    let (read, samples, out) = answer(Venue::Okx, ALL_SWAPS, &okx(&OKX_ROWS));
    assert_eq!((read, out.refused.len()), (Ok(()), 0), "what nobody asked for is no refusal");
    let heard: Vec<OpenInterest> = OKX_ROWS[..2]
        .iter()
        .flat_map(|row| {
            let push = format!(r#"{{"arg":{{"channel":"open-interest","instId":"X"}},"data":[{row}]}}"#);
            marks(Venue::Okx, &push, &table(Venue::Okx)).1
        })
        .collect();
    assert_eq!(samples, heard);
    assert_eq!((samples[1].coins, samples[1].usd.map(Usd::dollars)), (Some(4854.4), Some(4e8)));
    let keys = |samples: &[OpenInterest]| -> Vec<_> {
        samples.iter().map(|sample| Event::OpenInterest(sample.clone()).once_key()).collect()
    };
    assert_eq!(keys(&samples), keys(&heard), "so that a copy is stored once");
}

#[test]
fn a_bad_row_of_okx_costs_no_other_and_a_refusal_is_told() {
    let bad = [
        OKX_ROWS[0].replace("29760.5", "-1"),
        OKX_ROWS[0].replace(r#""oiCcy":"29760.5","#, ""),
        OKX_ROWS[0].replace("29760.5", ""),
        OKX_ROWS[0].replace("2452000000.25", "x"),
        OKX_ROWS[0].replace("1791565600771", "7"),
        OKX_ROWS[0].replace("BTC-USDT-SWAP", "BTC USDT"),
        "7".to_owned(),
    ];
    for bad in &bad {
        let (read, samples, out) = answer(Venue::Okx, ALL_SWAPS, &okx(&[bad, OKX_ROWS[1]]));
        let instruments: Vec<_> = samples.iter().map(|sample| sample.instrument.as_str()).collect();
        if bad == "7" {
            assert!(read.is_err() && samples.is_empty(), "an answer of numbers is none");
        } else {
            assert_eq!(
                (read, out.refused.len(), &instruments[..]),
                (Ok(()), 1, &["BTC-USD-SWAP"][..]),
                "{bad}"
            );
        }
    }
    let limited = refused(Venue::Okx, ALL_SWAPS, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#);
    assert!(limited.to_string().contains("50011: Too Many Requests"), "{limited}");
}
