//! One exchange as its clients meet it: who is connected, what each has subscribed to, what is sent to whom.
//!
//! Every connection has a bounded queue; one that is full is cut, so that a slow reader neither stalls the others nor
//! grows memory. Knows no venue's wire format (that is behind [`Wire`]) and no socket.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cascade_domain::{EventTime, Venue};
use serde_json::Value;
use tokio::sync::watch;

use crate::broken::{Broken, PollFault};
use crate::connection::{Connection, Opened};
use crate::limit::{Beyond, Endpoint, HYPERLIQUID_CONNECTIONS, Limit, Weights};
use crate::listing::{Catalogue, Listing};
use crate::sampling::Sampler;
use crate::truth::{Tally, Truth};
use crate::wire::{
    Answer, Frame, InterestAsk, Moment, Outbox, Request, Route, Session, Subscribers, Told, Wire,
};
use crate::world::{Step, Trade, World};
use crate::{binance, bybit, hyperliquid, okx};

/// Liquidations that are kept to be sent again: so old, and so many at most.
const RECENT_MS: i64 = 180_000;
const RECENT_FRAMES: usize = 10_000;
/// How many of them a new subscriber is sent at most: a part of its queue.
const REPLAYED_FRAMES: usize = 1000;

/// What an exchange counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Connections ever let in.
    pub(crate) opened: u64,
    /// Connections, messages and requests beyond the venue's limits.
    pub(crate) refused_for_rate: u64,
    /// Connections cut because their reader was too slow.
    pub(crate) slow_readers: u64,
    /// Trades that happened.
    pub(crate) trades: u64,
    /// Liquidations that the venue published while it was mute.
    pub(crate) withheld: Tally,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    venue: Venue,
    wire: Box<dyn Wire>,
    sampler: Sampler,
    listings: Vec<&'static Listing>,
    /// Bases that are not listed here yet.
    unlisted: BTreeSet<String>,
    connections: BTreeMap<u64, Connection>,
    subscribers: Subscribers,
    /// Whether `subscribers` no longer says what the sessions say.
    stale: bool,
    connects: Limit,
    rest: [Limit; 3],
    weights: Weights,
    recent: VecDeque<(EventTime, Told)>,
    pub(crate) stalled: watch::Sender<bool>,
    pub(crate) counts: Counts,
    pub(crate) broken: Broken,
}

impl Exchange {
    pub(crate) fn new(venue: Venue, catalogue: Catalogue) -> Self {
        let wire: Box<dyn Wire> = match venue {
            Venue::Binance => Box::<binance::Binance>::default(),
            Venue::Bybit => Box::<bybit::Bybit>::default(),
            Venue::Okx => Box::<okx::Okx>::default(),
            Venue::Hyperliquid => Box::<hyperliquid::Hyperliquid>::default(),
        };
        Self {
            venue,
            wire,
            sampler: Sampler::of(venue),
            listings: catalogue.listed(venue).collect(),
            unlisted: BTreeSet::new(),
            connections: BTreeMap::new(),
            subscribers: Subscribers::new(),
            stale: false,
            connects: Limit::connects(venue),
            rest: Endpoint::ALL.map(|endpoint| Limit::rest(venue, endpoint)),
            weights: Weights::default(),
            recent: VecDeque::new(),
            stalled: watch::channel(false).0,
            counts: Counts::default(),
            broken: Broken::of(venue),
        }
    }

    /// What the venue lists at present, in its own order.
    pub(crate) fn listings(&self) -> &[&'static Listing] {
        &self.listings
    }

    /// What the venue takes for now, milliseconds.
    pub(crate) const fn stamp_ms(&self, now: EventTime) -> i64 {
        now.plus_ms(self.broken.clock_offset_ms).ms()
    }

    /// Takes a base's contracts off the list, or puts them at its end.
    pub(crate) fn set_listed(&mut self, base: &str, listed: bool, catalogue: Catalogue) {
        if listed && self.unlisted.remove(base) {
            self.listings.extend(catalogue.listed(self.venue).filter(|l| l.base().name == base));
        } else if !listed && self.unlisted.insert(base.to_owned()) {
            self.listings.retain(|l| l.base().name != base);
        }
    }

    /// Counts one more REST request, and says whether it is within the venue's limits.
    pub(crate) fn admits_rest(&mut self, endpoint: Endpoint, now: EventTime) -> Result<(), Beyond> {
        let admitted = match self.venue {
            Venue::Binance => self.weights.weigh(now),
            _ if self.rest[endpoint as usize].admit(now) => Ok(()),
            _ => Err(Beyond::Limited(0)),
        };
        self.counts.refused_for_rate += u64::from(admitted.is_err());
        admitted
    }

    /// The weight of this minute's REST requests, where the venue tells it.
    pub(crate) fn used_weight(&self) -> Option<u32> {
        (self.venue == Venue::Binance).then(|| self.weights.used())
    }

