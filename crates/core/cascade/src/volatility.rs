//! What BTC's volatility says: its regime, and by how much it multiplies the odds of a cascade (signals.md 4). Pure.
//! Where the figures come from is the returns' affair.

use cascade_domain::Regime;
use cascade_engine::deviation;
use serde::Deserialize;

/// The hour holds four quarters, so its volatility is twice a quarter's.
const QUARTERS_TO_HOUR: f64 = 2.0;

/// The regimes of volatility, and the multiplier.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolatilityConfig {
    /// Volatility of an hour, a fraction, from which it is LOW, NORMAL, ELEVATED, HIGH, EXTREME.
    pub regimes: [f64; 5],
    /// The multiplier of each regime, DORMANT first.
    pub multipliers: [f64; 6],
    /// A rise of the five-minute volatility over one minute, a fraction, times this and plus 1, multiplies.
    pub rise: f64,
    /// Fewer five-minute samples than this tell neither percentile nor z.
    pub least_samples: u32,
    /// Percentiles, 0..=100, above which one of the next multiplies.
    pub percentiles: [f64; 2],
    /// By what, in the same order.
    pub percentile_boosts: [f64; 2],
    /// Distances from the mean, in standard deviations, above which one of the next multiplies.
    pub z_scores: [f64; 2],
    /// By what, in the same order.
    pub z_score_boosts: [f64; 2],
    /// Coefficient of variation of the volatilities of 1, 5 and 15 min, each as five minutes', above which the next
    /// multiplies.
    pub variation: f64,
    /// By what.
    pub variation_boost: f64,
    /// The largest multiplier.
    pub limit: f64,
}

impl Default for VolatilityConfig {
    fn default() -> Self {
        Self {
            regimes: [0.005, 0.01, 0.02, 0.03, 0.05],
            multipliers: [1.0, 1.2, 1.5, 2.0, 3.0, 5.0],
            rise: 10.0,
            least_samples: 20,
            percentiles: [90.0, 95.0],
            percentile_boosts: [1.2, 1.5],
            z_scores: [2.0, 3.0],
            z_score_boosts: [1.5, 2.0],
            variation: 0.5,
            variation_boost: 1.3,
            limit: 10.0,
        }
    }
}

/// Volatility and where it stands; unknown is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Square root of the sum of squared one-second log returns of one minute, a fraction.
    pub vol_1m: Option<f64>,
    /// Of five minutes.
    pub vol_5m: Option<f64>,
    /// Of fifteen minutes.
    pub vol_15m: Option<f64>,
    /// Of an hour.
    pub vol_1h: Option<f64>,
    /// `vol_5m` less what it was 60 s ago, a signed fraction.
    pub rise_5m: Option<f64>,
    /// Where `vol_5m` stands among the day's five-minute samples, 0..=100.
    pub percentile: Option<f64>,
    /// How many of their standard deviations it stands above their mean.
    pub z_score: Option<f64>,
}

/// The regime of volatility; unknown where the volatility of fifteen minutes is.
pub fn regime(config: &VolatilityConfig, figures: &Figures) -> Option<Regime> {
    let hour = QUARTERS_TO_HOUR * figures.vol_15m?;
    let reached = config.regimes.iter().take_while(|from| hour >= **from).count();
    Regime::ALL.get(reached).copied()
}

/// The multiplier, 1..=[`VolatilityConfig::limit`]; what is unknown of its factors is left out. Unknown itself where
/// the regime is.
pub fn multiplier(config: &VolatilityConfig, figures: &Figures) -> Option<f64> {
    let mut product = config.multipliers[regime(config, figures)? as usize];
    if let Some(rise) = figures.rise_5m {
        product *= 1.0 + config.rise * rise.max(0.0);
    }
    product *= boost(figures.percentile, config.percentiles, config.percentile_boosts);
    product *= boost(figures.z_score.map(f64::abs), config.z_scores, config.z_score_boosts);
    if variation(figures).is_some_and(|variation| variation > config.variation) {
        product *= config.variation_boost;
    }
    Some(product.clamp(1.0, config.limit))
}

/// The boost of the highest step that the value is above; 1 where it is above none, or unknown.
fn boost(value: Option<f64>, steps: [f64; 2], boosts: [f64; 2]) -> f64 {
    let Some(value) = value else { return 1.0 };
    let above = steps.iter().zip(boosts).rev().find(|(step, _)| value > **step);
    above.map_or(1.0, |(_, boost)| boost)
}

/// Population deviation by mean of the volatilities of 1, 5 and 15 min, each brought to five minutes; unknown where one
/// of them is, and where nothing moves.
fn variation(figures: &Figures) -> Option<f64> {
    let brought = [figures.vol_1m? * 5.0_f64.sqrt(), figures.vol_5m?, figures.vol_15m? / 3.0_f64.sqrt()];
    let mean = brought.iter().sum::<f64>() / 3.0;
    let variation = deviation(&brought)? / mean;
    variation.is_finite().then_some(variation)
}
