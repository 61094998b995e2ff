//! The five levels of a cascade signal, and the rungs that reach them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a cascade has gone; ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Worth a look; not told to people.
    Watch,
    /// A cascade has begun.
    Alert,
    /// A large one, with the price moving.
    Critical,
    /// Among the largest on record.
    Extreme,
}

impl Level {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::None, Self::Watch, Self::Alert, Self::Critical, Self::Extreme];

    /// The upper-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Watch => "WATCH",
            Self::Alert => "ALERT",
            Self::Critical => "CRITICAL",
            Self::Extreme => "EXTREME",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A rung that can reach a level (signals.md 6). Order is the order in `reasons`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Dominant-side notional of the last 30 s against the symbol's unit.
    Flow,
    /// The score, with enough flow.
    Score,
    /// A large 15-minute price move, with enough flow.
    PriceDrop,
    /// So many orders and so many dollars in 30 s.
    CascadeRule,
    /// Orders a second (preset `seed` only).
    Velocity,
}

impl Reason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Score => "score",
            Self::PriceDrop => "price_drop",
            Self::CascadeRule => "cascade_rule",
            Self::Velocity => "velocity",
        }
    }
}
