//! Whether venues are liquidated together: notional per second and venue, by event time, and the mean coefficient of
//! correlation over venue pairs.

use cascade_domain::{EventTime, Usd, Venue};
use cascade_engine::Centred;
use serde::{Deserialize, Serialize};

const VENUES: usize = Venue::ALL.len();
/// Seconds that are compared.
const SPAN: i64 = 60;
const SECONDS: usize = 60;
/// The compared seconds end so many before now.
const LAG: i64 = 2;
/// Seconds held: the span and its lag, and as many ahead as a venue's clock may run fast.
const HELD: i64 = 128;
const AHEAD: i64 = HELD - SPAN - LAG - 2;
const SLOTS: usize = 128;

/// Micro-dollars per second of one symbol, by venue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub(crate) struct Together {
    seconds: Box<[[i64; VENUES]; SLOTS]>,
    /// The latest second for which there is a slot.
    horizon: Option<i64>,
    /// The last answer, until a late print changes what it is of: the end of its span, and since when nothing is missing.
    answer: Option<(i64, EventTime, Option<f64>)>,
}

/// What of it is written down: the seconds in which anything happened.
#[derive(Serialize, Deserialize)]
struct Kept {
    horizon: Option<i64>,
    seconds: Vec<(i64, [i64; VENUES])>,
}

impl From<Together> for Kept {
    fn from(together: Together) -> Self {
        let end = together.horizon.unwrap_or(0);
        let seconds =
            (end.saturating_sub(HELD - 1)..=end).map(|second| (second, together.seconds[slot(second)]));
        Self {
            horizon: together.horizon,
            seconds: seconds.filter(|(_, sums)| *sums != [0; VENUES]).collect(),
        }
    }
}

impl From<Kept> for Together {
    fn from(kept: Kept) -> Self {
        let mut together = Self { horizon: kept.horizon, ..Self::default() };
        for (second, sums) in kept.seconds {
            together.seconds[slot(second)] = sums;
        }
        together
    }
}

impl Default for Together {
    fn default() -> Self {
        Self { seconds: Box::new([[0; VENUES]; SLOTS]), horizon: None, answer: None }
    }
}

impl Together {
    /// Adds a print of a venue; one outside the seconds held is left out.
    #[inline]
    pub(crate) fn add(&mut self, now: EventTime, venue: Venue, event: EventTime, usd: Usd) {
        self.advance(now);
        let second = event.ms().div_euclid(1_000);
        let Some(horizon) = self.horizon else { return };
        if second > horizon || second <= horizon.saturating_sub(HELD) {
            return;
        }
        let sum = &mut self.seconds[slot(second)][venue as usize];
        *sum = sum.saturating_add(usd.micros());
        if self.answer.is_some_and(|(end, ..)| second < end) {
            self.answer = None;
        }
    }

    /// The mean coefficient over venue pairs; a constant series makes no pair, and no pair is unknown. Unknown too
    /// if the span reaches back before `void`. Computed once a second, and after a print that came late.
    pub(crate) fn coefficient(&mut self, now: EventTime, void: EventTime) -> Option<f64> {
        self.advance(now);
        let end = end(now);
        if let Some((at, of, answer)) = self.answer
            && (at, of) == (end, void)
        {
            return answer;
        }
        let answer = self.compute(now, void);
        self.answer = Some((end, void, answer));
        answer
    }

    /// The same, computed afresh.
    pub(crate) fn compute(&self, now: EventTime, void: EventTime) -> Option<f64> {
        let end = end(now);
        let start = end.saturating_sub(SPAN);
        let horizon = self.horizon?;
        if void > EventTime::from_ms(start.saturating_mul(1_000)) {
            return None;
        }
        let mut series = [[0.0; SECONDS]; VENUES];
        for (place, second) in (start..end).enumerate() {
            if second <= horizon && second > horizon.saturating_sub(HELD) {
                for (venue, micros) in self.seconds[slot(second)].iter().enumerate() {
                    series[venue][place] = dollars(*micros);
                }
            }
        }
        let series = series.map(Centred::of);
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (place, left) in series.iter().enumerate() {
            for right in &series[place + 1..] {
                let coefficient =
                    left.as_ref().zip(right.as_ref()).and_then(|(left, right)| left.correlation(right));
                if let Some(coefficient) = coefficient {
                    sum += coefficient;
                    pairs += 1.0;
                }
            }
        }
        (pairs > 0.0).then(|| sum / pairs)
    }

    /// Makes room for the seconds up to `now` and a little ahead.
    #[inline]
    fn advance(&mut self, now: EventTime) {
        let horizon = now.ms().div_euclid(1_000).saturating_add(AHEAD);
        let from = match self.horizon {
            Some(held) if held >= horizon => return,
            Some(held) => held.saturating_add(1).max(horizon.saturating_sub(HELD - 1)),
            None => horizon.saturating_sub(HELD - 1),
        };
        for second in from..=horizon {
            self.seconds[slot(second)] = [0; VENUES];
        }
        self.horizon = Some(horizon);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a coefficient needs no exact money")]
fn dollars(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// The first second after the span.
fn end(now: EventTime) -> i64 {
    now.ms().div_euclid(1_000).saturating_sub(LAG)
}

#[inline]
fn slot(second: i64) -> usize {
    usize::try_from(second.rem_euclid(HELD)).unwrap_or(0)
}
