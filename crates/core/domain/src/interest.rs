//! Open interest as detectors speak of it: the finding of contract.md 5, and what a market shows of its open interest
//! and funding (contract.md 4). Coins are base coins of one side; what is not known is absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EventTime, Feeds, Id, Instrument, State, Symbol, Usd, Venue};

/// Which way open interest went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Swing {
    /// It rose.
    Explosion,
    /// It fell.
    Collapse,
}

impl Swing {
    /// The lower-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explosion => "explosion",
            Self::Collapse => "collapse",
        }
    }
}

/// What a change of open interest means beside the price over the same window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionReading {
    /// Open interest and price rose.
    NewLongs,
    /// Open interest rose, the price fell.
    NewShorts,
    /// Both fell: longs closed, or were liquidated.
    LongsClosing,
    /// Open interest fell, the price rose.
    ShortsCovering,
    /// The price hardly moved.
    Flat,
}

impl PositionReading {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewLongs => "new_longs",
            Self::NewShorts => "new_shorts",
            Self::LongsClosing => "longs_closing",
            Self::ShortsCovering => "shorts_covering",
            Self::Flat => "flat",
        }
    }
}

/// An amount of open interest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holding {
    /// Base coins of one side.
    pub coins: f64,
    /// The same at the reference price of that moment; absent where no price was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
}

/// A venue's part in a finding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VenueChange {
    /// Its own change over the window in coins, signed percent.
    pub change_pct: f64,
    /// What it holds now.
    #[serde(flatten)]
    pub after: Holding,
}

/// An open-interest explosion or collapse that several venues confirm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterestFinding {
    /// Version of this encoding.
    pub v: u8,
    /// Hash of (finding kind, symbol, episode, revision).
    pub id: Id,
    /// Hash of (finding kind, symbol, onset).
    pub episode: Id,
    /// Counts what was published of this episode, from 1.
    pub revision: u64,
    /// `open`, `update`, `resolved`; or `closed`, where the figures ran out before it was seen to end.
    pub state: State,
    /// The market.
    pub symbol: Symbol,
    /// Which way.
    pub direction: Swing,
    /// Change in coins over the window, over all venues with data, signed percent. Absent, as all that follows from it, if
    /// no venue has data any more (`closed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_pct: Option<f64>,
    /// The window, seconds.
    pub window_s: u32,
    /// Venues whose own change reaches the threshold with the finding's sign.
    pub confirming: u32,
    /// Venues with data over the window.
    pub with_data: u32,
    /// What they held at the beginning of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Holding>,
    /// What they hold now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Holding>,
    /// Each of them.
    pub venues: BTreeMap<Venue, VenueChange>,
    /// The threshold that decided, percent.
    pub threshold_pct: f64,
    /// Change of the reference price over the window, a signed fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_change: Option<f64>,
    /// What the two together mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<PositionReading>,
    /// `change_pct` less the price's change in percent: how far the two went apart. A figure, no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence_pct: Option<f64>,
    /// Every venue's feed state, by the last tick.
    pub feeds: Feeds,
    /// Version and configuration hash of the engine.
    pub engine: String,
    /// A hole in what was heard lies inside the window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warming: bool,
    /// From a demo's simulated exchanges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// What `resolved` and `closed` say in addition.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<InterestEnding>,
    /// Event time of the decision.
    pub known_at_ms: EventTime,
    /// Wall time of the decision; the only field that a replay leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at_ms: Option<EventTime>,
}

/// What is said of an episode of open interest when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterestEnding {
    /// The largest `change_pct` by size that was known during the episode, signed.
    pub peak_change_pct: f64,
    /// From onset until now, milliseconds.
    pub duration_ms: i64,
}

/// `oi:SYMBOL:current`: what the market holds now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterestReading {
    /// The market.
    pub symbol: Symbol,
    /// Event time of the state: the last tick.
    pub event_time_ms: EventTime,
    /// Over all venues with a fresh sample.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub total: Option<Holding>,
    /// Each venue with a fresh sample, and those with suspect ones.
    pub venues: BTreeMap<Venue, VenueInterest>,
    /// How many samples were suspect, and so not used, since the market is known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspect_samples: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One venue in `oi:SYMBOL:current`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VenueInterest {
    /// Over its instruments.
    #[serde(flatten)]
    pub total: Holding,
    /// Each of them.
    pub instruments: BTreeMap<Instrument, InstrumentInterest>,
    /// One of them is suspect: what it holds may be long past, and does not count in the market's total once it is stale.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
}

/// One instrument in `oi:SYMBOL:current`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstrumentInterest {
    /// What it holds.
    #[serde(flatten)]
    pub holding: Holding,
    /// When its last sample that was not suspect was known.
    pub known_at_ms: EventTime,
    /// Its samples since then imply more change than what was traded allows, and are not used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspect: bool,
}

/// `oi:SYMBOL:change`: how it changed over each span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterestChangeReading {
    /// The market.
    pub symbol: Symbol,
    /// Event time of the state: the last tick.
    pub event_time_ms: EventTime,
    /// By span: `1m`, `5m`, `15m`, `1h`, `24h`; a span over which no venue has data is absent.
    pub spans: BTreeMap<String, SpanChange>,
}

/// One span in `oi:SYMBOL:change`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanChange {
    /// Over all venues with data, signed percent of the coins at the beginning.
    pub change_pct: f64,
    /// What they held at the beginning.
    pub before: Holding,
    /// What they hold now.
    pub after: Holding,
    /// Each venue with data.
    pub venues: BTreeMap<Venue, VenueChange>,
    /// Change of the reference price over the span, a signed fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_change: Option<f64>,
    /// What the two together mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<PositionReading>,
    /// `change_pct` less the price's change in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence_pct: Option<f64>,
}

/// `funding:SYMBOL:current`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FundingReading {
    /// The market.
    pub symbol: Symbol,
    /// Event time of the state: the last tick.
    pub event_time_ms: EventTime,
    /// Median over live venues, a signed fraction per 8 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding_rate_8h: Option<f64>,
    /// Each live venue's main instrument.
    pub venues: BTreeMap<Venue, VenueFunding>,
}

/// One venue in `funding:SYMBOL:current`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VenueFunding {
    /// Whose rate it is: linear USDT contracts first.
    pub instrument: Instrument,
    /// A signed fraction per the venue's own interval.
    pub funding_rate: f64,
    /// That interval, hours.
    pub funding_interval_h: f64,
    /// The same rate per 8 h.
    pub funding_rate_8h: f64,
    /// When it is paid next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_funding_time_ms: Option<EventTime>,
}
