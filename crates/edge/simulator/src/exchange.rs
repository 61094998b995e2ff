//! One exchange as its clients meet it: who is connected, what each has subscribed to, what is sent to whom.
//!
//! Every connection has a bounded queue; one that is full is cut, so that a slow reader neither stalls the others nor
//! grows memory. Knows no venue's wire format (that is behind [`Wire`]) and no socket.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::extract::ws::Utf8Bytes;
use cascade_domain::{EventTime, Venue};
use tokio::sync::{mpsc, watch};

use crate::sampling::{Publication, Sampler};
use crate::truth::Truth;
use crate::world::{Step, Trade, World};
use crate::{binance, bybit, hyperliquid, okx};

/// Frames that may wait for one reader: some seconds of a busy market.
const QUEUE_FRAMES: usize = 4096;
/// Hyperliquid's connections per address.
const HYPERLIQUID_CONNECTIONS: usize = 10;

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

/// What goes to a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A text frame.
    Text(Utf8Bytes),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A close frame, after which the connection ends.
    Close(u16, &'static str),
}

impl Frame {
    /// A text frame.
    pub(crate) fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }
}

/// At most so many in a stretch of the clock.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    most: usize,
    within_ms: i64,
    times: VecDeque<EventTime>,
}

impl Limit {
    pub(crate) const fn new(most: usize, within_ms: i64) -> Self {
        Self { most, within_ms, times: VecDeque::new() }
    }

    /// Counts one more; whether it is within the limit.
    pub(crate) fn admit(&mut self, now: EventTime) -> bool {
        while self.times.front().is_some_and(|at| now.since(*at) >= self.within_ms) {
            self.times.pop_front();
        }
        if self.times.len() >= self.most {
            return false;
        }
        self.times.push_back(now);
        true
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
    messages: Limit,
    /// Subscribe and unsubscribe requests (OKX).
    pub(crate) requests: Limit,
    closing: bool,
}

/// A text that a client sent, and what the venue needs to answer it.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) text: &'a str,
    pub(crate) now: EventTime,
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

/// A step of the world, placed on the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) world: &'a World,
    pub(crate) step: &'a Step,
    /// The clock's time of the scenario's second 0 (or of the quiet before it).
    pub(crate) origin: EventTime,
    /// What this venue publishes of its liquidations.
    pub(crate) publications: &'a [Publication],
}

impl<'a> Moment<'a> {
    /// The clock's time, milliseconds, of a millisecond of the scenario.
    pub(crate) const fn at(&self, ms: i64) -> i64 {
        self.origin.plus_ms(ms).ms()
    }

    /// The clock's time at which the step ends, milliseconds.
    pub(crate) const fn now(&self) -> i64 {
        self.at(self.step.end_ms)
    }

    /// Whether this step ends a stretch of so many milliseconds.
    pub(crate) const fn every(&self, ms: i64) -> bool {
        self.step.end_ms % ms == 0
    }

    /// The venue's trades.
    pub(crate) fn trades(&self, venue: Venue) -> impl Iterator<Item = &'a Trade> {
        self.step.trades.iter().filter(move |trade| trade.listing.venue == venue)
    }
}

/// Frames by topic; those that nobody wants are not even written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    wanted: BTreeSet<String>,
    frames: Vec<(String, Utf8Bytes)>,
}

impl Outbox {
    /// Writes a frame if somebody has subscribed to its topic.
    pub(crate) fn push(&mut self, topic: &str, frame: impl FnOnce() -> String) {
        if self.wanted.contains(topic) {
            self.frames.push((topic.to_owned(), frame().into()));
        }
    }
}

/// A venue's wire format: what it answers and what it tells.
pub(crate) trait Wire: std::fmt::Debug + Send {
    /// Answers a text of a client; subscriptions change `session.topics`.
    fn hear(&mut self, session: &mut Session, request: &Request<'_>) -> Vec<Frame>;

    /// Tells the subscribers what happened in a step.
    fn tell(&mut self, moment: &Moment<'_>, out: &mut Outbox);
}

/// What is broken on purpose.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    pub(crate) muted: bool,
    pub(crate) refuses_connections: bool,
    pub(crate) ignores_subscribe: bool,
    pub(crate) refused_topics: Vec<String>,
    /// Acknowledged, and never sent.
    pub(crate) silent_topics: Vec<String>,
}

#[derive(Debug)]
struct Connection {
    session: Session,
    queue: mpsc::Sender<Frame>,
    /// Dropped with the connection: that is what cuts the socket.
    _cut: watch::Sender<()>,
}

/// A connection's end for its socket.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: u64,
    pub(crate) frames: mpsc::Receiver<Frame>,
    /// Closed when the connection is to be cut.
    pub(crate) cut: watch::Receiver<()>,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    venue: Venue,
    wire: Box<dyn Wire>,
    sampler: Sampler,
    connections: BTreeMap<u64, Connection>,
    connects: Limit,
    opened: u64,
    pub(crate) fault: Fault,
}

