//! Sides. A liquidation's side is the side of the position that was closed, never of the order that closed it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The side of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// A bought position; it is liquidated by selling.
    Long,
    /// A sold position; it is liquidated by buying.
    Short,
}

impl Side {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Long, Self::Short];

    /// `long` or `short`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
        }
    }

    /// The position that an order of this taker side closes.
    pub const fn closed_by(order: Taker) -> Self {
        match order {
            Taker::Sell => Self::Long,
            Taker::Buy => Self::Short,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The side of an order, or of the taker in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Taker {
    /// Buys.
    Buy,
    /// Sells.
    Sell,
}

impl Taker {
    /// `buy` or `sell`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}
