//! What an exchange and its wire format say to each other: sessions, requests, moments, frames.
//!
//! Knows neither a venue's format (each stands in its own file behind [`Wire`]) nor a socket.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::extract::ws::Utf8Bytes;
use cascade_domain::{EventTime, Venue};
use serde_json::Value;

use crate::limit::Limit;
use crate::listing::Listing;
use crate::sampling::Publication;
use crate::world::{Step, Trade, World};

/// The path on which a client connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Binance `/market/stream`.
    Market,
    /// Binance `/public/stream`, `/stream`, `/ws`: every subscription is acknowledged, market streams never come.
    Silent,
    /// Bybit `/v5/public/linear`.
    Linear,
    /// Bybit `/v5/public/inverse`.
    Inverse,
    /// OKX `/ws/v5/public`.
    Okx,
    /// Hyperliquid `/ws`.
    Hyperliquid,
}

impl Route {
    /// Whose path it is.
    pub(crate) const fn venue(self) -> Venue {
        match self {
            Self::Market | Self::Silent => Venue::Binance,
            Self::Linear | Self::Inverse => Venue::Bybit,
            Self::Okx => Venue::Okx,
            Self::Hyperliquid => Venue::Hyperliquid,
        }
    }
}

/// What goes to a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A text frame.
    Text(Utf8Bytes),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A ping frame with this time, milliseconds.
    Ping(i64),
    /// A close frame, after which the connection ends.
    Close(u16, String),
    /// The first half of a text frame's bytes, after which the connection is cut.
    Torn(Utf8Bytes),
}

impl Frame {
    /// A text frame.
    pub(crate) fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A close frame.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.to_owned())
    }
}

/// What a venue remembers of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// A number of its own, from 1.
    pub(crate) id: u64,
    /// Where it connected.
    pub(crate) route: Route,
    /// What it subscribed to; the words are the wire's own.
    pub(crate) topics: BTreeSet<String>,
    /// Messages of any kind that it sent.
    pub(crate) messages: Limit,
    /// Subscribe and unsubscribe requests.
    pub(crate) requests: Limit,
    /// What it asked for beyond the venue's limits, and was refused.
    pub(crate) over_limits: u64,
    /// Whether it has sent a text yet.
    pub(crate) heard: bool,
    /// Whether a close frame is on its way.
    pub(crate) closing: bool,
}

impl Session {
    pub(crate) const fn new(id: u64, route: Route) -> Self {
        let venue = route.venue();
        Self {
            id,
            route,
            topics: BTreeSet::new(),
            messages: Limit::messages(venue),
            requests: Limit::subscribes(venue),
            over_limits: 0,
            heard: false,
            closing: false,
        }
    }
}

/// A text that a client sent, and what the venue needs to answer it.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) text: &'a str,
    pub(crate) now: EventTime,
    /// What the venue takes for now, milliseconds.
    pub(crate) stamp_ms: i64,
    /// What the venue lists.
    pub(crate) listings: &'a [&'static Listing],
    /// Topics to refuse, by a part of their name.
    pub(crate) refused: &'a [String],
    /// What all other connections have subscribed to (Hyperliquid limits an address, not a connection).
    pub(crate) elsewhere: &'a [String],
}

impl Request<'_> {
    /// Whether a fault refuses this topic.
    pub(crate) fn refuses(&self, topic: &str) -> bool {
        self.refused.iter().any(|part| topic.contains(part))
    }
}

/// A step of the world, placed on the venue's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) world: &'a World,
    pub(crate) step: &'a Step,
    /// The venue's time of the scenario's second 0 (or of the quiet before it).
    pub(crate) origin: EventTime,
    /// What the venue lists.
    pub(crate) listings: &'a [&'static Listing],
    /// The venue's trades.
    pub(crate) trades: &'a [&'a Trade],
    /// What this venue publishes of its liquidations.
    pub(crate) publications: &'a [Publication],
}

impl Moment<'_> {
    /// The venue's time, milliseconds, of a millisecond of the scenario.
    pub(crate) const fn at(&self, ms: i64) -> i64 {
        self.origin.plus_ms(ms).ms()
    }

    /// The venue's time at which the step ends, milliseconds.
    pub(crate) const fn now(&self) -> i64 {
        self.at(self.step.end_ms)
    }

    /// Whether this step ends a stretch of so many milliseconds.
    pub(crate) const fn every(&self, ms: i64) -> bool {
        self.step.end_ms % ms == 0
    }
}

/// Who has subscribed to a topic, by connection.
pub(crate) type Subscribers = HashMap<String, Vec<u64>>;

/// One frame of market data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) topic: String,
    pub(crate) text: Utf8Bytes,
    /// Whether it tells a liquidation.
    pub(crate) liquidation: bool,
}

/// The frames of a step; those that nobody wants are not even written.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    pub(crate) wanted: &'a Subscribers,
    pub(crate) frames: Vec<Told>,
}

impl Outbox<'_> {
    /// Writes a frame if somebody has subscribed to its topic.
    pub(crate) fn push(&mut self, topic: &str, frame: impl FnOnce() -> String) {
        if self.wanted.contains_key(topic) {
            self.frames.push(Told { topic: topic.to_owned(), text: frame().into(), liquidation: false });
        }
    }

    /// Writes a frame of a liquidation, whoever listens: it may be asked for later.
    pub(crate) fn liquidation(&mut self, topic: String, frame: String) {
        self.frames.push(Told { topic, text: frame.into(), liquidation: true });
    }
}

/// A REST question about open interest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InterestAsk<'a> {
    /// Asked of Binance's coin-margined side.
    pub(crate) coin_margined: bool,
    pub(crate) query: &'a BTreeMap<String, String>,
    /// What the venue lists.
    pub(crate) listings: &'a [&'static Listing],
}

/// An HTTP status and a body of JSON.
pub(crate) type Answer = (u16, String);

/// A venue's wire format: what it answers and what it tells.
pub(crate) trait Wire: std::fmt::Debug + Send {
    /// Answers a text of a client; subscriptions change `session.topics`.
    fn hear(&mut self, session: &mut Session, request: &Request<'_>) -> Vec<Frame>;

    /// Tells the subscribers what happened in a step.
    fn tell(&mut self, moment: &Moment<'_>, out: &mut Outbox<'_>);

    /// Answers a REST question about liquidations of the past; none where the venue has no such endpoint.
    fn recall(&self, _query: &BTreeMap<String, String>, _listings: &[&'static Listing]) -> Option<Value> {
        None
    }

    /// Answers a REST question about open interest; none where the venue has no such endpoint.
    fn open_interest(&self, _ask: &InterestAsk<'_>) -> Option<Answer> {
        None
    }
}
