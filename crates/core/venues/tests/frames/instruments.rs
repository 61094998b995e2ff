//! The venues' lists of instruments.

use cascade_domain::{Event, Instrument, Venue};
use cascade_venues::{
    DecodeError, Endpoints, Instruments, Listing, Meaning, Method, Quote, Sizing, protocol,
};

use super::{BINANCE_INSTRUMENTS, OKX_INSTRUMENTS, decode, listed};

fn endpoints() -> Endpoints {
    Endpoints {
        ws_url: "ws://127.0.0.1:1".to_owned(),
        rest_url: "http://127.0.0.1:2".to_owned(),
        coinm_rest_url: Some("http://127.0.0.1:3".to_owned()),
    }
}

fn names(table: &Instruments) -> Vec<&str> {
    table.iter().map(|listing| listing.instrument.as_str()).collect()
}

fn get(table: &Instruments, name: &str) -> Listing {
    *table.get(&Instrument::parse(name).unwrap()).unwrap()
}

#[test]
fn only_trading_dollar_quoted_perpetuals_are_listed() {
    let table = listed(Venue::Binance, &BINANCE_INSTRUMENTS);
    assert_eq!(
        names(&table),
        ["1000PEPEUSDT", "1INCHUSDT", "ADAUSD_PERP", "BTCUSDC", "BTCUSDT", "BTCUSD_PERP"]
    );
    let pepe = get(&table, "1000PEPEUSDT");
    assert_eq!((pepe.symbol.as_str(), pepe.multiplier, pepe.quote), ("PEPEUSDT", 1000, Quote::Usdt));
    assert_eq!(get(&table, "BTCUSD_PERP").sizing, Sizing::ContractsOfUsd(100.into()));
    assert_eq!(get(&table, "ADAUSD_PERP").sizing, Sizing::ContractsOfUsd(10.into()));
    let okx = listed(Venue::Okx, &[OKX_INSTRUMENTS]);
    assert_eq!(
        names(&okx),
        ["BTC-USD-SWAP", "BTC-USDC-SWAP", "BTC-USDT-SWAP", "PEPE-USDT-SWAP", "SOL-USDT-SWAP"]
    );
    assert!(get(&okx, "BTC-USD-SWAP").sizing.is_inverse());
}

#[test]
fn bybit_is_read_page_by_page() {
    let bybit = protocol(Venue::Bybit);
    let requests = bybit.instrument_requests(&endpoints());
    let urls: Vec<&str> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "http://127.0.0.1:2/v5/market/instruments-info?category=linear&limit=1000",
            "http://127.0.0.1:2/v5/market/instruments-info?category=inverse&limit=1000"
        ]
    );
    let page = |cursor: &str| {
        format!(
            r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"linear","list":[
            {{"symbol":"BTCUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT"}},
            {{"symbol":"BTCPERP","contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDC"}},
            {{"symbol":"SHIB1000USDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":"SHIB1000","quoteCoin":"USDT"}},
            {{"symbol":"BTC-26DEC26","contractType":"LinearFutures","status":"Trading","baseCoin":"BTC","quoteCoin":"USDC"}},
            {{"symbol":"BTCUSD","contractType":"InversePerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USD"}},
            {{"symbol":"GONEUSDT","contractType":"LinearPerpetual","status":"Closed","baseCoin":"GONE","quoteCoin":"USDT"}},
            7],"nextPageCursor":"{cursor}"}},"time":1}}"#
        )
    };
    let mut table = Instruments::new();
    let next =
        bybit.read_instruments(&requests[0], page("first%3DX 1&y").as_bytes(), &mut table).unwrap().unwrap();
    assert_eq!(next.url, format!("{}&cursor=first%3DX%201%26y", urls[0]));
    assert_eq!(bybit.read_instruments(&next, page("").as_bytes(), &mut table), Ok(None));
    let after = bybit.read_instruments(&next, page("z").as_bytes(), &mut table).unwrap().unwrap();
    assert_eq!(after.url, format!("{}&cursor=z", urls[0]));
    assert_eq!(
        bybit.read_instruments(&after, page("z").as_bytes(), &mut table),
        Ok(None),
        "a page never follows itself"
    );
    assert_eq!(names(&table), ["BTCPERP", "BTCUSD", "BTCUSDT", "SHIB1000USDT"]);
    assert_eq!(get(&table, "BTCUSD").sizing, Sizing::Usd);
    let refused = bybit
        .read_instruments_file(br#"{"retCode":10006,"retMsg":"Too many visits!","result":{}}"#, &mut table);
    assert!(refused.unwrap_err().to_string().contains("10006: Too many visits!"));
}

