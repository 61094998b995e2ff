//! The velocity engine and the risk score over time: exact figures, worked out by hand (signals.md 2 and 3).

use crate::stream::{Stream, at, liquidation, symbol};
use cascade_domain::{Coverage, Liquidation, Usd, Velocity, Venue, Windows};

fn shown(stream: &Stream) -> Velocity {
    stream.engine.velocity(&symbol("BTCUSDT")).unwrap()
}

/// An order of 1,000 dollars at each of these times.
fn orders(stream: &mut Stream, times: impl IntoIterator<Item = i64>) {
    times.into_iter().for_each(|ms| stream.liquidate(liquidation(ms, 1_000)));
}

#[test]
fn a_window_has_its_end_and_not_its_beginning() {
    let mut stream = Stream::warm();
    stream.ticks(0, 1);
    orders(&mut stream, [0, 1]);
    for (window, length) in Windows::<u64>::MS.into_iter().enumerate() {
        let mut count_at = |ms| {
            stream.mark(ms, 100_000.0);
            shown(&stream).count.0[window]
        };
        assert_eq!([count_at(length - 1), count_at(length)], [2, 1], "{length} ms");
    }
}

#[test]
fn acceleration_and_jerk_compare_spans_of_two_seconds() {
    let mut stream = Stream::warm();
    // 1, 3 and 11 orders in the three 2 s that end at 6 s: .5, 1.5 and 5.5 orders a second.
    orders(&mut stream, [1_000, 2_001, 3_000, 4_000, 4_001]);
    orders(&mut stream, 5_000..5_009);
    orders(&mut stream, [6_000, 6_001]);
    // (5.5 - 1.5) / 2 = 2; it was (1.5 - .5) / 2 = .5 two seconds before; (2 - .5) / 2 = .75.
    assert_eq!((shown(&stream).acceleration, shown(&stream).jerk), (Some(2.0), Some(0.75)));
    stream.mark(8_001, 100_000.0);
    // .5 orders a second in the 2 s that end at 8 s: (.5 - 5.5) / 2 = -2.5; (-2.5 - 2) / 2 = -2.25.
    assert_eq!((shown(&stream).acceleration, shown(&stream).jerk), (Some(-2.5), Some(-2.25)));
}

#[test]
fn acceleration_is_taken_at_tenths_of_a_second_and_never_revised() {
    let mut stream = Stream::warm();
    orders(&mut stream, 250..257);
    stream.mark(299, 100_000.0);
    assert_eq!((shown(&stream).acceleration, shown(&stream).jerk), (Some(0.0), Some(0.0)));
    orders(&mut stream, [300]);
    stream.mark(301, 100_000.0);
    // 8 orders, 4 a second; that of 300 ms is in.
    assert_eq!((shown(&stream).acceleration, shown(&stream).jerk), (Some(2.0), Some(1.0)));
    stream.mark(350, 100_000.0);
    orders(&mut stream, [290]);
    assert_eq!(shown(&stream).acceleration, Some(2.0), "a late one changes nothing that was said");
    stream.mark(401, 100_000.0);
    assert_eq!(shown(&stream).acceleration, Some(2.25), "but counts from then on");
}

#[test]
fn the_leading_venue_was_first_by_event_time_among_those_that_publish_everything() {
    let mut stream = Stream::warm();
    let print = |venue, event, known, coverage| Liquidation {
        venue,
        event_time_ms: at(event),
        coverage,
        ..liquidation(known, 3_000_000)
    };
    stream.liquidate(print(Venue::Binance, 10, 100, Coverage::Sampled));
    assert_eq!(stream.last().metrics.leading_venue, None);
    stream.liquidate(print(Venue::Bybit, 900, 950, Coverage::Complete));
    stream.ticks(1, 2);
    assert_eq!(stream.last().metrics.leading_venue, Some(Venue::Bybit));
    stream.liquidate(print(Venue::Hyperliquid, 500, 1_500, Coverage::Complete));
    stream.ticks(2, 3);
    assert_eq!(stream.last().metrics.leading_venue, Some(Venue::Hyperliquid));
}

#[test]
fn risk_counts_and_sums_over_a_minute() {
    let mut stream = Stream::warm();
    for ms in 1_000..1_015 {
        stream.liquidate(liquidation(ms, 20_000));
    }
    stream.ticks(1, 46);
    assert!(stream.cascades().is_empty());
    for ms in 45_001..45_006 {
        let sampled = Liquidation { venue: Venue::Binance, ..liquidation(ms, 100_000) };
        stream.liquidate(Liquidation { coverage: Coverage::Sampled, ..sampled });
    }
    let told = stream.last();
    assert_eq!((told.metrics.count_30s, told.flow.notional_30s_usd), (5, Usd::from_dollars(500_000)));
    let near = |left: f64, right: f64| assert!((left - right).abs() < 1e-9, "{left} for {right}");
    // 20 orders and 800k, 40k on average: 50 + 25 x 300k / 500k.
    near(told.risk.factors.volume, 65.0);
    // v_100ms 0, v_10s .5, v_60s 1/3: (.4 x .5 + .2 / 3) / 2 x 25.
    near(told.risk.factors.velocity, 10.0 / 3.0);
    near(told.risk.score, 0.25 * 10.0 / 3.0 + 0.20 * 65.0);
    // .5, .2 for ten orders, .15 as (0, 2.5, .5, 1/3) deviate by less than 2.
    near(told.confidence, 0.85);
}
