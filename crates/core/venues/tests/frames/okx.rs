//! OKX's frames.

use cascade_domain::{EventTime, PriceKind, Side, Taker, Usd, Venue};
use cascade_venues::{Ack, DecodeError, Instruments, Meaning};

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
