//! What is traded of one symbol: US dollars of the last five minutes, and of each five minutes of a day.
//!
//! By the bars' own seconds, so that late ones find their place. Where a gap in trades touches, the sum is unknown, and
//! so is what lies before the first bar was heard.

use cascade_domain::{EventTime, TradeBar};
use cascade_engine::standing;
use serde::{Deserialize, Serialize};

/// Seconds that are summed.
const SPAN: i64 = 300;
/// The sum ends so many seconds before now: a bar comes once its second is over.
const LAG: i64 = 2;
/// Seconds held: the span and its lag, and some ahead for venues whose clocks run fast.
const HELD: i64 = 320;
const AHEAD: i64 = HELD - SPAN - LAG - 1;
/// Blocks of five minutes that a day has, and that are held: the current one and one ahead too.
const DAY: i64 = 288;
const BLOCKS: i64 = DAY + 2;
const UNKNOWN: i64 = -1;

/// Micro-dollars traded of one symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Traded {
    /// By second.
    seconds: Vec<i64>,
    /// By whole 300 s.
    blocks: Vec<i64>,
    /// The latest second that has its place.
    horizon: i64,
    /// From this second on every bar is heard.
    since: i64,
    /// The end of the last gap.
    void: Option<EventTime>,
}

impl Traded {
    /// Nothing yet: what is traded from the next second on will be known.
    pub(crate) fn new(now: EventTime) -> Self {
        let horizon = second(now).saturating_add(AHEAD);
        let mut new = Self {
            seconds: vec![0; slots(HELD)],
            blocks: vec![UNKNOWN; slots(BLOCKS)],
            horizon,
            since: second(now).saturating_add(1),
            void: None,
        };
        let newest = block(horizon);
        new.enter(newest - 1);
        new.enter(newest);
        new
    }

    /// Puts a bar in its place; one outside of the day, or further ahead than clocks run, has none.
    pub(crate) fn take(&mut self, now: EventTime, bar: &TradeBar) {
        self.advance(now);
        let at = second(bar.open_time_ms);
        if at > self.horizon || at < self.since {
            return;
        }
        let micros = bar.buy_usd.micros().saturating_add(bar.sell_usd.micros());
        if at > self.horizon.saturating_sub(HELD) {
            put(&mut self.seconds, at, |sum| sum.saturating_add(micros));
        }
        if block(at) > block(self.horizon) - BLOCKS {
            let add = |sum: i64| if sum == UNKNOWN { UNKNOWN } else { sum.saturating_add(micros) };
            put(&mut self.blocks, block(at), add);
        }
    }

    /// What a gap touches is unknown.
    pub(crate) fn void(&mut self, from: EventTime, to: EventTime) {
        self.void = self.void.max(Some(to));
        let newest = block(self.horizon);
        let first = block(second(from)).max(newest - BLOCKS + 1);
        for touched in first..=block(second(to)).min(newest) {
            put(&mut self.blocks, touched, |_| UNKNOWN);
        }
    }

    /// Where the last five minutes stand among the day's whole ones, 0..=100; unknown if they are, or if fewer than
    /// `least` of those are known.
    pub(crate) fn percentile(&self, now: EventTime, least: u32) -> Option<f64> {
        let end = second(now).saturating_sub(LAG);
        let sum = self.sum(end)?;
        // The sum itself is left out: the block that it is, at a whole 300 s.
        let newest = block(end) - 1 - i64::from(end.rem_euclid(SPAN) == 0);
        let day = (newest - DAY + 1..=newest).filter_map(|block| self.block(block));
        standing(sum, day, least).map(|standing| standing.percentile)
    }

    /// Micro-dollars of the 300 s before `end`.
    fn sum(&self, end: i64) -> Option<i64> {
        let start = end.saturating_sub(SPAN);
        if start < self.since || self.void.is_some_and(|void| void > EventTime::from_ms(start * 1_000)) {
            return None;
        }
        let held = (start..end).filter(|second| *second <= self.horizon && *second > self.horizon - HELD);
        Some(held.fold(0_i64, |sum, second| sum.saturating_add(get(&self.seconds, second).unwrap_or(0))))
    }

    fn block(&self, number: i64) -> Option<i64> {
        let newest = block(self.horizon);
        if number > newest {
            return (self.fresh(number) != UNKNOWN).then_some(0);
        }
        get(&self.blocks, number).filter(|sum| number > newest - BLOCKS && *sum != UNKNOWN)
    }

    /// What a block begins with: nothing, if all of it will be known.
    fn fresh(&self, number: i64) -> i64 {
        let start = number.saturating_mul(SPAN);
        let touched = self.void.is_some_and(|void| void > EventTime::from_ms(start.saturating_mul(1_000)));
        if start < self.since || touched { UNKNOWN } else { 0 }
    }

    fn enter(&mut self, number: i64) {
        let fresh = self.fresh(number);
        put(&mut self.blocks, number, |_| fresh);
    }

    fn advance(&mut self, now: EventTime) {
        let horizon = second(now).saturating_add(AHEAD);
        if horizon <= self.horizon {
            return;
        }
        for second in (self.horizon + 1).max(horizon - HELD + 1)..=horizon {
            put(&mut self.seconds, second, |_| 0);
        }
        for number in (block(self.horizon) + 1).max(block(horizon) - BLOCKS + 1)..=block(horizon) {
            self.enter(number);
        }
        self.horizon = horizon;
    }
}

fn second(at: EventTime) -> i64 {
    at.ms().div_euclid(1_000)
}

fn block(second: i64) -> i64 {
    second.div_euclid(SPAN)
}

fn slots(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// Where in a ring the one of this number is.
fn slot(ring: &[i64], number: i64) -> Option<usize> {
    let length = i64::try_from(ring.len()).ok()?;
    usize::try_from(number.checked_rem_euclid(length)?).ok()
}

fn get(ring: &[i64], number: i64) -> Option<i64> {
    ring.get(slot(ring, number)?).copied()
}

fn put(ring: &mut [i64], number: i64, change: impl FnOnce(i64) -> i64) {
    if let Some(place) = slot(ring, number).and_then(|place| ring.get_mut(place)) {
        *place = change(*place);
    }
}

#[cfg(test)]
mod tests;
