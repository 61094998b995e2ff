//! BTC's volatility and the market regime as the engine hears them: from ticks, trade bars and marks (signals.md 4).

use crate::stream::{START, Stream, at, gap, liquidation, mark, symbol, tick};
use cascade_detector::{CascadeEngine, Config, PresetName};
use cascade_domain::{
    Event, Gap, GapStream, Instrument, Level, Liquidity, Regime, Shard, Side, State, Tick, TradeBar, Trend,
    Usd, Venue,
};
use cascade_engine::Engine;
use proptest::prelude::*;
use std::sync::Arc;

use Level::{Alert, Watch};

fn priced(second: i64, price: f64) -> Event {
    Event::Tick(Tick { btc_price: Some(price), ..tick(second * 1_000, &[]) })
}

fn bar(second: i64, dollars: i64) -> TradeBar {
    TradeBar {
        venue: Venue::Bybit,
        symbol: symbol("BTCUSDT"),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        open_time_ms: at(second * 1_000),
        close_time_ms: at(second * 1_000 + 1_000),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        buy_quantity: 1.0,
        sell_quantity: 0.0,
        buy_usd: Usd::from_dollars(dollars),
        sell_usd: Usd::ZERO,
        trades: 1,
        largest_usd: Usd::from_dollars(dollars),
        known_at_ms: Some(at(second * 1_000 + 1_000)),
    }
}

/// Ticks whose price goes to and fro so that the hour's volatility would be `hour`.
fn swing(stream: &mut Stream, hour: f64, from: i64, to: i64) {
    for second in from..to {
        let price = if second % 2 == 0 { 100_000.0 } else { 100_000.0 * (hour / 60.0).exp() };
        stream.hear(&priced(second, price)).unwrap();
    }
}

