//! What happened on an exchange, and the ticks, gaps and feed states that go with it (contract.md 3).
//!
//! `known_at_ms` is when we could know an event; windows run on it. A value that is not known is absent, never 0.

use serde::{Deserialize, Serialize};

use crate::{
    Coverage, EventTime, FeedStatus, Feeds, Id, IdHasher, Instrument, PriceKind, Side, Symbol, Taker, Usd,
    Venue,
};

/// One event, tagged by `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A position was liquidated.
    Liquidation(Liquidation),
    /// One second of trades of one instrument.
    TradeBar(TradeBar),
    /// A single large trade.
    LargeTrade(LargeTrade),
    /// A sample of open interest.
    OpenInterest(OpenInterest),
    /// Mark price, index price, funding.
    Mark(Mark),
    /// A stretch of time for which a stream is not complete.
    Gap(Gap),
    /// A venue's feed changed its state.
    FeedHealth(FeedHealth),
    /// One second passed; the only thing that crosses shards.
    Tick(Tick),
    /// One trade (`decode` output; on the bus trades are bars).
    Trade(Trade),
}

/// A liquidation, or one print of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Liquidation {
    /// Hash of what it is; never of when or how we got it.
    pub id: Id,
    /// Where.
    pub venue: Venue,
    /// The market in which venues are compared.
    pub symbol: Symbol,
    /// The venue's own name.
    pub instrument: Instrument,
    /// The side of the position that was closed.
    pub side: Side,
    /// US dollars per base coin.
    pub price: f64,
    /// What the price is the price of.
    pub price_kind: PriceKind,
    /// Base coins.
    pub quantity: f64,
    /// US dollars.
    pub notional_usd: Usd,
    /// When it happened, by the venue's clock.
    pub event_time_ms: EventTime,
    /// The frame's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at_ms: Option<EventTime>,
    /// When we could know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at_ms: Option<EventTime>,
    /// How many of its liquidations the venue publishes.
    pub coverage: Coverage,
    /// Hyperliquid only: a hash of the liquidated user; part of the order's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
}

/// One second of trades; only seconds with trades exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "prices in USD per base coin, quantities in base coins, `_usd` in US dollars; buy and sell are the taker's"
)]
pub struct TradeBar {
    pub venue: Venue,
    pub symbol: Symbol,
    pub instrument: Instrument,
    pub open_time_ms: EventTime,
    pub close_time_ms: EventTime,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub buy_quantity: f64,
    pub sell_quantity: f64,
    pub buy_usd: Usd,
    pub sell_usd: Usd,
    pub trades: u64,
    pub largest_usd: Usd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at_ms: Option<EventTime>,
}

/// A single trade of at least the large-trade threshold (300k USD by default).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `Trade`")]
pub struct LargeTrade {
    pub id: Id,
    pub venue: Venue,
    pub symbol: Symbol,
    pub instrument: Instrument,
    pub side: Taker,
    pub price: f64,
    pub quantity: f64,
    pub notional_usd: Usd,
    pub event_time_ms: EventTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at_ms: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at_ms: Option<EventTime>,
}

/// A sample of open interest, counted on one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "coins are base coins of one side, usd the same in US dollars")]
pub struct OpenInterest {
    pub venue: Venue,
    pub symbol: Symbol,
    pub instrument: Instrument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coins: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Contracts of US dollars: `usd` is what is held, and `coins` move with the price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverse: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time_ms: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at_ms: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at_ms: Option<EventTime>,
}

/// Mark price, index price and funding; what the frame did not carry is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "prices in USD per base coin; the funding rate is a fraction per the venue's own interval"
)]
pub struct Mark {
    pub venue: Venue,
    pub symbol: Symbol,
    pub instrument: Instrument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark_price: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_price: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding_rate: Option<f64>,
    /// Hours between two funding payments, where the venue's frame or rules tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding_interval_h: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_funding_time_ms: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time_ms: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at_ms: Option<EventTime>,
}

/// Which of a venue's streams a gap is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapStream {
    /// Liquidations.
    Liquidations,
    /// Trades, and so trade bars.
    Trades,
    /// Open interest.
    OpenInterest,
    /// Mark prices and funding.
    Mark,
}

impl GapStream {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Liquidations, Self::Trades, Self::OpenInterest, Self::Mark];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Liquidations => "liquidations",
            Self::Trades => "trades",
            Self::OpenInterest => "open_interest",
            Self::Mark => "mark",
        }
    }
}

/// A stretch of time for which a venue's stream is not complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Whose.
    pub venue: Venue,
    /// Which stream.
    pub stream: GapStream,
    /// Which symbols; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<Symbol>,
    /// From when on.
    pub from_ms: EventTime,
    /// Until when.
    pub to_ms: EventTime,
    /// Why, in one word where possible (`closed`, `silent`, `queue_full`, `redis`, `trimmed`).
    pub reason: String,
}

impl Gap {
    /// The reason of a gap in a reader's own hearing: the stream was trimmed before it read it.
    pub const TRIMMED: &str = "trimmed";
}

/// A venue's feed changed its state; goes to all shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedHealth {
    /// Whose.
    pub venue: Venue,
    /// Its state now.
    pub status: FeedStatus,
    /// Since when.
    pub since_ms: EventTime,
    /// Why, in words; empty if there is nothing to say.
    pub reason: String,
}

/// One second passed. The same bytes into every shard, from one leased writer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// The second.
    pub event_time_ms: EventTime,
    /// Median over live venues of their last linear-USDT BTC mark, US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btc_price: Option<f64>,
    /// US dollars of BTC traded in the last closed second, over the venues read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btc_usd_volume_1s: Option<Usd>,
    /// The set of venues in `btc_price` changed since the last tick: no return may be computed across it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub btc_venues_changed: bool,
    /// Every venue that is read, and how its feed does.
    pub feeds: Feeds,
}

