//! The settings of the cascade engine, section `[cascade]`: every constant of the definitions, with its default.
//!
//! The six velocity windows and the 30 s of the flow are no settings: field names that others rely on carry them.
//! Knows no file and no environment; what is wrong with a setting is said by [`Config::refusals`].

use std::collections::BTreeMap;

use cascade_domain::{Id, IdHasher, Symbol};
use serde::Deserialize;

use crate::preset::{Preset, PresetName, Presets};
use crate::regime::RegimeConfig;
use crate::symbol::{SymbolOverride, SymbolThresholds, built_in};
use crate::volatility::VolatilityConfig;

/// What is remembered, and for how long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// An event known more than so many seconds past the last tick is refused.
    pub future_s: u32,
    /// A symbol without events for so many seconds and without an episode is forgotten.
    pub idle_s: u32,
    /// At most so many prints and orders per symbol are held; the oldest go.
    pub max_orders: u32,
    /// At most so many symbols per shard are held; the one silent for longest goes.
    pub max_symbols: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { future_s: 60, idle_s: 600, max_orders: 65_536, max_symbols: 1_024 }
    }
}

/// How old a sample may be and how much of a span must be covered.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Samples {
    /// Seconds for which a venue's mark price counts.
    pub mark_s: u32,
    /// Seconds for which a sample of open interest counts.
    pub open_interest_s: u32,
    /// Seconds for which a funding rate counts.
    pub funding_s: u32,
    /// Share of a span's samples, 0..=1, without which no change over it is known.
    pub coverage: f64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { mark_s: 5, open_interest_s: 30, funding_s: 600, coverage: 0.8 }
    }
}

/// The risk score: weights, and for each factor the inputs at which it is 25, 50, 75 and 100.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "`*_weight` are shares of 1; ladders are low, medium, high, critical")]
pub struct RiskConfig {
    pub velocity_weight: f64,
    pub acceleration_weight: f64,
    pub jerk_weight: f64,
    pub volume_weight: f64,
    pub correlation_weight: f64,
    pub clustering_weight: f64,
    /// Orders a second.
    pub velocity: [f64; 4],
    /// Orders a second, a second.
    pub acceleration: [f64; 4],
    /// Orders a second, a second, a second.
    pub jerk: [f64; 4],
    /// US dollars in 60 s.
    pub volume_usd: [f64; 4],
    /// An average order above so many US dollars multiplies the volume factor by `large_average_boost`.
    pub large_average_usd: f64,
    pub large_average_boost: f64,
    /// Coefficients at which the correlation factor is 50 and 100.
    pub correlation: [f64; 2],
    /// Ratios of 0.1 s to 60 s velocity at which the clustering factor is 50 and 100.
    pub clustering: [f64; 2],
    /// Scores from which the level is LOW, MEDIUM, HIGH, CRITICAL.
    pub levels: [f64; 4],
    /// Above so much confidence a CRITICAL score asks for URGENT.
    pub urgent_confidence: f64,
    /// Above so much confidence a HIGH score asks for ALERT.
    pub alert_confidence: f64,
}

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            velocity_weight: 0.25,
            acceleration_weight: 0.20,
            jerk_weight: 0.15,
            volume_weight: 0.20,
            correlation_weight: 0.15,
            clustering_weight: 0.05,
            velocity: [2.0, 5.0, 10.0, 20.0],
            acceleration: [1.0, 3.0, 5.0, 10.0],
            jerk: [0.5, 2.0, 5.0, 10.0],
            volume_usd: [1e5, 5e5, 1e6, 5e6],
            large_average_usd: 50_000.0,
            large_average_boost: 1.2,
            correlation: [0.5, 0.7],
            clustering: [2.0, 3.0],
            levels: [20.0, 40.0, 55.0, 80.0],
            urgent_confidence: 0.7,
            alert_confidence: 0.6,
        }
    }
}

/// The score: weights, boosts, and the rungs it reaches.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "`*_weight` are shares of 1; `watch` to `extreme` are scores, 0..=1")]
pub struct ScoreConfig {
    pub velocity_weight: f64,
    pub acceleration_weight: f64,
    pub volume_weight: f64,
    pub oi_change_weight: f64,
    pub funding_weight: f64,
    pub volatility_weight: f64,
    /// Absolute funding rate per 8 h, a fraction, at which its score is 1.
    pub funding_full: f64,
    /// Volatility multiplier at which its score is 1; above 1.
    pub volatility_full: f64,
    /// The largest multiplier by which the odds are multiplied.
    pub odds_limit: f64,
    /// Multiplies the sum if the acceleration and velocity scores are above the next two.
    pub acceleration_boost: f64,
    pub boost_acceleration_above: f64,
    pub boost_velocity_above: f64,
    /// Multiplies the sum if the venue correlation is above the next.
    pub correlation_boost: f64,
    pub boost_correlation_above: f64,
    pub watch: f64,
    pub alert: f64,
    pub critical: f64,
    pub extreme: f64,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self {
            velocity_weight: 0.25,
            acceleration_weight: 0.20,
            volume_weight: 0.20,
            oi_change_weight: 0.15,
            funding_weight: 0.10,
            volatility_weight: 0.10,
            funding_full: 0.001,
            volatility_full: 5.0,
            odds_limit: 3.0,
            acceleration_boost: 1.5,
            boost_acceleration_above: 0.8,
            boost_velocity_above: 0.7,
            correlation_boost: 1.2,
            boost_correlation_above: 0.7,
            watch: 0.30,
            alert: 0.50,
            critical: 0.70,
            extreme: 0.90,
        }
    }
}

