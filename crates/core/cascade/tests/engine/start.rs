//! What is heard before the first tick, what a closing counts, and what is held when room is short.

use crate::stream::{Stream, at, interest, liquidation, symbol};
use cascade_detector::Config;
use cascade_domain::{Event, Level, Liquidation, Side, State, Usd};

#[test]
fn an_event_from_the_future_before_the_first_tick_does_not_stop_its_symbol() {
    let mut stream = Stream::new();
    stream.liquidate(liquidation(3_600_000, 4_000_000));
    stream.said.clear();
    stream.ticks(0, 3);
    assert!(stream.said.is_empty(), "an hour ahead of the first tick: forgotten");
    stream.liquidate(liquidation(2_500, 4_000_000));
    assert_eq!(stream.last().state, State::Open);
}

#[test]
fn a_closing_counts_the_orders_that_opened_the_episode() {
    let mut stream = Stream::warm();
    for number in 0..5 {
        stream.liquidate(liquidation(100 + number, 300_000));
    }
    stream.ticks(1, 200);
    let closing = stream.last().closing.clone().unwrap();
    assert_eq!((closing.orders, closing.notional_usd), (5, Usd::from_dollars(1_500_000)));
}

#[test]
fn an_episode_that_a_tick_opened_has_its_side_to_the_end() {
    let mut stream = Stream::warm();
    let doge = |at_ms, dollars| Liquidation {
        symbol: symbol("DOGEUSDT"),
        side: Side::Short,
        ..liquidation(at_ms, dollars)
    };
    let sample = cascade_domain::OpenInterest {
        symbol: symbol("DOGEUSDT"),
        coins: None,
        usd: Some(Usd::from_dollars(1_000_000_000)),
        ..interest(0, 0.0)
    };
    stream.hear(&Event::OpenInterest(sample)).unwrap();
    stream.ticks(1, 20);
    stream.liquidate(doge(19_500, 90_000));
    assert!(stream.cascades().is_empty(), "below a third of .05 % of open interest");
    stream.ticks(20, 200);
    let (opened, closed) = (stream.cascades()[0].clone(), stream.last().clone());
    assert_eq!((opened.state, closed.state), (State::Open, State::Closed), "its sample grew old");
    assert_eq!((opened.direction, closed.direction), (Side::Short, Side::Short));
    let closing = closed.closing.unwrap();
    assert_eq!((closing.orders, closing.long_share), (1, Some(0.0)));
}

#[test]
fn the_largest_order_is_one_of_those_that_are_held() {
    let mut config = Config::default();
    config.memory.max_orders = 10;
    let mut stream = Stream::with(config);
    stream.ticks(-120, 1);
    stream.liquidate(liquidation(0, 9_000_000));
    for ms in 1..=20 {
        stream.liquidate(liquidation(ms, 100_000));
    }
    assert_eq!(stream.last().metrics.largest_usd, Usd::from_dollars(9_000_000), "as of the opening");
    stream.ticks(1, 2);
    assert_eq!(
        stream.last().metrics.largest_usd,
        Usd::from_dollars(100_000),
        "it was dropped for want of room"
    );
    assert!(stream.last().known_at_ms > at(0));
}

/// An order at once, then what a second brings a third of a second into it, then a large order at 60.1 s.
fn from_the_first_third_of_a_second(bring: impl Fn(&mut Stream, i64)) -> Stream {
    let mut stream = Stream::warm();
    stream.ticks(0, 1);
    stream.liquidate(liquidation(0, 1_000));
    for second in 0..60 {
        bring(&mut stream, second);
        stream.ticks(second + 1, second + 2);
    }
    stream.liquidate(liquidation(60_100, 9_000_000));
    stream
}

#[test]
fn a_price_first_heard_within_a_second_was_not_known_when_it_began() {
    let stream = from_the_first_third_of_a_second(|stream, second| {
        stream.mark(second * 1_000 + 300, if second == 0 { 100_000.0 } else { 99_000.0 });
    });
    assert_eq!((stream.last().flow.price_change_60s, stream.last().level), (None, Level::Alert));
}

#[test]
fn open_interest_first_heard_within_a_second_was_not_known_when_it_began() {
    let stream = from_the_first_third_of_a_second(|stream, second| {
        let coins = if second == 0 { 1_000.0 } else { 990.0 };
        stream.hear(&Event::OpenInterest(interest(second * 1_000 + 300, coins))).unwrap();
    });
    assert_eq!(stream.last().context.oi_change_1m, None);
}
