//! OKX's frames.

use cascade_domain::{Event, EventTime, PriceKind, Side, Symbol, Taker, Usd, Venue};
use cascade_venues::{
    Ack, DecodeError, Decoded, Endpoints, Instruments, Meaning, Method, Missed, RestRequest, Wanted, protocol,
};

use super::{OKX_INSTRUMENTS, decode, liquidations, listed, marks, meaning, refusal, told, trades};

fn table() -> Instruments {
    listed(Venue::Okx, &[OKX_INSTRUMENTS])
}

fn detail(side: &str, position: &str, price: &str, contracts: &str) -> String {
    format!(
        r#"{{"bkLoss":"0","bkPx":"{price}","ccy":"","posSide":"{position}","side":"{side}","sz":"{contracts}","ts":"1791565600771"}}"#
    )
}

fn frame(instrument: &str, details: &str) -> String {
    format!(
        r#"{{"arg":{{"channel":"liquidation-orders","instType":"SWAP"}},"data":[{{"details":[{details}],"instFamily":"X","instId":"{instrument}","instType":"SWAP","uly":"X"}}]}}"#
    )
}

fn push(channel: &str, row: &str) -> String {
    format!(r#"{{"arg":{{"channel":"{channel}","instId":"X"}},"data":[{row}]}}"#)
}

#[test]
fn contracts_become_coins_and_dollars() {
    let got = liquidations(
        Venue::Okx,
        &frame("BTC-USDT-SWAP", &detail("sell", "long", "82655.7", "8.55")),
        &table(),
    );
    assert_eq!(told(&got[0]), "BTCUSDT long 82655.7 0.0855 7067.06235 1791565600771 - sampled");
    assert_eq!(got[0].price_kind, PriceKind::Bankruptcy);
    let inverse =
        liquidations(Venue::Okx, &frame("BTC-USD-SWAP", &detail("buy", "short", "50000", "3")), &table());
    assert_eq!(told(&inverse[0]), "BTCUSDT short 50000 0.006 300 1791565600771 - sampled");
    let sol =
        liquidations(Venue::Okx, &frame("SOL-USDT-SWAP", &detail("buy", "short", "150", "3")), &table());
    assert_eq!((sol[0].quantity, sol[0].notional_usd.dollars()), (3.0, 450.0), "ctVal times ctMult");
    let pepe =
        liquidations(Venue::Okx, &frame("PEPE-USDT-SWAP", &detail("buy", "short", "0.00001", "2")), &table());
    assert_eq!((pepe[0].quantity, pepe[0].notional_usd.dollars()), (2e7, 200.0));
}

#[test]
fn the_position_side_goes_before_the_orders_and_net_is_read_from_the_order() {
    let side = |order: &str, position: &str| {
        let frame = frame("BTC-USDT-SWAP", &detail(order, position, "1", "1"));
        liquidations(Venue::Okx, &frame, &table())[0].side
    };
    assert_eq!((side("sell", "long"), side("buy", "short")), (Side::Long, Side::Short));
    assert_eq!((side("sell", "net"), side("buy", "net")), (Side::Long, Side::Short));
    assert_eq!((side("sell", ""), side("buy", "")), (Side::Long, Side::Short));
    for (order, position) in [("", "net"), ("hold", "net"), ("sell", "both")] {
        let frame = frame("BTC-USDT-SWAP", &detail(order, position, "1", "1"));
        assert!(matches!(refusal(Venue::Okx, &frame, &table()), DecodeError::UnknownSide(_)));
    }
}

#[test]
fn without_its_contract_size_nothing_is_guessed() {
    let unknown = |name: &str, table: &Instruments| {
        refusal(Venue::Okx, &frame(name, &detail("sell", "long", "1", "1")), table)
    };
    let size = |name: &str| DecodeError::UnknownContractSize(name.to_owned());
    assert_eq!(unknown("BTC-USDT-SWAP", &Instruments::new()), size("BTC-USDT-SWAP"));
    assert_eq!(unknown("DOGE-USDT-SWAP", &table()), size("DOGE-USDT-SWAP"));
    assert_eq!(unknown("OLD-USDT-SWAP", &table()), size("OLD-USDT-SWAP"));
    let no_perpetual = DecodeError::NotPerpetual("BTC-USDT-261225".to_owned());
    assert_eq!(unknown("BTC-USDT-261225", &table()), no_perpetual);
    assert!(matches!(unknown("ETH-BTC-SWAP", &table()), DecodeError::NotPerpetual(_)));
}

#[test]
fn several_orders_of_several_instruments_come_in_one_frame() {
    let same = detail("sell", "long", "82655.7", "8.55");
    let one = frame("BTC-USDT-SWAP", &[&*same, "{}", &*same].join(","));
    let (meaning, out) = decode(Venue::Okx, &one, &table());
    assert_eq!((meaning, out.events.len(), out.refused.len()), (Ok(Meaning::Market), 2, 1));
    assert_ne!(out.events[0].once_key(), out.events[1].once_key());
}

#[test]
fn trades_count_in_contracts() {
    let row = r#"{"instId":"BTC-USDT-SWAP","tradeId":"219066264","px":"43568.8","sz":"7","side":"buy","ts":"1646312440645"}"#;
    let got = trades(Venue::Okx, &push("trades", row), &table()).remove(0);
    assert_eq!((got.side, got.quantity, got.notional_usd.dollars()), (Taker::Buy, 0.07, 3049.816));
    let usdc = trades(Venue::Okx, &push("trades", &row.replace("USDT", "USDC")), &table()).remove(0);
    assert_eq!((usdc.symbol.as_str(), usdc.quantity), ("BTCUSDT", 0.0007));
}

#[test]
fn marks_indexes_and_funding_come_on_three_channels() {
    let of =
        |channel: &str, row: &str| marks(Venue::Okx, &push(channel, row), &Instruments::new()).0.remove(0);
    let mark = of(
        "mark-price",
        r#"{"instType":"SWAP","instId":"BTC-USD-SWAP","markPx":"82396.9","ts":"1791565600771"}"#,
    );
    assert_eq!((mark.mark_price, mark.symbol.as_str()), (Some(82396.9), "BTCUSDT"));
    let index = of("index-tickers", r#"{"instId":"BTC-USDT","idxPx":"82390.1","ts":"1791565600771"}"#);
    assert_eq!((index.index_price, index.instrument.as_str()), (Some(82390.1), "BTC-USDT-SWAP"));
    let funding = of(
        "funding-rate",
        r#"{"fundingRate":"0.00015","fundingTime":"1791590400000","nextFundingTime":"1791604800000","instId":"BTC-USDT-SWAP","instType":"SWAP"}"#,
    );
    assert_eq!((funding.funding_rate, funding.funding_interval_h), (Some(0.00015), Some(4.0)));
    assert_eq!(funding.next_funding_time_ms, Some(EventTime::from_ms(1_791_590_400_000)));
    assert_eq!(funding.event_time_ms, None);
    let older = of(
        "funding-rate",
        r#"{"fundingRate":"0.0001","fundingTime":"1646323200000","instId":"BTC-USDT-SWAP"}"#,
    );
    assert_eq!(older.funding_interval_h, None);
}

#[test]
fn open_interest_is_read_in_coins_and_dollars() {
    let row = r#"{"instId":"BTC-USDT-SWAP","instType":"SWAP","oi":"2976000","oiCcy":"29760.5","oiUsd":"2452000000.25","ts":"1791565600771"}"#;
    let (_, open) = marks(Venue::Okx, &push("open-interest", row), &Instruments::new());
    assert_eq!((open[0].coins, open[0].usd), (Some(29760.5), Some(Usd::from_micros(2_452_000_000_250_000))));
    assert_eq!(open[0].published_at_ms, Some(EventTime::from_ms(1_791_565_600_771)));
}

#[test]
fn open_interest_without_coins_is_no_sample() {
    let row = |coins: &str| {
        format!(
            r#"{{"instId":"BTC-USDT-SWAP","instType":"SWAP","oi":"2976000",{coins}"oiUsd":"2452000000.25","ts":"1791565600771"}}"#
        )
    };
    for coins in ["", r#""oiCcy":"","#, r#""oiCcy":null,"#] {
        let refused = refusal(Venue::Okx, &push("open-interest", &row(coins)), &table());
        assert_eq!(refused.to_string(), "not a frame of this venue: open interest without `oiCcy`");
    }
    let coins_alone = row(r#""oiCcy":"29760.5","#).replace("oiUsd", "other");
    let (_, open) = marks(Venue::Okx, &push("open-interest", &coins_alone), &table());
    assert_eq!((open[0].coins, open[0].usd), (Some(29760.5), None));
}

#[test]
fn answers_pings_and_notices_are_told_from_pushes() {
    let meaning = |frame: &str| meaning(Venue::Okx, frame).unwrap();
    let topic = |name: &str| Ack::Topic(name.to_owned());
    assert_eq!(meaning("pong"), Meaning::Pong);
    assert_eq!(meaning("ping"), Meaning::Reply("pong".to_owned()));
    assert_eq!(
        meaning(
            r#"{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"},"connId":"a"}"#
        ),
        Meaning::Acknowledged(vec![topic("liquidation-orders:SWAP")])
    );
    assert_eq!(
        meaning(r#"{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT-SWAP"}}"#),
        Meaning::Acknowledged(vec![topic("trades:BTC-USDT-SWAP")])
    );
    let error = r#"{"event":"error","msg":"Wrong URL or channel:trades,instId:X-USDT-SWAP doesn't exist. Please use the correct URL.","code":"60018","connId":"4"}"#;
    assert!(matches!(
        meaning(error),
        Meaning::Refused { ack: Some(ack), reason } if ack == topic("trades:X-USDT-SWAP") && reason.starts_with("60018 Wrong")
    ));
    assert!(matches!(
        meaning(r#"{"event":"error","code":"60012","msg":"Illegal request"}"#),
        Meaning::Refused { ack: None, reason } if reason == "60012 Illegal request"
    ));
    assert!(matches!(
        meaning(r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed"}"#),
        Meaning::Reconnect(_)
    ));
    assert_eq!(meaning(&push("books5", "{}")), Meaning::Ignored("books"));
    assert_eq!(meaning(&push("candle1m", "{}")), Meaning::Ignored("candle"));
}

/// When the rows of `detail` happened.
const AT: EventTime = EventTime::from_ms(1_791_565_600_771);

fn endpoints() -> Endpoints {
    Endpoints { ws_url: String::new(), rest_url: "http://h:2".to_owned(), coinm_rest_url: None }
}

fn wanted(symbols: &[&str]) -> Wanted {
    let symbols = symbols.iter().map(|text| Symbol::parse(text).unwrap()).collect();
    Wanted { symbols: Some(symbols), ..Wanted::default() }
}

/// What is asked for, for ten minutes that end a second after [`AT`], and what an answer to the first of it becomes.
fn asked_again(
    symbols: &[&str],
    body: &str,
) -> (Vec<RestRequest>, Decoded, Result<Option<String>, DecodeError>) {
    let (table, wanted, endpoints, mut out) = (table(), wanted(symbols), endpoints(), Decoded::default());
    let (from, to) = (AT.plus_ms(-600_000), AT.plus_ms(1000));
    let missed = Missed { wanted: &wanted, instruments: &table, endpoints: &endpoints, from, to };
    let requests = protocol(Venue::Okx).backfill(&missed);
    let next = protocol(Venue::Okx).read_backfill(&requests[0], body.as_bytes(), &missed, &mut out);
    (requests, out, next.map(|next| next.map(|request| request.url)))
}

fn answer(instrument: &str, details: &str) -> String {
    format!(
        r#"{{"code":"0","data":[{{"details":[{details}],"instFamily":"X","instId":"{instrument}","instType":"SWAP","totalLoss":"0","uly":"X"}}],"msg":""}}"#
    )
}

#[test]
fn what_was_missed_is_asked_for_by_underlying_with_every_dollar() {
    let (requests, ..) = asked_again(&["BTCUSDT", "SOLUSDT"], r#"{"code":"0","data":[],"msg":""}"#);
    let after = AT.ms() + 1000 + 5000;
    let url = |underlying: &str| {
        format!(
            "http://h:2/api/v5/public/liquidation-orders?instType=SWAP&uly={underlying}&state=filled&limit=100&after={after}"
        )
    };
    let urls: Vec<_> = requests.iter().map(|request| request.url.clone()).collect();
    assert_eq!(urls, ["BTC-USD", "BTC-USDC", "BTC-USDT", "SOL-USDT"].map(url));
    assert!(requests.iter().all(|request| request.method == Method::Get));
}

#[test]
fn a_row_is_the_same_event_whichever_way_it_comes() {
    for (name, details) in [
        ("BTC-USDT-SWAP", detail("sell", "long", "82655.7", "8.55")),
        ("BTC-USD-SWAP", detail("buy", "short", "50000", "3")),
        ("BTC-USDT-SWAP", detail("buy", "net", "82655.7", "1")),
        ("BTC-USDT-SWAP", vec![detail("sell", "long", "82655.7", "8.55"); 2].join(",")),
    ] {
        let heard = liquidations(Venue::Okx, &frame(name, &details), &table());
        let (_, out, _) = asked_again(&["BTCUSDT"], &answer(name, &details));
        let heard: Vec<_> = heard.into_iter().map(Event::Liquidation).collect();
        assert_eq!((&out.events, &out.refused[..]), (&heard, &[][..]), "{name} {details}");
    }
}

#[test]
fn pages_are_asked_for_until_one_reaches_the_beginning_of_what_was_missed() {
    let at = |ms: i64| {
        detail("sell", "long", "82655.7", "8.55").replace(&AT.to_string(), &(AT.ms() + ms).to_string())
    };
    let read = |details: &[String]| asked_again(&["BTCUSDT"], &answer("BTC-USDT-SWAP", &details.join(",")));
    let (requests, out, next) = read(&[at(0), at(-1000), at(-60_000)]);
    assert_eq!(out.events.len(), 3);
    let (first, _) = requests[0].url.split_once("&after=").unwrap();
    assert_eq!(next, Ok(Some(format!("{first}&after={}", AT.ms() - 60_000))));
    let (_, out, next) = read(&[at(0), at(-600_000), at(-700_000)]);
    assert_eq!((out.events.len(), next), (2, Ok(None)), "older ones were not missed");
    let (_, out, next) = read(&[at(60_000)]);
    assert_eq!((out.events.len(), next), (0, Ok(None)), "a page that goes no further back is the last");
    assert_eq!(read(&[]).2, Ok(None));
}

#[test]
fn a_bad_row_of_an_answer_costs_no_other_and_a_refusal_is_told() {
    let bad = detail("hold", "net", "1", "1");
    let (_, out, _) = asked_again(
        &["BTCUSDT"],
        &answer("BTC-USDT-SWAP", &[bad, detail("buy", "short", "1", "1")].join(",")),
    );
    assert_eq!((out.events.len(), out.refused.len()), (1, 1));
    let (_, out, _) = asked_again(&["SOLUSDT"], &answer("BTC-USDT-SWAP", &detail("buy", "short", "1", "1")));
    assert!(out.events.is_empty(), "nobody asked for it");
    for body in [r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#, "<html>", ""] {
        assert!(matches!(asked_again(&["BTCUSDT"], body).2, Err(DecodeError::Malformed(_))), "{body}");
    }
}
