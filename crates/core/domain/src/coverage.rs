//! How much of the truth a feed publishes, and what its prices are.

use serde::{Deserialize, Serialize};

/// How many of its liquidations a venue publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// Every one.
    Complete,
    /// At most one a second per instrument.
    Sampled,
    /// Only some are public.
    Partial,
}

impl Coverage {
    /// `complete`, `sampled` or `partial`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Sampled => "sampled",
            Self::Partial => "partial",
        }
    }
}

/// What the price of a liquidation is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriceKind {
    /// The average price at which it was filled.
    Fill,
    /// The price at which the position's margin was gone.
    Bankruptcy,
    /// The limit of the closing order.
    Order,
}
