//! The last value (a price, a funding rate) that each venue gave for a symbol by instrument: each venue's first, and the
//! median of prices.

use cascade_domain::{EventTime, FeedStatus, Feeds, Instrument, Venue};
use serde::{Deserialize, Serialize};

use crate::median;

const VENUES: usize = Venue::ALL.len();
/// Instruments of one venue for one symbol are few; beyond this the least telling goes.
const MAX_LINES: usize = 8;

/// One instrument's last value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Line<V> {
    /// Linear USDT contracts go first, then USDC, then the rest; of equals, by name.
    rank: u8,
    instrument: Instrument,
    value: V,
    at: EventTime,
}

/// Last values by venue and instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Board<V = f64> {
    venues: [Vec<Line<V>>; VENUES],
}

/// A venue's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen<V> {
    /// Whose.
    pub venue: Venue,
    /// Of which of its instruments.
    pub instrument: Instrument,
    /// The value.
    pub value: V,
    /// When it was known.
    pub at: EventTime,
}

impl<V> Default for Board<V> {
    fn default() -> Self {
        Self { venues: [const { Vec::new() }; VENUES] }
    }
}

impl<V: Copy> Board<V> {
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.venues.iter().all(Vec::is_empty)
    }

    /// Notes an instrument's value; one older than what is held is no news.
    pub fn put(&mut self, venue: Venue, instrument: &Instrument, at: EventTime, value: V) {
        let lines = &mut self.venues[venue as usize];
        let new = Line { rank: rank(instrument), instrument: *instrument, value, at };
        if let Some(line) = lines.iter_mut().find(|line| line.instrument == *instrument) {
            if at >= line.at {
                *line = new;
            }
            return;
        }
        let place = lines.partition_point(|line| (line.rank, line.instrument) < (new.rank, *instrument));
        lines.insert(place, new);
        lines.truncate(MAX_LINES);
    }

    /// Forgets what a venue gave at or before `to`.
    pub fn void(&mut self, venue: Venue, to: EventTime) {
        self.venues[venue as usize].retain(|line| line.at > to);
    }

    /// Of each venue whose feed delivers its first fresh instrument: at most `age_ms` old at `now`.
    pub fn chosen(&self, now: EventTime, age_ms: i64, feeds: &Feeds) -> impl Iterator<Item = Chosen<V>> {
        Venue::ALL.iter().zip(&self.venues).filter_map(move |(venue, lines)| {
            if feeds.get(venue).is_some_and(|status: &FeedStatus| !status.delivers()) {
                return None;
            }
            let line = lines.iter().find(|line| (0..=age_ms).contains(&now.since(line.at)))?;
            Some(Chosen { venue: *venue, instrument: line.instrument, value: line.value, at: line.at })
        })
    }
}

impl Board {
    /// The median over venues whose feeds deliver, of each its first fresh instrument: at most `age_ms` old at
    /// `now`. With it, until when that holds if nothing else is heard.
    pub fn median(&self, now: EventTime, age_ms: i64, feeds: &Feeds) -> (Option<f64>, EventTime) {
        let mut values = [0.0; VENUES];
        let mut found = 0;
        let mut until = EventTime::from_ms(i64::MAX);
        for chosen in self.chosen(now, age_ms, feeds) {
            values[found] = chosen.value;
            found += 1;
            until = until.min(chosen.at.plus_ms(age_ms));
        }
        (median(&mut values[..found]), until)
    }
}

fn rank(instrument: &Instrument) -> u8 {
    let name = instrument.as_str();
    match (name.contains("USDT"), name.contains("USDC")) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}
