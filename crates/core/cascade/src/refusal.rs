//! What is wrong with settings: each refusal names its key and what would be right.

use cascade_domain::Refusal;

use crate::config::{Config, RiskConfig, ScoreConfig};
use crate::preset::Preset;
use crate::regime::RegimeConfig;
use crate::symbol::SymbolThresholds;
use crate::volatility::VolatilityConfig;

impl Config {
    /// Every mistake in these settings; keys are relative to the section.
    pub fn refusals(&self) -> Vec<Refusal> {
        let mut found = Vec::new();
        let check = &mut found;
        self.check_memory(check);
        check_risk(check, &self.risk);
        check_score(check, &self.score);
        self.check_rungs(check);
        check_volatility(check, &self.volatility);
        check_regime(check, &self.regime);
        check_thresholds(check, "others", &self.others);
        for symbol in self.symbols.keys() {
            check_thresholds(check, &format!("symbols.{symbol}"), &self.symbol(symbol));
        }
        let presets = &self.presets;
        for (name, preset) in
            [("balanced", &presets.balanced), ("calm", &presets.calm), ("seed", &presets.seed)]
        {
            check_preset(check, name, preset);
        }
        found
    }

    fn check_memory(&self, found: &mut Vec<Refusal>) {
        let memory = &self.memory;
        let samples = &self.samples;
        for (key, value, from, to) in [
            ("memory.future_s", memory.future_s, 1, 86_400),
            ("memory.idle_s", memory.idle_s, 60, 86_400),
            ("memory.max_orders", memory.max_orders, 1, 1 << 20),
            ("memory.max_symbols", memory.max_symbols, 1, 1 << 16),
            ("samples.mark_s", samples.mark_s, 1, 60),
            ("samples.open_interest_s", samples.open_interest_s, 1, 3_600),
            ("samples.funding_s", samples.funding_s, 1, 86_400),
            ("episode.hold_s", self.episode.hold_s, 1, 600),
            ("episode.close_s", self.episode.close_s, 1, 3_600),
        ] {
            if value < from || value > to {
                found.push(Refusal::new(key, format!("{value} is not between {from} and {to}")));
            }
        }
        fraction(found, "samples.coverage", samples.coverage);
    }

    fn check_rungs(&self, found: &mut Vec<Refusal>) {
        let flow = &self.flow;
        fraction(found, "flow.share", flow.share);
        if !(flow.watch_divisor >= 1.0 && flow.watch_divisor <= 1e6) {
            let reason = format!("{} is not between 1 and 1000000", flow.watch_divisor);
            found.push(Refusal::new("flow.watch_divisor", reason));
        }
        rising(found, "flow", &["alert", "critical", "extreme"], &[flow.alert, flow.critical, flow.extreme]);
        rising(
            found,
            "flow",
            &["alert", "critical_unpriced", "extreme_unpriced"],
            &[flow.alert, flow.critical_unpriced, flow.extreme_unpriced],
        );
        let rung = &self.velocity;
        rising(
            found,
            "velocity",
            &["watch", "alert", "critical", "extreme"],
            &[rung.watch, rung.alert, rung.critical, rung.extreme],
        );
        rising(
            found,
            "velocity",
            &["critical_acceleration", "extreme_acceleration"],
            &[rung.critical_acceleration, rung.extreme_acceleration],
        );
    }
}

fn positive(found: &mut Vec<Refusal>, key: &str, value: f64) {
    if !(value > 0.0 && value <= 1e12) {
        found.push(Refusal::new(key, format!("{value} is not above 0 and at most 1000000000000")));
    }
}

fn fraction(found: &mut Vec<Refusal>, key: &str, value: f64) {
    if !(value > 0.0 && value <= 1.0) {
        found.push(Refusal::new(key, format!("{value} is not above 0 and at most 1")));
    }
}

