//! The settings of the open-interest engine, section `[open_interest]`: every constant of the definitions, with its
//! default.
//!
//! The grids (5 s and 1 min) and the five spans are no settings: names that others rely on carry them. Knows no file and
//! no environment; what is wrong with a setting is said by [`Config::refusals`].

use std::collections::BTreeMap;

use cascade_domain::{Id, IdHasher, Symbol};
use serde::Deserialize;

use crate::preset::{Preset, PresetName, Presets};
use crate::symbol::{Others, SymbolOverride, Thresholds, built_in};

/// What is remembered, and for how long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// An event known more than so many seconds past the last tick is refused.
    pub future_s: u32,
    /// A symbol without events for so many seconds, and without an episode, is forgotten with its history.
    pub idle_s: u32,
    /// At most so many symbols per shard are held; the one silent for longest goes.
    pub max_symbols: u32,
    /// At most so many instruments per symbol are held; the one silent for longest goes.
    pub max_instruments: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { future_s: 60, idle_s: 3_600, max_symbols: 1_024, max_instruments: 16 }
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
    /// Share of a span's grid points, 0..=1, without which no change over it is known.
    pub coverage: f64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { mark_s: 5, open_interest_s: 30, funding_s: 600, coverage: 0.8 }
    }
}

/// When a sample implies more change than what was traded allows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SuspectConfig {
    /// What was traded counts from so many seconds before the last accepted sample.
    pub slack_s: u32,
    /// For so many seconds a sample waits for the trade bar of its time; then it is accepted unchecked.
    pub wait_s: u32,
    /// So much of the last accepted sample, a fraction, may change beyond what was traded.
    pub floor: f64,
}

impl Default for SuspectConfig {
    fn default() -> Self {
        Self { slack_s: 30, wait_s: 3, floor: 0.001 }
    }
}

/// When an episode is told again and when it is over, as shares of the symbol's threshold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpisodeConfig {
    /// Told again once it is so much of the threshold above what was told last.
    pub update_step: f64,
    /// Resolved once it is below so much of the threshold.
    pub resolve_below: f64,
}

impl Default for EpisodeConfig {
    fn default() -> Self {
        Self { update_step: 0.5, resolve_below: 0.5 }
    }
}

/// The settings of the open-interest engine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each part is documented at its type")]
pub struct Config {
    pub preset: PresetName,
    /// The window over which explosions and collapses are looked for: 60, 300, 900, 3600 or 86400 seconds.
    pub window_s: u32,
    /// So many venues of the same sign must reach the threshold.
    pub min_venues: u32,
    /// A price change below this fraction, either way, reads as flat.
    pub flat_move: f64,
    pub memory: Memory,
    pub samples: Samples,
    pub suspect: SuspectConfig,
    pub episode: EpisodeConfig,
    pub others: Others,
    pub symbols: BTreeMap<Symbol, SymbolOverride>,
    pub presets: Presets,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: PresetName::default(),
            window_s: 900,
            min_venues: 2,
            flat_move: 0.001,
            memory: Memory::default(),
            samples: Samples::default(),
            suspect: SuspectConfig::default(),
            episode: EpisodeConfig::default(),
            others: Others::default(),
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
            PresetName::Seed => &self.presets.seed,
        }
    }

    /// The thresholds of a symbol: its own; else the change that the preset has for it, or for all, and its built-in
    /// minimum, or that of all others.
    pub fn symbol(&self, symbol: &Symbol) -> Thresholds {
        let preset = self.preset();
        let own = self.symbols.get(symbol).copied().unwrap_or_default();
        let built_in = built_in().get(symbol).and_then(|built_in| built_in.minimum_usd);
        Thresholds {
            change_pct: own
                .threshold_pct
                .or_else(|| preset.symbols.get(symbol).copied())
                .unwrap_or(preset.threshold_pct),
            minimum_usd: own.minimum_usd.or(built_in).unwrap_or(self.others.minimum_usd),
        }
    }

    /// What names these settings: equal settings have equal hashes, on every machine.
    pub fn hash(&self) -> Id {
        IdHasher::new("open-interest-config").text(&format!("{self:?}")).finish()
    }

    /// What findings call this engine: its version, and the first 8 hex digits of [`Config::hash`].
    pub fn engine_label(&self) -> String {
        let hash = self.hash().to_string();
        format!("{}+{}", env!("CARGO_PKG_VERSION"), hash.get(..8).unwrap_or(&hash))
    }
}
