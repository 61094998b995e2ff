//! BTC's one-second log returns of an hour, squared, and the five-minute volatilities of a day, from the ticks alone.
//!
//! Squares are whole numbers of 1e-18, so that rolling sums equal fresh sums exactly. What lies between ticks that are
//! not of adjacent seconds, or of different venues, is no return. Knows nothing of regimes and multipliers.

use std::collections::VecDeque;

use cascade_domain::Tick;
use cascade_engine::standing;
use serde::{Deserialize, Serialize};

use crate::volatility::Figures;

/// One squared return of 1.
const SQUARE_ONE: f64 = 1e18;
/// One volatility of 1, in samples.
const SAMPLE_ONE: f64 = 1e12;
/// No return, and no sample.
const UNKNOWN: i64 = -1;
/// Seconds held.
const HELD: usize = 3_600;
const HELD_S: i64 = 3_600;
/// Seconds between two samples, and how many of them a day has.
const STEP_S: i64 = 300;
const DAY: usize = 288;
/// The spans, in seconds before the last: from (left out) and to (in it). The last is the second, a minute earlier.
const SPANS: [(usize, usize); 5] = [(60, 0), (300, 0), (900, 0), (3_600, 0), (360, 60)];

/// What a span holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    known: usize,
    squares: u128,
}

impl Sum {
    fn add(&mut self, square: i64) {
        if let Ok(square) = u128::try_from(square) {
            self.known = self.known.wrapping_add(1);
            self.squares = self.squares.wrapping_add(square);
        }
    }

    fn remove(&mut self, square: i64) {
        if let Ok(square) = u128::try_from(square) {
            self.known = self.known.wrapping_sub(1);
            self.squares = self.squares.wrapping_sub(square);
        }
    }
}

/// Squared returns of an hour and samples of a day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub(crate) struct Returns {
    /// The whole second of the last tick.
    second: Option<i64>,
    /// The price from which the next return is taken.
    price: Option<f64>,
    /// Second by second, the last at the end.
    squares: VecDeque<i64>,
    #[serde(skip)]
    sums: [Sum; SPANS.len()],
    /// Volatility of five minutes at each whole 300 s passed, the last at the end.
    samples: VecDeque<i64>,
}

/// What of them is written down: sums are made anew.
#[derive(Deserialize)]
struct Kept {
    second: Option<i64>,
    price: Option<f64>,
    squares: VecDeque<i64>,
    samples: VecDeque<i64>,
}

impl From<Kept> for Returns {
    fn from(Kept { second, price, mut squares, mut samples }: Kept) -> Self {
        squares.drain(..squares.len().saturating_sub(HELD));
        samples.drain(..samples.len().saturating_sub(DAY + 1));
        let mut sums = [Sum::default(); SPANS.len()];
        for (sum, (from, to)) in sums.iter_mut().zip(SPANS) {
            let held = squares.len();
            let span = squares.range(held.saturating_sub(from)..held.saturating_sub(to));
            span.for_each(|square| sum.add(*square));
        }
        Self { second, price, squares, sums, samples }
    }
}

impl Returns {
    /// Takes the next tick. Of ticks of one second, the first gives the price. `coverage`: the share, 0..=1, of a
    /// span's returns without which its volatility is unknown.
    pub(crate) fn take(&mut self, tick: &Tick, coverage: f64) {
        let second = tick.event_time_ms.ms().div_euclid(1_000);
        let price = tick.btc_price.filter(|price| price.is_finite() && *price > 0.0);
        if self.second.is_some_and(|last| second <= last) {
            if tick.btc_venues_changed {
                self.price = None;
            }
            return;
        }
        let before = self.price.filter(|_| {
            !tick.btc_venues_changed && self.second.is_some_and(|last| last.checked_add(1) == Some(second))
        });
        self.pass(second, coverage);
        self.push(
            second,
            before.zip(price).map_or(UNKNOWN, |(before, price)| square(before, price)),
            coverage,
        );
        (self.second, self.price) = (Some(second), price);
    }

    /// The seconds up to `second` of which nothing was heard.
    fn pass(&mut self, second: i64, coverage: f64) {
        let Some(last) = self.second else { return };
        let stop = second.saturating_sub(1);
        let near = last.saturating_add(HELD_S).min(stop);
        for passed in last.saturating_add(1)..=near {
            self.push(passed, UNKNOWN, coverage);
        }
        // From here on no return is left, and every sample is unknown.
        let samples = stop.div_euclid(STEP_S) - near.div_euclid(STEP_S);
        for _ in 0..samples.min(STEP_S) {
            self.sample(UNKNOWN);
        }
    }

    fn push(&mut self, second: i64, square: i64, coverage: f64) {
        let before = |seconds: usize| {
            let place = self.squares.len().checked_sub(seconds)?;
            self.squares.get(place).copied()
        };
        for (sum, (from, to)) in self.sums.iter_mut().zip(SPANS) {
            sum.add(if to == 0 { square } else { before(to).unwrap_or(UNKNOWN) });
            sum.remove(before(from).unwrap_or(UNKNOWN));
        }
        self.squares.push_back(square);
        if self.squares.len() > HELD {
            self.squares.pop_front();
        }
        if second.rem_euclid(STEP_S) == 0 {
            self.sample(self.volatility(1, coverage).map_or(UNKNOWN, fixed));
        }
    }

    fn sample(&mut self, sample: i64) {
        self.samples.push_back(sample);
        // One more than a day has, for the newest may be that of now, which is left out.
        if self.samples.len() > DAY + 1 {
            self.samples.pop_front();
        }
    }

    /// The volatility of a span, if enough of it is known.
    #[expect(clippy::cast_precision_loss, reason = "a figure of some digits")]
    fn volatility(&self, span: usize, coverage: f64) -> Option<f64> {
        let (from, to) = SPANS[span];
        let Sum { known, squares } = self.sums[span];
        let enough = known > 0 && known as f64 >= coverage * (from - to) as f64;
        enough.then(|| (squares as f64 / SQUARE_ONE).sqrt())
    }

    /// The figures as of the last tick; percentile and z against at least `least` samples.
    pub(crate) fn figures(&self, coverage: f64, least: u32) -> Figures {
        let volatility = |span| self.volatility(span, coverage);
        let vol_5m = volatility(1);
        let against = vol_5m.and_then(|vol| standing(fixed(vol), self.day(), least));
        Figures {
            vol_1m: volatility(0),
            vol_5m,
            vol_15m: volatility(2),
            vol_1h: volatility(3),
            rise_5m: vol_5m.zip(volatility(4)).map(|(now, before)| now - before),
            percentile: against.map(|standing| standing.percentile),
            z_score: against.and_then(|standing| standing.z_score),
        }
    }

    /// The day's samples before now.
    fn day(&self) -> impl Iterator<Item = i64> {
        let is_now = self.second.is_some_and(|second| second.rem_euclid(STEP_S) == 0);
        let before = self.samples.len() - usize::from(is_now && !self.samples.is_empty());
        let first = before.saturating_sub(DAY);
        self.samples.range(first..before).copied().filter(|sample| *sample != UNKNOWN)
    }
}

/// The squared log return between two prices; saturates.
#[expect(clippy::cast_possible_truncation, reason = "a cast from double to integer saturates")]
fn square(before: f64, price: f64) -> i64 {
    let log = libm::log1p((price - before) / before);
    (log * log * SQUARE_ONE).round_ties_even() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from double to integer saturates")]
fn fixed(volatility: f64) -> i64 {
    (volatility * SAMPLE_ONE).round_ties_even() as i64
}

#[cfg(test)]
mod tests;
