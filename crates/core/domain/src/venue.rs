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

/// The base addresses of one venue: what its paths are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrls {
    /// Of its WebSockets.
    pub ws_url: String,
    /// Of its REST.
    pub rest_url: String,
    /// Of Binance's coin-margined REST; none elsewhere.
    pub coinm_rest_url: Option<String>,
}

impl BaseUrls {
    /// Those of a venue on a server that stands in for all of them at `url` (`http://HOST:PORT`, or https), each venue
    /// under its own name. Who serves them and who reads them know the paths from here alone.
    pub fn simulated(venue: Venue, url: &str) -> Self {
        let url = url.trim_end_matches('/');
        // http becomes ws, https wss.
        let ws = url.strip_prefix("http").map_or_else(|| url.to_owned(), |rest| format!("ws{rest}"));
        Self {
            ws_url: format!("{ws}/{venue}"),
            rest_url: format!("{url}/{venue}"),
            coinm_rest_url: (venue == Venue::Binance).then(|| format!("{url}/{venue}-coinm")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_venues_stand_under_their_names_and_keep_what_is_encrypted() {
        let binance = BaseUrls::simulated(Venue::Binance, "http://simulator:9300/");
        assert_eq!(binance.ws_url, "ws://simulator:9300/binance");
        assert_eq!(binance.rest_url, "http://simulator:9300/binance");
        assert_eq!(binance.coinm_rest_url.as_deref(), Some("http://simulator:9300/binance-coinm"));
        let okx = BaseUrls::simulated(Venue::Okx, "https://demo.example");
        assert_eq!((okx.ws_url.as_str(), okx.coinm_rest_url), ("wss://demo.example/okx", None));
    }
}
