//! How a venue's feed does (signals.md 7), and what is said of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EventTime, Id, IdHasher, State, Venue};

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

/// A venue's feed has been dead, refused or suspect for a while (`open`), is so for another reason (`update`), or came
/// back after that was told (`resolved`). Made by the tick writer, never by a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedFinding {
    /// Version of this encoding.
    pub v: u8,
    /// Hash of (kind, scope, status, `since_ms`).
    pub id: Id,
    /// `open`, `update` or `resolved`.
    pub state: State,
    /// `feed:VENUE`.
    pub scope: String,
    /// Whose feed.
    pub venue: Venue,
    /// Its state.
    pub status: FeedStatus,
    /// Since when it is in that state.
    pub since_ms: EventTime,
    /// Why, in words; empty where there is nothing to say.
    pub reason: String,
    /// `resolved` only: how long it was out, milliseconds, from the first of its broken states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_ms: Option<i64>,
    /// No other venue that is read published more liquidations in the last 24 hours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub busiest: bool,
    /// Every venue's feed state.
    pub feeds: Feeds,
    /// From a demo's simulated exchanges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// Time of the tick at which it was told.
    pub known_at_ms: EventTime,
    /// Wall time of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at_ms: Option<EventTime>,
}

impl FeedFinding {
    /// The scope of a venue's feed.
    pub fn scope_of(venue: Venue) -> String {
        format!("feed:{venue}")
    }

    /// The identity of what is told of a scope that is in a state since a time.
    pub fn id_of(scope: &str, status: FeedStatus, since: EventTime) -> Id {
        IdHasher::new("feed").text(scope).text(status.as_str()).int(since.ms()).finish()
    }
}
