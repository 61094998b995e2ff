//! The last price (or funding rate) that each venue gave for a symbol, and their median.

use cascade_domain::{EventTime, FeedStatus, Feeds, Instrument, Venue};
use serde::{Deserialize, Serialize};

use crate::median;

const VENUES: usize = Venue::ALL.len();
/// Instruments of one venue for one symbol are few; beyond this the least telling goes.
const MAX_LINES: usize = 8;

/// One instrument's last value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Line {
    /// Linear USDT contracts go first, then USDC, then the rest; of equals, by name.
    rank: u8,
    instrument: Instrument,
    value: f64,
    at: EventTime,
}

/// Last values by venue and instrument.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Board {
    venues: [Vec<Line>; VENUES],
}

impl Board {
    /// Notes an instrument's value; one older than what is held is no news.
    pub fn put(&mut self, venue: Venue, instrument: &Instrument, at: EventTime, value: f64) {
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

    /// The median over venues whose feeds deliver, of each its first fresh instrument: at most `age_ms` old at
    /// `now`. With it, until when that holds if nothing else is heard.
    pub fn median(&self, now: EventTime, age_ms: i64, feeds: &Feeds) -> (Option<f64>, EventTime) {
        let mut values = [0.0; VENUES];
        let mut found = 0;
        let mut until = EventTime::from_ms(i64::MAX);
        for (venue, lines) in Venue::ALL.iter().zip(&self.venues) {
            if feeds.get(venue).is_some_and(|status: &FeedStatus| !status.delivers()) {
                continue;
            }
            if let Some(line) = lines.iter().find(|line| (0..=age_ms).contains(&now.since(line.at))) {
                values[found] = line.value;
                found += 1;
                until = until.min(line.at.plus_ms(age_ms));
            }
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