/// Each must be positive and none smaller than the one before.
fn rising(found: &mut Vec<Refusal>, table: &str, keys: &[&str], values: &[f64]) {
    let mut least = 0.0;
    for (key, value) in keys.iter().zip(values) {
        let key = format!("{table}.{key}");
        positive(found, &key, *value);
        if *value < least {
            found.push(Refusal::new(key, format!("{value} is below {least}, the one before it")));
        }
        least = *value;
    }
}

/// Each must be above 0 and above the one before.
fn ladder(found: &mut Vec<Refusal>, key: &str, values: &[f64]) {
    let ascending = values.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || values.iter().any(|value| !(*value > 0.0 && *value <= 1e12)) {
        let reason = format!("{values:?} does not rise from above 0 to at most 1000000000000");
        found.push(Refusal::new(key, reason));
    }
}

fn weights(found: &mut Vec<Refusal>, table: &str, weights: &[f64]) {
    let sum: f64 = weights.iter().sum();
    if weights.iter().any(|weight| weight.is_nan() || *weight < 0.0)
        || sum.is_nan()
        || (sum - 1.0).abs() > 1e-9
    {
        found.push(Refusal::new(
            format!("{table}.*_weight"),
            format!("the weights must not be negative and must add up to 1; they add up to {sum}"),
        ));
    }
}

fn boost(found: &mut Vec<Refusal>, key: &str, value: f64) {
    if !(1.0..=100.0).contains(&value) {
        found.push(Refusal::new(key, format!("{value} is not between 1 and 100")));
    }
}

fn check_risk(found: &mut Vec<Refusal>, risk: &RiskConfig) {
    let parts = [
        risk.velocity_weight,
        risk.acceleration_weight,
        risk.jerk_weight,
        risk.volume_weight,
        risk.correlation_weight,
        risk.clustering_weight,
    ];
    weights(found, "risk", &parts);
    ladder(found, "risk.velocity", &risk.velocity);
    ladder(found, "risk.acceleration", &risk.acceleration);
    ladder(found, "risk.jerk", &risk.jerk);
    ladder(found, "risk.volume_usd", &risk.volume_usd);
    ladder(found, "risk.correlation", &risk.correlation);
    ladder(found, "risk.clustering", &risk.clustering);
    ladder(found, "risk.levels", &risk.levels);
    positive(found, "risk.large_average_usd", risk.large_average_usd);
    boost(found, "risk.large_average_boost", risk.large_average_boost);
    fraction(found, "risk.urgent_confidence", risk.urgent_confidence);
    fraction(found, "risk.alert_confidence", risk.alert_confidence);
}

fn check_score(found: &mut Vec<Refusal>, score: &ScoreConfig) {
    let parts = [
        score.velocity_weight,
        score.acceleration_weight,
        score.volume_weight,
        score.oi_change_weight,
        score.funding_weight,
        score.volatility_weight,
    ];
    weights(found, "score", &parts);
    positive(found, "score.funding_full", score.funding_full);
    ladder(found, "score.volatility_full", &[1.0, score.volatility_full]);
    boost(found, "score.odds_limit", score.odds_limit);
    boost(found, "score.acceleration_boost", score.acceleration_boost);
    boost(found, "score.correlation_boost", score.correlation_boost);
    fraction(found, "score.boost_acceleration_above", score.boost_acceleration_above);
    fraction(found, "score.boost_velocity_above", score.boost_velocity_above);
    fraction(found, "score.boost_correlation_above", score.boost_correlation_above);
    let rungs = [score.watch, score.alert, score.critical, score.extreme];
    rising(found, "score", &["watch", "alert", "critical", "extreme"], &rungs);
    if score.extreme > 1.0 {
        found.push(Refusal::new("score.extreme", "a score is never above 1"));
    }
}