fn multiplier(stream: &Stream) -> f64 {
    stream.engine.btc_volatility().unwrap().multiplier
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

#[test]
fn price_series_of_each_regime_on_both_sides_of_each_border() {
    let of = |hour| {
        let mut stream = Stream::new();
        swing(&mut stream, hour, 0, 1_000);
        let shown = stream.engine.regime().unwrap();
        stream.liquidate(liquidation(999_500, 4_000_000));
        assert_eq!(stream.last().context.regime, shown.regime);
        assert!(near(stream.last().context.vol_multiplier, multiplier(&stream)));
        shown.volatility_regime.unwrap()
    };
    for (border, below, above) in [
        (0.005, Regime::Dormant, Regime::Low),
        (0.01, Regime::Low, Regime::Normal),
        (0.02, Regime::Normal, Regime::Elevated),
        (0.03, Regime::Elevated, Regime::High),
        (0.05, Regime::High, Regime::Extreme),
    ] {
        assert_eq!((of(border * 0.999), of(border * 1.001)), (below, above), "{border}");
    }
}

#[test]
fn the_score_takes_the_multiplier_and_misses_it_where_it_is_unknown() {
    let told = |seconds| {
        let mut stream = Stream::new();
        // An even swing: m = 3 by the regime HIGH alone.
        swing(&mut stream, 0.04, 0, seconds);
        stream.liquidate(liquidation(seconds * 1_000 - 500, 4_000_000));
        stream.last().clone()
    };
    let (unknown, known) = (told(720), told(1_000));
    assert_eq!((unknown.context.regime, known.context.regime), (None, Some(Regime::High)));
    assert!(near(unknown.context.vol_multiplier, 1.0) && near(known.context.vol_multiplier, 3.0));
    assert!(unknown.missing.contains(&"volatility".to_owned()));
    assert!(!known.missing.contains(&"volatility".to_owned()));
    assert!(near(known.scores.volatility, 0.5) && near(known.contributions.volatility, 0.05));
    let odds = known.boosted * 3.0 / (1.0 - known.boosted + known.boosted * 3.0);
    assert!(near(known.score, odds) && near(unknown.score, unknown.boosted));
}

#[test]
fn a_change_of_the_venues_makes_no_return() {
    let told = |changed| {
        let mut stream = Stream::new();
        swing(&mut stream, 0.004, 0, 1_000);
        let jump = Tick { btc_price: Some(90_000.0), btc_venues_changed: changed, ..tick(1_000_000, &[]) };
        stream.hear(&Event::Tick(jump)).unwrap();
        stream.engine.regime().unwrap().volatility_regime
    };
    assert_eq!((told(true), told(false)), (Some(Regime::Dormant), Some(Regime::Extreme)));
}

#[test]
fn percentile_and_z_are_unknown_with_too_few_samples() {
    let mut stream = Stream::new();
    // 20 samples, one after the other a little more, and one second: START is a whole 60 s, 240 s after a whole 300.
    let from = 300 - START / 1_000 % 300;
    for step in 0..20 {
        swing(
            &mut stream,
            0.012 + f64::from(i32::try_from(step).unwrap()) * 1e-4,
            from + step * 300,
            from + step * 300 + 300,
        );
    }
    let few = stream.engine.btc_volatility().unwrap();
    assert_eq!((few.percentile_24h, few.z_score), (None, None));
    swing(&mut stream, 0.0139, from + 6_000, from + 6_002);
    let enough = stream.engine.btc_volatility().unwrap();
    assert!(enough.percentile_24h.is_some_and(|percentile| percentile > 90.0), "{enough:?}");
    assert!(enough.z_score.is_some_and(|z| z > 1.0 && z < 2.0), "{enough:?}");
    assert!(enough.vol_1m.is_some() && enough.vol_5m.is_some() && enough.vol_1h.is_some());
    // NORMAL, x1.2 for the percentile or x1.5.
    assert!(enough.multiplier > 1.7, "{enough:?}");
}

#[test]
fn only_the_shard_of_btc_shows_what_all_shards_know() {
    let config = Arc::new(Config::default());
    let shard = Shard::of(&symbol("BTCUSDT")).number();
    let other = Shard::new((shard + 1) % 64).unwrap();
    let mut engine = CascadeEngine::new(config, other, "x".into());
    engine.take(&priced(0, 100_000.0), &mut vec![]).unwrap();
    assert_eq!((engine.btc_price(), engine.btc_volatility(), engine.regime()), (None, None, None));
    let mut stream = Stream::new();
    assert_eq!(stream.engine.btc_volatility(), None, "before the first tick");
    stream.hear(&priced(0, 100_000.0)).unwrap();
    assert_eq!(
        stream.engine.btc_price().map(|shown| (shown.price, shown.event_time_ms)),
        Some((100_000.0, at(0)))
    );
    assert!(near(multiplier(&stream), 1.0));
    let unpriced = Event::Tick(Tick { btc_price: None, ..tick(1_000, &[]) });
    stream.hear(&unpriced).unwrap();
    assert_eq!(stream.engine.btc_price(), None);
    let shown = stream.engine.regime().unwrap();
    assert_eq!(
        (shown.regime, shown.volatility_regime, shown.liquidity, shown.trend),
        (None, None, None, None)
    );
}

/// Two hours of a symbol in regime NORMAL, with a mark, a bar of 1000 dollars and a tick each second; then 302 seconds
/// of so many dollars.
fn traded(dollars: i64) -> Stream {
    let mut stream = Stream::new();
    for second in 0..7_200 {
        stream.mark(second * 1_000, 100_000.0);
        let usd = if second < 6_898 { 1_000 + second / 300 } else { dollars };
        stream.hear(&Event::TradeBar(bar(second - 1, usd))).unwrap();
        swing(&mut stream, 0.015, second, second + 1);
    }
    stream
}

#[test]
fn the_market_regime_follows_what_is_traded() {
    let shown =
        |stream: &Stream| stream.engine.regime().map(|shown| (shown.liquidity, shown.regime)).unwrap();
    assert_eq!(shown(&traded(900)), (Some(Liquidity::Illiquid), Some(Regime::Elevated)));
    assert_eq!(shown(&traded(1_012)), (Some(Liquidity::Normal), Some(Regime::Normal)));
    let mut deep = traded(2_000);
    assert_eq!(shown(&deep), (Some(Liquidity::Deep), Some(Regime::Low)));
    assert_eq!(deep.engine.regime().unwrap().volatility_regime, Some(Regime::Normal));
    deep.liquidate(liquidation(7_199_500, 4_000_000));
    assert_eq!(deep.last().context.regime, Some(Regime::Low));
    deep.hear(&Event::Gap(gap(GapStream::Mark, 7_000_000, 7_001_000))).unwrap();
    assert_eq!(shown(&deep).0, Some(Liquidity::Deep), "no gap in trades");
    deep.hear(&Event::Gap(gap(GapStream::Trades, 7_000_000, 7_001_000))).unwrap();
    assert_eq!(shown(&deep), (None, Some(Regime::Normal)));
}

#[test]
fn a_gap_of_a_reader_that_was_overtaken_is_one_of_trades_too() {
    let mut stream = traded(2_000);
    let trimmed = Gap { reason: "trimmed".into(), ..gap(GapStream::Liquidations, 7_000_000, 7_001_000) };
    stream.hear(&Event::Gap(trimmed)).unwrap();
    assert_eq!(stream.engine.regime().unwrap().liquidity, None);
}

#[test]
fn the_trend_is_of_one_minute_prices() {
    let of = |prices: &dyn Fn(i64) -> f64| {
        let mut stream = Stream::new();
        for second in 0..1_262 {
            stream.mark(second * 1_000, prices(second / 60));
            stream.ticks(second, second + 1);
        }
        stream.engine.regime().unwrap().trend
    };
    // The twenty samples are those of minutes 2 to 21; the move is that from 12 to 21.
    let by = |move_: f64| move |minute: i64| if minute < 13 { 100_000.0 } else { 100_000.0 * (1.0 + move_) };
    assert_eq!(of(&by(0.019_9)), Some(Trend::Flat));
    assert_eq!((of(&by(0.02)), of(&by(-0.02))), (Some(Trend::Up), Some(Trend::Down)));
    assert_eq!((of(&by(0.049_9)), of(&by(0.05))), (Some(Trend::Up), Some(Trend::StrongUp)));
    assert_eq!((of(&by(-0.049_9)), of(&by(-0.05))), (Some(Trend::Down), Some(Trend::StrongDown)));
    let before = |minute: i64| if minute < 12 { 100_000.0 } else { 110_000.0 };
    assert_eq!(of(&before), Some(Trend::Flat), "the move was before the ten");
}

#[test]
fn the_trend_is_unknown_before_there_are_prices_enough() {
    let mut stream = Stream::new();
    for second in 0..1_000 {
        stream.mark(second * 1_000, 100_000.0);
        stream.ticks(second, second + 1);
    }
    assert_eq!(stream.engine.regime().unwrap().trend, Some(Trend::Flat), "17 of 20 minutes");
    let mut short = Stream::new();
    for second in 0..900 {
        short.mark(second * 1_000, 100_000.0);
        short.ticks(second, second + 1);
    }
    assert_eq!(short.engine.regime().unwrap().trend, None, "15 of 20 minutes");
    stream.ticks(1_000, 1_200);
    assert_eq!(stream.engine.regime().unwrap().trend, None, "no price any more");
}

/// A stream in a regime by so much volatility of an hour, whose thresholds follow it, or do not.
fn following(preset: PresetName, regime_scaling: bool, hour: f64) -> Stream {
    let mut stream = Stream::with(Config { preset, regime_scaling, ..Config::default() });
    swing(&mut stream, hour, -1_000, 0);
    stream
}

#[test]
fn thresholds_follow_the_regime_where_they_are_told_to() {
    let story = |scaling, hour, dollars| {
        let mut stream = following(PresetName::Balanced, scaling, hour);
        stream.liquidate(liquidation(10, dollars));
        stream.story()
    };
    let open = |level| vec![(State::Open, level)];
    assert_eq!(story(false, 0.06, 3_000_000), open(Alert));
    assert_eq!(story(true, 0.06, 3_000_000), open(Watch), "A is 6M in EXTREME");
    assert_eq!(story(true, 0.06, 6_000_000), open(Alert));
    assert_eq!(story(true, 0.004, 1_800_000), open(Alert), "A is 1.8M in DORMANT");
    assert_eq!(story(false, 0.004, 1_800_000), open(Watch));
    assert_eq!(story(true, 0.015, 3_000_000), story(false, 0.015, 3_000_000));
    let mut scaled = following(PresetName::Balanced, true, 0.06);
    scaled.liquidate(liquidation(10, 6_000_000));
    assert_eq!(scaled.last().flow.unit_usd, Usd::from_dollars(6_000_000));
    assert!(near(scaled.last().scores.volume, 600_000.0 / 4e6), "{:?}", scaled.last().scores);
    assert!(near(scaled.last().scores.velocity, 0.5 / 50.0), "{:?}", scaled.last().scores);
}

#[test]
fn an_episode_keeps_the_thresholds_of_its_onset() {
    let mut stream = following(PresetName::Balanced, true, 0.015);
    stream.liquidate(liquidation(10, 3_000_000));
    assert_eq!(stream.story(), [(State::Open, Alert)]);
    for second in 0..300 {
        if second % 20 == 10 {
            stream.liquidate(liquidation(second * 1_000 - 500, 3_000_000));
        }
        swing(&mut stream, 0.2, second, second + 1);
    }
    let last = stream.last();
    assert_eq!((last.context.regime, last.level), (Some(Regime::Extreme), Alert));
    assert_eq!(last.flow.unit_usd, Usd::from_dollars(3_000_000), "frozen");
    assert_eq!(stream.story().len(), 1);
    swing(&mut stream, 0.2, 300, 500);
    assert_eq!(stream.last().state, State::Resolved);
    stream.liquidate(liquidation(499_500, 3_000_000));
    assert_eq!((stream.last().level, stream.last().flow.unit_usd), (Watch, Usd::from_dollars(6_000_000)));
}

/// Random minutes of a market: ticks with prices that walk, marks, bars, liquidations of two symbols, gaps.
fn minutes(dice: &[(u8, i32, u16)]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut price = 100_000.0;
    for (second, (kind, step, usd)) in (0_i64..).zip(dice) {
        price *= 1.0 + f64::from(*step) * 1e-7;
        let ms = second * 1_000;
        let missed = *kind == 0;
        if !missed {
            let changed = *kind == 1;
            events.push(Event::Tick(Tick {
                btc_price: (*kind != 2).then_some(price),
                btc_venues_changed: changed,
                ..tick(ms, &[])
            }));
        }
        events.push(Event::Mark(mark(ms + 100, price)));
        let late = if kind % 5 == 0 { i64::from(*usd) % 900 } else { 1 };
        let known_at_ms = Some(at(ms + 150));
        events.push(Event::TradeBar(TradeBar { known_at_ms, ..bar(second - late, i64::from(*usd) * 37) }));
        let side = if *step > 0 { Side::Short } else { Side::Long };
        let dollars = if kind % 64 == 0 { i64::from(*usd) * 100 } else { i64::from(*usd) };
        for name in ["BTCUSDT", "DOGEUSDT"] {
            if kind % 8 == 0 {
                let print = liquidation(ms + 200, dollars);
                let print = cascade_domain::Liquidation { symbol: symbol(name), side, ..print };
                events.push(Event::Liquidation(print));
            }
        }
        if *kind == 3 {
            events.push(Event::Gap(gap(GapStream::Trades, ms - 500, ms)));
        }
    }
    events
}

fn lines(stream: &Stream) -> Vec<String> {
    stream.said.iter().map(|finding| serde_json::to_string(finding).unwrap()).collect()
}

fn shown(stream: &Stream) -> String {
    let engine = &stream.engine;
    format!("{:?} {:?} {:?}", engine.btc_price(), engine.btc_volatility(), engine.regime())
}

/// A symbol's and the shard's part of a snapshot may be so large, bytes, besides the orders of its windows.
const SYMBOL: usize = 16 * 1_024;
const SHARD: usize = 64 * 1_024;

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_anywhere_goes_on_with_the_same_bytes_and_twice_is_the_same(
        dice in prop::collection::vec((0u8..255, -3_000i32..3_000, 1u16..u16::MAX), 1_200..3_500),
        cut in any::<prop::sample::Index>(), regime_scaling in any::<bool>(),
    ) {
        let events = minutes(&dice);
        let (before, after) = events.split_at(cut.index(events.len()));
        let new = || Stream::with(Config { regime_scaling, ..Config::default() });
        let (mut first, mut again) = (new(), new());
        for event in before { first.hear(event).ok(); }
        let told = first.said.len();
        let snapshot = rmp_serde::to_vec(first.engine.state()).unwrap();
        for event in after { first.hear(event).ok(); }
        for event in &events { again.hear(event).ok(); }
        prop_assert_eq!(lines(&again), lines(&first));
        prop_assert!(first.engine.regime().is_some_and(|shown| shown.volatility_regime.is_some()));

        let mut second = new();
        second.engine.resume(rmp_serde::from_slice(&snapshot).unwrap());
        for event in after { second.hear(event).ok(); }
        prop_assert_eq!(lines(&second), &lines(&first)[told..]);
        prop_assert_eq!(shown(&second), shown(&first));
        prop_assert_eq!(
            rmp_serde::to_vec(second.engine.state()).unwrap(), rmp_serde::to_vec(first.engine.state()).unwrap()
        );
    }

    #[test]
    fn regime_scaling_off_changes_nothing(
        dice in prop::collection::vec((0u8..255, -3_000i32..3_000, 1u16..u16::MAX), 1_000..2_000),
        factors in prop::array::uniform6(0.1f64..10.0),
    ) {
        let mut others = Config::default();
        (others.regime.velocity, others.regime.volume) = (factors, factors);
        let (mut plain, mut other) = (Stream::new(), Stream::with(others));
        for event in minutes(&dice) {
            plain.hear(&event).ok();
            other.hear(&event).ok();
        }
        prop_assert!(plain.said.iter().any(|finding| finding.kind() == "cascade"));
        let unlabelled = |stream: &Stream| -> Vec<String> {
            let cut = |finding: &cascade_domain::Finding| {
                let mut line = serde_json::to_value(finding).unwrap();
                line["engine"].take();
                line.to_string()
            };
            stream.said.iter().map(cut).collect()
        };
        prop_assert_eq!(unlabelled(&plain), unlabelled(&other));
    }
}

