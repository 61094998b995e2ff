//! The bounded queue between a feed and the writer. Pushing never waits: when the queue is full the least valuable
//! event goes, and the stretch that was lost is told as a [`Gap`] ahead of what follows.
//!
//! Order of loss: trades and bars; marks, samples and large trades; liquidations; gaps, feed states and ticks. Of one
//! kind the oldest goes first. What stays keeps its order. Knows nothing of Redis.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cascade_domain::{Event, EventTime, Gap, GapStream, Symbol, Venue};
use tokio::sync::Notify;

/// The queue. Share it by reference or in an `Arc`; one writer takes.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    capacity: usize,
}

/// Why a gap is told when the queue drops something.
const QUEUE_FULL: &str = "queue_full";
/// How many ranks of value there are.
const RANKS: usize = 4;
/// A gap that concerns more symbols than this is told as concerning all.
const NAMED_SYMBOLS: usize = 64;

#[derive(Debug, Default)]
struct State {
    /// By rank, cheapest first; each in order of arrival, numbered over all ranks.
    ranks: [VecDeque<Queued>; RANKS],
    next: u64,
    lost: BTreeMap<(Venue, GapStream), Stretch>,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    event: Event,
    /// Since when it waits, where that was told.
    since: Option<Instant>,
}

/// A stretch of time in which events were lost.
#[derive(Debug)]
struct Stretch {
    from: EventTime,
    to: EventTime,
    /// Empty = all.
    symbols: BTreeSet<Symbol>,
    reason: String,
}

fn rank(event: &Event) -> usize {
    match event {
        Event::TradeBar(_) | Event::Trade(_) => 0,
        Event::Mark(_) | Event::OpenInterest(_) | Event::LargeTrade(_) => 1,
        Event::Liquidation(_) => 2,
        Event::Gap(_) | Event::FeedHealth(_) | Event::Tick(_) => 3,
    }
}

