//! Every row of the acceptance tables of risk, score and rungs (signals.md 3, 5, 6), and the settings.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]

use cascade_detector::risk::{RiskInput, assess};
use cascade_detector::rungs::{RungInput, Sides, Thresholds};
use cascade_detector::score::{ScoreInput, rate};
use cascade_detector::{Config, PresetName, RiskConfig};
use cascade_domain::{Level, Reason, RiskAction, RiskLevel, Symbol};

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

fn input() -> RiskInput {
    RiskInput { live_share: 1.0, ..RiskInput::default() }
}

/// Orders a second over 0.1 s, over 2 s and 10 s alike, over 60 s.
fn velocities(short: f64, middle: f64, long: f64) -> RiskInput {
    RiskInput {
        velocity_100ms: short,
        velocity_2s: middle,
        velocity_10s: middle,
        velocity_60s: long,
        ..input()
    }
}

#[test]
fn the_risk_score_of_every_row() {
    let rows = [
        (
            RiskInput { volume_usd: 10e3, ..velocities(1.0, 1.0, 1.0) },
            (4.875, RiskLevel::None, Some(0.65), RiskAction::Normal),
        ),
        (
            RiskInput { acceleration: Some(5.0), volume_usd: 500e3, ..velocities(20.0, 15.0, 12.0) },
            (49.83, RiskLevel::Medium, Some(0.60), RiskAction::Monitor),
        ),
        (
            RiskInput {
                acceleration: Some(12.0),
                jerk: Some(15.0),
                volume_usd: 6e6,
                count_60s: 100,
                ..velocities(30.0, 25.0, 20.0)
            },
            (81.875, RiskLevel::Critical, Some(0.85), RiskAction::Urgent),
        ),
        (
            RiskInput { acceleration: Some(5.0), volume_usd: 50e3, ..velocities(0.0, 5.0, 0.0) },
            (23.75, RiskLevel::Low, None, RiskAction::Normal),
        ),
        (
            RiskInput {
                acceleration: Some(3.0),
                jerk: Some(6.0),
                volume_usd: 50e3,
                ..velocities(0.0, 5.0, 0.0)
            },
            (30.75, RiskLevel::Low, None, RiskAction::Normal),
        ),
        (
            RiskInput { volume_usd: 2e6, average_usd: 100e3, count_60s: 20, ..velocities(0.0, 3.0, 0.0) },
            (23.25, RiskLevel::Low, Some(0.85), RiskAction::Normal),
        ),
        (
            RiskInput {
                volume_usd: 100e3,
                correlation: Some((0.85 + 0.80 + 0.82) / 3.0),
                ..velocities(0.0, 5.0, 0.0)
            },
            (26.25, RiskLevel::Low, None, RiskAction::Normal),
        ),
        (
            RiskInput { volume_usd: 50e3, ..velocities(10.0, 5.0, 2.0) },
            (21.75, RiskLevel::Low, None, RiskAction::Normal),
        ),
        (
            RiskInput {
                acceleration: Some(10.0),
                volume_usd: 3e6,
                count_60s: 100,
                ..velocities(0.0, 25.0, 0.0)
            },
            (56.25, RiskLevel::High, Some(0.85), RiskAction::Alert),
        ),
    ];
    for (row, (input, (score, level, confidence, action))) in rows.into_iter().enumerate() {
        let risk = assess(&RiskConfig::default(), &input);
        assert!((risk.score - score).abs() < 5e-3, "row {row}: score {}", risk.score);
        assert_eq!((risk.level, risk.action), (level, action), "row {row}");
        if let Some(confidence) = confidence {
            assert!(near(risk.confidence, confidence), "row {row}: confidence {}", risk.confidence);
        }
    }
}

