//! Stretches of time of which no sample of a venue reached the streams. Pure: what was written, and when, is handed in.

use std::collections::{BTreeMap, BTreeSet};

use cascade_domain::{EventTime, Gap, GapStream, Venue};

/// Engines count a sample for so long, milliseconds: a stretch without that is longer is told.
pub(super) const LONGEST_MS: i64 = 30_000;

/// Up to when each venue's samples stand in the streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holes {
    known_to: BTreeMap<Venue, EventTime>,
    /// Venues that leave none, whatever is missed.
    ignored: BTreeSet<Venue>,
}

impl Holes {
    /// From here on we ask the venue; the one before us had its samples up to `known_to`, if anybody knows. What we wrote
    /// ourselves later than that stands.
    pub(crate) fn begin(&mut self, venue: Venue, known_to: Option<EventTime>) {
        if let Some(known_to) = known_to {
            self.written(venue, known_to);
        }
    }

    /// What is missed of this venue comes another way.
    pub(crate) fn ignore(&mut self, venue: Venue) {
        self.ignored.insert(venue);
    }

    /// Up to when the venue's samples stand in the streams, as far as is known.
    pub(crate) fn known_to(&self, venue: Venue) -> Option<EventTime> {
        self.known_to.get(&venue).copied()
    }

    /// The gap that a sample of this time ends, if there is one.
    pub(crate) fn before(&self, venue: Venue, sample: EventTime) -> Option<Gap> {
        let from_ms = *self.known_to.get(&venue)?;
        let is_told = !self.ignored.contains(&venue) && sample.since(from_ms) > LONGEST_MS;
        is_told.then(|| Gap {
            venue,
            stream: GapStream::OpenInterest,
            symbols: Vec::new(),
            from_ms,
            to_ms: sample,
            reason: "not_asked".to_owned(),
        })
    }

    /// A sample of this time is written, or a gap that ends then is told.
    pub(crate) fn written(&mut self, venue: Venue, sample: EventTime) {
        let known_to = self.known_to.entry(venue).or_insert(sample);
        *known_to = sample.max(*known_to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_ms(1_791_565_600_000 + second * 1000)
    }

    fn hole(holes: &Holes, second: i64) -> Option<(EventTime, EventTime)> {
        holes.before(Venue::Binance, at(second)).map(|gap| (gap.from_ms, gap.to_ms))
    }

    #[test]
    fn only_a_stretch_of_more_than_30_seconds_is_a_gap_and_it_is_told_until_something_is_written() {
        let mut holes = Holes::default();
        assert_eq!(hole(&holes, 0), None, "nobody knows of anything before");
        holes.written(Venue::Binance, at(0));
        assert_eq!(hole(&holes, 30), None);
        assert_eq!(hole(&holes, 31), Some((at(0), at(31))));
        assert_eq!(hole(&holes, 40), Some((at(0), at(40))));
        holes.written(Venue::Binance, at(40));
        assert_eq!(hole(&holes, 41), None);
        assert_eq!(holes.before(Venue::Okx, at(100)), None, "each venue has its own");
    }

    #[test]
    fn what_the_one_before_us_had_counts_and_an_older_sample_changes_nothing() {
        let mut holes = Holes::default();
        holes.begin(Venue::Binance, Some(at(0)));
        assert_eq!(hole(&holes, 45), Some((at(0), at(45))));
        holes.written(Venue::Binance, at(45));
        holes.written(Venue::Binance, at(20));
        assert_eq!(hole(&holes, 60), None);
        holes.begin(Venue::Binance, Some(at(10)));
        assert_eq!(hole(&holes, 60), None, "who lost the lease for a moment knows better");
        holes.begin(Venue::Binance, None);
        assert_eq!(hole(&holes, 1000), Some((at(45), at(1000))), "what we wrote ourselves is known");
        holes.ignore(Venue::Binance);
        assert_eq!(hole(&holes, 1000), None, "its sockets tell what is missed here");
    }
}
