//! What each preset and each symbol's own thresholds change: the rows of signals.md 5 and 6 that differ by them.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]

use cascade_detector::rungs::{RungInput, Sides, Thresholds};
use cascade_detector::score::{ScoreInput, rate};
use cascade_detector::{Config, PresetName};
use cascade_domain::{Level, Symbol};

use Level::{Alert, Critical, Extreme, Watch};
use PresetName::{Balanced, Calm, Seed};

const MICRO: i128 = 1_000_000;

fn of(preset: PresetName) -> Config {
    Config { preset, ..Config::default() }
}

fn thresholds(config: &Config, name: &str) -> Thresholds {
    Thresholds::of(config, &Symbol::parse(name).unwrap())
}

/// The level of one order of so many dollars of longs.
fn level(config: &Config, name: &str, dollars: i128, minute: Option<f64>, quarter: Option<f64>) -> Level {
    let thresholds = thresholds(config, name);
    let sides = Sides { long: dollars * MICRO, short: 0 };
    let unit = thresholds.unit(None);
    thresholds
        .reach(&RungInput {
            sides,
            count: 1,
            unit,
            change_60s: minute,
            change_15m: quarter,
            ..RungInput::default()
        })
        .level
}

#[test]
fn the_unit_by_symbol_and_preset() {
    for (name, unit) in
        [("BTCUSDT", 3_000_000), ("ETHUSDT", 2_000_000), ("SOLUSDT", 500_000), ("XUSDT", 100_000)]
    {
        for (preset, factor) in [(Balanced, 1), (Calm, 2), (Seed, 1)] {
            let config = of(preset);
            let unit = unit * factor;
            let level = |dollars| level(&config, name, dollars, Some(0.0), None);
            assert_eq!(thresholds(&config, name).unit(None), unit * MICRO, "{name} {preset:?}");
            assert_eq!((level(unit / 3 - 1), level(unit / 3 + 1)), (Level::None, Watch), "{name} {preset:?}");
            assert_eq!((level(unit - 1), level(unit)), (Watch, Alert), "{name} {preset:?}");
        }
    }
}

#[test]
fn the_multiples_of_the_unit_and_their_moves_by_symbol() {
    let config = of(Balanced);
    for (name, unit, critical, extreme) in [
        ("BTCUSDT", 3_000_000, 0.005, 0.015),
        ("ETHUSDT", 2_000_000, 0.007, 0.03),
        ("SOLUSDT", 500_000, 0.01, 0.03),
        ("XUSDT", 100_000, 0.01, 0.03),
    ] {
        let level = |dollars, change: Option<f64>| level(&config, name, dollars, change.map(|by| -by), None);
        assert_eq!(level(3 * unit, Some(critical)), Critical, "{name}");
        assert_eq!(level(3 * unit, Some(critical - 1e-4)), Alert, "{name}");
        assert_eq!(level(3 * unit - 1, Some(critical)), Alert, "{name}");
        assert_eq!(level(10 * unit, Some(extreme)), Extreme, "{name}");
        assert_eq!(level(10 * unit, Some(extreme - 1e-4)), Critical, "{name}");
        assert_eq!(level(10 * unit - 1, Some(extreme)), Critical, "{name}");
        assert_eq!((level(6 * unit - 1, None), level(6 * unit, None)), (Alert, Critical), "{name}");
        assert_eq!((level(20 * unit - 1, None), level(20 * unit, None)), (Critical, Extreme), "{name}");
    }
}

#[test]
fn the_move_of_fifteen_minutes_by_symbol() {
    let config = of(Balanced);
    for (name, unit, threshold) in [
        ("BTCUSDT", 3_000_000, 0.03),
        ("ETHUSDT", 2_000_000, 0.03),
        ("SOLUSDT", 500_000, 0.05),
        ("XUSDT", 100_000, 0.08),
    ] {
        let level = |dollars, change: f64| level(&config, name, dollars, Some(0.0), Some(change));
        let third = unit / 3 + 1;
        assert_eq!((level(third, -threshold + 1e-4), level(third, -threshold)), (Watch, Alert), "{name}");
        assert_eq!(level(third, threshold), Watch, "{name}: the other way");
        assert_eq!(level(unit / 3 - 1, -threshold), Level::None, "{name}: not without flow");
    }
}

