//! Sums against sums of all bars that were heard, and what is unknown.

use cascade_domain::{Instrument, Symbol, Usd, Venue};
use proptest::prelude::*;

use super::*;

/// A whole 300 s.
const START: i64 = 1_790_000_100;
const LEAST: u32 = 20;

fn at(second: i64) -> EventTime {
    EventTime::from_ms((START + second) * 1_000)
}

fn bar(second: i64, dollars: i64) -> TradeBar {
    TradeBar {
        venue: Venue::Bybit,
        symbol: Symbol::parse("BTCUSDT").unwrap(),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        open_time_ms: at(second),
        close_time_ms: at(second + 1),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        buy_quantity: 1.0,
        sell_quantity: 1.0,
        buy_usd: Usd::from_dollars(dollars - dollars / 3),
        sell_usd: Usd::from_dollars(dollars / 3),
        trades: 2,
        largest_usd: Usd::from_dollars(dollars),
        known_at_ms: Some(at(second + 1)),
    }
}

/// A second before the start, so that the first block is whole.
fn new() -> Traded {
    Traded::new(at(-1))
}

fn dollars(sum: Option<i64>) -> Option<i64> {
    sum.map(|micros| micros / 1_000_000)
}

/// One bar each 10 s, of so many dollars in the block of this number.
fn blocks(traded: &mut Traded, numbers: std::ops::Range<i64>, usd: impl Fn(i64) -> i64) {
    for number in numbers {
        for step in 0..30 {
            let second = number * 300 + step * 10;
            traded.take(at(second + 1), &bar(second, usd(number)));
        }
    }
}

#[test]
fn five_minutes_are_the_three_hundred_seconds_that_end_two_before_now() {
    let mut traded = new();
    let fresh = |end: i64| (end - 300..end).map(|second| 1_000 + second).sum::<i64>();
    for second in 0..=400 {
        traded.take(at(second + 1), &bar(second, 1_000 + second));
        let end = second - 1;
        let expected = (end >= 300).then(|| fresh(end));
        assert_eq!(dollars(traded.sum(START + end)), expected, "none not heard from its beginning on");
    }
}

#[test]
fn a_late_bar_finds_its_place_in_sum_and_block() {
    let mut traded = new();
    blocks(&mut traded, 0..2, |_| 100);
    traded.take(at(600), &bar(450, 7));
    traded.take(at(600), &bar(20, 5));
    assert_eq!(dollars(traded.sum(START + 600)), Some(3_007));
    assert_eq!(dollars(traded.block(START / 300)), Some(3_005));
    assert_eq!(dollars(traded.block(START / 300 + 1)), Some(3_007));
    traded.take(at(600), &bar(-400, 9));
    traded.take(at(600), &bar(700, 9));
    assert_eq!(dollars(traded.sum(START + 600)), Some(3_007), "before it was heard, and far ahead");
}

#[test]
fn the_percentile_needs_twenty_whole_blocks_and_leaves_itself_out() {
    let mut traded = new();
    blocks(&mut traded, 0..20, |number| 100 + number);
    assert_eq!(traded.percentile(at(6_002), LEAST), None, "19 besides the last, which it is itself");
    assert_eq!(traded.percentile(at(6_003), LEAST), Some(80.0), "29 bars of 119, more than 30 of 115");
    blocks(&mut traded, 20..21, |_| 1_000);
    assert_eq!(traded.percentile(at(6_302), LEAST), Some(100.0));
    blocks(&mut traded, 21..22, |_| 1);
    assert_eq!(traded.percentile(at(6_602), LEAST), Some(0.0));
    assert_eq!(traded.percentile(at(6_602), 22), None);
}

#[test]
fn a_gap_makes_unknown_what_it_touches() {
    let mut traded = new();
    blocks(&mut traded, 0..22, |_| 100);
    assert!(traded.percentile(at(6_602), LEAST).is_some());
    traded.void(at(6_500), at(6_510));
    assert_eq!(traded.percentile(at(6_602), LEAST), None);
    blocks(&mut traded, 22..24, |_| 100);
    assert_eq!(traded.sum(START + 6_809), None, "from 6509 on");
    assert!(traded.sum(START + 6_810).is_some());
    assert_eq!(traded.block(START / 300 + 21), None);
    assert!(traded.percentile(at(7_202), LEAST).is_some(), "22 of the 23 before");
    assert_eq!(traded.percentile(at(7_202), 23), None);
    traded.void(at(0), at(900));
    assert_eq!(traded.percentile(at(7_202), LEAST), None, "18 of the 23: a gap of three and the end of it");
    assert!(traded.sum(START + 7_200).is_some());
}

#[test]
fn five_minutes_without_a_trade_are_none_and_a_day_forgets() {
    let mut traded = new();
    blocks(&mut traded, 0..1, |_| 1_000);
    assert_eq!(traded.percentile(at(300 * 30 + 2), LEAST), Some(100.0 * (28.0 / 2.0) / 29.0));
    let wild = |traded: &Traded, block: i64| dollars(traded.block(START / 300 + block));
    blocks(&mut traded, 288..289, |_| 10);
    assert_eq!((wild(&traded, 0), wild(&traded, 100)), (Some(30_000), Some(0)));
    blocks(&mut traded, 290..291, |_| 10);
    assert_eq!((wild(&traded, 0), wild(&traded, 100), wild(&traded, 288)), (None, Some(0), Some(300)));
    blocks(&mut traded, 5_000..5_001, |_| 10);
    assert_eq!((wild(&traded, 290), wild(&traded, 4_900)), (None, Some(0)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_blocks_are_those_of_all_bars(
        steps in prop::collection::vec((0i64..40, 0i64..2_000, 0i64..1_000_000, 0u8..60), 1..600),
    ) {
        let mut traded = new();
        let (mut now, mut heard, mut gaps) = (0, Vec::new(), Vec::new());
        for (step, late, usd, kind) in steps {
            now += step;
            if kind == 0 {
                traded.advance(at(now));
                traded.void(at(now - late), at(now));
                gaps.push((now - late, now));
                continue;
            }
            let second = if kind % 4 == 0 { now - late } else { now - 1 };
            traded.take(at(now), &bar(second, usd));
            heard.push((second, usd));
        }
        let sum = |from: i64, to: i64| -> i64 {
            heard.iter().filter(|(at, _)| *at >= from.max(0) && *at < to).map(|(_, usd)| *usd).sum()
        };
        let touched = |from: i64, to: i64| gaps.iter().any(|(start, end)| *end > from && *start < to);
        let end = now - 2;
        let known = end >= 300 && !touched(end - 300, end);
        // A gap that ended before the window, or after it, need not touch it.
        if let Some(rolling) = dollars(traded.sum(START + end)) {
            prop_assert!(known);
            prop_assert_eq!(rolling, sum(end - 300, end));
        } else {
            prop_assert!(!known || gaps.iter().any(|(_, to)| *to > end - 300));
        }
        for number in 0..now / 300 {
            let (from, to) = (number * 300, number * 300 + 300);
            match dollars(traded.block(START / 300 + number)) {
                Some(rolling) => {
                    prop_assert!(!touched(from, to));
                    prop_assert_eq!(rolling, sum(from, to));
                }
                None => prop_assert!(gaps.iter().any(|(start, end)| *end >= from && *start <= to)),
            }
        }
    }
}