#[test]
fn hyperliquid_skips_what_is_delisted() {
    let meta = r#"{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":40},{"name":"kPEPE","szDecimals":0},{"name":"MATIC","isDelisted":true}]}"#;
    let table = listed(Venue::Hyperliquid, &[meta]);
    assert_eq!(names(&table), ["BTC", "kPEPE"]);
    assert_eq!(listed(Venue::Hyperliquid, &[&format!("[{meta},[]]")]), table);
    let requests = protocol(Venue::Hyperliquid).instrument_requests(&endpoints());
    assert_eq!(requests[0].method, Method::Post(r#"{"type":"meta"}"#.to_owned()));
    assert_eq!(requests[0].url, "http://127.0.0.1:2/info");
}

#[test]
fn binance_asks_both_of_its_hosts_and_okx_its_swaps() {
    let urls = |venue| {
        let requests = protocol(venue).instrument_requests(&endpoints());
        requests.into_iter().map(|request| request.url).collect::<Vec<_>>()
    };
    assert_eq!(
        urls(Venue::Binance),
        ["http://127.0.0.1:2/fapi/v1/exchangeInfo", "http://127.0.0.1:3/dapi/v1/exchangeInfo"]
    );
    assert_eq!(urls(Venue::Okx), ["http://127.0.0.1:2/api/v5/public/instruments?instType=SWAP"]);
}

#[test]
fn binance_tells_how_often_funding_is_paid_apart_from_its_instruments() {
    let binance = protocol(Venue::Binance);
    let mut table = Instruments::new();
    let first = &binance.instrument_requests(&endpoints())[0];
    let next =
        binance.read_instruments(first, BINANCE_INSTRUMENTS[0].as_bytes(), &mut table).unwrap().unwrap();
    assert_eq!(next.url, "http://127.0.0.1:2/fapi/v1/fundingInfo");
    let intervals = br#"[{"symbol":"1000PEPEUSDT","adjustedFundingRateCap":"0.02","fundingIntervalHours":4,"disclaimer":false},
        {"symbol":"NOSUCHUSDT","fundingIntervalHours":1},{"symbol":"1INCHUSDT","fundingIntervalHours":0},{"bad":1}]"#;
    assert_eq!(binance.read_instruments(&next, intervals, &mut table).unwrap(), None);
    let hours = |name: &str| {
        let frame = format!(
            r#"{{"stream":"x@markPrice@1s","data":{{"e":"markPriceUpdate","E":1791391082124,"s":"{name}","p":"1","r":"0.0001"}}}}"#
        );
        let (meaning, out) = decode(Venue::Binance, &frame, &table);
        assert_eq!(meaning, Ok(Meaning::Market), "{name}");
        match &out.events[..] {
            [Event::Mark(mark)] => mark.funding_interval_h,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        [hours("1000PEPEUSDT"), hours("1INCHUSDT"), hours("BTCUSDT")],
        [Some(4.0), Some(8.0), Some(8.0)]
    );
    assert_eq!(hours("UNLISTEDUSDT"), None, "not known, not guessed");
    assert!(binance.read_instruments(&next, b"{}", &mut table).is_err());
}

#[test]
fn what_is_no_such_answer_is_refused() {
    for venue in Venue::ALL {
        for body in [
            &b"{}"[..],
            b"",
            b"[]",
            b"<html>",
            b"\xff\xfe",
            br#"{"code":"50011","msg":"Too Many","data":[]}"#,
        ] {
            let mut table = Instruments::new();
            let answer = protocol(venue).read_instruments_file(body, &mut table);
            assert!(matches!(answer, Err(DecodeError::Malformed(_))), "{venue} {body:?}");
            assert!(table.is_empty());
        }
    }
}
