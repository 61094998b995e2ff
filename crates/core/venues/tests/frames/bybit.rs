//! Bybit's frames.

use cascade_domain::{Coverage, EventTime, PriceKind, Side, Taker, Venue};
use cascade_venues::{Ack, DecodeError, Instruments, Meaning};

use super::{decode, liquidations, marks, meaning, refusal, told, trades};

fn frame(rows: &str) -> String {
    format!(r#"{{"topic":"allLiquidation.X","type":"snapshot","ts":1791565601482,"data":[{rows}]}}"#)
}

fn row(symbol: &str, side: &str, quantity: &str, price: &str) -> String {
    format!(r#"{{"T":1791565600992,"s":"{symbol}","S":"{side}","v":"{quantity}","p":"{price}"}}"#)
}

fn all(rows: &str) -> Vec<cascade_domain::Liquidation> {
    liquidations(Venue::Bybit, &frame(rows), &Instruments::new())
}

#[test]
fn the_side_is_the_positions_own() {
    let got =
        all(&[row("BTCUSDT", "Buy", "0.006", "82396.90"), row("BTCUSDT", "Sell", "0.038", "82394.30")]
            .join(","));
    assert_eq!(told(&got[0]), "BTCUSDT long 82396.9 0.006 494.3814 1791565600992 1791565601482 complete");
    assert_eq!(told(&got[1]), "BTCUSDT short 82394.3 0.038 3130.9834 1791565600992 1791565601482 complete");
    assert_eq!((got[0].price_kind, got[0].coverage), (PriceKind::Bankruptcy, Coverage::Complete));
}

#[test]
fn two_equal_events_of_one_frame_are_two_and_a_repeated_frame_is_the_same_two() {
    let same = row("BTCUSDT", "Buy", "0.006", "82396.90");
    let spelled_otherwise = row("BTCUSDT", "Buy", "0.0060", "82396.9");
    let other = row("BTCUSDT", "Buy", "0.007", "82396.90");
    let rows = [same.clone(), other, same, spelled_otherwise].join(",");
    let ids: Vec<_> = all(&rows).iter().map(|l| l.id).collect();
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 4);
    assert_eq!(ids, all(&rows).iter().map(|l| l.id).collect::<Vec<_>>());
    let later = frame(&rows).replace("1791565601482", "1791565601999");
    let again = liquidations(Venue::Bybit, &later, &Instruments::new());
    assert_eq!(ids, again.iter().map(|l| l.id).collect::<Vec<_>>(), "the publish time is not part of an id");
    assert_ne!(ids[0], all(&row("BTCUSDT", "Sell", "0.006", "82396.90"))[0].id);
}

#[test]
fn inverse_quantities_are_dollars() {
    let got = &all(&row("BTCUSD", "Sell", "250", "50000"))[0];
    assert_eq!((got.side, got.quantity, got.notional_usd.dollars()), (Side::Short, 0.005, 250.0));
    assert_eq!(got.symbol.as_str(), "BTCUSDT");
}

#[test]
fn names_are_read_by_the_table_and_their_quote() {
    let of = |name: &str| {
        let got = all(&row(name, "Buy", "2", "3")).remove(0);
        (got.symbol.to_string(), got.quantity, got.notional_usd.dollars())
    };
    assert_eq!(of("1000PEPEUSDT"), ("PEPEUSDT".to_owned(), 2000.0, 6.0));
    assert_eq!(of("SHIB1000USDT"), ("SHIBUSDT".to_owned(), 2000.0, 6.0));
    assert_eq!(of("10000SATSUSDT"), ("SATSUSDT".to_owned(), 20_000.0, 6.0));
    assert_eq!(of("1000000BABYDOGEUSDT"), ("BABYDOGEUSDT".to_owned(), 2_000_000.0, 6.0));
    assert_eq!(of("1INCHUSDT"), ("1INCHUSDT".to_owned(), 2.0, 6.0));
    assert_eq!(of("BTCPERP"), ("BTCUSDT".to_owned(), 2.0, 6.0));
    for name in ["BTCUSDH25", "BTCUSDT-25MAR", "BTC-25MAR22", "ETHBTC", "BTCEUR"] {
        let refused = refusal(Venue::Bybit, &frame(&row(name, "Buy", "1", "1")), &Instruments::new());
        assert_eq!(refused, DecodeError::NotPerpetual(name.to_owned()));
    }
}

#[test]
fn numbers_may_be_numbers_and_one_bad_event_stands_alone() {
    let bare = r#"{"T":"1791565600992","s":"BTCUSDT","S":"Buy","v":0.006,"p":82396.9}"#;
    let good = row("BTCUSDT", "Buy", "0.006", "82396.90");
    assert_eq!(all(bare)[0].id, all(&good)[0].id);
    for bad in
        [row("BTCUSDT", "buy", "1", "1"), row("BTCUSDT", "Buy", "", "1"), "{}".to_owned(), "null".to_owned()]
    {
        let (meaning, out) =
            decode(Venue::Bybit, &frame(&[&*good, &*bad, bare].join(",")), &Instruments::new());
        assert_eq!((meaning, out.events.len(), out.refused.len()), (Ok(Meaning::Market), 2, 1), "{bad}");
    }
}

#[test]
fn trades_bear_the_takers_side_and_the_venues_id() {
    let frame = |symbol: &str| {
        format!(
            r#"{{"topic":"publicTrade.{symbol}","type":"snapshot","ts":1791565601482,"data":[{{"T":1791565600992,"s":"{symbol}","S":"Sell","v":"0.5","p":"100","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1}}]}}"#
        )
    };
    let linear = trades(Venue::Bybit, &frame("BTCUSDT"), &Instruments::new()).remove(0);
    assert_eq!((linear.side, linear.quantity, linear.notional_usd.dollars()), (Taker::Sell, 0.5, 50.0));
    let inverse = trades(Venue::Bybit, &frame("BTCUSD"), &Instruments::new()).remove(0);
    assert_eq!((inverse.quantity, inverse.notional_usd.dollars()), (0.005, 0.5));
    assert_ne!(linear.id, inverse.id);
}

#[test]
fn a_ticker_gives_marks_and_open_interest_of_one_side() {
    let frame = r#"{"topic":"tickers.BTCUSDT","type":"snapshot","cs":1,"ts":1791565601482,"data":{"symbol":"BTCUSDT","lastPrice":"82400","markPrice":"82396.90","indexPrice":"82390","openInterest":"59891.732","openInterestValue":"4934800000","singleOpenInterest":"29945.866","singleOpenInterestValue":"2467400000","fundingRate":"-0.00005","nextFundingTime":"1791590400000","fundingIntervalHour":"8"}}"#;
    let (mark, open) = marks(Venue::Bybit, frame, &Instruments::new());
    assert_eq!((mark[0].mark_price, mark[0].index_price), (Some(82396.9), Some(82390.0)));
    assert_eq!((mark[0].funding_rate, mark[0].funding_interval_h), (Some(-0.00005), Some(8.0)));
    assert_eq!(mark[0].event_time_ms, Some(EventTime::from_ms(1_791_565_601_482)));
    assert_eq!(
        (open[0].coins, open[0].usd.map(cascade_domain::Usd::dollars)),
        (Some(29945.866), Some(2_467_400_000.0))
    );
    let older = frame.replace("singleOpen", "anotherOpen");
    let (_, halved) = marks(Venue::Bybit, &older, &Instruments::new());
    assert_eq!(
        (halved[0].coins, halved[0].usd),
        (open[0].coins, open[0].usd),
        "half of both sides is one side"
    );
}

#[test]
fn a_ticker_tells_its_open_interest_before_the_mark_that_confirms_it() {
    let frame = r#"{"topic":"tickers.BTCUSDT","type":"delta","ts":1791565601482,"data":{"symbol":"BTCUSDT","markPrice":"82396.90","singleOpenInterest":"29945.866"}}"#;
    let (_, decoded) = decode(Venue::Bybit, frame, &Instruments::new());
    let kinds: Vec<_> = decoded.events.iter().map(cascade_domain::Event::kind).collect();
    assert_eq!(kinds, ["open_interest", "mark"]);
}

#[test]
fn what_a_delta_does_not_carry_is_absent() {
    let delta = |fields: &str| {
        let frame = format!(
            r#"{{"topic":"tickers.BTCUSDT","type":"delta","ts":1791565601482,"data":{{"symbol":"BTCUSDT"{fields}}}}}"#
        );
        marks(Venue::Bybit, &frame, &Instruments::new())
    };
    let (mark, open) = delta(r#","markPrice":"82396.90""#);
    assert_eq!((mark[0].mark_price, mark[0].index_price, mark[0].funding_rate), (Some(82396.9), None, None));
    assert!(open.is_empty());
    assert_eq!(delta(r#","bid1Price":"1""#), (vec![], vec![]));
    assert_eq!(delta(r#","fundingRate":"","nextFundingTime":"""#), (vec![], vec![]));
}

#[test]
fn inverse_open_interest_counts_dollars_and_values_coins() {
    let frame = r#"{"topic":"tickers.BTCUSD","type":"snapshot","ts":1791565601482,"data":{"symbol":"BTCUSD","openInterest":"800000000","openInterestValue":"9710.5"}}"#;
    let (_, open) = marks(Venue::Bybit, frame, &Instruments::new());
    assert_eq!((open[0].coins, open[0].usd.map(cascade_domain::Usd::dollars)), (Some(4855.25), Some(4e8)));
}

/// The samples of a ticker's delta with these fields.
fn samples(symbol: &str, fields: &str) -> Vec<(Option<f64>, Option<f64>)> {
    let frame = format!(
        r#"{{"topic":"tickers.{symbol}","type":"delta","ts":1791565601482,"data":{{"symbol":"{symbol}","markPrice":"82396.90",{fields}}}}}"#
    );
    let (mark, open) = marks(Venue::Bybit, &frame, &Instruments::new());
    assert_eq!(mark.len(), 1, "the mark is told all the same");
    open.into_iter().map(|open| (open.coins, open.usd.map(cascade_domain::Usd::dollars))).collect()
}

#[test]
fn a_linear_delta_without_the_coins_is_no_sample() {
    for value_alone in [
        r#""openInterestValue":"4934800000""#,
        r#""singleOpenInterestValue":"2467400000""#,
        r#""openInterestValue":"4934800000","singleOpenInterestValue":"2467400000""#,
        r#""openInterest":"","openInterestValue":"4934800000""#,
    ] {
        assert_eq!(samples("BTCUSDT", value_alone), [], "{value_alone}");
    }
}

#[test]
fn a_linear_delta_counts_one_side_whichever_it_tells() {
    let coins = [(Some(29945.866), None)];
    assert_eq!(samples("BTCUSDT", r#""singleOpenInterest":"29945.866""#), coins);
    assert_eq!(samples("BTCUSDT", r#""openInterest":"59891.732""#), coins, "half of both sides");
    let both = r#""openInterest":"59891.732","singleOpenInterest":"29945.866""#;
    assert_eq!(samples("BTCUSDT", both), coins);
    let mixed = r#""singleOpenInterest":"29945.866","openInterestValue":"4934800000""#;
    assert_eq!(samples("BTCUSDT", mixed), [(Some(29945.866), Some(2_467_400_000.0))], "each by itself");
    assert_eq!(samples("1000PEPEUSDT", r#""openInterest":"3""#), [(Some(1500.0), None)]);
}

#[test]
fn an_inverse_delta_needs_the_dollars_which_are_what_it_counts() {
    assert_eq!(samples("BTCUSD", r#""openInterestValue":"9710.5""#), []);
    assert_eq!(samples("BTCUSD", r#""singleOpenInterestValue":"4855.25""#), []);
    let dollars = [(None, Some(4e8))];
    assert_eq!(samples("BTCUSD", r#""openInterest":"800000000""#), dollars, "half of both sides");
    assert_eq!(samples("BTCUSD", r#""singleOpenInterest":"400000000""#), dollars);
    let mixed = r#""openInterest":"800000000","singleOpenInterestValue":"4855.25""#;
    assert_eq!(samples("BTCUSD", mixed), [(Some(4855.25), Some(4e8))]);
}

#[test]
fn answers_are_told_from_topics() {
    let meaning = |frame| meaning(Venue::Bybit, frame);
    let ack = Ack::Request("2".to_owned());
    assert_eq!(
        meaning(r#"{"success":true,"ret_msg":"","conn_id":"x","req_id":"2","op":"subscribe"}"#),
        Ok(Meaning::Acknowledged(vec![ack.clone()]))
    );
    assert_eq!(
        meaning(
            r#"{"success":false,"ret_msg":"error:handler not found,topic:allLiquidation.X","conn_id":"x","req_id":"2","op":"subscribe"}"#
        ),
        Ok(Meaning::Refused {
            ack: Some(ack),
            reason: "error:handler not found,topic:allLiquidation.X".to_owned()
        })
    );
    assert_eq!(meaning(r#"{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}"#), Ok(Meaning::Pong));
    assert_eq!(
        meaning(r#"{"topic":"orderbook.50.BTCUSDT","ts":1,"data":{}}"#),
        Ok(Meaning::Ignored("orderbook"))
    );
    assert_eq!(
        meaning(r#"{"topic":"trade.BTCUSD","data":[]}"#),
        Err(DecodeError::UnknownKind("trade.BTCUSD".to_owned()))
    );
}