    /// Answers a REST question about open interest, well or as a fault would have it; none where the venue has no such
    /// endpoint.
    pub(crate) fn open_interest(
        &mut self,
        coin_margined: bool,
        query: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let query = match self.broken.polls {
            Some(PollFault::Swapped) => self.of_another(coin_margined, query),
            _ => query.clone(),
        };
        let ask = InterestAsk { coin_margined, query: &query, listings: &self.listings };
        let (status, mut body) = self.wire.open_interest(&ask)?;
        match self.broken.polls {
            Some(PollFault::Truncated) => body.truncate(body.floor_char_boundary(body.len() / 2)),
            Some(PollFault::Stale) => {
                let question = format!("{coin_margined} {query:?}");
                return Some(self.broken.first_answers.entry(question).or_insert((status, body)).clone());
            }
            Some(PollFault::Swapped | PollFault::Status(..)) | None => {}
        }
        Some((status, body))
    }

    /// The same question about the contract that is listed after the one it is about.
    fn of_another(&self, coin_margined: bool, query: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let okx = self.venue == Venue::Okx;
        let key = if okx { "instId" } else { "symbol" };
        let alike = self.listings.iter().filter(|l| okx || l.is_inverse() == coin_margined);
        let names: Vec<&str> = alike.map(|listing| listing.instrument).collect();
        let asked = query.get(key).and_then(|name| names.iter().position(|other| other == name));
        let next = asked.map_or(0, |place| (place + 1) % names.len().max(1));
        let mut query = query.clone();
        if let Some(name) = names.get(next) {
            query.insert(key.to_owned(), (*name).to_owned());
        }
        query
    }

    /// Answers a REST question about liquidations of the past.
    pub(crate) fn recall(&self, query: &BTreeMap<String, String>) -> Option<Value> {
        self.wire.recall(query, &self.listings)
    }

    /// Whether one more connection is let in. Hyperliquid lets every one in, and closes it then.
    pub(crate) fn admits(&mut self, now: EventTime) -> bool {
        let admitted = self.venue == Venue::Hyperliquid || self.connects.admit(now);
        self.counts.refused_for_rate += u64::from(!admitted);
        admitted
    }

    /// Lets a connection in. Hyperliquid closes at once one that is too many.
    pub(crate) fn open(&mut self, route: Route, now: EventTime) -> Opened {
        let limited = self.venue == Venue::Hyperliquid;
        let too_fast = limited && !self.connects.admit(now);
        let crowded = too_fast || limited && self.connections.len() >= HYPERLIQUID_CONNECTIONS;
        self.counts.opened += 1;
        let session = Session::new(self.counts.opened, route);
        let (mut connection, opened) = Connection::open(session, now, self.stalled.subscribe());
        if crowded {
            self.counts.refused_for_rate += 1;
            connection.take(Frame::close(1008, "Too many connections"));
        }
        self.connections.insert(opened.id, connection);
        opened
    }

    /// Forgets a connection, which cuts it.
    pub(crate) fn leave(&mut self, id: u64) {
        self.stale |= self.connections.remove(&id).is_some();
    }

    /// Cuts all connections.
    pub(crate) fn cut_all(&mut self) {
        self.connections.clear();
        self.stale = true;
    }

    /// Cuts all connections, as if none had read in time.
    pub(crate) fn cut_slow(&mut self) {
        self.counts.slow_readers += u64::try_from(self.connections.len()).unwrap_or_default();
        self.cut_all();
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        self.connections.len()
    }

