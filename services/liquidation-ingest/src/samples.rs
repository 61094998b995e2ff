//! Open interest arrives several times a second, or not at all while it stands still; the stream gets at most one
//! sample each two seconds and instrument, also while the venue confirms that nothing changed. Pure.

use std::collections::BTreeMap;

use cascade_domain::{EventTime, Instrument, Mark, OpenInterest};

/// How far apart two samples of one instrument are at least, milliseconds.
const APART_MS: i64 = 2_000;

/// The last known open interest of each instrument on one connection.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    known: BTreeMap<Instrument, Known>,
}

#[derive(Debug)]
struct Known {
    sample: OpenInterest,
    told: Option<EventTime>,
}

impl Samples {
    /// Takes what a frame said; gives it if it is time for a sample.
    pub(crate) fn take(&mut self, sample: &OpenInterest, received: EventTime) -> Option<OpenInterest> {
        let told = self.known.get(&sample.instrument).and_then(|known| known.told);
        let known = self.known.entry(sample.instrument);
        known.insert_entry(Known { sample: sample.clone(), told }).into_mut().tell(received)
    }

    /// Takes a mark from a frame that would have said so if open interest had changed; gives the sample anew if it is
    /// time for one. What moves with the price is left out: that may be another now.
    pub(crate) fn confirm(&mut self, mark: &Mark, received: EventTime) -> Option<OpenInterest> {
        let known = self.known.get_mut(&mark.instrument)?;
        known.sample.event_time_ms = mark.event_time_ms;
        known.sample.published_at_ms = mark.event_time_ms;
        known.sample.known_at_ms = mark.known_at_ms;
        if known.sample.inverse {
            known.sample.coins = None;
        } else {
            known.sample.usd = None;
        }
        known.tell(received)
    }

    /// Forgets everything: after a break what was not sent again is not known.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}

impl Known {
    fn tell(&mut self, received: EventTime) -> Option<OpenInterest> {
        if self.told.is_some_and(|told| received.since(told) < APART_MS) {
            return None;
        }
        self.told = Some(received);
        Some(self.sample.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::{Symbol, Usd, Venue};

    const T: EventTime = EventTime::from_ms(1_791_565_601_000);

    fn part(coins: Option<f64>, usd: Option<i64>, at: EventTime) -> OpenInterest {
        OpenInterest {
            venue: Venue::Bybit,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse("BTCUSDT").unwrap(),
            coins,
            usd: usd.map(Usd::from_dollars),
            inverse: false,
            event_time_ms: Some(at),
            published_at_ms: Some(at),
            known_at_ms: Some(at),
        }
    }

    fn mark(at: EventTime) -> Mark {
        Mark {
            venue: Venue::Bybit,
            symbol: Symbol::parse("BTCUSDT").unwrap(),
            instrument: Instrument::parse("BTCUSDT").unwrap(),
            mark_price: Some(82_000.0),
            index_price: None,
            funding_rate: None,
            funding_interval_h: None,
            next_funding_time_ms: None,
            event_time_ms: Some(at),
            known_at_ms: Some(at),
        }
    }

    #[test]
    fn two_samples_are_two_seconds_apart_and_the_newest_is_told() {
        let mut samples = Samples::default();
        assert_eq!(samples.take(&part(Some(5.0), None, T), T).unwrap().coins, Some(5.0));
        assert_eq!(samples.take(&part(Some(6.0), None, T.plus_ms(500)), T.plus_ms(500)), None);
        assert_eq!(samples.confirm(&mark(T.plus_ms(1_999)), T.plus_ms(1_999)), None);
        let at = T.plus_ms(2_000);
        let told = samples.confirm(&mark(at), at).unwrap();
        assert_eq!((told.coins, told.event_time_ms, told.known_at_ms), (Some(6.0), Some(at), Some(at)));
    }

    #[test]
    fn what_stands_still_is_told_again_only_where_the_venue_confirms_it() {
        let mut samples = Samples::default();
        assert_eq!(samples.confirm(&mark(T), T), None, "nothing is known yet");
        samples.take(&part(Some(5.0), Some(410_000), T), T);
        let again = samples.confirm(&mark(T.plus_ms(2_000)), T.plus_ms(2_000)).unwrap();
        assert_eq!((again.coins, again.usd), (Some(5.0), None), "the dollars were those of another price");
    }

    #[test]
    fn of_a_contract_of_dollars_the_coins_are_left_out() {
        let mut samples = Samples::default();
        samples.take(&OpenInterest { inverse: true, ..part(Some(5.0), Some(410_000), T) }, T);
        let again = samples.confirm(&mark(T.plus_ms(2_000)), T.plus_ms(2_000)).unwrap();
        assert_eq!((again.coins, again.usd), (None, Some(Usd::from_dollars(410_000))));
    }

    #[test]
    fn after_a_break_nothing_old_is_told() {
        let mut samples = Samples::default();
        samples.take(&part(Some(5.0), None, T), T);
        samples.clear();
        assert_eq!(samples.confirm(&mark(T.plus_ms(9_000)), T.plus_ms(9_000)), None);
    }
}
