//! What kind of market it is: how much it moves, how much is traded, which way it goes (signals.md 4).

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a market moves; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Regime {
    /// Hardly at all.
    Dormant,
    /// Less than usual.
    Low,
    /// As usual.
    Normal,
    /// More than usual.
    Elevated,
    /// Much more.
    High,
    /// As in the largest cascades on record.
    Extreme,
}

impl Regime {
    /// All, in order.
    pub const ALL: [Self; 6] =
        [Self::Dormant, Self::Low, Self::Normal, Self::Elevated, Self::High, Self::Extreme];

    /// The upper-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dormant => "DORMANT",
            Self::Low => "LOW",
            Self::Normal => "NORMAL",
            Self::Elevated => "ELEVATED",
            Self::High => "HIGH",
            Self::Extreme => "EXTREME",
        }
    }

    /// The next one up; EXTREME stays.
    #[must_use]
    pub const fn up(self) -> Self {
        match self {
            Self::Dormant => Self::Low,
            Self::Low => Self::Normal,
            Self::Normal => Self::Elevated,
            Self::Elevated => Self::High,
            Self::High | Self::Extreme => Self::Extreme,
        }
    }

    /// The next one down; DORMANT stays.
    #[must_use]
    pub const fn down(self) -> Self {
        match self {
            Self::Dormant | Self::Low => Self::Dormant,
            Self::Normal => Self::Low,
            Self::Elevated => Self::Normal,
            Self::High => Self::Elevated,
            Self::Extreme => Self::High,
        }
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much of a symbol is traded, against its own day; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Liquidity {
    /// Below the day's first quartile.
    Illiquid,
    /// Between.
    Normal,
    /// Above the day's third quartile.
    Deep,
}

impl Liquidity {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Illiquid, Self::Normal, Self::Deep];

    /// The upper-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Illiquid => "ILLIQUID",
            Self::Normal => "NORMAL",
            Self::Deep => "DEEP",
        }
    }
}

impl fmt::Display for Liquidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which way a price has gone for some twenty minutes; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Trend {
    /// Down, by much.
    StrongDown,
    /// Down.
    Down,
    /// Neither.
    Flat,
    /// Up.
    Up,
    /// Up, by much.
    StrongUp,
}

impl Trend {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::StrongDown, Self::Down, Self::Flat, Self::Up, Self::StrongUp];

    /// The upper-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StrongDown => "STRONG_DOWN",
            Self::Down => "DOWN",
            Self::Flat => "FLAT",
            Self::Up => "UP",
            Self::StrongUp => "STRONG_UP",
        }
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_are_the_neighbours_held_to_the_range() {
        for pair in Regime::ALL.windows(2) {
            assert_eq!((pair[0].up(), pair[1].down()), (pair[1], pair[0]));
        }
        assert_eq!((Regime::Dormant.down(), Regime::Extreme.up()), (Regime::Dormant, Regime::Extreme));
    }
}
