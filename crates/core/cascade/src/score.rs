//! The cascade score, 0-1: a pure function of six inputs. It explains; it is no probability until it is calibrated.

use cascade_domain::Factors;

use crate::config::ScoreConfig;
use crate::preset::Preset;

/// What the score is made of; unknown is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreInput {
    /// Orders a second over 2 s.
    pub velocity: Option<f64>,
    /// Orders a second, a second.
    pub acceleration: Option<f64>,
    /// US dollars a second over 10 s.
    pub volume: Option<f64>,
    /// Change of open interest over one minute, a signed fraction (-0.01 = fell by 1 %).
    pub oi_change: Option<f64>,
    /// Funding rate per 8 h, a signed fraction.
    pub funding: Option<f64>,
    /// Volatility multiplier.
    pub multiplier: Option<f64>,
    /// Mean Pearson coefficient over venue pairs.
    pub venue_correlation: Option<f64>,
}

/// The score and how it came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Each factor's score, 0..=1.
    pub scores: Factors,
    /// Weight times score.
    pub contributions: Factors,
    /// Which inputs were unknown or no finite number, in the order of [`Factors::NAMES`].
    pub missing: [bool; 6],
    /// The sum of the contributions, 0..=1.
    pub raw: f64,
    /// Whether the boost of acceleration with velocity applied.
    pub acceleration_boost: bool,
    /// Whether the boost of venue correlation applied.
    pub correlation_boost: bool,
    /// The sum with its boosts, 0..=1.
    pub boosted: f64,
    /// `boosted` with its odds multiplied by the volatility multiplier, 0..=1.
    pub score: f64,
}

/// The score of an input.
pub fn rate(config: &ScoreConfig, preset: &Preset, input: &ScoreInput) -> Scored {
    let known = |value: Option<f64>| value.filter(|value| value.is_finite());
    let inputs = [
        known(input.velocity),
        known(input.acceleration).map(|value| if preset.absolute { value.abs() } else { value }),
        known(input.volume),
        known(input.oi_change).map(|value| if preset.absolute { value.abs() } else { 0.0 - value }),
        known(input.funding).map(f64::abs),
        known(input.multiplier).map(|value| value - 1.0),
    ];
    let full = [
        preset.velocity_full,
        preset.acceleration_full,
        preset.volume_full_usd,
        preset.oi_change_full,
        config.funding_full,
        config.volatility_full - 1.0,
    ];
    let weights = [
        config.velocity_weight,
        config.acceleration_weight,
        config.volume_weight,
        config.oi_change_weight,
        config.funding_weight,
        config.volatility_weight,
    ];
    let mut scores = [0.0; 6];
    let mut contributions = [0.0; 6];
    let mut raw = 0.0;
    for factor in 0..6 {
        scores[factor] = inputs[factor].map_or(0.0, |value| (value / full[factor]).clamp(0.0, 1.0));
        contributions[factor] = weights[factor] * scores[factor];
        raw += contributions[factor];
    }
    let raw = raw.min(1.0);
    let acceleration_boost =
        scores[1] > config.boost_acceleration_above && scores[0] > config.boost_velocity_above;
    let correlation_boost =
        known(input.venue_correlation).is_some_and(|value| value > config.boost_correlation_above);
    let mut boosted = raw;
    if acceleration_boost {
        boosted *= config.acceleration_boost;
    }
    if correlation_boost {
        boosted *= config.correlation_boost;
    }
    let boosted = boosted.min(1.0);
    let odds = known(input.multiplier).unwrap_or(1.0).clamp(1.0, config.odds_limit);
    Scored {
        scores: Factors::from_array(scores),
        contributions: Factors::from_array(contributions),
        missing: inputs.map(|value| value.is_none()),
        raw,
        acceleration_boost,
        correlation_boost,
        boosted,
        score: (boosted * odds / (1.0 + boosted * (odds - 1.0))).clamp(0.0, 1.0),
    }
}
