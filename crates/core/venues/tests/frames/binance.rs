//! Binance's frames.

use cascade_domain::{PriceKind, Side, Taker, Venue};
use cascade_venues::{Ack, DecodeError, Instruments, Meaning};

use super::{BINANCE_INSTRUMENTS, decode, liquidations, listed, marks, meaning, refusal, told, trades};

fn order(symbol: &str, side: &str, st: &str) -> String {
    format!(
        r#"{{"e":"forceOrder","E":1791391083124,"o":{{"s":"{symbol}","S":"{side}","o":"LIMIT","f":"IOC","q":"120","p":"3.80300","ap":"3.85642","X":"FILLED","l":"25.2","z":"116.5","T":1791391082119{st}}}}}"#
    )
}

fn stream(order: &str) -> String {
    format!(r#"{{"stream":"!forceOrder@arr","data":{order}}}"#)
}

fn table() -> Instruments {
    listed(Venue::Binance, &BINANCE_INSTRUMENTS)
}

fn one(frame: &str, table: &Instruments) -> cascade_domain::Liquidation {
    let mut all = liquidations(Venue::Binance, frame, table);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_sell_order_closes_a_long_at_its_average_fill_and_whole_quantity() {
    let got = one(&stream(&order("ILVUSDT", "SELL", r#","ps":"ILVUSDT","st":1"#)), &Instruments::new());
    assert_eq!(told(&got), "ILVUSDT long 3.85642 116.5 449.27293 1791391082119 1791391083124 sampled");
    assert_eq!((got.price_kind, got.instrument.as_str()), (PriceKind::Fill, "ILVUSDT"));
    assert_eq!(one(&stream(&order("ILVUSDT", "BUY", "")), &Instruments::new()).side, Side::Short);
}

#[test]
fn a_bare_order_and_an_array_of_orders_are_taken_too() {
    let single = order("ILVUSDT", "SELL", "");
    let table = Instruments::new();
    let id = one(&stream(&single), &table).id;
    assert_eq!(one(&single, &table).id, id);
    let both = liquidations(Venue::Binance, &stream(&format!("[{single},{single}]")), &table);
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].id, id);
    assert_ne!(both[1].id, id, "two equal orders of one frame are two");
    let bare = liquidations(Venue::Binance, &format!("[{single}]"), &table);
    assert_eq!(bare[0].id, id);
}

#[test]
fn coin_margined_orders_count_in_contracts_wherever_st_stands() {
    let table = table();
    let inside = order("BTCUSD_PERP", "SELL", r#","ps":"BTCUSD","st":2"#);
    let beside = order("BTCUSD_PERP", "SELL", "").replacen("}}", r#"},"ps":"BTCUSD","st":2}"#, 1);
    let without = order("BTCUSD_PERP", "SELL", "");
    for frame in [inside, beside, without] {
        let got = one(&stream(&frame), &table);
        assert_eq!(got.notional_usd.dollars(), 11650.0, "116.5 contracts of 100 dollars, whatever the price");
        assert_eq!(got.quantity, 11650.0 / 3.85642);
        assert_eq!(got.symbol.as_str(), "BTCUSDT");
    }
    assert_eq!(
        refusal(Venue::Binance, &stream(&order("ETHUSD_PERP", "BUY", r#","st":2"#)), &table),
        DecodeError::UnknownContractSize("ETHUSD_PERP".to_owned())
    );
    assert_eq!(
        refusal(Venue::Binance, &stream(&order("NEWUSDT", "BUY", r#","st":2"#)), &table),
        DecodeError::UnknownContractSize("NEWUSDT".to_owned()),
        "contracts are never taken for coins"
    );
}

#[test]
fn multiplied_listings_are_undone_and_1inch_is_not_one() {
    let table = Instruments::new();
    let pepe = one(&stream(&order("1000PEPEUSDT", "SELL", "")), &table);
    assert_eq!(told(&pepe), "PEPEUSDT long 0.00385642 116500 449.27293 1791391082119 1791391083124 sampled");
    assert_eq!(one(&stream(&order("1INCHUSDT", "SELL", "")), &table).symbol.as_str(), "1INCHUSDT");
    let cheap = order("1000SATSUSDT", "SELL", "").replace("3.85642", "0.0000000001234");
    let sats = one(&stream(&cheap), &table);
    assert_eq!((sats.symbol.as_str(), sats.price), ("SATSUSDT", 1.234e-13));
}

#[test]
fn exponents_and_twenty_digits_are_exact() {
    let table = Instruments::new();
    let frame = order("ILVUSDT", "SELL", "").replace("116.5", "12345678901234567890");
    let got = one(&stream(&frame.replace("3.85642", "3.5e-9")), &table);
    assert_eq!(got.price, 3.5e-9);
    assert_eq!(got.quantity, 12_345_678_901_234_567_890_f64);
    assert_eq!(got.notional_usd.micros(), 43_209_876_154_320_988, "...987.615 micro-dollars");
    let absurd = refusal(Venue::Binance, &stream(&frame.replace("3.85642", "3.5e-7")), &table);
    assert!(
        matches!(absurd, DecodeError::BadNumber { field: "z", .. }),
        "more than a trillion dollars: {absurd}"
    );
}

#[test]
fn dated_contracts_other_quotes_and_spot_are_no_perpetuals() {
    let table = table();
    for name in ["BTCUSDT_261225", "BTCUSD_261225", "ETHBTC", "BTCEUR"] {
        let refused = refusal(Venue::Binance, &stream(&order(name, "SELL", "")), &table);
        assert_eq!(refused, DecodeError::NotPerpetual(name.to_owned()));
    }
    let spot = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791391082024,"s":"BTCUSDT","a":1,"p":"1","q":"1","T":1791391081874,"m":true,"M":true}}"#;
    assert!(matches!(refusal(Venue::Binance, spot, &table), DecodeError::NotPerpetual(_)));
}

#[test]
fn only_filled_orders_count() {
    let open = stream(&order("ILVUSDT", "SELL", "").replace("FILLED", "NEW"));
    let (meaning, out) = decode(Venue::Binance, &open, &Instruments::new());
    assert_eq!(meaning, Ok(Meaning::Ignored("forceOrder not filled")));
    assert!(out.events.is_empty() && out.refused.is_empty());
}

#[test]
fn one_bad_order_among_good_ones_is_refused_alone() {
    let good = order("ILVUSDT", "SELL", "");
    let bad = [
        good.replace("3.85642", "NaN"),
        good.replace("3.85642", "0"),
        good.replace("3.85642", "-1"),
        good.replace("116.5", "0"),
        good.replace("116.5", "1e30"),
        good.replace("SELL", "HOLD"),
        good.replace("1791391082119", "1791391082"),
        good.replace("ILVUSDT", "ILV USDT"),
        good.replace(r#""ap":"3.85642","#, ""),
    ];
    for bad in bad {
        let frame = stream(&format!("[{good},{bad},{good}]"));
        let (meaning, out) = decode(Venue::Binance, &frame, &Instruments::new());
        assert_eq!((meaning, out.events.len(), out.refused.len()), (Ok(Meaning::Market), 2, 1), "{bad}");
    }
}

#[test]
fn the_taker_sells_when_the_buyer_made() {
    let frame = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791391082024,"a":3478018549,"s":"BTCUSDT","p":"83434.40","q":"0.016","nq":"0.016","f":8154045700,"l":8154045704,"T":1791391081874,"m":true,"st":1}}"#;
    let sold = trades(Venue::Binance, frame, &table());
    assert_eq!((sold[0].side, sold[0].price, sold[0].quantity), (Taker::Sell, 83434.4, 0.016));
    assert_eq!(sold[0].notional_usd.dollars(), 1334.9504);
    let bought = trades(Venue::Binance, &frame.replace(r#""m":true"#, r#""m":false"#), &table());
    assert_eq!(bought[0].side, Taker::Buy);
    assert_eq!(bought[0].id, sold[0].id, "the venue's own id is the trade's");
    let contracts =
        trades(Venue::Binance, &frame.replace("BTCUSDT", "BTCUSD_PERP").replace("0.016", "58"), &table());
    assert_eq!(contracts[0].notional_usd.dollars(), 5800.0);
}

#[test]
fn trades_outside_the_market_are_passed_over() {
    let frame = |kind: &str| {
        format!(
            r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"{kind}","m":false}}}}"#
        )
    };
    for kind in ["INSURANCE_FUND", "ADL", "NA"] {
        assert_eq!(meaning(Venue::Binance, &frame(kind)), Ok(Meaning::Ignored("trade outside the market")));
    }
    for kind in ["MARKET", "RPI"] {
        assert_eq!(trades(Venue::Binance, &frame(kind), &table()).len(), 1, "{kind} is volume");
    }
}

#[test]
fn marks_come_single_and_in_arrays() {
    let mark = r#"{"e":"markPriceUpdate","E":1791391082000,"s":"1000PEPEUSDT","p":"0.01200000","ap":"0.01","P":"0.0119","i":"0.01190000","r":"-0.00010000","T":1791417600000,"st":1}"#;
    let array =
        format!(r#"{{"stream":"!markPrice@arr@1s","data":[{mark},{}]}}"#, mark.replace("1000PEPE", "BTC"));
    let (got, _) = marks(Venue::Binance, &array, &Instruments::new());
    assert_eq!(got.len(), 2);
    assert_eq!((got[0].mark_price, got[0].index_price), (Some(0.000_012), Some(0.000_011_9)));
    assert_eq!((got[0].funding_rate, got[0].funding_interval_h), (Some(-0.0001), None));
    assert_eq!(got[0].next_funding_time_ms.map(cascade_domain::EventTime::ms), Some(1_791_417_600_000));
    let vanishing = mark.replace("0.01200000", "1e-28");
    let refused = refusal(Venue::Binance, &vanishing, &Instruments::new());
    assert!(matches!(refused, DecodeError::BadNumber { field: "p", .. }), "never a price of zero: {refused}");
    let coin = r#"{"stream":"btcusd_perp@markPrice","data":{"e":"markPriceUpdate","E":1617309477000,"s":"BTCUSD_PERP","p":"59012.5","P":"0","r":"","T":0}}"#;
    let (got, _) = marks(Venue::Binance, coin, &Instruments::new());
    assert_eq!((got[0].index_price, got[0].funding_rate, got[0].next_funding_time_ms), (None, None, None));
}

#[test]
fn answers_are_told_from_events() {
    let ack = |id: &str| Ack::Request(id.to_owned());
    let meaning = |frame| meaning(Venue::Binance, frame).unwrap();
    assert_eq!(meaning(r#"{"result":null,"id":7}"#), Meaning::Acknowledged(vec![ack("7")]));
    let refused = |ack, reason: &str| Meaning::Refused { ack, reason: reason.to_owned() };
    assert_eq!(
        meaning(r#"{"error":{"code":2,"msg":"Invalid request: unknown"},"id":3}"#),
        refused(Some(ack("3")), "2 Invalid request: unknown")
    );
    assert_eq!(meaning(r#"{"code":2,"msg":"Invalid request:x"}"#), refused(None, "2 Invalid request:x"));
}

#[test]
fn other_streams_are_ignored_and_unknown_ones_named() {
    let of = |stream: &str| meaning(Venue::Binance, &format!(r#"{{"stream":"{stream}","data":{{}}}}"#));
    assert_eq!(of("btcusdt@depth@100ms"), Ok(Meaning::Ignored("depth")));
    assert_eq!(of("!bookTicker"), Ok(Meaning::Ignored("bookTicker")));
    assert_eq!(of("btcusdt_perpetual@continuousKline_1m"), Ok(Meaning::Ignored("kline")));
    assert_eq!(of("btcusdt@newThing"), Err(DecodeError::UnknownKind("btcusdt@newThing".to_owned())));
    assert_eq!(
        meaning(Venue::Binance, r#"{"e":"surprise"}"#),
        Err(DecodeError::UnknownKind("surprise".to_owned()))
    );
}