/// The rung `flow`: notional of the dominant side in 30 s, in units A.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "`alert` to `extreme_unpriced` are multiples of the symbol's unit A")]
pub struct FlowConfig {
    /// Share of both sides, 0..=1, that the dominant side must have from ALERT on.
    pub share: f64,
    /// WATCH at A divided by this; also the flow without which neither score nor price move counts.
    pub watch_divisor: f64,
    pub alert: f64,
    pub critical: f64,
    pub extreme: f64,
    /// CRITICAL where the price change is unknown.
    pub critical_unpriced: f64,
    /// EXTREME where the price change is unknown.
    pub extreme_unpriced: f64,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            share: 0.75,
            watch_divisor: 3.0,
            alert: 1.0,
            critical: 3.0,
            extreme: 10.0,
            critical_unpriced: 6.0,
            extreme_unpriced: 20.0,
        }
    }
}

/// The rung `velocity`, for presets that have it: orders a second over 2 s, and their acceleration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "orders a second; `*_acceleration` absolute, orders a second, a second")]
pub struct VelocityConfig {
    pub watch: f64,
    pub alert: f64,
    pub critical: f64,
    pub critical_acceleration: f64,
    pub extreme: f64,
    pub extreme_acceleration: f64,
}

impl Default for VelocityConfig {
    fn default() -> Self {
        Self {
            watch: 10.0,
            alert: 20.0,
            critical: 50.0,
            critical_acceleration: 20.0,
            extreme: 100.0,
            extreme_acceleration: 40.0,
        }
    }
}

/// How long a level is held and when an episode is over.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpisodeConfig {
    /// The held level is the highest of the last so many seconds.
    pub hold_s: u32,
    /// An episode is over after so many seconds of NONE.
    pub close_s: u32,
}

impl Default for EpisodeConfig {
    fn default() -> Self {
        Self { hold_s: 10, close_s: 60 }
    }
}

/// The settings of the cascade engine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each part is documented at its type")]
pub struct Config {
    pub preset: PresetName,
    /// Whether the thresholds of velocity and volume follow the market regime, frozen at an episode's onset.
    pub regime_scaling: bool,
    pub memory: Memory,
    pub samples: Samples,
    pub risk: RiskConfig,
    pub score: ScoreConfig,
    pub flow: FlowConfig,
    pub velocity: VelocityConfig,
    pub episode: EpisodeConfig,
    pub volatility: VolatilityConfig,
    pub regime: RegimeConfig,
    pub others: SymbolThresholds,
    pub symbols: BTreeMap<Symbol, SymbolOverride>,
    pub presets: Presets,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: PresetName::default(),
            regime_scaling: false,
            memory: Memory::default(),
            samples: Samples::default(),
            risk: RiskConfig::default(),
            score: ScoreConfig::default(),
            flow: FlowConfig::default(),
            velocity: VelocityConfig::default(),
            episode: EpisodeConfig::default(),
            volatility: VolatilityConfig::default(),
            regime: RegimeConfig::default(),
            others: SymbolThresholds::default(),
            symbols: built_in(),
            presets: Presets::default(),
        }
    }
}

impl Config {
    /// The preset in use.
    pub const fn preset(&self) -> &Preset {
        match self.preset {
            PresetName::Balanced => &self.presets.balanced,
            PresetName::Calm => &self.presets.calm,
            PresetName::Seed => &self.presets.seed,
        }
    }

    /// The thresholds of a symbol: its own, else its built-in ones, else those of all others.
    pub fn symbol(&self, symbol: &Symbol) -> SymbolThresholds {
        let mut found = self.others.clone();
        let built_in = built_in();
        for own in [built_in.get(symbol), self.symbols.get(symbol)].into_iter().flatten() {
            found.under(own);
        }
        found
    }

    /// What names these settings: equal settings have equal hashes, on every machine.
    pub fn hash(&self) -> Id {
        IdHasher::new("cascade-config").text(&format!("{self:?}")).finish()
    }

    /// What findings call this engine: its version, and the first 8 hex digits of [`Config::hash`].
    pub fn engine_label(&self) -> String {
        let hash = self.hash().to_string();
        format!("{}+{}", env!("CARGO_PKG_VERSION"), hash.get(..8).unwrap_or(&hash))
    }
}
