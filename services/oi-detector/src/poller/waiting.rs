//! The samples that wait for Redis: of each instrument the newest alone, for an older one says nothing of now. So what
//! waits is bounded by what is listed, however long Redis is away.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cascade_domain::{Event, EventTime, Instrument, Venue};
use tokio::sync::Notify;

/// A sample, and when it was received.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) venue: Venue,
    pub(crate) instrument: Instrument,
    pub(crate) received: EventTime,
    /// Always [`Event::OpenInterest`].
    pub(crate) event: Event,
}

impl Sample {
    /// `None` = the event is no sample.
    pub(crate) fn of(event: Event, received: EventTime) -> Option<Self> {
        match &event {
            Event::OpenInterest(sample) => {
                let (venue, instrument) = (sample.venue, sample.instrument);
                Some(Self { venue, instrument, received, event })
            }
            _ => None,
        }
    }
}

/// The queue; one writer takes.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    samples: Mutex<BTreeMap<(Venue, Instrument), Sample>>,
    filled: Notify,
}

impl Waiting {
    /// Adds a sample; whether it replaces an older one.
    pub(crate) fn put(&self, sample: Sample) -> bool {
        let event = sample.event.once_key();
        let before = self.samples().insert((sample.venue, sample.instrument), sample);
        self.filled.notify_one();
        before.is_some_and(|before| before.event.once_key() != event)
    }

    /// Puts samples back that could not be written; the venues of those that newer ones have replaced meanwhile.
    pub(crate) fn put_back(&self, samples: Vec<Sample>) -> Vec<Venue> {
        let mut waiting = self.samples();
        let mut superseded = Vec::new();
        for sample in samples {
            match waiting.get(&(sample.venue, sample.instrument)) {
                Some(newer) if newer.event.once_key() == sample.event.once_key() => {}
                Some(_) => superseded.push(sample.venue),
                None => drop(waiting.insert((sample.venue, sample.instrument), sample)),
            }
        }
        superseded
    }

    /// All samples, at least one: waits for it. May be cancelled without losing anything.
    pub(crate) async fn take(&self) -> Vec<Sample> {
        loop {
            let samples = self.take_now();
            if !samples.is_empty() {
                return samples;
            }
            self.filled.notified().await;
        }
    }

    /// The same without waiting: nothing there, nothing taken.
    pub(crate) fn take_now(&self) -> Vec<Sample> {
        std::mem::take(&mut *self.samples()).into_values().collect()
    }

    fn samples(&self) -> MutexGuard<'_, BTreeMap<(Venue, Instrument), Sample>> {
        // Nothing in there can be left half-done by a panic.
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::{OpenInterest, Symbol};

    fn sample(instrument: &str, second: i64) -> Sample {
        let at = EventTime::from_ms(1_791_565_600_000 + second * 1000);
        let event = Event::OpenInterest(OpenInterest {
            venue: Venue::Binance,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse(instrument).unwrap(),
            coins: Some(1.0),
            usd: None,
            inverse: false,
            event_time_ms: Some(at),
            published_at_ms: Some(at),
            known_at_ms: Some(at),
        });
        Sample::of(event, at).unwrap()
    }

    #[test]
    fn of_each_instrument_the_newest_waits_and_what_it_replaces_is_told() {
        let waiting = Waiting::default();
        let superseded = [("BTCUSDT", 0), ("BTCUSD_PERP", 0), ("BTCUSDT", 0), ("BTCUSDT", 5)]
            .map(|(instrument, second)| waiting.put(sample(instrument, second)));
        assert_eq!(superseded, [false, false, false, true], "the same sample again is none the less");
        assert_eq!(waiting.take_now(), [sample("BTCUSDT", 5), sample("BTCUSD_PERP", 0)]);
        assert_eq!(waiting.take_now(), []);
    }

    #[test]
    fn what_comes_back_does_not_replace_what_came_meanwhile() {
        let waiting = Waiting::default();
        waiting.put(sample("BTCUSDT", 5));
        let superseded = waiting.put_back(vec![sample("BTCUSDT", 0), sample("BTCUSD_PERP", 0)]);
        assert_eq!(superseded, [Venue::Binance]);
        assert_eq!(waiting.put_back(vec![sample("BTCUSDT", 5)]), [], "the same sample is none the newer");
        assert_eq!(waiting.take_now(), [sample("BTCUSDT", 5), sample("BTCUSD_PERP", 0)]);
    }
}
