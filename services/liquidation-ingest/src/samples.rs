//! Open interest arrives several times a second, in parts, or not at all while it stands still; the stream gets at most
//! one whole sample each two seconds and instrument, also while the venue confirms that nothing changed. Pure.

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
    /// Takes what a frame said; gives it if it is time for a sample. A part (dollars of what is counted in coins) never
    /// takes the place of the whole.
    pub(crate) fn take(&mut self, part: &OpenInterest, received: EventTime) -> Option<OpenInterest> {
        let known =
            self.known.entry(part.instrument).or_insert_with(|| Known { sample: part.clone(), told: None });
        if part.coins.is_none() && known.sample.coins.is_some() {
            return None;
        }
        known.sample = part.clone();
        known.tell(received)
    }

    /// Takes a mark from a frame that would have said so if open interest had changed; gives the sample anew if it is
    /// time for one. Its dollars of before are left out: the price is another.
    pub(crate) fn confirm(&mut self, mark: &Mark, received: EventTime) -> Option<OpenInterest> {
        let known = self.known.get_mut(&mark.instrument)?;
        known.sample.event_time_ms = mark.event_time_ms;
        known.sample.published_at_ms = mark.event_time_ms;
        known.sample.known_at_ms = mark.known_at_ms;
        if known.sample.coins.is_some() {
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
    fn dollars_alone_do_not_take_the_place_of_coins() {
        let mut samples = Samples::default();
        samples.take(&part(Some(5.0), Some(410_000), T), T);
        let later = T.plus_ms(5_000);
        assert_eq!(samples.take(&part(None, Some(420_000), later), later), None);
        assert_eq!(samples.confirm(&mark(later), later).unwrap().coins, Some(5.0));
    }

    #[test]
    fn after_a_break_nothing_old_is_told() {
        let mut samples = Samples::default();
        samples.take(&part(Some(5.0), None, T), T);
        samples.clear();
        assert_eq!(samples.confirm(&mark(T.plus_ms(9_000)), T.plus_ms(9_000)), None);
    }
}
