//! How a venue's feed does (signals.md 7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Venue;

/// The state of a venue's feed, as the tick carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedStatus {
    /// Healthy, and publishes every liquidation.
    Live,
    /// Healthy, and publishes at most one liquidation a second per instrument.
    Sampled,
    /// Healthy, but only some of its liquidations are public.
    Partial,
    /// Its liquidations are silent while other venues show many of the same symbols.
    Suspect,
    /// Its other streams are late.
    Stale,
    /// Silent for 30 s, not connected, or acknowledged and never delivering.
    Dead,
    /// The venue refused us or a subscription.
    Refused,
}

impl FeedStatus {
    /// The lower-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sampled => "sampled",
            Self::Partial => "partial",
            Self::Suspect => "suspect",
            Self::Stale => "stale",
            Self::Dead => "dead",
            Self::Refused => "refused",
        }
    }

    /// Whether the venue's marks may enter a reference price: its streams arrive in time.
    pub const fn delivers(self) -> bool {
        matches!(self, Self::Live | Self::Sampled | Self::Partial | Self::Suspect)
    }

    /// Whether it counts as a live venue in the share of live venues.
    pub const fn counts_as_live(self) -> bool {
        matches!(self, Self::Live | Self::Sampled)
    }
}

/// The feeds of all venues that are read, in venue order.
pub type Feeds = BTreeMap<Venue, FeedStatus>;