#[test]
fn the_risk_factors_that_rows_name() {
    let factors = |input| assess(&RiskConfig::default(), &input).factors;
    let given = velocities(0.0, 5.0, 0.0);
    assert!(near(factors(RiskInput { acceleration: Some(5.0), ..given }).acceleration, 75.0));
    assert!(near(factors(RiskInput { jerk: Some(6.0), ..given }).jerk, 80.0));
    assert!(near(factors(RiskInput { volume_usd: 2e6, average_usd: 100e3, ..given }).volume, 97.5));
    assert!(near(factors(RiskInput { correlation: Some(0.8233), ..given }).correlation, 100.0));
    assert!(near(factors(RiskInput { correlation: Some(0.6), ..given }).correlation, 75.0));
    assert!(near(factors(RiskInput { correlation: Some(-0.6), ..given }).correlation, 0.0));
    assert!(near(factors(velocities(10.0, 5.0, 2.0)).clustering, 100.0));
    assert!(near(factors(velocities(5.0, 5.0, 2.0)).clustering, 75.0));
    assert!(near(factors(velocities(2.0, 5.0, 2.0)).clustering, 25.0));
}

#[test]
fn half_the_venues_live_is_half_the_confidence() {
    let of = |live_share| {
        assess(&RiskConfig::default(), &RiskInput { live_share, ..velocities(1.0, 1.0, 1.0) }).confidence
    };
    assert!(near(of(0.5), of(1.0) / 2.0));
}

fn zero() -> ScoreInput {
    ScoreInput {
        velocity: Some(0.0),
        acceleration: Some(0.0),
        volume: Some(0.0),
        oi_change: Some(0.0),
        funding: Some(0.0),
        multiplier: Some(1.0),
        venue_correlation: None,
    }
}

#[test]
fn the_seed_score_of_every_row() {
    let config = Config { preset: PresetName::Seed, ..Config::default() };
    let half = ScoreInput {
        velocity: Some(25.0),
        acceleration: Some(10.0),
        volume: Some(25e6),
        oi_change: Some(0.025),
        funding: Some(0.0005),
        ..zero()
    };
    let rows = [
        (zero(), 0.0, 0.0),
        (half, 0.45, 0.45),
        (ScoreInput { multiplier: Some(3.0), ..half }, 0.50, 0.75),
        (ScoreInput { velocity: Some(36.0), acceleration: Some(17.0), ..zero() }, 0.35, 0.525),
        (ScoreInput { velocity: Some(50.0), acceleration: Some(-20.0), ..zero() }, 0.45, 0.675),
        (ScoreInput { velocity: Some(2.0), multiplier: Some(10.0), ..zero() }, 0.11, 0.33 / 1.22),
        (ScoreInput { velocity: Some(f64::NAN), acceleration: Some(f64::INFINITY), ..zero() }, 0.0, 0.0),
    ];
    for (row, (input, raw, score)) in rows.into_iter().enumerate() {
        let scored = rate(&config.score, config.preset(), &input);
        assert!(near(scored.raw, raw), "row {row}: raw {}", scored.raw);
        assert!(near(scored.score, score), "row {row}: score {}", scored.score);
        let expected = if row == 6 { [true, true, false, false, false, false] } else { [false; 6] };
        assert_eq!(scored.missing, expected, "row {row}");
    }
}

#[test]
fn by_default_only_speeding_up_and_falling_open_interest_score() {
    let config = Config::default();
    let of = |input| rate(&config.score, config.preset(), &input).scores;
    assert!(near(of(ScoreInput { acceleration: Some(-5.0), ..zero() }).acceleration, 0.0));
    assert!(near(of(ScoreInput { oi_change: Some(0.01), ..zero() }).oi_change, 0.0));
    assert!(near(of(ScoreInput { oi_change: Some(-0.01), ..zero() }).oi_change, 1.0));
    assert!(near(of(ScoreInput { funding: Some(-0.001), ..zero() }).funding, 1.0));
}