impl Outbox {
    /// A queue that holds at most `capacity` events (at least one).
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), capacity: capacity.max(1) }
    }

    /// Adds an event without waiting. When that is one too many, returns the event that was dropped for it (maybe
    /// itself), for the caller to count; the gap is told by [`Outbox::take`].
    pub fn push(&self, event: Event) -> Option<Event> {
        self.put(event, None)
    }

    /// As [`Outbox::push`], of an event that waits since then: told by [`Outbox::take_timed`].
    pub fn push_since(&self, event: Event, since: Instant) -> Option<Event> {
        self.put(event, Some(since))
    }

    fn put(&self, event: Event, since: Option<Instant>) -> Option<Event> {
        let dropped = self.state().push(event, since, self.capacity);
        self.filled.notify_one();
        dropped
    }

    /// At most `max` events in order, at least one: waits for it. Gaps of what was dropped come first, with the
    /// reason `queue_full`. May be cancelled without losing anything.
    pub async fn take(&self, max: usize) -> Vec<Event> {
        self.take_timed(max, &mut Vec::new()).await
    }

    /// As [`Outbox::take`]; since when the taken ones waited is added to `since`, in order, where it was told.
    pub async fn take_timed(&self, max: usize, since: &mut Vec<Instant>) -> Vec<Event> {
        loop {
            let events = self.state().take(max.max(1), since);
            if !events.is_empty() {
                return events;
            }
            self.filled.notified().await;
        }
    }

    /// As [`Outbox::take`], but does not wait: nothing there, nothing taken.
    pub fn take_now(&self, max: usize) -> Vec<Event> {
        self.state().take(max, &mut Vec::new())
    }

    /// Has the gap told that an event leaves which was taken and could not be delivered.
    pub fn lost(&self, event: &Event, reason: &str) {
        self.state().lose(event, reason);
        self.filled.notify_one();
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.state().len()
    }

    /// Whether nothing waits, gaps that are still to be told included.
    pub fn is_empty(&self) -> bool {
        let state = self.state();
        state.len() == 0 && state.lost.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn len(&self) -> usize {
        self.ranks.iter().map(VecDeque::len).sum()
    }

    fn push(&mut self, event: Event, since: Option<Instant>, capacity: usize) -> Option<Event> {
        let own = rank(&event);
        let mut dropped = None;
        if self.len() >= capacity {
            let cheapest = self.ranks.iter_mut().take(own + 1).find_map(VecDeque::pop_front);
            let Some(Queued { event: victim, .. }) = cheapest else {
                self.lose(&event, QUEUE_FULL);
                return Some(event);
            };
            self.lose(&victim, QUEUE_FULL);
            dropped = Some(victim);
        }
        self.ranks[own].push_back(Queued { number: self.next, event, since });
        self.next += 1;
        dropped
    }

    fn take(&mut self, max: usize, times: &mut Vec<Instant>) -> Vec<Event> {
        let mut events = Vec::with_capacity(max.min(self.len() + self.lost.len()));
        while events.len() < max {
            let Some(((venue, stream), stretch)) = self.lost.pop_first() else { break };
            events.push(Event::Gap(stretch.gap(venue, stream)));
        }
        while events.len() < max {
            let oldest =
                self.ranks.iter_mut().filter(|rank| !rank.is_empty()).min_by_key(|rank| rank[0].number);
            let Some(Queued { event, since, .. }) = oldest.and_then(VecDeque::pop_front) else { break };
            events.push(event);
            times.extend(since);
        }
        events
    }

    /// Remembers the stretch that a dropped event leaves empty. A dropped gap is itself told later; a dropped feed
    /// state or tick leaves no hole in a stream.
    fn lose(&mut self, event: &Event, reason: &str) {
        let (stream, from, to) = match event {
            Event::Liquidation(e) => {
                let at = event.known_at().unwrap_or(e.event_time_ms);
                (GapStream::Liquidations, e.event_time_ms.min(at), at)
            }
            Event::TradeBar(e) => (GapStream::Trades, e.open_time_ms, e.close_time_ms),
            Event::Trade(e) => (GapStream::Trades, e.event_time_ms, e.event_time_ms),
            Event::LargeTrade(e) => (GapStream::Trades, e.event_time_ms, e.event_time_ms),
            Event::OpenInterest(_) | Event::Mark(_) => {
                let Some(at) = event.known_at() else { return };
                let of_mark = matches!(event, Event::Mark(_));
                (if of_mark { GapStream::Mark } else { GapStream::OpenInterest }, at, at)
            }
            Event::Gap(gap) => return self.lose_gap(gap),
            Event::FeedHealth(_) | Event::Tick(_) => return,
        };
        let (Some(venue), Some(symbol)) = (event.venue(), event.symbol()) else { return };
        let stretch = Stretch { from, to, symbols: BTreeSet::from([*symbol]), reason: reason.to_owned() };
        self.merge((venue, stream), stretch);
    }

    fn lose_gap(&mut self, gap: &Gap) {
        let stretch = Stretch {
            from: gap.from_ms,
            to: gap.to_ms,
            symbols: gap.symbols.iter().copied().collect(),
            reason: gap.reason.clone(),
        };
        self.merge((gap.venue, gap.stream), stretch);
    }

    fn merge(&mut self, key: (Venue, GapStream), new: Stretch) {
        match self.lost.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(new);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => place.get_mut().extend(new),
        }
    }
}

impl Stretch {
    fn extend(&mut self, other: Self) {
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        let all = self.symbols.is_empty() || other.symbols.is_empty();
        self.symbols.extend(other.symbols);
        if all || self.symbols.len() > NAMED_SYMBOLS {
            self.symbols.clear();
        }
    }

    fn gap(self, venue: Venue, stream: GapStream) -> Gap {
        Gap {
            venue,
            stream,
            symbols: self.symbols.into_iter().collect(),
            from_ms: self.from,
            to_ms: self.to,
            reason: self.reason,
        }
    }
}