/// One trade, as `decode` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "price in USD per base coin, quantity in base coins, side is the taker's")]
pub struct Trade {
    pub id: Id,
    pub venue: Venue,
    pub symbol: Symbol,
    pub instrument: Instrument,
    pub side: Taker,
    pub price: f64,
    pub quantity: f64,
    pub notional_usd: Usd,
    pub event_time_ms: EventTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at_ms: Option<EventTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at_ms: Option<EventTime>,
}

impl Event {
    /// The word in `kind`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Liquidation(_) => "liquidation",
            Self::TradeBar(_) => "trade_bar",
            Self::LargeTrade(_) => "large_trade",
            Self::OpenInterest(_) => "open_interest",
            Self::Mark(_) => "mark",
            Self::Gap(_) => "gap",
            Self::FeedHealth(_) => "feed_health",
            Self::Tick(_) => "tick",
            Self::Trade(_) => "trade",
        }
    }

    /// Whose event it is; a tick is nobody's.
    pub const fn venue(&self) -> Option<Venue> {
        match self {
            Self::Liquidation(e) => Some(e.venue),
            Self::TradeBar(e) => Some(e.venue),
            Self::LargeTrade(e) => Some(e.venue),
            Self::OpenInterest(e) => Some(e.venue),
            Self::Mark(e) => Some(e.venue),
            Self::Gap(e) => Some(e.venue),
            Self::FeedHealth(e) => Some(e.venue),
            Self::Trade(e) => Some(e.venue),
            Self::Tick(_) => None,
        }
    }

    /// The one symbol it is about; gaps, feed states and ticks have none.
    pub const fn symbol(&self) -> Option<&Symbol> {
        match self {
            Self::Liquidation(e) => Some(&e.symbol),
            Self::TradeBar(e) => Some(&e.symbol),
            Self::LargeTrade(e) => Some(&e.symbol),
            Self::OpenInterest(e) => Some(&e.symbol),
            Self::Mark(e) => Some(&e.symbol),
            Self::Trade(e) => Some(&e.symbol),
            Self::Gap(_) | Self::FeedHealth(_) | Self::Tick(_) => None,
        }
    }

    /// When we could know it: `known_at_ms`, else `published_at_ms`, else the venue's own time of it.
    /// `None` where none of them is there; ticks give their time, gaps and feed states have none.
    pub fn known_at(&self) -> Option<EventTime> {
        match self {
            Self::Liquidation(e) => e.known_at_ms.or(e.published_at_ms).or(Some(e.event_time_ms)),
            Self::TradeBar(e) => e.known_at_ms.or(Some(e.close_time_ms)),
            Self::LargeTrade(e) => e.known_at_ms.or(e.published_at_ms).or(Some(e.event_time_ms)),
            Self::OpenInterest(e) => e.known_at_ms.or(e.published_at_ms).or(e.event_time_ms),
            Self::Mark(e) => e.known_at_ms.or(e.event_time_ms),
            Self::Trade(e) => e.known_at_ms.or(e.published_at_ms).or(Some(e.event_time_ms)),
            Self::Tick(e) => Some(e.event_time_ms),
            Self::Gap(_) | Self::FeedHealth(_) => None,
        }
    }

    /// Stamps when we could know it: the publish time held to [received - 2 s, received], or the receive time
    /// where the venue gives none. Ticks, gaps and feed states are left as they are.
    pub fn stamp(&mut self, received: EventTime) {
        let known = |published: Option<EventTime>| {
            Some(published.map_or(received, |at| at.clamp(received.plus_ms(-2000), received)))
        };
        match self {
            Self::Liquidation(e) => e.known_at_ms = known(e.published_at_ms),
            Self::LargeTrade(e) => e.known_at_ms = known(e.published_at_ms),
            Self::OpenInterest(e) => e.known_at_ms = known(e.published_at_ms),
            Self::Trade(e) => e.known_at_ms = known(e.published_at_ms),
            Self::TradeBar(e) => e.known_at_ms = Some(received),
            Self::Mark(e) => e.known_at_ms = known(e.event_time_ms),
            Self::Gap(_) | Self::FeedHealth(_) | Self::Tick(_) => {}
        }
    }

    /// What makes two copies the same event, so that it is stored once: the id of liquidations and trades; kind,
    /// instrument and open or event time of bars, marks and samples (so that only whole marks may be stored: of two parts with one time the second would go).
    /// Gaps, feed states and ticks have none.
    pub fn once_key(&self) -> Option<Id> {
        let sample = |kind: &str, venue: Venue, instrument: &Instrument, at: Option<EventTime>| {
            at.map(|at| {
                IdHasher::new(kind).text(venue.as_str()).text(instrument.as_str()).int(at.ms()).finish()
            })
        };
        match self {
            Self::Liquidation(e) => Some(e.id),
            Self::LargeTrade(e) => Some(IdHasher::new("large_trade").text(&e.id.to_string()).finish()),
            Self::Trade(e) => Some(e.id),
            Self::TradeBar(e) => sample("trade_bar", e.venue, &e.instrument, Some(e.open_time_ms)),
            Self::OpenInterest(e) => {
                sample("open_interest", e.venue, &e.instrument, e.event_time_ms.or(e.known_at_ms))
            }
            Self::Mark(e) => sample("mark", e.venue, &e.instrument, e.event_time_ms.or(e.known_at_ms)),
            Self::Gap(_) | Self::FeedHealth(_) | Self::Tick(_) => None,
        }
    }
}