fn check_volatility(found: &mut Vec<Refusal>, volatility: &VolatilityConfig) {
    ladder(found, "volatility.regimes", &volatility.regimes);
    let mut least = 1.0;
    for value in volatility.multipliers {
        boost(found, "volatility.multipliers", value);
        if value < least {
            let reason = format!("{value} is below {least}, the one before it");
            found.push(Refusal::new("volatility.multipliers", reason));
        }
        least = value;
    }
    if !(0.0..=1e6).contains(&volatility.rise) {
        let reason = format!("{} is not between 0 and 1000000", volatility.rise);
        found.push(Refusal::new("volatility.rise", reason));
    }
    enough(found, "volatility.least_samples", volatility.least_samples);
    percentiles(found, "volatility.percentiles", volatility.percentiles);
    ladder(found, "volatility.z_scores", &volatility.z_scores);
    positive(found, "volatility.variation", volatility.variation);
    for (key, value) in [
        ("volatility.percentile_boosts", volatility.percentile_boosts[0]),
        ("volatility.percentile_boosts", volatility.percentile_boosts[1]),
        ("volatility.z_score_boosts", volatility.z_score_boosts[0]),
        ("volatility.z_score_boosts", volatility.z_score_boosts[1]),
        ("volatility.variation_boost", volatility.variation_boost),
        ("volatility.limit", volatility.limit),
    ] {
        boost(found, key, value);
    }
}

fn check_regime(found: &mut Vec<Refusal>, regime: &RegimeConfig) {
    percentiles(found, "regime.illiquid and regime.deep", [regime.illiquid, regime.deep]);
    enough(found, "regime.least_samples", regime.least_samples);
    rising(found, "regime", &["trend_move", "strong_move"], &[regime.trend_move, regime.strong_move]);
    for (key, factors) in [("regime.velocity", regime.velocity), ("regime.volume", regime.volume)] {
        if factors.iter().any(|factor| !(0.01..=100.0).contains(factor)) {
            found.push(Refusal::new(key, format!("{factors:?} are not all between 0.01 and 100")));
        }
    }
}

/// A day has 288 samples.
fn enough(found: &mut Vec<Refusal>, key: &str, least: u32) {
    if !(1..=288).contains(&least) {
        found.push(Refusal::new(key, format!("{least} is not between 1 and 288")));
    }
}

fn percentiles(found: &mut Vec<Refusal>, key: &str, [lower, upper]: [f64; 2]) {
    if !(lower > 0.0 && lower < upper && upper < 100.0) {
        let reason = format!("{lower} and {upper} do not rise between 0 and 100");
        found.push(Refusal::new(key, reason));
    }
}

fn check_thresholds(found: &mut Vec<Refusal>, table: &str, symbol: &SymbolThresholds) {
    for (key, value) in [
        ("unit_usd", symbol.unit_usd),
        ("cascade_usd", symbol.cascade_usd),
        ("large_usd", symbol.large_usd),
        ("alert_move_15m", symbol.alert_move_15m),
    ] {
        positive(found, &format!("{table}.{key}"), value);
    }
    let moves = [symbol.critical_move, symbol.extreme_move];
    rising(found, table, &["critical_move", "extreme_move"], &moves);
    if !(0.0..=1.0).contains(&symbol.unit_open_interest) {
        let reason = format!("{} is not between 0 and 1", symbol.unit_open_interest);
        found.push(Refusal::new(format!("{table}.unit_open_interest"), reason));
    }
    if symbol.cascade_orders == 0 {
        found.push(Refusal::new(format!("{table}.cascade_orders"), "0 orders are no cascade; at least 1"));
    }
}

fn check_preset(found: &mut Vec<Refusal>, name: &str, preset: &Preset) {
    for (key, value) in [
        ("unit_factor", preset.unit_factor),
        ("large_factor", preset.large_factor),
        ("velocity_full", preset.velocity_full),
        ("acceleration_full", preset.acceleration_full),
        ("volume_full_usd", preset.volume_full_usd),
        ("oi_change_full", preset.oi_change_full),
    ] {
        positive(found, &format!("presets.{name}.{key}"), value);
    }
}
