//! The exchanges, as a closed set: adding one is an edit here that the compiler carries everywhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An exchange whose derivatives we read. Order is the order of display and of every tie-break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    /// Binance USD-M and COIN-M futures.
    Binance,
    /// Bybit v5 linear and inverse.
    Bybit,
    /// OKX v5 swaps.
    Okx,
    /// Hyperliquid perpetuals.
    Hyperliquid,
}

impl Venue {
    /// Every venue, in order.
    pub const ALL: [Self; 4] = [Self::Binance, Self::Bybit, Self::Okx, Self::Hyperliquid];

    /// The lower-case name that users, configuration and Redis keys use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Binance => "binance",
            Self::Bybit => "bybit",
            Self::Okx => "okx",
            Self::Hyperliquid => "hyperliquid",
        }
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no venue that this build reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown venue `{0}`; one of binance, bybit, okx, hyperliquid")]
pub struct UnknownVenue(pub String);

impl FromStr for Venue {
    type Err = UnknownVenue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|v| v.as_str() == text).ok_or_else(|| UnknownVenue(text.to_owned()))
    }
}