#[test]
fn what_is_large_by_symbol_and_preset() {
    let names = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XUSDT"];
    let large = |preset| names.map(|name| thresholds(&of(preset), name).large / MICRO);
    assert_eq!(large(Balanced), [1_000_000, 500_000, 250_000, 100_000]);
    assert_eq!(large(Calm), large(Balanced));
    assert_eq!(large(Seed), [100_000, 50_000, 25_000, 10_000]);
}

#[test]
fn the_inputs_at_which_a_score_is_one_by_preset() {
    let near = |left: f64, right: f64| (left - right).abs() < 1e-9;
    for (preset, [velocity, acceleration, volume, oi_change, funding]) in [
        (Balanced, [20.0, 5.0, 2e6, 0.01, 0.001]),
        (Calm, [20.0, 5.0, 2e6, 0.01, 0.001]),
        (Seed, [50.0, 20.0, 50e6, 0.05, 0.001]),
    ] {
        let config = of(preset);
        let scores = |share: f64| {
            let input = ScoreInput {
                velocity: Some(velocity * share),
                acceleration: Some(acceleration * share),
                volume: Some(volume * share),
                oi_change: Some(-oi_change * share),
                funding: Some(funding * share),
                multiplier: Some(1.0 + 4.0 * share),
                venue_correlation: None,
            };
            rate(&config.score, config.preset(), &input).scores.to_array()
        };
        for share in [0.0_f64, 0.25, 0.5, 1.0, 2.0] {
            let expected = share.min(1.0);
            assert!(scores(share).into_iter().all(|score| near(score, expected)), "{preset:?} {share}");
        }
    }
}

#[test]
fn the_seed_alone_has_the_rung_velocity_and_absolute_changes_and_a_louder_rule() {
    for (preset, absolute, rule, rung) in
        [(Balanced, 0.0, Watch, Level::None), (Calm, 0.0, Watch, Level::None), (Seed, 1.0, Alert, Alert)]
    {
        let config = of(preset);
        let input = ScoreInput { acceleration: Some(-20.0), oi_change: Some(0.05), ..ScoreInput::default() };
        let scores = rate(&config.score, config.preset(), &input).scores;
        assert!((scores.acceleration - absolute).abs() < 1e-9 && (scores.oi_change - absolute).abs() < 1e-9);
        let thresholds = thresholds(&config, "BTCUSDT");
        let reach = |long: i128, count, velocity_2s| {
            let sides = Sides { long: long * MICRO, short: 0 };
            let unit = thresholds.unit(None);
            thresholds.reach(&RungInput { sides, count, unit, velocity_2s, ..RungInput::default() }).level
        };
        assert_eq!((reach(500_000, 5, 0.0), reach(1, 1, 20.0)), (rule, rung), "{preset:?}");
    }
}

#[test]
fn each_threshold_of_a_symbol_may_be_its_own() {
    let config: Config = toml::from_str(
        "[symbols.XUSDT]\nunit_usd = 300_000\nunit_open_interest = 0.001\ncritical_move = 0.02\nextreme_move = 0.04\n\
         alert_move_15m = 0.06\ncascade_orders = 2\ncascade_usd = 10_000\nlarge_usd = 30_000",
    )
    .unwrap();
    assert_eq!(config.refusals(), []);
    let own = thresholds(&config, "XUSDT");
    assert_eq!((own.unit(None), own.large), (300_000 * MICRO, 30_000 * MICRO));
    assert_eq!(own.unit(Some(1_000_000_000 * MICRO)), 1_000_000 * MICRO);
    let level = |dollars, minute, quarter| level(&config, "XUSDT", dollars, Some(minute), Some(quarter));
    assert_eq!((level(900_000, -0.019, 0.0), level(900_000, -0.02, 0.0)), (Alert, Critical));
    assert_eq!((level(3_000_000, -0.039, 0.0), level(3_000_000, -0.04, 0.0)), (Critical, Extreme));
    assert_eq!((level(100_000, 0.0, -0.059), level(100_000, 0.0, -0.06)), (Watch, Alert));
    let rule = |dollars: i128, count| {
        let sides = Sides { long: dollars * MICRO, short: 0 };
        own.reach(&RungInput { sides, count, unit: own.unit(None), ..RungInput::default() }).level
    };
    assert_eq!([rule(10_000, 2), rule(10_000, 1), rule(9_999, 2)], [Watch, Level::None, Level::None]);
    assert_eq!(thresholds(&config, "YUSDT").unit(None), 100_000 * MICRO, "the others stay");
}
