//! Rolling sums against sums computed afresh, and what is no return.

use cascade_domain::{EventTime, Feeds};
use proptest::prelude::*;

use super::*;

const COVERAGE: f64 = 0.8;
const LEAST: u32 = 20;
/// A whole 300 s.
const START: i64 = 1_790_000_100;

fn tick(ms: i64, price: Option<f64>, changed: bool) -> Tick {
    Tick {
        event_time_ms: EventTime::from_ms(START * 1_000 + ms),
        btc_price: price,
        btc_usd_volume_1s: None,
        btc_venues_changed: changed,
        feeds: Feeds::new(),
    }
}

/// A price that goes to and fro by so much each second, from one second to another.
fn swing(returns: &mut Returns, by: f64, from: i64, to: i64) {
    for second in from..to {
        let price = if second % 2 == 0 { 100_000.0 } else { 100_000.0 * by.exp() };
        returns.take(&tick(second * 1_000, Some(price), false), COVERAGE);
    }
}

fn figures(returns: &Returns) -> Figures {
    returns.figures(COVERAGE, LEAST)
}

fn near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() < 1e-9)
}

#[test]
fn a_span_is_known_from_eighty_percent_of_its_returns_on() {
    let mut returns = Returns::default();
    for (seconds, known) in [
        (48, [false, false, false, false]),
        (49, [true, false, false, false]),
        (241, [true, true, false, false]),
        (720, [true, true, false, false]),
        (721, [true, true, true, false]),
        (2_880, [true, true, true, false]),
        (2_881, [true, true, true, true]),
    ] {
        let from = returns.second.map_or(0, |second| second - START + 1);
        swing(&mut returns, 1e-4, from, seconds);
        let Figures { vol_1m, vol_5m, vol_15m, vol_1h, .. } = figures(&returns);
        let found = [vol_1m, vol_5m, vol_15m, vol_1h];
        assert_eq!(found.map(|vol| vol.is_some()), known, "{seconds} ticks");
    }
    swing(&mut returns, 1e-4, 2_881, 3_700);
    let found = figures(&returns);
    assert!(near(found.vol_1m, 1e-4 * 60.0_f64.sqrt()) && near(found.vol_5m, 1e-4 * 300.0_f64.sqrt()));
    assert!(near(found.vol_15m, 1e-4 * 30.0) && near(found.vol_1h, 1e-4 * 60.0));
}

#[test]
fn a_return_is_between_ticks_of_adjacent_seconds_with_prices_of_the_same_venues() {
    let known = |between: &[Tick]| {
        let mut returns = Returns::default();
        returns.take(&tick(0, Some(100.0), false), COVERAGE);
        for tick in between {
            returns.take(tick, COVERAGE);
        }
        let known: Vec<bool> = returns.squares.iter().map(|square| *square != UNKNOWN).collect();
        known
    };
    let step = |ms, changed| tick(ms, Some(101.0), changed);
    assert_eq!(known(&[step(1_000, false), step(2_000, false)]), [false, true, true]);
    assert_eq!(known(&[step(1_999, false)]), [false, true], "whole seconds count");
    assert_eq!(known(&[step(2_000, false)]), [false, false, false], "a second was missed");
    assert_eq!(known(&[step(1_000, true), step(2_000, false)]), [false, false, true], "other venues");
    let unpriced = tick(1_000, None, false);
    assert_eq!(known(&[unpriced.clone(), step(2_000, false)]), [false, false, false], "no price");
    assert_eq!(known(&[tick(1_000, Some(0.0), false), step(2_000, false)]), [false; 3], "no real price");
    assert_eq!(
        known(&[step(1_000, false), step(1_500, true), step(2_000, false)]),
        [false, true, false],
        "other venues within a second"
    );
}

#[test]
fn a_price_of_other_venues_is_no_return_however_far_it_lies() {
    let mut returns = Returns::default();
    swing(&mut returns, 1e-4, 0, 900);
    let calm = figures(&returns).vol_15m.unwrap();
    returns.take(&tick(900_000, Some(50_000.0), true), COVERAGE);
    returns.take(&tick(901_000, Some(50_000.0), false), COVERAGE);
    assert!(figures(&returns).vol_15m.unwrap() <= calm);
    returns.take(&tick(902_000, Some(100_000.0), false), COVERAGE);
    assert!(near(figures(&returns).vol_1m, 2.0_f64.ln().hypot(1e-4 * 57.0_f64.sqrt())));
}

