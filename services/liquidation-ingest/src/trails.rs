//! The way of a sampled frame through the process, as spans: `frame` over `decode`, `queue` and `script`.
//!
//! A frame's events cross the queue as they are; a small table knows by their keys whose they were. With traces off
//! nothing here is done. Decides nothing about events, and knows nothing of OpenTelemetry.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cascade_bus::StoredCount;
use cascade_domain::{Event, EventTime, Id, Shard, Venue};
use cascade_feed::Frame;
use cascade_pace::Clock;
use cascade_service::{Span, Trace, Traces};

/// Events of sampled frames that may be known to wait. Of more the oldest are forgotten: their trace ends there.
const WAITING: usize = 256;

/// The sampled frames of the process.
#[derive(Debug)]
pub(crate) struct Trails {
    traces: Traces,
    clock: Arc<dyn Clock>,
    /// Events of sampled frames that wait for Redis, oldest first.
    waiting: Mutex<Table<Waiting>>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    trace: Trace,
    since_ns: i64,
}

/// What is known of events by their keys, for the newest of them.
#[derive(Debug)]
struct Table<T>(VecDeque<(Id, T)>);

impl<T> Table<T> {
    fn put(&mut self, key: Id, known: T) {
        if self.0.len() >= WAITING {
            self.0.pop_front();
        }
        self.0.push_back((key, known));
    }

    /// Of several copies of an event the oldest: it leaves the queue first, whichever way.
    fn take(&mut self, event: &Event) -> Option<T> {
        if self.0.is_empty() {
            return None;
        }
        let key = event.once_key()?;
        let at = self.0.iter().position(|(known, _)| *known == key)?;
        self.0.remove(at).map(|(_, known)| known)
    }
}

/// A sampled frame whose events are not handed on yet.
#[derive(Debug)]
pub(crate) struct Sampled {
    trace: Trace,
    venue: Venue,
    bytes: usize,
    received_ns: i64,
    /// How many of its events went into the queue.
    handed_on: usize,
}

/// A sampled frame of which something was taken from the queue, and for which shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    trace: Trace,
    shard: Shard,
}

impl Sampled {
    /// Whether what was received then is this frame's: answers to questions come without a frame.
    pub(crate) fn came_at(&self, received: EventTime) -> bool {
        self.received_ns.div_euclid(1_000_000) == received.ms()
    }
}

impl Trails {
    pub(crate) const fn new(traces: Traces, clock: Arc<dyn Clock>) -> Self {
        Self { traces, clock, waiting: Mutex::new(Table(VecDeque::new())) }
    }

    /// A frame came; whether it is sampled is drawn.
    pub(crate) fn frame(&self, frame: &Frame<'_>) -> Option<Sampled> {
        let trace = self.traces.draw()?;
        let Frame { venue, received_ns, text, .. } = *frame;
        Some(Sampled { trace, venue, bytes: text.len(), received_ns, handed_on: 0 })
    }

    /// A sampled frame is decoded.
    pub(crate) fn decoded(&self, frame: &Sampled, events: usize) {
        let span = Span::new("decode", frame.received_ns, self.clock.now_ns());
        self.traces.child(frame.trace, span.count("events", events));
    }

    /// An event of a sampled frame goes into the queue next.
    pub(crate) fn queued(&self, frame: &mut Sampled, event: &Event) {
        frame.handed_on += 1;
        let Some(key) = event.once_key() else { return };
        let waiting = Waiting { trace: frame.trace, since_ns: self.clock.now_ns() };
        self.waiting().put(key, waiting);
    }

    /// All that is wanted of a sampled frame is handed on. What was decoded and is not is unwanted, or part of a bar.
    pub(crate) fn handed_on(&self, frame: &Sampled, route: &str) {
        let span = Span::new("frame", frame.received_ns, self.clock.now_ns());
        let span = span.with("venue", frame.venue.as_str()).with("route", route.to_owned());
        self.traces.root(frame.trace, span.count("bytes", frame.bytes).count("events", frame.handed_on));
    }

    /// The queue was full, and this event went.
    pub(crate) fn dropped(&self, event: &Event) {
        if let Some(waiting) = self.waiting().take(event) {
            let span = Span::new("queue", waiting.since_ns, self.clock.now_ns());
            self.traces.child(waiting.trace, span.with("kind", event.kind()).failed("queue_full"));
        }
    }

    /// The writer took these events from the queue. Says which frames are on their way to which shards.
    pub(crate) fn taken(&self, events: &[Event]) -> Vec<Taken> {
        let mut found = Vec::new();
        let mut table = self.waiting();
        if table.0.is_empty() {
            return found;
        }
        let now = self.clock.now_ns();
        for event in events {
            let (Some(waiting), Some(symbol)) = (table.take(event), event.symbol()) else {
                continue;
            };
            let span = Span::new("queue", waiting.since_ns, now).with("kind", event.kind());
            self.traces.child(waiting.trace, span);
            let taken = Taken { trace: waiting.trace, shard: Shard::of(symbol) };
            if !found.contains(&taken) {
                found.push(taken);
            }
        }
        found
    }

    /// A shard's batch of so many events went to Redis at `since_ns`, and this came of it.
    pub(crate) fn stored(
        &self,
        taken: &[Taken],
        shard: Shard,
        since_ns: i64,
        (events, outcome): (usize, Result<StoredCount, &'static str>),
    ) {
        for frame in taken.iter().filter(|taken| taken.shard == shard) {
            let span = Span::new("script", since_ns, self.clock.now_ns());
            let span = span.with("shard", shard.to_string()).count("events", events);
            let span = match &outcome {
                Ok(counts) => span.count("stored", counts.stored).count("duplicates", counts.duplicates),
                Err(reason) => span.failed(*reason),
            };
            self.traces.child(frame.trace, span);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Table<Waiting>> {
        // Nothing in there can be left half-done by a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cascade_domain::{Instrument, Mark, Symbol};

    use super::*;

    /// The event of this number.
    fn event(number: usize) -> Event {
        let at = EventTime::from_ms(1_791_565_601_000 + i64::try_from(number).unwrap());
        Event::Mark(Mark {
            venue: Venue::Okx,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse("BTC-USDT-SWAP").unwrap(),
            mark_price: Some(82_400.0),
            index_price: None,
            funding_rate: None,
            funding_interval_h: None,
            next_funding_time_ms: None,
            event_time_ms: Some(at),
            known_at_ms: Some(at),
        })
    }

    fn table(events: impl Iterator<Item = usize>) -> Table<usize> {
        let mut table = Table(VecDeque::new());
        for (place, number) in events.enumerate() {
            table.put(event(number).once_key().unwrap(), place);
        }
        table
    }

    #[test]
    fn of_too_many_that_wait_the_oldest_are_forgotten() {
        let mut table = table(0..WAITING + 2);
        assert_eq!([0, 1].map(|number| table.take(&event(number))), [None, None]);
        assert_eq!(table.take(&event(2)), Some(2));
        assert_eq!(table.take(&event(WAITING + 1)), Some(WAITING + 1));
        assert_eq!(table.take(&event(2)), None, "it waits no longer");
    }

    #[test]
    fn of_copies_of_an_event_the_oldest_leaves_first() {
        let mut table = table([7, 8, 7].into_iter());
        assert_eq!([7, 7, 7].map(|number| table.take(&event(number))), [Some(0), Some(2), None]);
    }
}
