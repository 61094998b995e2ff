//! What a detector says: findings (contract.md 5). Every number is what the detector decided on, unknown is absent.

use serde::{Deserialize, Serialize};

use crate::{
    EventTime, FeedFinding, Feeds, Id, Instrument, InterestFinding, Level, Reason, Regime, Side, Symbol, Usd,
    Venue,
};

/// A finding, tagged by `finding`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// A cascade signal.
    Cascade(Box<CascadeFinding>),
    /// One large liquidation.
    LargeLiquidation(LargeLiquidation),
    /// An explosion or a collapse of open interest.
    OpenInterest(Box<InterestFinding>),
    /// A venue's feed broke, or came back.
    Feed(FeedFinding),
}

impl Finding {
    /// The version of the encoding, field `v`.
    pub const VERSION: u8 = 1;

    /// Every word in `finding`.
    pub const KINDS: [&'static str; 4] = ["cascade", "large_liquidation", "open_interest", "feed"];

    /// The word in `finding`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Cascade(_) => "cascade",
            Self::LargeLiquidation(_) => "large_liquidation",
            Self::OpenInterest(_) => "open_interest",
            Self::Feed(_) => "feed",
        }
    }

    /// Its identity: the same in a replay, after a restart, from another replica.
    pub const fn id(&self) -> Id {
        match self {
            Self::Cascade(f) => f.id,
            Self::LargeLiquidation(f) => f.id,
            Self::OpenInterest(f) => f.id,
            Self::Feed(f) => f.id,
        }
    }

    /// The market it is about; none of what has a scope.
    pub const fn symbol(&self) -> Option<&Symbol> {
        match self {
            Self::Cascade(f) => Some(&f.symbol),
            Self::LargeLiquidation(f) => Some(&f.symbol),
            Self::OpenInterest(f) => Some(&f.symbol),
            Self::Feed(_) => None,
        }
    }

    /// Event time of the decision.
    pub const fn known_at(&self) -> EventTime {
        match self {
            Self::Cascade(f) => f.known_at_ms,
            Self::LargeLiquidation(f) => f.known_at_ms,
            Self::OpenInterest(f) => f.known_at_ms,
            Self::Feed(f) => f.known_at_ms,
        }
    }

    /// The version that the finding says it has.
    pub const fn version(&self) -> u8 {
        match self {
            Self::Cascade(f) => f.v,
            Self::LargeLiquidation(f) => f.v,
            Self::OpenInterest(f) => f.v,
            Self::Feed(f) => f.v,
        }
    }

    /// Whether it may concern people: a large liquidation, or a cascade's first ALERT, change of level with ALERT
    /// or above on either side, or `resolved` (signals.md 8), or of open interest, or a feed's. One-second updates do not.
    pub fn is_transition(&self) -> bool {
        match self {
            Self::LargeLiquidation(_) | Self::OpenInterest(_) | Self::Feed(_) => true,
            Self::Cascade(f) => match f.state {
                State::Open | State::Level => f.level >= Level::Alert || f.previous_level >= Level::Alert,
                State::Resolved => true,
                State::Update | State::Closed => false,
            },
        }
    }

    /// Whether it comes from a demo's simulated exchanges.
    pub const fn is_demo(&self) -> bool {
        match self {
            Self::Cascade(f) => f.demo,
            Self::LargeLiquidation(f) => f.demo,
            Self::OpenInterest(f) => f.demo,
            Self::Feed(f) => f.demo,
        }
    }

    /// Stamps what only the running service knows: when it was detected by the wall clock, and whether this is a demo.
    pub fn stamp(&mut self, detected: EventTime, demo: bool) {
        match self {
            Self::Cascade(f) => (f.detected_at_ms, f.demo) = (Some(detected), demo),
            Self::LargeLiquidation(f) => (f.detected_at_ms, f.demo) = (Some(detected), demo),
            Self::OpenInterest(f) => (f.detected_at_ms, f.demo) = (Some(detected), demo),
            Self::Feed(f) => (f.detected_at_ms, f.demo) = (Some(detected), demo),
        }
    }
}