#[test]
fn percentile_and_z_need_twenty_samples_of_before() {
    let mut returns = Returns::default();
    // The first sample is known at 300 s; the one of 20 x 300 s is that of now, and left out.
    swing(&mut returns, 1e-4, 0, 6_001);
    assert_eq!((figures(&returns).percentile, figures(&returns).z_score), (None, None), "19");
    swing(&mut returns, 1e-4, 6_001, 6_002);
    assert_eq!(figures(&returns).percentile, Some(50.0), "20, all equal");
    assert_eq!(figures(&returns).z_score, None, "no deviation");
    swing(&mut returns, 2e-4, 6_002, 6_004);
    assert_eq!(figures(&returns).percentile, Some(100.0));
    assert_eq!(returns.figures(COVERAGE, 21).percentile, None);
}

#[test]
fn a_day_has_288_samples_and_forgets_what_is_older() {
    let mut returns = Returns::default();
    swing(&mut returns, 5e-4, 0, 302);
    assert_eq!(returns.day().count(), 1);
    swing(&mut returns, 1e-4, 302, 300 * 288 + 300);
    assert_eq!(returns.day().count(), 288);
    let wild = |returns: &Returns| returns.day().filter(|sample| *sample > fixed(3e-3)).count();
    assert_eq!(wild(&returns), 1);
    swing(&mut returns, 1e-4, 300 * 288 + 300, 300 * 288 + 301);
    assert_eq!((returns.day().count(), wild(&returns)), (288, 1), "the one of now is left out");
    swing(&mut returns, 1e-4, 300 * 288 + 301, 300 * 288 + 302);
    assert_eq!((returns.day().count(), wild(&returns)), (288, 0));
}

#[test]
fn a_pause_is_unknown_and_its_samples_have_their_place() {
    let mut returns = Returns::default();
    swing(&mut returns, 1e-4, 0, 300 * 30 + 1);
    assert_eq!(returns.day().count(), 29);
    swing(&mut returns, 1e-4, 300 * 40 + 1, 300 * 40 + 2);
    assert_eq!(figures(&returns), Figures::default());
    assert_eq!((returns.day().count(), returns.samples.len()), (30, 41));
    swing(&mut returns, 1e-4, 10_000_000, 10_000_001);
    assert_eq!((returns.day().count(), returns.samples.len()), (0, DAY + 1));
    assert!(returns.squares.iter().all(|square| *square == UNKNOWN));
}

#[test]
fn prices_without_measure_do_no_harm() {
    let mut returns = Returns::default();
    for second in 0..4_000 {
        let price = if second % 2 == 0 { f64::MIN_POSITIVE } else { f64::MAX };
        returns.take(&tick(second * 1_000, Some(price), false), COVERAGE);
    }
    let found = figures(&returns);
    assert!(found.vol_1h.is_some_and(f64::is_finite) && found.vol_1m.is_some_and(f64::is_finite));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rolling_sums_are_fresh_sums(
        steps in prop::collection::vec((0u8..200, 90_000.0f64..110_000.0, 0u8..30, 0i64..5_000), 1..9_000),
    ) {
        let mut returns = Returns::default();
        let (mut second, mut heard): (i64, Vec<(i64, Option<f64>, bool)>) = (0, vec![]);
        for (kind, price, changed, skip) in &steps {
            second += if *kind == 0 { *skip } else { 1 };
            let price = (*kind != 1).then_some(*price);
            returns.take(&tick(second * 1_000, price, *changed == 0), COVERAGE);
            if heard.last().is_none_or(|(last, ..)| *last < second) {
                heard.push((second, price, *changed == 0));
            } else if *changed == 0 && let Some(last) = heard.last_mut() {
                last.1 = None;
            }
        }
        let squares: Vec<(i64, i64)> = heard.windows(2).filter_map(|pair| {
            let ((before, from, _), (at, to, changed)) = (pair[0], pair[1]);
            (at == before + 1 && !changed).then_some(())?;
            Some((at, square(from?, to?)))
        }).collect();
        for (span, (from, to)) in SPANS.into_iter().enumerate() {
            let before = |seconds: usize| second - i64::try_from(seconds).unwrap();
            let within = |at: i64| at > before(from) && at <= before(to);
            let fresh: Vec<i64> = squares.iter().filter(|(at, _)| within(*at)).map(|(_, square)| *square).collect();
            let sum = Sum { known: fresh.len(), squares: fresh.iter().map(|square| u128::try_from(*square).unwrap()).sum() };
            prop_assert_eq!(returns.sums[span], sum, "span {}", span);
        }
    }
}
