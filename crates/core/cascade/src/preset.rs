//! The presets: whole sets of those thresholds in which they differ.

use cascade_domain::Level;
use serde::Deserialize;

use crate::regime::Scale;

/// Which whole set of thresholds is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetName {
    /// The default.
    #[default]
    Balanced,
    /// Units doubled: half as talkative.
    Calm,
    /// The thresholds of the first published documents.
    Seed,
}

/// The thresholds in which presets differ. A preset that is given is given whole.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Multiplies every symbol's unit A.
    pub unit_factor: f64,
    /// Multiplies every symbol's threshold of a large liquidation.
    pub large_factor: f64,
    /// Orders a second (over 2 s) at which the velocity score is 1.
    pub velocity_full: f64,
    /// Orders a second, a second, at which the acceleration score is 1.
    pub acceleration_full: f64,
    /// US dollars a second (over 10 s) at which the volume score is 1.
    pub volume_full_usd: f64,
    /// Change of open interest over one minute, a fraction, at which its score is 1.
    pub oi_change_full: f64,
    /// Whether slowing down and rising open interest score as much as speeding up and falling.
    pub absolute: bool,
    /// Whether the rung `velocity` exists.
    pub velocity_rung: bool,
    /// The level that the rung `cascade_rule` reaches.
    pub cascade_rule_level: Level,
}

impl Preset {
    /// This one, with the velocity and the volume at which their scores are 1 multiplied.
    #[must_use]
    pub fn scaled(&self, scale: Scale) -> Self {
        Self {
            velocity_full: self.velocity_full * scale.velocity,
            volume_full_usd: self.volume_full_usd * scale.volume,
            ..self.clone()
        }
    }

    fn balanced() -> Self {
        Self {
            unit_factor: 1.0,
            large_factor: 1.0,
            velocity_full: 20.0,
            acceleration_full: 5.0,
            volume_full_usd: 2e6,
            oi_change_full: 0.01,
            absolute: false,
            velocity_rung: false,
            cascade_rule_level: Level::Watch,
        }
    }

    fn calm() -> Self {
        Self { unit_factor: 2.0, ..Self::balanced() }
    }

    fn seed() -> Self {
        Self {
            large_factor: 0.1,
            velocity_full: 50.0,
            acceleration_full: 20.0,
            volume_full_usd: 50e6,
            oi_change_full: 0.05,
            absolute: true,
            velocity_rung: true,
            cascade_rule_level: Level::Alert,
            ..Self::balanced()
        }
    }
}

/// The presets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "named as in `PresetName`")]
pub struct Presets {
    pub balanced: Preset,
    pub calm: Preset,
    pub seed: Preset,
}

impl Default for Presets {
    fn default() -> Self {
        Self { balanced: Preset::balanced(), calm: Preset::calm(), seed: Preset::seed() }
    }
}