#[test]
fn a_snapshot_is_small() {
    // A day and an hour of the largest figures, then a quarter with everything that a symbol may have.
    let mut stream = Stream::new();
    let wild = |second: i64| if second % 2 == 0 { 100_000.0 } else { 300_000.0 };
    for second in -90_000..0 {
        stream.hear(&priced(second, wild(second))).unwrap();
    }
    let size = |stream: &Stream| rmp_serde::to_vec(stream.engine.state()).unwrap().len();
    let shard = size(&stream);
    assert!(shard > 3_600 * 9 && shard < SHARD, "{shard} bytes a shard");
    for second in 0..1_300 {
        for venue in Venue::ALL {
            let mark = cascade_domain::Mark {
                venue,
                funding_rate: Some(1e-4),
                funding_interval_h: Some(8.0),
                ..mark(second * 1_000, wild(second))
            };
            stream.hear(&Event::Mark(mark)).unwrap();
            let interest = cascade_domain::OpenInterest {
                venue,
                ..crate::stream::interest(second * 1_000, 123_456.789)
            };
            stream.hear(&Event::OpenInterest(interest)).unwrap();
            stream.hear(&Event::TradeBar(TradeBar { venue, ..bar(second - 1, 500_000_000) })).unwrap();
        }
        stream.hear(&priced(second, wild(second))).unwrap();
    }
    let symbol = size(&stream) - shard;
    println!("snapshot: {shard} bytes a shard, {symbol} a symbol without orders");
    assert!(symbol < SYMBOL, "{symbol} bytes a symbol");
}
