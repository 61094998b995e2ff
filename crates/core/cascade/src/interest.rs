//! Open interest of one symbol: the sum over venues and instruments, and its change over one minute.

use cascade_domain::{EventTime, Instrument, OpenInterest, Venue};
use cascade_engine::Series;
use serde::{Deserialize, Serialize};

use crate::config::Samples;
use crate::price::{age_ms, change};

const STEP_MS: i64 = 1_000;
const MINUTE: [usize; 1] = [60];
/// Instruments of one symbol are few; beyond this the one heard least recently goes.
const MAX_LINES: usize = 16;

/// One instrument's open interest: in base coins where it is given, else in US dollars.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    venue: Venue,
    instrument: Instrument,
    in_coins: bool,
    amount: f64,
    usd: Option<f64>,
    at: EventTime,
    series: Series,
}

/// Open interest of one symbol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interest {
    lines: Vec<Line>,
}

impl Interest {
    /// Whether nothing is held.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Samples every second that has passed.
    #[inline]
    pub(crate) fn advance(&mut self, now: EventTime, samples: &Samples) {
        let age = age_ms(samples.open_interest_s);
        for line in &mut self.lines {
            for step in line.series.due(now) {
                let fresh = (0..=age).contains(&line.series.moment(step).since(line.at));
                line.series.record(step, fresh.then_some(line.amount));
            }
        }
    }

    /// Takes a sample; one older than what is held, or one without an amount, is no news.
    pub(crate) fn take(&mut self, at: EventTime, sample: &OpenInterest) {
        let usd = sample.usd.map(cascade_domain::Usd::dollars);
        // Of a contract of dollars these are what is held: its coins move with the price.
        let coins = sample.coins.filter(|_| !sample.inverse);
        let Some(amount) = coins.or(usd) else { return };
        let in_coins = coins.is_some();
        let known = |line: &&mut Line| line.venue == sample.venue && line.instrument == sample.instrument;
        if let Some(line) = self.lines.iter_mut().find(known) {
            if at < line.at {
                return;
            }
            if line.in_coins != in_coins {
                line.series.clear();
            }
            (line.in_coins, line.amount, line.usd, line.at) = (in_coins, amount, usd, at);
            return;
        }
        if self.lines.len() == MAX_LINES
            && let Some(oldest) = (0..MAX_LINES).min_by_key(|place| self.lines[*place].at)
        {
            self.lines.remove(oldest);
        }
        let key = (sample.venue, sample.instrument);
        let place = self.lines.partition_point(|line| (line.venue, line.instrument) < key);
        let series = Series::new(STEP_MS, &MINUTE);
        let (venue, instrument) = key;
        self.lines.insert(place, Line { venue, instrument, in_coins, amount, usd, at, series });
    }

    /// Forgets what a venue gave, as of a gap in it.
    pub(crate) fn void(&mut self, venue: Venue, to: EventTime) {
        self.lines.retain(|line| line.venue != venue || line.at > to);
    }

    /// Micro-dollars over all instruments with a fresh sample; coins count at the reference price.
    pub(crate) fn total(&self, now: EventTime, reference: Option<f64>, samples: &Samples) -> Option<i128> {
        let worth = |line: &Line| match (line.usd, line.in_coins) {
            (Some(usd), _) => Some(usd),
            (None, true) => reference.map(|price| price * line.amount),
            (None, false) => Some(line.amount),
        };
        let age = age_ms(samples.open_interest_s);
        let fresh = self.lines.iter().filter(|line| now.since(line.at) <= age);
        let (sum, found) = fresh.filter_map(worth).fold((0.0, false), |(sum, _), usd: f64| (sum + usd, true));
        #[expect(clippy::cast_possible_truncation, reason = "held to a range that fits")]
        (found && sum.is_finite()).then_some((sum * 1e6).clamp(0.0, 1e24) as i128)
    }

    /// Change over one minute, a signed fraction, over the instruments that are known at both ends; those in US
    /// dollars, which also move with the price, only where none is in coins.
    pub(crate) fn change(&self, now: EventTime, samples: &Samples) -> Option<f64> {
        let age = age_ms(samples.open_interest_s);
        let of = |in_coins: bool| {
            let (mut before, mut after) = (0.0, 0.0);
            for line in &self.lines {
                if line.in_coins == in_coins
                    && now.since(line.at) <= age
                    && let Some(then) = line.series.before(now, 0, samples.coverage)
                {
                    before += then;
                    after += line.amount;
                }
            }
            change(before, after)
        };
        of(true).or_else(|| of(false))
    }
}