impl Exchange {
    pub(crate) fn new(venue: Venue) -> Self {
        let (wire, connects): (Box<dyn Wire>, _) = match venue {
            Venue::Binance => (Box::<binance::Binance>::default(), Limit::new(300, 300_000)),
            Venue::Bybit => (Box::<bybit::Bybit>::default(), Limit::new(500, 300_000)),
            Venue::Okx => (Box::<okx::Okx>::default(), Limit::new(3, 1000)),
            Venue::Hyperliquid => (Box::<hyperliquid::Hyperliquid>::default(), Limit::new(30, 60_000)),
        };
        let sampler = Sampler::of(venue);
        let connections = BTreeMap::new();
        Self { venue, wire, sampler, connections, connects, opened: 0, fault: Fault::default() }
    }

    /// Whether one more connection is let in.
    pub(crate) fn admits(&mut self, now: EventTime) -> bool {
        self.connects.admit(now)
    }

    /// Lets a connection in. Hyperliquid closes at once one that is too many.
    pub(crate) fn open(&mut self, route: Route) -> Opened {
        let (queue, frames) = mpsc::channel(QUEUE_FRAMES);
        let (cut_here, cut) = watch::channel(());
        self.opened += 1;
        let id = self.opened;
        let too_many = self.venue == Venue::Hyperliquid && self.connections.len() >= HYPERLIQUID_CONNECTIONS;
        let session = Session {
            id,
            route,
            topics: BTreeSet::new(),
            messages: match self.venue {
                Venue::Binance => Limit::new(10, 1000),
                Venue::Hyperliquid => Limit::new(2000, 60_000),
                Venue::Bybit | Venue::Okx => Limit::new(usize::MAX, 1),
            },
            requests: Limit::new(480, 3_600_000),
            closing: false,
        };
        self.connections.insert(id, Connection { session, queue, _cut: cut_here });
        if too_many {
            self.answer(id, vec![Frame::Close(1008, "Too many connections")]);
        }
        Opened { id, frames, cut }
    }

    /// Forgets a connection, which cuts it.
    pub(crate) fn leave(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    /// Cuts all connections.
    pub(crate) fn cut_all(&mut self) {
        self.connections.clear();
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        self.connections.len()
    }

    /// A client sent something, a ping or pong too: counts it, and answers if it is text.
    pub(crate) fn hear(&mut self, id: u64, text: Option<&str>, now: EventTime) {
        let elsewhere: Vec<String> = self
            .connections
            .values()
            .filter(|c| self.venue == Venue::Hyperliquid && c.session.id != id)
            .flat_map(|c| c.session.topics.iter().cloned())
            .collect();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let session = &mut connection.session;
        if session.closing {
            return;
        }
        if !session.messages.admit(now) {
            return self.answer(id, vec![Frame::Close(1008, "Too many requests")]);
        }
        let Some(text) = text else { return };
        let request = Request { text, now, refused: &self.fault.refused_topics, elsewhere: &elsewhere };
        let before = session.topics.clone();
        let answers = self.wire.hear(session, &request);
        if self.fault.ignores_subscribe && session.topics != before {
            session.topics = before;
        } else if !self.fault.muted {
            self.answer(id, answers);
        }
    }

    /// What happened on the venue in a step goes to those who subscribed.
    pub(crate) fn step(&mut self, (world, step): (&World, &Step), origin: EventTime, truth: &mut Truth) {
        let here = step.liquidations.iter().filter(|order| order.listing.venue == self.venue);
        let happened: Vec<_> = here.cloned().collect();
        for order in &happened {
            truth.happened(order);
        }
        let publications = self.sampler.step(&happened, step.end_ms);
        for publication in &publications {
            truth.published(publication);
        }
        let topics = self.connections.values().flat_map(|c| c.session.topics.iter().cloned());
        let mut out = Outbox { wanted: topics.collect(), frames: Vec::new() };
        self.wire.tell(&Moment { world, step, origin, publications: &publications }, &mut out);
        if !self.fault.muted {
            let silent =
                |topic: &str| self.fault.silent_topics.iter().any(|part| topic.contains(part.as_str()));
            out.frames.retain(|(topic, _)| !silent(topic));
            self.connections.retain(|_, connection| connection.take(&out.frames));
        }
    }

    /// The same frame to everybody, whatever they subscribed to.
    pub(crate) fn shout(&mut self, frame: &Frame) {
        self.connections.retain(|_, connection| connection.queue.try_send(frame.clone()).is_ok());
    }

    fn answer(&mut self, id: u64, frames: Vec<Frame>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        for frame in frames {
            connection.session.closing |= matches!(frame, Frame::Close(..));
            if connection.queue.try_send(frame).is_err() {
                self.connections.remove(&id);
                return;
            }
        }
    }
}

impl Connection {
    /// Queues what it subscribed to; false if its queue is full.
    fn take(&self, frames: &[(String, Utf8Bytes)]) -> bool {
        let wanted = |topic: &String| !self.session.closing && self.session.topics.contains(topic);
        frames
            .iter()
            .filter(|(topic, _)| wanted(topic))
            .all(|(_, text)| self.queue.try_send(Frame::Text(text.clone())).is_ok())
    }
}
