//! What kind of market it is around a symbol, and how its thresholds follow where they are told to (signals.md 4).
//! Pure.

use cascade_domain::{Liquidity, Regime, Trend};
use serde::Deserialize;

use crate::rungs::MOVE_TOLERANCE;

/// Liquidity, trend, and what the thresholds are multiplied by.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegimeConfig {
    /// Percentile of the day, 0..=100, below which what is traded in five minutes is ILLIQUID.
    pub illiquid: f64,
    /// Percentile of the day above which it is DEEP.
    pub deep: f64,
    /// Fewer five-minute sums than this tell no liquidity.
    pub least_samples: u32,
    /// Price move over ten one-minute samples, a fraction, from which it is UP or DOWN.
    pub trend_move: f64,
    /// The same for STRONG.
    pub strong_move: f64,
    /// What the thresholds of velocity are multiplied by in each regime, DORMANT first.
    pub velocity: [f64; 6],
    /// The same for those of volume.
    pub volume: [f64; 6],
}

impl Default for RegimeConfig {
    fn default() -> Self {
        Self {
            illiquid: 25.0,
            deep: 75.0,
            least_samples: 20,
            trend_move: 0.02,
            strong_move: 0.05,
            velocity: [0.5, 0.7, 1.0, 1.3, 1.8, 2.5],
            volume: [0.6, 0.8, 1.0, 1.2, 1.5, 2.0],
        }
    }
}

/// How much is traded, by the percentile (0..=100) of five minutes among the day's.
pub fn liquidity(config: &RegimeConfig, percentile: Option<f64>) -> Option<Liquidity> {
    let percentile = percentile?;
    Some(if percentile > config.deep {
        Liquidity::Deep
    } else if percentile < config.illiquid {
        Liquidity::Illiquid
    } else {
        Liquidity::Normal
    })
}

/// The market regime: that of volatility, one up where the symbol is ILLIQUID, one down where it is DEEP.
pub fn market(volatility: Option<Regime>, liquidity: Option<Liquidity>) -> Option<Regime> {
    let volatility = volatility?;
    Some(match liquidity {
        Some(Liquidity::Illiquid) => volatility.up(),
        Some(Liquidity::Deep) => volatility.down(),
        Some(Liquidity::Normal) | None => volatility,
    })
}

/// How prices went: what a trend is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// Mean of the last ten one-minute prices.
    pub recent_mean: f64,
    /// Mean of the last twenty.
    pub mean: f64,
    /// Change from the first to the last of the last ten, a signed fraction.
    pub change: f64,
}

/// Which way the price goes: both the mean of the last ten against that of twenty and the move over the ten say so.
pub fn trend(config: &RegimeConfig, course: &Course) -> Trend {
    let moved = |by: f64, threshold: f64| by >= threshold - MOVE_TOLERANCE;
    let Course { recent_mean, mean, change } = *course;
    if recent_mean > mean && moved(change, config.strong_move) {
        Trend::StrongUp
    } else if recent_mean > mean && moved(change, config.trend_move) {
        Trend::Up
    } else if recent_mean < mean && moved(-change, config.strong_move) {
        Trend::StrongDown
    } else if recent_mean < mean && moved(-change, config.trend_move) {
        Trend::Down
    } else {
        Trend::Flat
    }
}

/// What thresholds are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Those of velocity: the rung `velocity`, and the velocity at which its score is 1.
    pub velocity: f64,
    /// Those of volume: the unit A, the dollars of `cascade_rule`, and the volume at which its score is 1.
    pub volume: f64,
}

impl Scale {
    /// Thresholds as they are set.
    pub const ONE: Self = Self { velocity: 1.0, volume: 1.0 };

    /// The scale of a regime; that of an unknown one leaves the thresholds as they are set.
    pub const fn of(config: &RegimeConfig, regime: Option<Regime>) -> Self {
        match regime {
            Some(regime) => {
                Self { velocity: config.velocity[regime as usize], volume: config.volume[regime as usize] }
            }
            None => Self::ONE,
        }
    }
}
