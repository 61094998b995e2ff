//! The presets: whole sets of the changes that are told.

use std::collections::BTreeMap;

use cascade_domain::Symbol;
use serde::Deserialize;

/// Which whole set of thresholds is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetName {
    /// The default: what real markets reach some times a year.
    #[default]
    Balanced,
    /// The thresholds of the first published documents, which large coins hardly ever reach.
    Seed,
}

/// The thresholds in which presets differ. A preset that is given is given whole.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The change over the window, percent, of every symbol that is not named.
    pub threshold_pct: f64,
    /// The same of those that are.
    #[serde(default)]
    pub symbols: BTreeMap<Symbol, f64>,
}

impl Preset {
    fn of(threshold_pct: f64, named: [(&str, f64); 3]) -> Self {
        let named = named.into_iter().filter_map(|(name, pct)| Some((Symbol::parse(name).ok()?, pct)));
        Self { threshold_pct, symbols: named.collect() }
    }

    fn balanced() -> Self {
        Self::of(8.0, [("BTCUSDT", 3.0), ("ETHUSDT", 3.0), ("SOLUSDT", 4.0)])
    }

    fn seed() -> Self {
        Self::of(30.0, [("BTCUSDT", 15.0), ("ETHUSDT", 18.0), ("SOLUSDT", 25.0)])
    }
}

/// The presets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "named as in `PresetName`")]
pub struct Presets {
    pub balanced: Preset,
    pub seed: Preset,
}

impl Default for Presets {
    fn default() -> Self {
        Self { balanced: Preset::balanced(), seed: Preset::seed() }
    }
}