/// Where an episode stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It opened: the held level left NONE.
    Open,
    /// The held level changed.
    Level,
    /// Still ALERT or above, one second later.
    Update,
    /// It closed, and ALERT was told.
    Resolved,
    /// It closed without ALERT ever told.
    Closed,
}

impl State {
    /// The lower-case word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Level => "level",
            Self::Update => "update",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }
}

/// A cascade signal. `resolved` and `closed` have level NONE, no reasons, and the fields of [`Closing`] too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CascadeFinding {
    /// Version of this encoding.
    pub v: u8,
    /// Hash of (finding kind, symbol, episode, revision).
    pub id: Id,
    /// Hash of (symbol, onset).
    pub episode: Id,
    /// Counts what was published of this episode, from 1.
    pub revision: u64,
    /// Where the episode stands.
    pub state: State,
    /// The market.
    pub symbol: Symbol,
    /// The held level: the highest raw level of the last 10 s.
    pub level: Level,
    /// The held level before this finding.
    pub previous_level: Level,
    /// The rungs that reach the level.
    pub reasons: Vec<Reason>,
    /// The dominant side: which positions are being liquidated.
    pub direction: Side,
    /// 0..=1, not a probability: `boosted` with its odds multiplied by the volatility multiplier.
    pub score: f64,
    /// Sum of the contributions, 0..=1.
    pub raw: f64,
    /// `raw` after the boosts, 0..=1.
    pub boosted: f64,
    /// Names of the boosts that applied: `acceleration`, `correlation`.
    pub boosts: Vec<String>,
    /// Each factor's score, 0..=1.
    pub scores: Factors,
    /// Weight x score; they add up to `raw`.
    pub contributions: Factors,
    /// Factors whose input was unknown or no number (their score is 0).
    pub missing: Vec<String>,
    /// What the flow rung saw.
    pub flow: Flow,
    /// The risk score: shown, decides nothing by default.
    pub risk: Risk,
    /// The velocity engine's figures.
    pub metrics: Metrics,
    /// The market around it.
    pub context: Context,
    /// Every venue's feed state, by the last tick.
    pub feeds: Feeds,
    /// 0..=1: the risk score's confidence, times the share of live venues.
    pub confidence: f64,
    /// Venues whose figures are lower bounds here: sampled, or with a gap or a broken feed.
    pub lower_bound: Vec<Venue>,
    /// Version and configuration hash of the engine.
    pub engine: String,
    /// Windows are not yet full since a cold start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warming: bool,
    /// From a demo's simulated exchanges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// What `resolved` and `closed` say in addition.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
    /// Event time of the decision.
    pub known_at_ms: EventTime,
    /// Wall time of the decision; the only field that a replay leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at_ms: Option<EventTime>,
}

/// What is said of an episode when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// The highest level held.
    pub peak_level: Level,
    /// Orders liquidated from onset on.
    pub orders: u64,
    /// US dollars liquidated from onset on.
    pub notional_usd: Usd,
    /// Longs' share of that, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_share: Option<f64>,
    /// From onset until the held level fell to NONE, milliseconds.
    pub duration_ms: i64,
    /// Change of the reference price over that time, a fraction; absent if unknown at either end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_change: Option<f64>,
}

/// A value for each factor of the score, in the order in which they are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the factors of signals.md 5, each 0..=1")]
pub struct Factors {
    pub velocity: f64,
    pub acceleration: f64,
    pub volume: f64,
    pub oi_change: f64,
    pub funding: f64,
    pub volatility: f64,
}

