//! Whether venues are liquidated together: exact coefficients, and what they decide (signals.md 2, 5 and 6).
//!
//! All amounts are the same, so that a series is which seconds it has: of two with n seconds of 60 each, k of them in
//! common, the coefficient is (60 k - n n) / (n (60 - n)); for n = 10: (60 k - 100) / 500.

use crate::stream::{Stream, at, gap, liquidation, mark, symbol};
use cascade_domain::{Event, GapStream, Level, Liquidation, Mark, Reason, State, Venue};

/// A thousand dollars of a venue in the middle of each of these seconds, known so much later.
fn series(venue: Venue, seconds: impl IntoIterator<Item = i64>, later: i64) -> Vec<Liquidation> {
    let print = |second: i64| Liquidation {
        venue,
        event_time_ms: at(second * 1_000 + 500),
        ..liquidation(second * 1_000 + 500 + later, 1_000)
    };
    seconds.into_iter().map(print).collect()
}

/// A stream that has heard these up to the tick of 62 s.
fn heard(prints: &[Vec<Liquidation>]) -> Stream {
    let mut stream = Stream::warm();
    for second in 0..=62 {
        stream.ticks(second, second + 1);
        let known = |print: &&Liquidation| print.known_at_ms.unwrap().second() == at(second * 1_000).second();
        prints.iter().flatten().filter(known).for_each(|print| stream.liquidate(print.clone()));
    }
    stream
}

fn near(coefficient: Option<f64>, expected: f64) {
    assert!(coefficient.is_some_and(|c| (c - expected).abs() < 1e-9), "{coefficient:?} for {expected}");
}

#[test]
fn correlation_is_the_mean_over_pairs_of_the_minute_that_ended_two_seconds_ago() {
    let mut stream = heard(&[
        series(Venue::Binance, (0..9).chain([10]), 3_000),
        // The last two seconds are not compared yet.
        series(Venue::Bybit, (0..10).chain([60, 61]), 0),
        series(Venue::Okx, (0..5).chain(20..25), 0),
    ]);
    stream.liquidate(liquidation(62_500, 4_000_000));
    // Binance and Bybit have 9 seconds in common: .88; Okx and either 5: .4; Hyperliquid makes no pair.
    near(stream.last().context.venue_correlation, (0.88 + 0.4 + 0.4) / 3.0);
    // 50 + 50 x (.56 - .5) / .2.
    near(Some(stream.last().risk.factors.correlation), 65.0);
    assert!(stream.last().boosts.is_empty());
}

#[test]
fn venues_that_take_turns_are_correlated_negatively() {
    let mut stream = heard(&[series(Venue::Binance, 0..10, 0), series(Venue::Bybit, 10..20, 0)]);
    stream.liquidate(liquidation(62_500, 4_000_000));
    near(stream.last().context.venue_correlation, -0.2);
    near(Some(stream.last().risk.factors.correlation), 0.0);
}

#[test]
fn a_venue_alone_is_correlated_with_nothing() {
    let mut stream = heard(&[series(Venue::Bybit, 0..10, 0)]);
    stream.liquidate(liquidation(62_500, 4_000_000));
    assert_eq!(stream.last().context.venue_correlation, None);
}

#[test]
fn correlation_is_unknown_while_its_minute_touches_a_gap() {
    let mut stream = heard(&[series(Venue::Binance, 20..30, 0), series(Venue::Bybit, 20..30, 0)]);
    stream.hear(&Event::Gap(gap(GapStream::Liquidations, -500, 0))).unwrap();
    stream.liquidate(liquidation(62_500, 4_000_000));
    near(stream.last().context.venue_correlation, 1.0);
    stream.hear(&Event::Gap(gap(GapStream::Liquidations, 1_500, 2_000))).unwrap();
    stream.ticks(63, 64);
    assert_eq!(stream.last().context.venue_correlation, None, "1 s to 61 s");
    assert!(stream.last().metrics.acceleration.is_some());
    stream.ticks(64, 65);
    near(stream.last().context.venue_correlation, 1.0);
}

/// What is told of 28 orders and 1.12M in 2 s where half the full funding is paid: without correlation a score of
/// .25 x .7 + .20 x 1 + .20 x .056 + .10 x .5 = .4362.
fn a_fast_watch(mut stream: Stream) -> Stream {
    let funding =
        Mark { funding_rate: Some(0.000_5), funding_interval_h: Some(8.0), ..mark(62_000, 100_000.0) };
    stream.hear(&Event::Mark(funding)).unwrap();
    for number in 0..28 {
        stream.liquidate(liquidation(62_001 + 4 * number, 40_000));
    }
    stream.ticks(63, 64);
    stream
}

#[test]
fn the_boost_of_correlation_may_decide() {
    let alike = [series(Venue::Binance, 20..30, 0), series(Venue::Bybit, 20..30, 0)];
    let stream = a_fast_watch(heard(&alike));
    assert_eq!(stream.story(), [(State::Open, Level::Watch), (State::Level, Level::Alert)]);
    let told = stream.last();
    assert_eq!(
        (&told.reasons[..], &told.boosts[..]),
        (&[Reason::Score][..], &["correlation".to_owned()][..])
    );
    near(Some(told.raw), 0.4362);
    near(Some(told.score), 0.523_44);

    let mut gapped = heard(&alike);
    gapped.hear(&Event::Gap(gap(GapStream::Liquidations, 1_000, 1_500))).unwrap();
    assert_eq!(a_fast_watch(gapped).story(), [(State::Open, Level::Watch)]);
    let apart = [series(Venue::Binance, 20..30, 0), series(Venue::Bybit, 21..31, 1_000)];
    // 9 seconds in common: .88.
    assert_eq!(a_fast_watch(heard(&apart)).last().level, Level::Alert);
    let apart = [series(Venue::Binance, 20..30, 0), series(Venue::Bybit, 23..33, 0)];
    // 7 seconds in common: .64.
    assert_eq!(a_fast_watch(heard(&apart)).story(), [(State::Open, Level::Watch)]);
}

#[test]
fn late_prints_change_the_correlation_at_once_and_everywhere() {
    let mut stream = Stream::warm();
    for second in 0..=62 {
        stream.ticks(second, second + 1);
        if (20..30).contains(&second) {
            for venue in [Venue::Binance, Venue::Bybit] {
                stream.liquidate(Liquidation { venue, ..liquidation(second * 1_000 + 500, 1_000) });
            }
        }
    }
    stream.liquidate(liquidation(62_100, 4_000_000));
    assert_eq!(stream.last().context.venue_correlation, Some(1.0));
    for second in 40..50 {
        stream.liquidate(Liquidation { event_time_ms: at(second * 1_000), ..liquidation(62_200, 1_000) });
    }
    stream.liquidate(liquidation(62_300, 14_000_000));
    let told = stream.last();
    assert!(told.context.venue_correlation.unwrap() < 0.7, "{:?}", told.context.venue_correlation);
    let shown = stream.engine.velocity(&symbol("BTCUSDT")).unwrap();
    assert!((told.risk.score - shown.risk_score).abs() < 1e-9, "a finding and its read-model agree");
}