    /// A client sent something, a ping or pong too: counts it, and answers if it is text.
    pub(crate) fn hear(&mut self, id: u64, text: Option<&str>, now: EventTime) {
        let elsewhere = self.elsewhere(id);
        let stamp_ms = self.stamp_ms(now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let session = &mut connection.session;
        if session.closing {
            return;
        }
        if !session.messages.admit(now) {
            self.counts.refused_for_rate += 1;
            return self.answer(id, vec![Frame::close(1008, "Too many requests")]);
        }
        let Some(text) = text else { return };
        let first = !std::mem::replace(&mut session.heard, true);
        if let Some(code) = self.broken.closes_new.filter(|_| first) {
            return self.answer(id, vec![Frame::close(code, "not now")]);
        }
        let (refused, listings) = (&self.broken.refused_topics, self.listings.as_slice());
        let request = Request { text, now, stamp_ms, listings, refused, elsewhere: &elsewhere };
        let before = session.topics.clone();
        let mut answers = self.wire.hear(session, &request);
        self.counts.refused_for_rate += std::mem::take(&mut session.over_limits);
        if session.topics == before {
            return self.answer_unless_muted(id, answers);
        }
        if self.broken.ignores_subscribe {
            session.topics = before;
            return;
        }
        self.stale = true;
        if self.broken.replays {
            let new: BTreeSet<&String> = session.topics.difference(&before).collect();
            let again = self.recent.iter().rev().filter(|(_, told)| new.contains(&told.topic));
            let mut again: Vec<_> =
                again.take(REPLAYED_FRAMES).map(|(_, t)| Frame::Text(t.text.clone())).collect();
            again.reverse();
            answers.extend(again);
        }
        self.answer_unless_muted(id, answers);
    }

    /// What happened on the venue in a step goes to those who subscribed.
    pub(crate) fn step(&mut self, (world, step): (&World, &Step), origin: EventTime, truth: &mut Truth) {
        let now = origin.plus_ms(step.end_ms);
        self.close_old(now);
        self.index();
        let (venue, unlisted) = (self.venue, &self.unlisted);
        let here =
            |l: &Listing| l.venue == venue && (unlisted.is_empty() || !unlisted.contains(l.base().name));
        let mut trades: Vec<&Trade> = step.all_trades().filter(|trade| here(trade.listing)).collect();
        trades.sort_by_key(|trade| trade.at_ms);
        let happened: Vec<_> = step.liquidations.iter().filter(|o| here(o.listing)).cloned().collect();
        self.counts.trades += u64::try_from(trades.len()).unwrap_or_default();
        for order in &happened {
            truth.happened(order);
        }
        let publications = self.sampler.step(&happened, step.end_ms);
        for publication in &publications {
            truth.published(publication);
            if self.broken.muted {
                publication.orders.iter().for_each(|order| self.counts.withheld.add(order));
            }
        }
        let origin = origin.plus_ms(self.broken.clock_offset_ms);
        let listings = self.listings.as_slice();
        let moment = Moment { world, step, origin, listings, trades: &trades, publications: &publications };
        let mut out = Outbox { wanted: &self.subscribers, frames: Vec::new() };
        self.wire.tell(&moment, &mut out);
        let frames = out.frames;
        self.remember(&frames, now);
        let leaving = self.broken.pass(frames, now);
        self.deliver(leaving);
    }

    /// The same frame to everybody, whatever they subscribed to.
    pub(crate) fn shout(&mut self, frame: &Frame) {
        self.shout_each(|_| Some(frame.clone()));
    }

    /// A frame of its own to everybody, where there is one.
    pub(crate) fn shout_each(&mut self, frame: impl Fn(&Connection) -> Option<Frame>) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if frame(connection).is_some_and(|frame| !connection.take(frame)) {
                self.cut_slow_one(id);
            }
        }
    }

    /// Tears the last frame of every connection and cuts it; one that was sent nothing yet is only cut.
    pub(crate) fn tear(&mut self) {
        self.shout_each(Connection::torn);
        self.connections.retain(|_, connection| connection.session.closing);
        self.stale = true;
    }

    fn elsewhere(&self, id: u64) -> Vec<String> {
        let limited = self.connections.values().filter(|_| self.venue == Venue::Hyperliquid);
        limited.filter(|c| c.session.id != id).flat_map(|c| c.session.topics.iter().cloned()).collect()
    }

    /// Closes the connections that have stood long enough.
    fn close_old(&mut self, now: EventTime) {
        let Some(age) = self.broken.connection_age else { return };
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        for connection in self.connections.values_mut().filter(|c| now.since(c.opened_at) >= age) {
            connection.take(Frame::close(1001, "Connection age"));
        }
    }

    /// Brings `subscribers` up to date.
    fn index(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.subscribers.clear();
        for (id, connection) in &self.connections {
            for topic in &connection.session.topics {
                self.subscribers.entry(topic.clone()).or_default().push(*id);
            }
        }
    }

    fn remember(&mut self, frames: &[Told], now: EventTime) {
        self.recent.extend(frames.iter().filter(|told| told.liquidation).map(|told| (now, told.clone())));
        let over = self.recent.len().saturating_sub(RECENT_FRAMES);
        self.recent.drain(..over);
        while self.recent.front().is_some_and(|(at, _)| now.since(*at) > RECENT_MS) {
            self.recent.pop_front();
        }
    }

    fn deliver(&mut self, frames: Vec<Told>) {
        let mut slow = BTreeSet::new();
        for told in frames {
            for id in self.subscribers.get(&told.topic).into_iter().flatten() {
                let taken = self.connections.get_mut(id).map(|c| c.tell(Frame::Text(told.text.clone())));
                if taken == Some(false) {
                    slow.insert(*id);
                }
            }
        }
        for id in slow {
            self.cut_slow_one(id);
        }
    }

    fn cut_slow_one(&mut self, id: u64) {
        self.counts.slow_readers += 1;
        self.leave(id);
    }

    fn answer_unless_muted(&mut self, id: u64, frames: Vec<Frame>) {
        if !self.broken.muted {
            self.answer(id, frames);
        }
    }

    fn answer(&mut self, id: u64, frames: Vec<Frame>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !frames.into_iter().all(|frame| connection.tell(frame)) {
            self.cut_slow_one(id);
        }
    }
}