impl Factors {
    /// The factors' names, in order.
    pub const NAMES: [&'static str; 6] =
        ["velocity", "acceleration", "volume", "oi_change", "funding", "volatility"];

    /// From values in order.
    pub const fn from_array(
        [velocity, acceleration, volume, oi_change, funding, volatility]: [f64; 6],
    ) -> Self {
        Self { velocity, acceleration, volume, oi_change, funding, volatility }
    }

    /// The values in order.
    pub const fn to_array(self) -> [f64; 6] {
        [self.velocity, self.acceleration, self.volume, self.oi_change, self.funding, self.volatility]
    }
}

/// What the flow rung saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Notional of the dominant side in the last 30 s.
    pub notional_30s_usd: Usd,
    /// Its share of both sides, 0..=1; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The symbol's unit A.
    pub unit_usd: Usd,
    /// Change of the reference price over 60 s, a signed fraction (-0.012 = fell by 1.2 %); absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_change_60s: Option<f64>,
}

/// Band of the risk score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "bands of 0..=100: below 20, from 20, 40, 55, 80")]
pub enum RiskLevel {
    None,
    Low,
    Medium,
    High,
    Critical,
}

/// What the risk score would have you do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "signals.md 3")]
pub enum RiskAction {
    Normal,
    Monitor,
    Alert,
    Urgent,
}

/// The risk score (signals.md 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// 0..=100.
    pub score: f64,
    /// Its band.
    pub level: RiskLevel,
    /// 0..=1.
    pub confidence: f64,
    /// What it would have you do.
    pub action: RiskAction,
    /// The six factors.
    pub factors: RiskFactors,
}

/// The six factors of the risk score, each 0..=100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the factors of signals.md 3")]
pub struct RiskFactors {
    pub velocity: f64,
    pub acceleration: f64,
    pub jerk: f64,
    pub volume: f64,
    pub correlation: f64,
    pub clustering: f64,
}

/// The velocity engine's figures at the decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Orders a second over 2 s.
    pub velocity_2s: f64,
    /// US dollars a second over 10 s.
    pub usd_velocity_10s: f64,
    /// Orders a second, a second; absent where a gap touches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceleration: Option<f64>,
    /// Orders a second, a second, a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jerk: Option<f64>,
    /// Orders of the last 30 s.
    pub count_30s: u64,
    /// The largest order of the last 60 s.
    pub largest_usd: Usd,
    /// The first venue by event time, among those that publish every liquidation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leading_venue: Option<Venue>,
}

/// The market around a finding; what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Market regime: BTC's volatility, one up or down by the symbol's own liquidity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<Regime>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btc_price: Option<f64>,
    /// Volatility multiplier, 1 where volatility is unknown.
    pub vol_multiplier: f64,
    /// Mean Pearson coefficient over venue pairs, -1..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue_correlation: Option<f64>,
    /// Open interest of the market: the fresh samples of all venues, at the reference price, US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_interest_usd: Option<Usd>,
    /// Change of open interest over one minute, a signed fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oi_change_1m: Option<f64>,
    /// Funding rate as a fraction per 8 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding_rate_8h: Option<f64>,
}

/// One liquidated order that is large for its market; told once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LargeLiquidation {
    /// Version of this encoding.
    pub v: u8,
    /// Hash of (kind, symbol, id of the order's first print).
    pub id: Id,
    /// The market.
    pub symbol: Symbol,
    /// Where.
    pub venue: Venue,
    /// The venue's own name.
    pub instrument: Instrument,
    /// The side of the position that was closed.
    pub direction: Side,
    /// Its sum when it first reached the threshold.
    pub notional_usd: Usd,
    /// The threshold.
    pub threshold_usd: Usd,
    /// Price of the print that reached it, US dollars.
    pub price: f64,
    /// Every venue's feed state, by the last tick.
    pub feeds: Feeds,
    /// Version and configuration hash of the engine.
    pub engine: String,
    /// Windows are not yet full since a cold start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warming: bool,
    /// From a demo's simulated exchanges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
    /// By the venue's clock.
    pub event_time_ms: EventTime,
    /// Event time of the decision.
    pub known_at_ms: EventTime,
    /// Wall time of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_at_ms: Option<EventTime>,
}
