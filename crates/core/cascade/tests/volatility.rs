//! Every row and border of the tables of volatility, multiplier, liquidity, trend and regime (signals.md 4).
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]

use cascade_detector::regime::{self, Course, RegimeConfig, Scale};
use cascade_detector::rungs::{RungInput, Sides, Thresholds};
use cascade_detector::volatility::{self, Figures, VolatilityConfig};
use cascade_detector::{Config, PresetName};
use cascade_domain::{Level, Liquidity, Regime, Symbol, Trend};

const BORDERS: [(f64, Regime, Regime); 5] = [
    (0.005, Regime::Dormant, Regime::Low),
    (0.01, Regime::Low, Regime::Normal),
    (0.02, Regime::Normal, Regime::Elevated),
    (0.03, Regime::Elevated, Regime::High),
    (0.05, Regime::High, Regime::Extreme),
];

fn hourly(hour: f64) -> Figures {
    Figures { vol_15m: Some(hour / 2.0), ..Figures::default() }
}

fn multiplier(figures: Figures) -> f64 {
    volatility::multiplier(&VolatilityConfig::default(), &figures).unwrap()
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

#[test]
fn the_regime_on_both_sides_of_each_border() {
    let of = |hour: f64| volatility::regime(&VolatilityConfig::default(), &hourly(hour));
    for (border, below, above) in BORDERS {
        assert_eq!((of(border - 1e-9), of(border)), (Some(below), Some(above)), "{border}");
    }
    assert_eq!((of(0.0), of(1.0)), (Some(Regime::Dormant), Some(Regime::Extreme)));
    let others = Figures { vol_15m: None, vol_5m: Some(0.1), vol_1h: Some(0.1), ..Figures::default() };
    assert_eq!(volatility::regime(&VolatilityConfig::default(), &others), None);
    assert_eq!(volatility::multiplier(&VolatilityConfig::default(), &others), None);
}

#[test]
fn the_multiplier_of_each_regime() {
    for (hour, expected) in [(0.004, 1.0), (0.006, 1.2), (0.015, 1.5), (0.025, 2.0), (0.04, 3.0), (0.06, 5.0)]
    {
        assert!(near(multiplier(hourly(hour)), expected), "{hour}");
    }
}

#[test]
fn each_factor_of_the_multiplier_on_both_sides_of_its_border() {
    let normal = hourly(0.015);
    let rise = |by| multiplier(Figures { rise_5m: Some(by), ..normal });
    assert!(near(rise(0.0), 1.5) && near(rise(0.01), 1.65) && near(rise(-0.01), 1.5), "falling is no rise");
    let percentile = |of| multiplier(Figures { percentile: Some(of), ..normal });
    assert!(near(percentile(90.0), 1.5) && near(percentile(90.1), 1.8));
    assert!(near(percentile(95.0), 1.8) && near(percentile(95.1), 2.25));
    let z_score = |of| multiplier(Figures { z_score: Some(of), ..normal });
    assert!(near(z_score(2.0), 1.5) && near(z_score(2.1), 2.25) && near(z_score(-2.1), 2.25));
    assert!(near(z_score(3.0), 2.25) && near(z_score(3.1), 3.0) && near(z_score(-3.1), 3.0));
    // Brought to five minutes: x (1 - s), x, x (1 + s), whose coefficient of variation is s x sqrt(2 / 3).
    let spread = |by: f64| {
        let five = 0.0075 / (1.0 + by) / 3.0_f64.sqrt();
        Figures { vol_1m: Some(five * (1.0 - by) / 5.0_f64.sqrt()), vol_5m: Some(five), ..normal }
    };
    let border = 0.5 / (2.0_f64 / 3.0).sqrt();
    assert!(near(multiplier(spread(border - 1e-6)), 1.5) && near(multiplier(spread(border + 1e-6)), 1.95));
    assert!(near(multiplier(Figures { vol_1m: None, ..spread(0.9) }), 1.5), "one of the three is unknown");
    let still = Figures { vol_1m: Some(0.0), vol_5m: Some(0.0), vol_15m: Some(0.0), ..Figures::default() };
    assert!(near(multiplier(still), 1.0), "nothing moves");
}

#[test]
fn the_multiplier_is_at_most_ten() {
    let high = Figures { percentile: Some(99.0), z_score: Some(2.5), ..hourly(0.04) };
    assert!(near(multiplier(high), 6.75));
    assert!(near(multiplier(Figures { z_score: Some(4.0), ..high }), 9.0));
    assert!(near(multiplier(Figures { z_score: Some(4.0), rise_5m: Some(0.02), ..high }), 10.0));
}

#[test]
fn liquidity_on_both_sides_of_the_quartiles() {
    let of = |percentile| regime::liquidity(&RegimeConfig::default(), percentile);
    assert_eq!(of(Some(24.9)), Some(Liquidity::Illiquid));
    assert_eq!((of(Some(25.0)), of(Some(75.0))), (Some(Liquidity::Normal), Some(Liquidity::Normal)));
    assert_eq!((of(Some(75.1)), of(None)), (Some(Liquidity::Deep), None));
}

#[test]
fn the_market_regime_is_one_up_or_down_and_held_to_the_range() {
    for (place, volatility) in Regime::ALL.into_iter().enumerate() {
        let of = |liquidity| regime::market(Some(volatility), liquidity);
        assert_eq!(of(Some(Liquidity::Illiquid)), Some(Regime::ALL[(place + 1).min(5)]));
        assert_eq!(of(Some(Liquidity::Deep)), Some(Regime::ALL[place.saturating_sub(1)]));
        assert_eq!((of(Some(Liquidity::Normal)), of(None)), (Some(volatility), Some(volatility)));
    }
    assert_eq!(regime::market(None, Some(Liquidity::Deep)), None);
}

#[test]
fn the_trend_on_both_sides_of_each_border() {
    let of = |recent_mean, change| {
        regime::trend(&RegimeConfig::default(), &Course { recent_mean, mean: 100.0, change })
    };
    assert_eq!((of(101.0, 0.0199), of(101.0, 0.02)), (Trend::Flat, Trend::Up));
    assert_eq!((of(101.0, 0.0499), of(101.0, 0.05)), (Trend::Up, Trend::StrongUp));
    assert_eq!((of(99.0, -0.0199), of(99.0, -0.02)), (Trend::Flat, Trend::Down));
    assert_eq!((of(99.0, -0.0499), of(99.0, -0.05)), (Trend::Down, Trend::StrongDown));
    assert_eq!((of(99.0, 0.06), of(101.0, -0.06)), (Trend::Flat, Trend::Flat), "mean and move disagree");
    assert_eq!((of(100.0, 0.06), of(100.0, -0.06)), (Trend::Flat, Trend::Flat));
}

const REGIMES: [(Option<Regime>, f64, f64); 7] = [
    (None, 1.0, 1.0),
    (Some(Regime::Dormant), 0.5, 0.6),
    (Some(Regime::Low), 0.7, 0.8),
    (Some(Regime::Normal), 1.0, 1.0),
    (Some(Regime::Elevated), 1.3, 1.2),
    (Some(Regime::High), 1.8, 1.5),
    (Some(Regime::Extreme), 2.5, 2.0),
];

#[test]
fn thresholds_of_velocity_and_volume_scale_by_regime() {
    let btc = Symbol::parse("BTCUSDT").unwrap();
    let seed = Config { preset: PresetName::Seed, ..Config::default() };
    for (regime, velocity, volume) in REGIMES {
        let scale = Scale::of(&seed.regime, regime);
        assert_eq!(scale, Scale { velocity, volume });
        let thresholds = Thresholds::of(&seed, &btc).scaled(scale);
        let plain = Thresholds::of(&seed, &btc);
        #[expect(clippy::cast_possible_truncation, reason = "tenths")]
        let tenths = (volume * 10.0).round() as i128;
        let scaled = |micros: i128| micros * tenths / 10;
        assert_eq!(thresholds.unit(None), scaled(plain.unit(None)), "{regime:?}");
        assert_eq!(thresholds.large, plain.large, "no threshold of a flow");
        // The rung `velocity`.
        let fast = |velocity_2s| {
            let sides = Sides { long: 1, short: 0 };
            let input = RungInput { sides, count: 1, velocity_2s, unit: 1 << 60, ..RungInput::default() };
            thresholds.reach(&input).level
        };
        assert_eq!(fast(20.0 * velocity), Level::Alert);
        assert_eq!(fast(20.0 * velocity - 0.01), Level::Watch);
        assert_eq!(fast(10.0 * velocity - 0.01), Level::None);
        // The dollars of `cascade_rule`.
        let rule = |long| {
            let sides = Sides { long, short: 0 };
            let input = RungInput { sides, count: 5, unit: 1 << 60, ..RungInput::default() };
            thresholds.reach(&input).level
        };
        let dollars = scaled(500_000_000_000);
        assert_eq!((rule(dollars), rule(dollars - 1)), (Level::Alert, Level::None), "{regime:?}");
        let preset = seed.preset().scaled(scale);
        assert!(near(preset.velocity_full, 50.0 * velocity) && near(preset.volume_full_usd, 50e6 * volume));
        assert!(near(preset.acceleration_full, 20.0) && near(preset.oi_change_full, 0.05));
    }
}

#[test]
fn the_unit_by_open_interest_scales_too() {
    let doge = Symbol::parse("DOGEUSDT").unwrap();
    let config = Config::default();
    let scale = Scale::of(&config.regime, Some(Regime::Extreme));
    let billion = Some(1_000_000_000 * 1_000_000);
    assert_eq!(Thresholds::of(&config, &doge).unit(billion), 500_000_000_000);
    assert_eq!(Thresholds::of(&config, &doge).scaled(scale).unit(billion), 1_000_000_000_000);
    assert_eq!(Thresholds::of(&config, &doge).scaled(scale).unit(None), 200_000_000_000);
}

#[test]
fn wrong_settings_are_refused_by_their_keys() {
    let keys = |text: &str| -> Vec<String> {
        let config: Config = toml::from_str(text).unwrap();
        config.refusals().into_iter().map(|refusal| refusal.key).collect()
    };
    assert_eq!(keys("regime_scaling = true"), Vec::<String>::new());
    assert_eq!(
        keys(
            "[volatility]\nregimes = [0.01, 0.005, 0.02, 0.03, 0.05]\nmultipliers = [1.0, 1.5, 1.2, 2.0, 3.0, 5.0]\n\
             rise = -1.0\nleast_samples = 0\npercentiles = [95.0, 90.0]\nz_scores = [3.0, 2.0]\nvariation = 0.0\n\
             percentile_boosts = [0.5, 1.5]\nlimit = nan"
        ),
        [
            "volatility.regimes",
            "volatility.multipliers",
            "volatility.rise",
            "volatility.least_samples",
            "volatility.percentiles",
            "volatility.z_scores",
            "volatility.variation",
            "volatility.percentile_boosts",
            "volatility.limit",
        ]
    );
    assert_eq!(
        keys(
            "[regime]\nilliquid = 80.0\nleast_samples = 289\ntrend_move = 0.06\n\
             velocity = [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]\nvolume = [1.0, 1.0, 1.0, 1.0, 1.0, nan]"
        ),
        [
            "regime.illiquid and regime.deep",
            "regime.least_samples",
            "regime.strong_move",
            "regime.velocity",
            "regime.volume",
        ]
    );
}