#[test]
fn venues_that_fall_together_boost_the_score() {
    let config = Config::default();
    let input = ScoreInput { velocity: Some(20.0), venue_correlation: Some(0.71), ..zero() };
    let scored = rate(&config.score, config.preset(), &input);
    assert!(scored.correlation_boost && near(scored.boosted, 0.30), "{scored:?}");
    let input = ScoreInput { venue_correlation: Some(0.70), ..input };
    assert!(!rate(&config.score, config.preset(), &input).correlation_boost);
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

const MICRO: i128 = 1_000_000;

fn flow(long: i128, short: i128, count: u64, change_60s: Option<f64>) -> RungInput {
    RungInput {
        sides: Sides { long: long * MICRO, short: short * MICRO },
        count,
        change_60s,
        ..RungInput::default()
    }
}

fn reach(config: &Config, name: &str, open_interest: Option<i128>, input: RungInput) -> (Level, Vec<Reason>) {
    let thresholds = Thresholds::of(config, &symbol(name));
    let unit = thresholds.unit(open_interest.map(|usd| usd * MICRO));
    let reached = thresholds.reach(&RungInput { unit, ..input });
    (reached.level, reached.reasons.to_vec())
}

#[test]
fn the_level_of_every_row() {
    use Level::{Alert, Critical, Extreme, Watch};
    let known = Some(0.0);
    let rule = vec![Reason::CascadeRule];
    let by_flow = vec![Reason::Flow];
    let rows = [
        (flow(500_000, 0, 5, known), Watch, rule),
        (flow(999_999, 0, 1, known), Level::None, vec![]),
        (flow(1_000_000, 0, 1, known), Watch, by_flow.clone()),
        (flow(3_000_000, 1_000_000, 2, known), Alert, by_flow.clone()),
        (flow(3_000_000, 1_060_000, 2, known), Watch, by_flow.clone()),
        (flow(3_000_000, 1_060_000, 5, known), Watch, vec![Reason::Flow, Reason::CascadeRule]),
        (flow(9_000_000, 0, 3, Some(-0.005)), Critical, by_flow.clone()),
        (flow(9_000_000, 0, 3, Some((99_500.0 - 100_000.0) / 100_000.0)), Critical, by_flow.clone()),
        (flow(9_000_000, 0, 3, Some((81_984.915_5 - 82_396.9) / 82_396.9)), Critical, by_flow.clone()),
        (flow(9_000_000, 0, 3, Some(-0.0049)), Alert, by_flow.clone()),
        (flow(9_000_000, 0, 3, Some(0.02)), Alert, by_flow.clone()),
        (flow(9_000_000, 0, 3, None), Alert, by_flow.clone()),
        (flow(18_000_000, 0, 3, None), Critical, by_flow.clone()),
        (flow(60_000_000, 0, 3, None), Extreme, by_flow.clone()),
        (flow(30_000_000, 0, 3, Some(-0.015)), Extreme, by_flow.clone()),
        (flow(30_000_000, 0, 3, Some(-0.005)), Critical, by_flow.clone()),
        (flow(0, 30_000_000, 3, Some(0.015)), Extreme, by_flow),
        (
            RungInput { change_15m: Some(-0.031), ..flow(1_200_000, 0, 2, known) },
            Alert,
            vec![Reason::PriceDrop],
        ),
    ];
    let config = Config::default();
    for (row, (input, level, reasons)) in rows.into_iter().enumerate() {
        assert_eq!(reach(&config, "BTCUSDT", None, input), (level, reasons), "row {row}");
    }
}

#[test]
fn the_unit_of_other_symbols_grows_with_open_interest() {
    let config = Config::default();
    let one = flow(100_000, 0, 1, Some(0.0));
    assert_eq!(reach(&config, "DOGEUSDT", None, one).0, Level::Alert);
    assert_eq!(reach(&config, "DOGEUSDT", Some(1_000_000_000), one).0, Level::None);
    let third = flow(166_667, 0, 1, Some(0.0));
    assert_eq!(reach(&config, "DOGEUSDT", Some(1_000_000_000), third).0, Level::Watch);
    assert_eq!(
        reach(&config, "BTCUSDT", Some(1_000_000_000_000), flow(3_000_000, 0, 1, None)).0,
        Level::Alert
    );
}

#[test]
fn moves_are_judged_by_symbol() {
    let config = Config::default();
    let of = |name, usd, change| reach(&config, name, None, flow(usd, 0, 1, Some(change))).0;
    assert_eq!(of("ETHUSDT", 6_000_000, -0.0069), Level::Alert);
    assert_eq!(of("ETHUSDT", 6_000_000, -0.007), Level::Critical);
    assert_eq!(of("SOLUSDT", 1_500_000, -0.0099), Level::Alert);
    assert_eq!(of("SOLUSDT", 1_500_000, -0.01), Level::Critical);
    assert_eq!(of("SOLUSDT", 5_000_000, -0.029), Level::Critical);
    assert_eq!(of("SOLUSDT", 5_000_000, -0.03), Level::Extreme);
    let drop = |name, usd, change| {
        let input = RungInput { change_15m: Some(change), ..flow(usd, 0, 1, Some(0.0)) };
        reach(&config, name, None, input).0
    };
    assert_eq!(
        (drop("SOLUSDT", 200_000, -0.049), drop("SOLUSDT", 200_000, -0.05)),
        (Level::Watch, Level::Alert)
    );
    assert_eq!((drop("XUSDT", 40_000, -0.079), drop("XUSDT", 40_000, -0.08)), (Level::Watch, Level::Alert));
    assert_eq!(drop("XUSDT", 30_000, -0.5), Level::None, "not without flow");
}

#[test]
fn the_score_counts_only_with_one_sided_flow() {
    let config = Config::default();
    let of = |long, short, score| {
        let input = RungInput { score: Some(score), ..flow(long, short, 2, Some(0.0)) };
        reach(&config, "BTCUSDT", None, input)
    };
    assert_eq!(of(1_000_000, 0, 0.29), (Level::Watch, vec![Reason::Flow]));
    assert_eq!(of(1_000_000, 0, 0.30), (Level::Watch, vec![Reason::Flow, Reason::Score]));
    assert_eq!(of(1_000_000, 0, 0.50), (Level::Alert, vec![Reason::Score]));
    assert_eq!(of(1_000_000, 0, 0.70), (Level::Critical, vec![Reason::Score]));
    assert_eq!(of(1_000_000, 0, 0.90), (Level::Extreme, vec![Reason::Score]));
    assert_eq!(of(1_000_000, 400_000, 0.90).0, Level::Watch, "not one-sided");
    assert_eq!(of(999_999, 0, 0.90).0, Level::None, "no flow");
}

#[test]
fn the_cascade_rule_by_symbol_and_preset() {
    let config = Config::default();
    let of = |name, usd: i128, count| reach(&config, name, None, flow(usd / 2, usd / 2, count, Some(0.0))).0;
    for (name, count, usd) in
        [("BTCUSDT", 5, 500_000), ("ETHUSDT", 5, 250_000), ("SOLUSDT", 4, 100_000), ("XUSDT", 5, 50_000)]
    {
        assert_eq!(of(name, usd, count), Level::Watch, "{name}");
        assert_eq!(of(name, usd, count - 1), Level::None, "{name}");
        assert_eq!(of(name, usd - 2, count), Level::None, "{name}");
    }
    let seed = Config { preset: PresetName::Seed, ..Config::default() };
    assert_eq!(reach(&seed, "BTCUSDT", None, flow(500_000, 0, 5, Some(0.0))).0, Level::Alert);
}

#[test]
fn the_velocity_rung_is_the_seed_presets_alone() {
    let seed = Config { preset: PresetName::Seed, ..Config::default() };
    let input = |velocity_2s, acceleration| RungInput {
        velocity_2s,
        acceleration: Some(acceleration),
        ..flow(1, 0, 1, None)
    };
    let of = |v, a| reach(&seed, "BTCUSDT", None, input(v, a)).0;
    assert_eq!(of(9.9, 0.0), Level::None);
    assert_eq!(of(10.0, 0.0), Level::Watch);
    assert_eq!(of(20.0, 0.0), Level::Alert);
    assert_eq!(of(50.0, 19.9), Level::Alert);
    assert_eq!(of(50.0, -20.0), Level::Critical);
    assert_eq!(of(100.0, 39.9), Level::Critical);
    assert_eq!(of(100.0, 40.0), Level::Extreme);
    assert_eq!(reach(&Config::default(), "BTCUSDT", None, input(100.0, 40.0)).0, Level::None);
}

#[test]
fn calm_doubles_the_units() {
    let calm = Config { preset: PresetName::Calm, ..Config::default() };
    let of = |usd| reach(&calm, "BTCUSDT", None, flow(usd, 0, 1, Some(0.0))).0;
    assert_eq!(
        (of(1_999_999), of(2_000_000), of(5_999_999), of(6_000_000)),
        (Level::None, Level::Watch, Level::Watch, Level::Alert)
    );
}

#[test]
fn large_thresholds_by_symbol_and_preset() {
    let of =
        |preset, name| Thresholds::of(&Config { preset, ..Config::default() }, &symbol(name)).large / MICRO;
    let names = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XUSDT"];
    assert_eq!(names.map(|name| of(PresetName::Balanced, name)), [1_000_000, 500_000, 250_000, 100_000]);
    assert_eq!(names.map(|name| of(PresetName::Seed, name)), [100_000, 50_000, 25_000, 10_000]);
}

#[test]
fn the_written_section_says_the_defaults() {
    #[derive(serde::Deserialize)]
    struct File {
        cascade: Config,
    }
    let file: File = toml::from_str(include_str!("../../../../config/cascade.toml")).unwrap();
    assert_eq!(file.cascade, Config::default());
    assert_eq!(Config::default().refusals(), []);
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
}

#[test]
fn one_override_leaves_the_rest_as_built_in() {
    let config: Config = toml::from_str("preset = 'calm'\n[symbols.BTCUSDT]\nunit_usd = 5_000_000").unwrap();
    let own = config.symbol(&symbol("BTCUSDT"));
    assert!(near(own.unit_usd, 5e6) && near(own.critical_move, 0.005), "{own:?}");
    assert!(near(config.symbol(&symbol("ETHUSDT")).unit_usd, 2e6));
    assert_ne!(config.hash(), Config::default().hash());
    assert!(toml::from_str::<Config>("typo = 1").is_err());
}

#[test]
fn every_mistake_is_refused_by_its_key() {
    let config: Config = toml::from_str(
        "[flow]\nshare = 1.5\ncritical = 0.5\n[samples]\ncoverage = nan\n[score]\nvelocity_weight = 0.5\n\
         [risk]\nvelocity = [5.0, 2.0, 10.0, 20.0]\n[symbols.XUSDT]\nunit_usd = -1\ncascade_orders = 0\n\
         [episode]\nhold_s = 0",
    )
    .unwrap();
    let keys: Vec<String> = config.refusals().into_iter().map(|refusal| refusal.key).collect();
    assert_eq!(
        keys,
        [
            "episode.hold_s",
            "samples.coverage",
            "risk.velocity",
            "score.*_weight",
            "flow.share",
            "flow.critical",
            "symbols.XUSDT.unit_usd",
            "symbols.XUSDT.cascade_orders",
        ]
    );
}

#[test]
fn the_label_is_version_and_eight_digits() {
    let label = Config::default().engine_label();
    let (version, hash) = label.split_once('+').unwrap();
    assert_eq!((version, hash.len()), ("0.1.0", 8));
    assert!(hash.bytes().all(|digit| digit.is_ascii_hexdigit()));
}
