//! The nouns of the trade: venues, symbols, sides, money, time, events, findings.
//!
//! What every other room talks in. Knows nothing of exchanges' wire formats, of Redis, of clocks or of
//! thresholds, and names no other crate of ours. Values that can be wrong have constructors that refuse.

mod alert;
mod check;
mod coverage;
mod delivery;
mod event;
mod feed;
mod finding;
mod id;
mod interest;
mod level;
mod money;
mod name;
mod reading;
mod refusal;
mod regime;
mod shard;
mod side;
mod time;
mod venue;

pub use alert::{
    Alert, Digest, DigestLine, Family, Heading, MarketCascade, MarketPart, Phase, Priority, Subject,
    UnknownPriority,
};
pub use check::Unusable;
pub use coverage::{Coverage, PriceKind};
pub use delivery::{AlertReason, Ask, Decision, Delivery, Ending, Manner, Mute, Order, Which};
pub use event::{
    Event, FeedHealth, Gap, GapStream, LargeTrade, Liquidation, Mark, OpenInterest, Tick, Trade, TradeBar,
};
pub use feed::{FeedFinding, FeedStatus, Feeds};
pub use finding::{
    CascadeFinding, Closing, Context, Factors, Finding, Flow, LargeLiquidation, Metrics, Risk, RiskAction,
    RiskFactors, RiskLevel, State,
};
pub use id::{Id, IdHasher};
pub use interest::{
    FundingReading, Holding, InstrumentInterest, InterestChangeReading, InterestEnding, InterestFinding,
    InterestReading, PositionReading, SpanChange, Swing, VenueChange, VenueFunding, VenueInterest,
};
pub use level::{Level, Reason};
pub use money::Usd;
pub use name::{Instrument, NameError, Symbol};
pub use reading::{PriceReading, RegimeReading, ScoreReading, Velocity, VolatilityReading, Windows};
pub use refusal::Refusal;
pub use regime::{Liquidity, Regime, Trend};
pub use shard::{SHARDS, Shard};
pub use side::{Side, Taker};
pub use time::EventTime;
pub use venue::{BaseUrls, UnknownVenue, Venue};
